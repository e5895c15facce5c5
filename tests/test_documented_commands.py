"""Every command that the README and the pages show runs: here, or in a named test.

The commands are taken from the fenced blocks as they are written. Those of
`adafilter_tf.run` run here, in a folder that has what they name. Flags behind their own
make the images, the network and the number of steps small.
"""

import ast
import functools
import pathlib
import re
import shlex
import shutil

import keras
import pytest
from absl import flags

from adafilter_tf.cli.flags import define_flags
from tests import command_line, run_folders
from tests.conftest import tiny_resnet

ROOT = pathlib.Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/**/*.md")]
PROGRAMS = (
    r"\.venv/bin/[\w-]+", "adafilter", "adafilter_tf", "curl", "docker", "export",
    "git", "kubectl", "make", "pip", "python", "python3", "saved_model_cli", "sbatch",
    "tensorboard",
)  # fmt: skip
RUN = "python -m adafilter_tf.run "

# A command that matches is run by this test, or by none for this reason.
RUN_ELSEWHERE = {
    r"make .*": "reason: the CI runs make; the longer targets are the same tests",
    r"\.venv/bin/pre-commit install": "reason: the hooks are the checks of make lint",
    r"\.venv/bin/python -m pytest .*": "reason: the CI runs all tests",
    r"git clone .*": "reason: needs the network",
    r"pip install .*": "reason: needs the network; .ci/run installs by the Makefile",
    r"docker .*": "reason: needs Docker and the image of TensorFlow Serving",
    r"sbatch .*": "tests/distribution/test_cluster_configs.py"
    "::test_each_task_of_the_slurm_job_is_one_worker",
    r"kubectl .*": "tests/distribution/test_cluster_configs.py"
    "::test_each_pod_of_the_kubernetes_job_is_one_worker",
    r"export TF_CONFIG=.*": "tests/distribution/test_strategies.py"
    "::test_two_replicas_and_two_workers_train_as_one_device_does",
    r"curl .*": "tests/serving/client/test_client.py"
    "::test_command_gives_the_rows_of_the_model",
    r"tensorboard .*": "reason: a server without an end; tests/training/tensorboard "
    "reads the files",
    r"python -m adafilter_tf.run --mode=serve .*": "tests/cli/modes/test_serve.py"
    "::test_client_and_curl_get_what_prediction_gives",
    r"python -m adafilter_tf.run --mode=demo .*": "tests/cli/modes/test_demo.py"
    "::test_dropped_pictures_are_answered_in_a_browser",
    r"(python -c .*|saved_model_cli .*)": "tests/export/test_saved_model.py"
    "::test_saved_model_cli_gives_the_same_as_prediction",
    r"python -m adafilter_tf.run --flagfile=configs/flowers.cfg.*": "tests/test_run.py"
    "::test_flowers_config_trains_on_mock_data",
    r"python -m adafilter_tf.run --flagfile=configs/paper/.*": "tests/cli/"
    "test_paper_configs.py::test_flagfile_resolves",
    r"adafilter \d.*": "reason: a row of a table that is printed",
    r"python -m adafilter_tf.run --flagfile=configs/compare_small.cfg.*": "tests/cli/"
    "modes/test_compare.py::test_comparison_leaves_tables_plot_and_every_trial",
    r"python -m adafilter_tf.run .*--dataset=vtab:.*": "reason: needs the network; "
    "tests/data/sources/test_vtab.py reads TFDS' mock data",
    r"python -m adafilter_tf.run --mode=compare --runs=.*": "tests/cli/modes/"
    "test_compare_runs.py::test_two_runs_are_compared_image_by_image",
    r"(\.venv/bin/)?adafilter import-weights .*": "tests/cli/modes/"
    "test_import_weights.py::test_weights_are_imported_once",
    r"python -m tools.list_backbones": "tests/tools/test_list_backbones.py"
    "::test_documented_row_is_current",
    r"python -m tools.prepare_tasks": "tests/tools/test_prepare_tasks.py"
    "::test_prepared_folder_is_what_the_dataset_flag_reads",
    r"python -m tools.prepare_tasks --tasks=large": "tests/tools/test_prepare_tasks.py"
    "::test_large_task_keeps_the_size_and_the_rule_of_its_classes",
    r"python -m tools.prepare_paper .*": "tests/tools/test_prepare_paper.py"
    "::test_aircraft_has_the_official_splits_by_variant",
    r"python -m tools.reproduce_paper .*": "tests/tools/test_reproduce_paper.py"
    "::test_table_stands_beside_the_claim_and_says_what_was_not_run",
    r"(KERAS_BACKEND=\w+ )?python -m tools.benchmark.*": "tests/tools/test_benchmark.py"
    "::test_training_and_files_are_measured",
    r"python -m adafilter_tf.client .*": "tests/serving/client/test_client.py"
    "::test_command_gives_the_rows_of_the_model",
    r"python -m (tools.serving_load|tests.tools.prediction_servicer) .*": "tests/tools/"
    "test_serving_load.py::test_command_measures_a_server_and_names_one_that_is_away",
}
SMALL = {
    "image_size": 16, "batch_size": 4, "epochs": 1, "steps_per_epoch": 1,
    "validation_fraction": 0.02, "test_fraction": 0.02, "examples_per_class": 1,
    "export_formats": "", "gate_units": 2, "search_trials": 1,
    "report": "never",
}  # fmt: skip


