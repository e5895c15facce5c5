"""Each command of README, pages, configs and tools, run as written with small inputs.

A command keeps its flags; names of files and ports are replaced by what a test has, and
flags that make it small are added behind, where absl takes the last value.
"""

import os
import pathlib
import re
import shlex
import subprocess
import sys

import pytest

from adafilter_tf import export
from adafilter_tf.data.decoding.preprocessing import ImageSpec
from adafilter_tf.files import model_file
from tests import run_folders
from tests.tools import prediction_servicer

ROOT = pathlib.Path(__file__).parents[2]
_PAGES = (
    "README.md",
    "Makefile",
    "docs/**/*.md",
    "configs/**/*.cfg",
    "tools/**/*.py",
)
_COMMAND = re.compile(
    r"(?:[A-Z_]+=\w+ )?python -m (?:tools|tests)\.[\w.]+"
    r"(?:(?: |[ ]*\\?\n[ #]*)(?:--[\w]+(?:=[^\s`]+)?|runs/\S+?(?=[` ])|\w+(?=  )))*"
)
_TINY_NETWORK = [
    "--backbone=resnet14",
    "--image_size=16",
    "--batch_size=2",
    "--rounds=1",
]
_TINY_BENCHMARK = [
    *_TINY_NETWORK,
    "--warm_up=1",
    "--memory_rounds=1",
    "--inference_batch_sizes=1",
    "--gate_from=stage3",
]
_SMALL = {
    "tools.benchmark": _TINY_BENCHMARK,
    "tools.benchmarks.automatic_rate": [
        "--flags=--dataset=digits --backbone=resnet14 --image_size=16 --epochs=1 "
        "--steps_per_epoch=1 --examples_per_class=1 --batch_size=4 "
        "--validation_fraction=0.02 --test_fraction=0.02",
        "--methods=fine_tuning",
        "--seeds=0",
    ],
    "tools.benchmarks.filter_banks": _TINY_NETWORK,
    "tools.benchmarks.step_profile": _TINY_NETWORK[:3],
    "tools.list_backbones": ["--backbones=resnet14,resnet50"],
    "tools.serving_load": ["--clients=1,2", "--requests=4", "--rounds=1"],
}
# Without data these say what to download, as their pages promise.
_SAYS = {
    "tools.prepare_paper": "prepare_paper: --archive is missing. Download",
    "tools.reproduce_paper": "reproduce_paper: None of the paper's data sets is here.",
}
# They need package files or archives; the tests of these names run their `main`.
_ELSEWHERE = {
    "tools.bundle_emoji": "test_bundle_emoji.py",
    "tools.prepare_tasks": "test_prepare_tasks.py",
    "tools.pretrain": "test_pretrain.py",
    "tools.audit": "test_audit.py",
    "tools.benchmarks.memory": "test_benchmark.py",
    # It needs ImageNet weights and trains for minutes.
    "tools.benchmarks.batch_norm_statistics": None,
    "tests.tools.prediction_servicer": "../serving/client/test_client.py",
    "tests.training.tensorboard.measure_logging": None,  # minutes of timing
    "tests.defects": None,  # an hour; tests/test_defects.py holds its table to the code
}


def list_commands():
    """The distinct commands, one line each."""
    found = set()
    for pattern in _PAGES:
        for path in ROOT.glob(pattern):
            if path.name == pathlib.Path(__file__).name:
                continue
            for match in _COMMAND.finditer(path.read_text("utf-8")):
                text = re.sub(r"\s*\\?\n[ #]*", " ", match[0])
                found.add(" ".join(text.split()))
    return sorted(found)


def module_of(command):
    return re.search(r"python -m ([\w.]+)", command)[1]


COMMANDS = list_commands()


def make_small(command):
    """The words of a command and its flags: of each the last value, the small one."""
    words = [*shlex.split(command), *_SMALL.get(module_of(command), [])]
    if module_of(command) == "tools.benchmark" and "--sections" not in command:
        # Not memory, a process for each network; test_benchmark.py measures it.
        words.append("--sections=training,inference,size,input")
    values = {word.partition("=")[0]: word for word in words if word.startswith("--")}
    return [word for word in words if not word.startswith("--")], values


