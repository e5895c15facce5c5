"""SIGKILL at random moments, from the first import to the last byte of the export."""

import logging
import signal

import numpy as np
import pytest

from tests.faults import processes

METHODS = {
    "random_gates": ("--gate_policy=random", "--gate_units=4"),
    "learned_gates": ("--gate_units=4", "--gate_noise=0.1"),
    "spottune": ("--method=spottune",),
    "wise_ft": ("--method=wise_ft",),  # two stages, and a choice after them
    "averaged_and_stopped": (
        "--epochs=8",
        "--steps_per_epoch=5",
        "--ema_decay=0.9",
        "--accumulation_steps=2",
        "--early_stopping_patience=2",
    ),
    "cached_features": (
        "--cache_frozen_features",
        "--gate_from=stage3",
        "--crop_fraction=1",
        "--random_resized_crop_min_area=1",
        "--nohorizontal_flip",
        "--mixup_alpha=0",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
def test_kills(amount, count, tmp_path, name):
    """The killed run ends as the whole one; nothing that was finished is lost."""
    kills = amount(6, 0)
    if not kills:
        pytest.skip("only in `make faults`; tests/runs/test_resume.py kills once")
    images = processes.make_images(tmp_path / "images")
    arguments = processes.arguments(images, *METHODS[name])
    code, err, seconds = processes.run(arguments, tmp_path / "whole")
    assert code == 0, err
    expected = processes.weights(tmp_path / "whole")
    rng = np.random.default_rng(list(METHODS).index(name))
    while count.outcomes["kills"] < kills:
        folder = tmp_path / f"killed_{count.outcomes['kills']}"
        _kill_until_it_ends(count, arguments, folder, seconds, rng)
        equal = processes.are_equal(processes.weights(folder), expected)
        count.add("different final weights", int(not equal))
    assert count.outcomes["crashes"] == 0, "\n".join(count.examples)
    assert count.outcomes["lost completed work"] == 0
    assert count.outcomes["different final weights"] == 0


def _kill_until_it_ends(count, arguments, folder, seconds, rng):
    code, finished = None, {}
    while code != 0:
        step = processes.newest_step(folder)
        code, err, _ = processes.run(
            arguments, folder, kill_after=rng.uniform(0, seconds)
        )
        if "Traceback" in err or code not in (0, -signal.SIGKILL):
            count.crash_of_process(folder, code, err)
            assert count.outcomes["crashes"] < 3, "\n".join(count.examples)
        if (resumed := processes.resumed_step(err)) is not None:
            count.add("resumed")
            count.add("lost completed work", int(resumed < step))
        now = processes.finished_files(folder)
        lost = [path for path in finished if now.get(path) != finished[path]]
        count.add("lost completed work", len(lost))
        # Before the first checkpoint a run begins anew, with its list of images.
        finished = now if processes.newest_step(folder) else {}
        count.add("kills", int(code == -signal.SIGKILL))
        count.add("kills before the first checkpoint", int(code < 0 and not finished))
        logging.info("%s", count.to_json())


@pytest.mark.slow
def test_kill_after_the_first_checkpoint_in_bfloat16(amount, count, tmp_path):
    """Half-precision sums have no fixed order in threads: the end is only close."""
    if not amount(True, False):
        pytest.skip("only in `make faults`")
    images = processes.make_images(tmp_path / "images")
    arguments = processes.arguments(
        images, *METHODS["learned_gates"], "--precision=mixed_bfloat16"
    )
    code, err, _ = processes.run(arguments, tmp_path / "whole")
    assert code == 0, err
    expected = processes.weights(tmp_path / "whole")
    folder = tmp_path / "killed"
    step = processes.kill_after_first_checkpoint(arguments, folder)
    assert 0 < step < 40
    count.add("kills")
    code, err, _ = processes.run(arguments, folder)
    if code or "Traceback" in err:
        count.crash_of_process(folder, code, err)
    count.add("resumed", int(processes.resumed_step(err) == step))
    actual = processes.weights(folder)
    assert actual.keys() == expected.keys()
    for name, value in expected.items():
        if np.issubdtype(value.dtype, np.floating):
            assert np.isfinite(actual[name]).all(), name
            np.testing.assert_allclose(actual[name], value, atol=0.1, err_msg=name)
    assert count.outcomes["crashes"] == 0, "\n".join(count.examples)
    assert count.outcomes["resumed"] == 1
