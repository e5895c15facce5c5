"""What two workers do when something goes wrong, one thing after the other.

One pair of processes runs all of it, which saves the start of TensorFlow. Each worker
has images of its own under the same path, `/proc/self/cwd`.
"""

import json
import time

import pytest

from tests import worker_processes
from tests.command_line import call
from tests.faults import processes

SCENES = """
import contextlib, hashlib, io, json, os, pathlib, sys
from absl import flags
from absl.testing import flagsaver
from adafilter_tf import distribution, run
from adafilter_tf.cli import settings
from adafilter_tf.distribution import workers
from adafilter_tf.cli import flags as run_flags

os.chdir(sys.argv[1])
run_flags.define_flags()
strategy = distribution.create_strategy("multi_worker")
team = workers.Workers(strategy)
distribution.create_strategy = lambda *choice: strategy
workers.Workers = lambda strategy: team
build_model, built = settings.build_model, []

def build_and_keep(*arguments, **options):
    built.append(build_model(*arguments, **options))
    return built[-1]

settings.build_model = build_and_keep

for scene in json.loads(sys.argv[2]):
    for path in map(pathlib.Path, scene.get("damage", [])):
        path.write_bytes(path.read_bytes()[::-1])
    for path, name in scene.get("rename", []):
        os.rename(path, name)
    built.clear()
    code, errors = 0, io.StringIO()
    with flagsaver.flagsaver(), contextlib.redirect_stderr(errors):
        flags.FLAGS.unparse_flags()
        try:
            run.main(run.parse(["run", *scene["arguments"]]))
        except SystemExit as error:
            code = error.code
    digest = hashlib.sha256()
    if code == 0:
        for array in built[0].get_weights():
            digest.update(array.tobytes())
    found = {"code": code, "errors": errors.getvalue(), "weights": digest.hexdigest()}
    print("RESULT", json.dumps(found), flush=True)
os._exit(0)  # TensorFlow's own end would wait for the other
"""
"""Code that runs the command once for each scene; some change files before."""

DIVERGING = (
    "--method=fine_tuning",
    "--tune_blocks=1",
    "--epochs=2",
    "--steps_per_epoch=3",
    "--warmup_fraction=0",
    "--learning_rate=1e6",
)
"""At step 6 the moving variances overflow; at half of the rates they do not."""


def arguments(folder, *more):
    return [
        "--dataset=folder:/proc/self/cwd/images", "--backbone=resnet14",
        "--image_size=16", "--crop_fraction=1", "--batch_size=4",
        "--validation_fraction=0.34", "--test_fraction=0.34", "--export_formats=",
        f"--output_dir={folder}", *more,
    ]  # fmt: skip


LONG = (
    "--method=fine_tuning",
    "--tune_blocks=1",
    "--epochs=1",
    "--steps_per_epoch=40",
    "--checkpoint_steps=1",
)


def play(tmp_path, scenes, *, kill_at):
    """Runs scenes on two workers.

    Args:
        tmp_path: Of the test.
        scenes: For each the chief's and the other's.
        kill_at: A file at whose coming the second worker is killed.

    Returns:
        For each worker what it found in each scene, and what it logged in all.
    """
    for index in (0, 1):
        processes.make_images(tmp_path / f"worker_{index}/images")
    pair = worker_processes.start_workers(
        SCENES,
        lambda index: [
            str(tmp_path / f"worker_{index}"),
            json.dumps([scene[index] for scene in scenes]),
        ],
    )
    try:
        deadline = time.monotonic() + 600
        while not kill_at.exists() and pair[0].poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        pair[1].kill()
        written = [process.communicate(timeout=600) for process in pair]
    finally:
        for process in pair:
            process.kill()
    assert pair[0].returncode == 0, written[0][1][-3000:]
    found = [
        [json.loads(line[7:]) for line in out.splitlines() if line.startswith("RESULT")]
        for out, _ in written
    ]
    return found, [errors for _, errors in written]


def assert_one_message(results, message, code=1):
    """Both end with one message and one exit code."""
    assert results[0] == results[1]
    assert results[0]["code"] == code
    assert message in results[0]["errors"]


def assert_told(results, code, message):
    """The second says what it lacks, and the chief that it does."""
    chief, other = results
    assert (chief["code"], other["code"]) == (1, code)
    assert chief["errors"] == (
        "Error: Another worker cannot go on; its own message says why.\n"
    )
    assert message in other["errors"]


@pytest.mark.slow
def test_two_workers_end_or_go_on_together(tmp_path, capfd, caplog, monkeypatch):
    diverging, killed = tmp_path / "diverging", tmp_path / "killed"

    def both(folder, *more):
        """The command of both, of which the second has another folder."""
        return [
            {"arguments": arguments(given, *more)}
            for given in (folder, tmp_path / "nothing")
        ]

    stop = both(diverging, *DIVERGING, "--checkpoint_steps=4")
    resume = both(diverging, *DIVERGING, "--on_non_finite=rollback")
    resume[0]["damage"] = [f"{diverging}/checkpoints/step_000000004/arrays.npz"]
    other_settings = both(diverging, *DIVERGING, "--seed=5")
    other_flags = both(tmp_path / "differing")
    other_flags[1]["arguments"].append("--seed=7")
    patient = both(tmp_path / "patient", "--early_stopping_patience=1")
    cached = both(tmp_path / "cached", "--cache_frozen_features", *DIVERGING)
    kill = both(killed, *LONG)
    missing = both(tmp_path / "lacking")
    missing[1]["rename"] = [("images/cat/3.jpg", "kept")]
    cached[1]["rename"] = [("kept", "images/cat/3.jpg")]
    scenes = [stop, resume, other_settings, other_flags, missing, patient, cached]
    results, logs = play(
        tmp_path, [*scenes, kill], kill_at=killed / "checkpoints/step_000000003"
    )
    chief, other = results
    assert (len(chief), len(other)) == (8, 7)
    both_ended, both_went_on, refused, differing, lacking, *unable = zip(
        chief[:7], other, strict=True
    )
    assert_one_message(both_ended, "moving_variance is not finite at step 6; no check")
    assert both_went_on[0] == both_went_on[1]  # the weights, too
    assert both_went_on[0]["code"] == 0
    for log in logs:
        assert "Rollback 1 of 3" in log
        assert log.count("Resuming at step 3 of 6.") == 2
    assert "Passing over the damaged checkpoint" in logs[0]
    assert json.loads((diverging / "metrics.json").read_text())["rollbacks"] == 1
    assert_one_message(refused, "belongs to a run with other settings: it has --seed=0")
    assert_told(differing, 2, "Worker 1 has other flags than the chief: --seed=0 --see")
    assert_told(lacking, 1, "Worker 1 lacks the image /proc/self/cwd/images/cat/3.jpg")
    for each, flag in zip(unable, ("early stopping", "--cache_frozen"), strict=True):
        assert flag in each[0]["errors"]
        assert_one_message(each, " on several workers, which ", code=2)
    assert chief[7]["code"] == 1
    assert "Another worker of the 2 is gone (" in chief[7]["errors"]
    assert not (tmp_path / "nothing").exists()

    step = processes.newest_step(killed)
    assert 3 <= step < 40
    monkeypatch.chdir(tmp_path / "worker_0")
    code, _, errors = call(capfd, *arguments(killed, *LONG))
    assert code == 0, errors
    assert f"Resuming at step {step} of 40." in caplog.messages
