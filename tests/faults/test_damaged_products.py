"""Each file of a run cut, zeroed or removed: made again, or a line says what to do."""

import pathlib
import shutil

import pytest

from adafilter_tf.export import saved_model
from adafilter_tf.runs import run_dir
from tests.faults import processes

OPTIONS = (
    "--epochs=1",
    "--steps_per_epoch=2",
    "--checkpoint_steps=1",
    "--gate_policy=random",
    "--gate_units=4",
    "--report=always",
)


def _cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _zero(path):
    path.write_bytes(bytes(path.stat().st_size))


DAMAGES = {"cut": _cut, "zeroed": _zero, "empty": lambda path: path.write_bytes(b""),
           "removed": pathlib.Path.unlink}  # fmt: skip


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return processes.make_images(tmp_path_factory.mktemp("data") / "images")


@pytest.fixture(scope="module")
def finished(images, tmp_path_factory):
    """A finished run, made by a process of its own."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    code, err, _ = processes.run(processes.arguments(images, *OPTIONS), folder)
    assert code == 0, err
    return folder


@pytest.fixture
def again(command, images, finished):
    """Function that gives the run's command again, in its own folder."""

    def run():
        given = [*processes.arguments(images, *OPTIONS), f"--output_dir={finished}"]
        return command(*given)

    backup = finished.with_name("backup")
    shutil.copytree(finished, backup)
    yield run
    shutil.rmtree(finished)
    backup.rename(finished)


def _is_whole(folder):
    run = run_dir.RunDir(folder)
    exports = run.list_exports()
    return run.is_complete() and not saved_model.find_fault(exports[-1])


def test_damaged_model_and_export_are_made_again(finished, again):
    run = run_dir.RunDir(finished)
    expected = processes.weights(finished)
    _cut(run.model)
    _zero(run.list_exports()[-1] / "saved_model.pb")
    assert run.find_fault("model.keras") == "model.keras differs from its SHA-256"
    code, err = again()
    assert code == 0, err
    assert _is_whole(finished)
    assert processes.are_equal(processes.weights(finished), expected)
    assert [path.name for path in run.list_exports()] == ["1", "2"]


def test_every_file_of_a_run(amount, count, finished, again):
    """Finished, and without its last products, as a kill would leave it."""
    if not amount(True, False):
        pytest.skip("only in `make faults`")
    whole = finished.with_name("backup")
    expected = processes.weights(whole)
    names = [p.relative_to(whole) for p in sorted(whole.rglob("*")) if p.is_file()]
    for state in ("finished", "unfinished"):
        for name in names:
            for kind, damage in DAMAGES.items():
                shutil.rmtree(finished)
                shutil.copytree(whole, finished)
                if state == "unfinished":
                    shutil.rmtree(finished / "export")
                    for product in ("metrics.json", "model.keras", "SHA256SUMS"):
                        (finished / product).unlink()
                    shutil.rmtree(max(finished.glob("checkpoints/step_*")))
                path = finished / name
                if not path.exists():
                    continue
                damage(path)
                try:
                    code, err = again()
                except Exception as error:
                    count.crash(f"{state} {name} {kind}", error)
                    continue
                if code == 0:
                    equal = processes.are_equal(processes.weights(finished), expected)
                    right = _is_whole(finished) and equal
                    count.add("ended right" if right else "ended wrong")
                    if not right:
                        count.note(f"ended wrong: {state} {name} {kind}")
                else:
                    line = err.strip().splitlines()[-1]
                    assert line.startswith("Error: "), (name, kind, err)
                    count.add("refused in a line")
                    count.note(f"{state} {name} {kind}: {line}")
    assert count.outcomes["crashes"] == 0, "\n".join(count.examples)
    assert count.outcomes["ended wrong"] == 0, "\n".join(count.examples)
