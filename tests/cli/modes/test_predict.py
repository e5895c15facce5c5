import functools
import json
import signal

import pytest

from adafilter_tf import prediction
from tests import command_line, run_folders


@pytest.fixture
def predict(capfd, fine_tuned):
    return functools.partial(
        command_line.call, capfd, "--mode=predict", f"--output_dir={fine_tuned.root}"
    )


@pytest.fixture
def photos(tmp_path):
    run_folders.make_images(tmp_path / "photos", number=2)
    (tmp_path / "photos/broken.jpg").write_bytes(b"\xff\xd8\xff")
    return tmp_path / "photos"


def test_json_lines_go_to_standard_output_and_progress_to_standard_error(
    predict, photos
):
    result = predict(f"--images={photos}", "--predictions_format=jsonl", "--top_k=2")
    code, out, err = result
    assert code == 0, err
    rows = [json.loads(line) for line in out.splitlines()]
    expected = sorted(str(path) for path in photos.glob("**/*.*g"))
    assert [row["path"] for row in rows] == expected
    broken = [row for row in rows if row["error"]]
    assert [row["error"] for row in broken] == ["a truncated or damaged JPEG file"]
    for row in rows:
        assert (
            len(row["classes"]) == len(row["probabilities"]) == 2 * (not row["error"])
        )
    assert "7 images in " in err
    assert "1 of them could not be read; their rows say why." in err


def test_file_that_is_there_is_left_as_it_is(predict, photos, tmp_path):
    path = tmp_path / "p.csv"
    path.write_text("mine\n")
    given = [f"--images={photos}", f"--predictions={path}"]
    command_line.assert_error(predict(*given), 2, f"{path} exists")
    assert path.read_text() == "mine\n"
    code, out, _ = predict(*given, "--overwrite")
    assert (code, out) == (0, "")
    assert len(path.read_text().splitlines()) == 8


def test_folder_without_an_image_is_refused_and_nothing_written(predict, tmp_path):
    (tmp_path / "empty").mkdir()
    path = tmp_path / "p.csv"
    result = predict(f"--images={tmp_path / 'empty'}", f"--predictions={path}")
    command_line.assert_error(result, 2, "which gives no image; allowed are a file")
    assert [entry.name for entry in tmp_path.iterdir()] == ["empty"]


def test_interrupted_prediction_says_where_its_rows_are(
    predict, photos, tmp_path, monkeypatch
):
    make = prediction.predict_paths
    # Tests that a shell runs in the background inherit that SIGINT is ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    def interrupted(*arguments, **options):
        yield next(make(*arguments, **options))
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(prediction, "predict_paths", interrupted)
    path = tmp_path / "p.csv"
    try:
        code, _, err = predict(f"--images={photos}", f"--predictions={path}")
    finally:
        signal.signal(signal.SIGINT, before)
    assert code == 130
    assert err.splitlines()[-1] == f"Interrupted. The rows so far are in {path}.tmp."
    assert not path.exists()
    assert len((tmp_path / "p.csv.tmp").read_text().splitlines()) == 2