def list_blocks(text: str) -> list[str]:
    """The fenced blocks, without those that say another language than the shell's."""
    found = re.findall(r"^ *```([\w]*)[^\n]*\n(.*?)^ *```", text, re.M | re.S)
    return [block for language, block in found if language in ("", "bash", "sh")]


def list_commands(text: str) -> list[str]:
    """The commands of the fenced blocks, each on one line and without its comment."""
    lines = "\n".join(list_blocks(text)).replace("\\\n", " ").splitlines()
    lines = [" ".join(re.sub(r"(^|\s)#\s.*", "", line).split()) for line in lines]
    program = rf"(\w+=\S+ )*({'|'.join(PROGRAMS)})( |$)"
    return [line for line in lines if re.match(program, line)]


COMMANDS = sorted(
    {c for page in PAGES if page.exists() for c in list_commands(page.read_text())}
)


def find_elsewhere(command: str) -> str | None:
    for pattern, where in RUN_ELSEWHERE.items():
        if re.fullmatch(pattern, command):
            return where
    return None


HERE = [
    command
    for command in COMMANDS
    if command.startswith(RUN) and not find_elsewhere(command)
]


def test_commands_are_found_in_the_blocks_alone():
    text = (
        "python -m no\n```\n# python -m no\nA=1 python -m one \\\n  --a=b  # c\n"
        "print(2)\nmake\n```\n```python\nmake no\n```\n"
    )
    assert list_commands(text) == ["A=1 python -m one --a=b", "make"]
    assert len(COMMANDS) > 15


@pytest.mark.parametrize("command", COMMANDS)
def test_command_is_run_or_says_why_not(command):
    where = find_elsewhere(command)
    assert where or command in HERE, (
        f"Nothing runs the command {command!r} that a page shows: name a test or a "
        "reason in RUN_ELSEWHERE."
    )
    if where and not where.startswith("reason: "):
        path, name = where.split("::")
        defined = ast.walk(ast.parse((ROOT / path).read_text("utf-8")))
        assert name in [getattr(node, "name", None) for node in defined], where


@pytest.mark.parametrize(
    "command", [c for c in COMMANDS if c.startswith(RUN)] or [pytest.param("")]
)
def test_flags_of_the_command_exist(command, monkeypatch):
    monkeypatch.chdir(ROOT)
    values = flags.FlagValues()
    define_flags(values)
    arguments = [a for a in shlex.split(command)[3:] if "=search.cfg" not in a]
    assert values(["run", *arguments]) == ["run"]


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A folder with what the commands name: images, a network, finished runs."""
    root = tmp_path_factory.mktemp("workplace")
    (root / "configs").symlink_to(ROOT / "configs")
    for name in ("PATH", "photos", "new_images", "data/mnist_5k"):
        run_folders.make_images(root / name, number=3)
    tiny_resnet(16).save(root / "mine.keras")
    made = run_folders.make_run(root / "made").root
    for name in ("mine", "digits"):
        shutil.copytree(made, root / "runs" / name)
    searches = [
        block
        for page in PAGES
        if page.exists()
        for block in list_blocks(page.read_text("utf-8"))
        if block.startswith("--mode=search")
    ]
    (root / "search.cfg").write_text("".join(searches[:1]))
    return root


def make_small(command: str, root: pathlib.Path) -> list[str]:
    """The command's arguments and behind them those that keep it short."""
    arguments = shlex.split(command)[3:]
    values = flags.FlagValues()
    define_flags(values)
    values(["run", *arguments])
    if values.mode not in ("train", "search"):
        return arguments
    # A folder of its own: the run that the page calls the same is finished.
    small = {**SMALL, "output_dir": root / "runs" / f"new_{len(command)}"}
    if not (values.backbone or "").endswith(".keras"):
        small |= {"backbone": "resnet14_rgb", "gate_from": "stage3"}
    del small["search_trials" if values.mode == "train" else "gate_units"]
    if values.method != "adafilter":
        small = {name: of for name, of in small.items() if "gate" not in name}
    return [*arguments, *(f"--{name}={value}" for name, value in small.items())]


@pytest.mark.slow
@pytest.mark.parametrize("command", HERE)
def test_command_runs_as_written(command, workplace, monkeypatch, capfd):
    monkeypatch.chdir(workplace)
    call = functools.partial(command_line.call, capfd)
    code, out, err = call(*make_small(command, workplace))
    assert code == 0, err
    # Rows that go into a file are not printed.
    assert out or pathlib.Path("photos.parquet").stat().st_size
    keras.config.set_dtype_policy("float32")
