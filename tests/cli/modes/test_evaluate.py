import functools
import json
import shutil

import pytest

from adafilter_tf.runs import run_dir
from tests import command_line, run_folders


@pytest.fixture
def evaluate(capfd, fine_tuned):
    return functools.partial(
        command_line.call, capfd, "--mode=evaluate", f"--output_dir={fine_tuned.root}"
    )


def read_metrics(result):
    code, out, err = result
    assert code == 0, err
    return json.loads(out)


def test_other_images_with_the_classes_in_another_order_give_the_same(
    evaluate, fine_tuned, tmp_path
):
    own = read_metrics(evaluate())
    # The model calls its outputs red, green, blue; a folder sorts its classes.
    (tmp_path / "new").symlink_to(fine_tuned.root.parent / "images" / "test")
    other = read_metrics(evaluate(f"--evaluate_on=folder:{tmp_path / 'new'}"))
    assert other["dataset"] == f"folder:{tmp_path / 'new'}"
    assert (other["split"], other["test_examples"]) == ("all", 12)
    assert (other["unreadable_images"], other["training_images_among_them"]) == (0, 0)
    for name, value in own.items():
        assert other[name] == pytest.approx(value, abs=1e-6), name


def test_split_of_the_run_is_chosen(evaluate):
    metrics = read_metrics(evaluate("--evaluate_split=train", "--batch_size=5"))
    assert metrics["train_examples"] == 12


def test_splits_of_another_data_set_are_chosen(evaluate, fine_tuned, caplog):
    images = f"--evaluate_on=folder:{fine_tuned.root.parent / 'images'}"
    metrics = read_metrics(evaluate(images))
    assert (metrics["split"], metrics["training_images_among_them"]) == ("test", 0)
    metrics = read_metrics(evaluate(images, "--evaluate_split=all"))
    assert (metrics["test_examples"], metrics["training_images_among_them"]) == (36, 12)
    assert "12 of these 36 images are training images of the run," in caplog.text


def test_images_of_one_class_are_enough(evaluate, tmp_path):
    run_folders.make_images(tmp_path / "new", classes=("blue",), number=2)
    metrics = read_metrics(evaluate(f"--evaluate_on=folder:{tmp_path / 'new'}"))
    assert metrics["test_examples"] == 2
    assert metrics["test_accuracy"] == metrics["test_mean_per_class_accuracy"]


def test_class_that_the_run_does_not_know_is_named(evaluate, tmp_path):
    paths = run_folders.make_images(tmp_path / "new", number=1)
    lines = ["path,label", f"{paths['red'][0]},red", f"{paths['blue'][0]},violet"]
    (tmp_path / "list.csv").write_text("\n".join(lines))
    command_line.assert_error(
        evaluate(f"--evaluate_on=csv:{tmp_path / 'list.csv'}"),
        2,
        "has the class 'violet', which this run does not know (1 such classes); its "
        "classes are 'red', 'green', 'blue' (labels.txt)",
    )


def test_data_set_that_cannot_be_evaluated_is_named(evaluate, fine_tuned, tmp_path):
    (tmp_path / "empty").mkdir()
    result = evaluate(f"--evaluate_on=folder:{tmp_path / 'empty'}")
    command_line.assert_error(result, 2, "has no image; a folder needs one subfolder")
    result = evaluate(f"--evaluate_on=folder:{tmp_path / 'none'}")
    command_line.assert_error(result, 2, "there is no such folder")
    images = tmp_path / "splits"
    run_folders.make_images(images / "train", number=1)
    result = evaluate(f"--evaluate_on=folder:{images}")
    command_line.assert_error(result, 2, "has no test split; it has train: choose one")


def test_unreadable_images_are_named_or_left_out_and_counted(evaluate, tmp_path):
    run_folders.make_images(tmp_path / "new", number=2)
    broken = tmp_path / "new/red/9.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\n")
    given = f"--evaluate_on=folder:{tmp_path / 'new'}"
    command_line.assert_error(evaluate(given), 1, str(broken), "--on_bad_image=skip")
    result = evaluate(given, "--on_bad_image=skip")
    command_line.assert_error(result, 1, "more than --max_bad_fraction=0.1 allows")
    skip = ("--on_bad_image=skip", "--max_bad_fraction=1")
    metrics = read_metrics(evaluate(given, *skip))
    assert (metrics["test_examples"], metrics["unreadable_images"]) == (6, 1)
    for path in (tmp_path / "new").glob("*/[01].png"):
        path.write_bytes(b"")
    result = evaluate(given, *skip)
    command_line.assert_error(result, 1, "None of the 7 images can be read")


def test_image_of_the_run_that_is_gone_is_named(evaluate, fine_tuned, tmp_path):
    copy = run_dir.RunDir(shutil.copytree(fine_tuned.root, tmp_path / "run"))
    gone = fine_tuned.root.parent / "images/test/red/gone.png"
    text = copy.splits.read_text("utf-8")
    copy.splits.write_text(text.replace(str(gone.with_name("0.png")), str(gone)))
    command_line.assert_error(
        evaluate(f"--output_dir={copy.root}"),
        1,
        f"1 of 12 images of this run are gone, first {gone}",
    )


def test_another_dataset_is_pointed_to_evaluate_on(evaluate):
    result = evaluate("--dataset=folder:elsewhere")
    command_line.assert_error(result, 1, "--dataset=folder:elsewhere", "--evaluate_on")