def list_runnable():
    """The commands to run here; of those that become the same, one."""
    found = {}
    for command in COMMANDS:
        if (
            module_of(command) not in _ELSEWHERE
            # They need hundreds of megabytes of archives.
            and "--archive" not in command
            and ("reproduce_paper" not in command or "--plan_only" in command)
            and "{" not in command
            # test_benchmark.py runs it.
            and "KERAS_BACKEND=jax" not in command
        ):
            words, values = make_small(command)
            found.setdefault((*words, *sorted(values.values())), command)
    return list(found.values())


RUN_HERE = list_runnable()


def test_every_tool_is_documented_and_no_command_is_forgotten():
    modules = {module_of(command) for command in COMMANDS}
    scripts = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in ROOT.glob("tools/**/*.py")
        if '__name__ == "__main__"' in path.read_text("utf-8")
    }
    assert scripts <= modules
    assert {"tools.benchmark", "tests.export.measure_cost"} <= modules
    for name in filter(None, _ELSEWHERE.values()):
        assert (ROOT / "tests/tools" / name).is_file()


@pytest.mark.parametrize("command", [c for c in COMMANDS if "--" in c])
def test_flags_of_a_command_exist(command):
    path = ROOT / (module_of(command).replace(".", "/") + ".py")
    source = path.read_text("utf-8")
    # Flags in quotes are another command's.
    for flag in re.findall(r"--(\w+)", re.sub(r'"[^"]*"', "", command)):
        assert f'"{flag}"' in source, f"--{flag} of: {command}"


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """A folder with a run, its export behind a server, and images."""
    root = tmp_path_factory.mktemp("scene")
    folder = run_folders.make_run(root / "made")
    # Not `run_export`: its card needs the metrics of a training.
    export.export_saved_model(
        model_file.load_model(folder.model),
        str(folder.export),
        ImageSpec(image_size=16, channels=3, crop_fraction=1.0),
        class_names=tuple(run_folders.COLOURS),
        top_k=2,
    )
    run_folders.make_images(root / "photos", number=2)
    for name in ("a.jpg", "b.png"):
        (root / name).write_bytes((root / "photos/red/0.png").read_bytes())
    with prediction_servicer.start(folder.export, "adafilter") as ports:
        yield root, folder.root, ports


def fit(command, scene):
    """A documented command with the scene's files and ports, and its environment."""
    root, run, ports = scene
    for old, new in (
        ("runs/served/export/1", str(run / "export/1")),
        ("runs/mine", str(run)),
        ("--run=RUN", f"--run={run}"),
        ("127.0.0.1:8500", f"127.0.0.1:{ports['grpc']}"),
        ("127.0.0.1:8501", f"127.0.0.1:{ports['rest']}"),
        ("127.0.0.1:PORT", f"127.0.0.1:{ports['grpc']}"),
        ("localhost:8500", f"127.0.0.1:{ports['grpc']}"),
        ("data/mnist_5k/test/3", "photos"),
    ):
        command = command.replace(old, new)
    command = re.sub(r"127.0.0.1:8\d{3}", f"127.0.0.1:{ports['grpc']}", command)
    environment, words = {}, shlex.split(command)
    while "=" in words[0]:
        name, _, value = words.pop(0).partition("=")
        environment[name] = value
    if "--protocol=rest" in words and not any("--address" in w for w in words):
        words.append(f"--address=127.0.0.1:{ports['rest']}")
    words, values = make_small(shlex.join(words))
    return environment, [sys.executable, *words[1:], *values.values()]


@pytest.mark.slow  # a process for each
@pytest.mark.parametrize("command", RUN_HERE)
def test_command_runs_as_documented(scene, command):
    environment, words = fit(command, scene)
    done = subprocess.run(
        words,
        cwd=scene[0],
        env={**os.environ, **environment, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert "Traceback" not in done.stderr
    if module_of(command) in _SAYS:
        assert done.returncode in (1, 2)
        assert _SAYS[module_of(command)] in done.stderr
        return
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout or "--predictions" in command
