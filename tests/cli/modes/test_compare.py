"""--mode=compare as a user meets it."""

import json
import pathlib
import subprocess
import sys

import pytest

from adafilter_tf.cli import flagfile, trial
from adafilter_tf.experiments import parsing
from tests.command_line import call

ROOT = pathlib.Path(__file__).parents[3]

CONFIG = """
--mode=compare
--crop_fraction=1
--cache=decoded
--seeds=0,1
--search_seeds=100
--task=two dataset=digits backbone=resnet14 image_size=16 examples_per_class=2 \
validation_fraction=0.02 test_fraction=0.03 epochs=2 steps_per_epoch=2 batch_size=8
--row=fine_tuning method=fine_tuning learning_rate=0.1|0.3
--row=frozen_features method=fine_tuning tune_blocks=none head_learning_rate=0.1|0.3
"""


def write_flags(root, config):
    path = root / "compare.cfg"
    path.write_text(config)
    return [
        f"--flagfile={path}",
        f"--data_dir={root / 'data'}",
        f"--output_dir={root / 'out'}",
        "--workers=2",
    ]


def compare(root, config=CONFIG):
    return subprocess.run(
        [sys.executable, "-m", "adafilter_tf.run", *write_flags(root, config)],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    root = tmp_path_factory.mktemp("compared")
    process = compare(root)
    assert process.returncode == 0, process.stderr
    return root, process


def read_results(root):
    return json.loads((root / "out/results.json").read_text())


@pytest.mark.slow
def test_comparison_leaves_tables_plot_and_every_trial(compared):
    root, process = compared
    results = read_results(root)
    assert process.stdout.count("trial ") >= 8
    assert "remain" in process.stdout
    assert (root / "out/results.md").read_text().strip() in process.stdout
    assert (root / "out/results.png").read_bytes().startswith(b"\x89PNG")
    frozen = results["tasks"]["two"]["frozen_features"]
    assert frozen["num_seeds"] == 2
    reduction = frozen["paired_error_reduction_vs_fine_tuning"]
    tuned = results["tasks"]["two"]["fine_tuning"]
    difference = tuned["mean_test_error"] - frozen["mean_test_error"]
    assert reduction == pytest.approx(difference)
    assert frozen["ci95_low"] <= reduction <= frozen["ci95_high"]
    assert results["average_error_reduction"]["frozen_features"]["mean"] == (
        pytest.approx(reduction)
    )
    assert len(results["cells"]) == 8
    assert len(list((root / "out/cells").rglob("*.json"))) == 8


@pytest.mark.slow
def test_search_never_sees_the_test_images(compared):
    root, _ = compared
    for path in (root / "out/cells").rglob("*.json"):
        metrics = json.loads(path.read_text())["metrics"]
        assert ("test_accuracy" in metrics) == ("final" in path.parts)


@pytest.mark.slow
def test_seeds_share_the_test_images_and_the_budget(compared):
    root, _ = compared
    trials = [json.loads(p.read_text()) for p in (root / "out/cells").rglob("*.json")]
    assert all("--test_seed=0" in trial["flags"] for trial in trials)
    assert all("--steps_per_epoch=2" in trial["flags"] for trial in trials)


@pytest.mark.slow
def test_only_the_missing_trial_is_run_again(compared):
    root, _ = compared
    before = read_results(root)
    trial = root / "out/cells/final/two/frozen_features"
    next(trial.glob("*_seed1.json")).unlink()
    process = compare(root)
    assert process.returncode == 0, process.stderr
    lines = [line for line in process.stdout.splitlines() if line.startswith("trial ")]
    assert len(lines) == 1
    assert "final two frozen_features seed 1" in lines[0]
    assert read_results(root)["tasks"] == before["tasks"]


@pytest.mark.slow
def test_changed_flagfile_names_the_difference_and_overwrites_nothing(compared):
    root, _ = compared
    before = (root / "out/results.json").read_bytes()
    process = compare(root, CONFIG.replace("--seeds=0,1", "--seeds=0,2"))
    assert process.returncode == 1
    assert "--seeds has no 1 now" in process.stderr
    assert "Traceback" not in process.stderr
    assert (root / "out/results.json").read_bytes() == before


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("dataset=digits", "dataset=folder:none prepare_command=make", "data: make"),
        (
            "--cache=decoded\n",
            "--cache=decoded\n--prepare_command=make data\n--task=other "
            "dataset=folder:none\n",
            "data: make data",
        ),
        ("learning_rate=0.1|0.3\n--row=fr", "learning_rate=1\n--row=fr", "settings"),
        ("method=fine_tuning l", "method=fine_tuning gate_units=3 l", "gate_units"),
        ("--search_seeds=100", "--search_seeds=1", "seed 1 in both"),
    ],
)
def test_what_cannot_be_compared_is_refused_at_once(capfd, tmp_path, old, new, message):
    assert old in CONFIG
    code, _, err = call(capfd, *write_flags(tmp_path, CONFIG.replace(old, new)))
    assert code in (1, 2)
    assert message in err
    assert "Traceback" not in err
    assert not (tmp_path / "out").exists()


def test_quickstart_compares_three_methods_on_pictures_that_suffice():
    values = flagfile.parse([f"--flagfile={ROOT / 'configs' / 'quickstart.cfg'}"])
    plan = parsing.parse_plan(
        values.task,
        values.row,
        values.seeds,
        values.search_seeds,
        common=["--test_seed=0", *flagfile.list_given(values)],
        task_flags=trial.TASK_FLAGS,
    )
    assert [row.name for row in plan.rows] == [
        "frozen_features",
        "fine_tuning",
        "adafilter",
    ]
    trials = plan.final_trials({})
    assert len(trials) == 9
    for each in trials[:3]:
        trial.check_flags(list(each.flags))
        trial.check_task(list(each.flags))
