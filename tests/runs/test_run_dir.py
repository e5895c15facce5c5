import errno
import os
import pathlib
import subprocess
import sys

import pytest

from adafilter_tf import errors
from adafilter_tf.data.examples import Examples
from adafilter_tf.files import atomic
from adafilter_tf.runs import run_dir

TEXT = "--method=adafilter\n--seed=0\n"


@pytest.fixture
def folder(tmp_path):
    return run_dir.RunDir(tmp_path / "runs" / "one")


def test_new_folder_is_made_and_keeps_the_flagfile(folder):
    run_dir.claim(folder, TEXT).close()
    assert folder.flagfile.read_text() == TEXT
    run_dir.claim(folder, TEXT).close()  # the same run may come back


def test_folder_of_another_run_names_the_difference_and_changes_nothing(folder):
    run_dir.claim(folder, TEXT).close()
    (folder.checkpoints / "step_000000001").mkdir(parents=True)
    message = "it has --seed=0, this run has --seed=1. Choose another --output_dir"
    with pytest.raises(errors.RunError, match=message):
        run_dir.claim(folder, TEXT.replace("seed=0", "seed=1"))
    assert folder.flagfile.read_text() == TEXT


def test_run_of_the_first_order_of_examples_is_told_from_one_of_the_second(folder):
    run_dir.claim(folder, TEXT).close()
    (folder.checkpoints / "step_000000001").mkdir(parents=True)
    earlier = {"example_order": "--example_order=1", "renew": "--norenew"}
    message = "it has --example_order=1, this run has .*flags.cfg --example_order=1\\."
    with pytest.raises(errors.RunError, match=message):
        run_dir.claim(folder, f"{TEXT}--example_order=2\n--norenew\n", earlier)
    with pytest.raises(errors.RunError, match="it has --norenew, this run has --renew"):
        run_dir.claim(folder, f"{TEXT}--example_order=1\n--renew\n", earlier)
    same = f"{TEXT}--example_order=1\n--norenew\n"
    run_dir.claim(folder, same, earlier).close()  # resumes as it began


def test_run_that_never_started_may_be_changed(folder):
    run_dir.claim(folder, TEXT).close()
    folder.splits.write_text("of the other settings")
    run_dir.claim(folder, TEXT.replace("seed=0", "seed=1")).close()
    assert "--seed=1" in folder.flagfile.read_text()
    assert not folder.splits.exists()


def test_first_try_that_was_killed_while_it_wrote_its_flags_does_not_stand_in_the_way(
    folder,
):
    folder.root.mkdir(parents=True)
    atomic.temporary_path(folder.flagfile).write_text("--met")
    run_dir.claim(folder, TEXT).close()
    assert folder.flagfile.read_text() == TEXT


def test_folder_with_other_files_is_refused_and_left_alone(folder):
    folder.root.mkdir(parents=True)
    (folder.root / "thesis.tex").write_text("mine")
    with pytest.raises(errors.UsageError, match=r"holds other files \(thesis.tex\)"):
        run_dir.claim(folder, TEXT)
    assert [path.name for path in folder.root.iterdir()] == ["thesis.tex"]


def test_file_in_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(errors.UsageError, match="which is a file; choose a folder"):
        run_dir.claim(run_dir.RunDir(tmp_path / "file"), TEXT)


def test_folder_in_which_another_process_trains_is_refused(folder):
    folder.root.mkdir(parents=True)
    code = "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.flock(f, 2); print(1)"
    code += "; sys.stdout.flush(); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(folder.root / ".lock")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as other:
        other.stdout.readline()
        with pytest.raises(errors.RunError, match="Another process is training in"):
            run_dir.claim(folder, TEXT)
        other.stdin.close()
    run_dir.claim(folder, TEXT).close()


def test_exports_are_listed_by_number_without_unfinished_ones(folder):
    for name in ("2", "10", ".unfinished-3", "1"):
        (folder.export / name).mkdir(parents=True)
    assert [path.name for path in folder.list_exports()] == ["1", "2", "10"]


def test_json_is_written_whole(folder):
    folder.root.mkdir(parents=True)
    atomic.write_json(folder.metrics, {"a": [1.5, None]})
    assert folder.metrics.read_text() == '{\n  "a": [\n    1.5,\n    null\n  ]\n}\n'
    assert list(pathlib.Path(folder.root).iterdir()) == [folder.metrics]


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS])
def test_file_system_without_locks_is_named_and_used(folder, monkeypatch, caplog, code):
    def flock(file, operation):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(run_dir.fcntl, "flock", flock)
    run_dir.claim(folder, TEXT).close()
    assert folder.flagfile.read_text() == TEXT
    assert f"--output_dir={folder.root} has no locks" in caplog.text


def test_edited_label_map_is_named(folder):
    examples = Examples(("a.png",), (1,), ("cat", "dog"))
    folder.root.mkdir(parents=True)
    folder.write_labels(examples.class_names)
    assert folder.read_labels(examples) == ["cat", "dog"]
    folder.labels.write_text("cat\nhen\n")
    message = "Line 2 of .*labels.txt is 'hen', and .* is 'dog' in split.csv"
    with pytest.raises(errors.RunError, match=message):
        folder.read_labels(examples)


def test_damaged_model_or_metrics_are_not_complete(folder):
    folder.root.mkdir(parents=True)
    folder.model.write_bytes(b"weights")
    atomic.write_json(folder.metrics, {"test_accuracy": 1.0})
    assert folder.is_complete()  # of a run from before there were checksums
    folder.record("model.keras")
    assert folder.is_complete()
    folder.model.write_bytes(b"weight")
    assert folder.find_fault("model.keras") == "model.keras differs from its SHA-256"
    assert not folder.is_complete()
    folder.model.write_bytes(b"weights")
    folder.metrics.write_bytes(bytes(20))
    assert not folder.is_complete()
