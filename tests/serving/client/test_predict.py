import io

import pytest
from absl import flags

from adafilter_tf import client, errors
from adafilter_tf.prediction import writers
from adafilter_tf.serving.client import endpoint as endpoint_lib
from adafilter_tf.serving.client import predict as predict_lib


def predict(path):
    endpoint = endpoint_lib.Endpoint("127.0.0.1:1", "grpc", "m", None, "s", 1.0)
    return predict_lib.predict_paths(
        [str(path)], endpoint, batch_size=1, max_message_bytes=2**20, top_k=3
    )


def test_no_readable_image_needs_no_server(tmp_path):
    (tmp_path / "a.png").touch()
    rows = io.StringIO()
    writers.write_csv(predict(tmp_path / "a.png"), rows)
    assert rows.getvalue().splitlines()[1] == (
        f"{tmp_path}/a.png,,,,,,,an empty file; only JPEG and PNG are supported"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--images is missing: files, folders or globs, separated by commas."),
        (["--images=a", "--predictions=/"], "Received --predictions=/, a folder; name "
         "a CSV file."),
        (["--images=a", "--address=localhost"], "Received --address=localhost; "
         "allowed is host:port, such as 127.0.0.1:8500, without http://."),
        (["--images=a", "--address=h:70000", "--protocol=rest"], "Received --address="
         "h:70000; allowed is host:port, such as 127.0.0.1:8501, without http://."),
        (["--images=a", "--model=a/b"], "Received --model=a/b; allowed is a name "
         "without '/', ':' and spaces, as the server was given it."),
    ],
)  # fmt: skip
def test_wrong_use_is_refused(arguments, message):
    values = flags.FlagValues()
    client.define_flags(values)
    with pytest.raises(errors.UsageError) as raised:
        client.run(values(["client", *arguments]) and values)
    assert str(raised.value) == message


def test_progress_tells_the_time_remaining(caplog):
    times = iter([0.0, 4.0, 8.0, 12.0, 16.0, 20.0, 24.0])
    rows = client.report_progress(range(6), 6, clock=lambda: next(times))
    with caplog.at_level("INFO", "absl"):
        assert list(rows) == [0, 1, 2, 3, 4, 5]
    messages = [record.getMessage() for record in caplog.records]
    assert messages == ["3 of 6 images, 12 s remain."]


def test_folder_without_an_image_is_refused(tmp_path):
    values = flags.FlagValues()
    client.define_flags(values)
    values(["client", f"--images={tmp_path}"])
    with pytest.raises(
        errors.RunError, match=f"^Received '{tmp_path}', which gives no"
    ):
        client.run(values)


def test_file_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(errors.RunError) as raised:
        client.save(iter([]), f"{tmp_path}/nowhere/p.csv")
    assert str(raised.value) == (
        f"--predictions={tmp_path}/nowhere/p.csv cannot be written: No such file or "
        "directory. Name a file in a folder that exists and can be written to."
    )
