"""Which part of the package may import which, and other rules that ruff cannot check.

A room is a package or a module directly under `adafilter_tf`.
"""

import ast
import graphlib
import pathlib
import sys

import pytest

import adafilter_tf

PACKAGE = pathlib.Path(adafilter_tf.__file__).parent
SOURCES = sorted(PACKAGE.rglob("*.py"))
MAX_LINES = 500

# Room: what it may import beside itself, `errors`, the standard library and the
# third-party packages of its kind. The first ones run on every Keras backend.
KERAS_ROOMS = {
    "errors": set(),
    "files": set(),
    "layers": set(),
    "models": {"files", "layers"},
    "optim": {"files"},
    "methods": {"layers", "models", "optim"},
    "_moved": set(),
    "_registration": set(),
    # What it names is imported when it is used: `api` with TensorFlow, the others not.
    "__init__": {
        "_moved",
        "_registration",
        "api",
        "layers",
        "methods",
        "models",
        "optim",
    },
}
TENSORFLOW_ROOMS = {
    "data": {"files"},
    "distribution": {"files"},
    "experiments": {"files"},
    "serving": {"data", "evaluation", "files", "models", "prediction"},
    "prediction": {"data", "files"},
    "evaluation": {"data", "distribution", "files", "models"},
    "export": {"data", "files", "layers", "models"},
    "training": {"data", "distribution", "evaluation", "files", "models", "optim"},
    "runs": {
        "data",
        "distribution",
        "evaluation",
        "export",
        "files",
        "prediction",
        "training",
    },
}
# The only rooms that know flags and methods; all others take arguments.
FLAG_ROOMS = {
    "cli": {*KERAS_ROOMS, *TENSORFLOW_ROOMS} - {"__init__", "_moved", "_registration"},
    "run": {"cli", "files"},
    "client": {"cli", "prediction", "serving"},
    "api": {"cli", "data", "files", "prediction", "runs"},
}
ALLOWED_IMPORTS = {**KERAS_ROOMS, **TENSORFLOW_ROOMS, **FLAG_ROOMS}
TENSORFLOW = {"tensorflow", "tensorflow_datasets", "tensorboard", "tensorflow_serving"}
# Turns TensorFlow's error of a full disk into the system's own.
TENSORFLOW_EXEMPT = {"files/full_disk.py"}


def room_of(path: pathlib.Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imports_of(source: str) -> set[str]:
    """The rooms, `absl.<module>` and third-party packages that `source` imports."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level:
            names.add("a relative import")
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {_shorten(name) for name in names} - set(sys.stdlib_module_names)


def _shorten(name):
    first, *rest = name.split(".")
    if first == "adafilter_tf" and rest:
        return rest[0]
    return ".".join([first, *rest[:1]]) if first == "absl" else first


def import_violations(source: str, room: str, *, tensorflow: bool = False) -> set[str]:
    """What `source` imports that its room may not."""
    imports = imports_of(source) - {room}
    ours = imports & {*ALLOWED_IMPORTS}
    found = ours - ALLOWED_IMPORTS[room] - {"errors"}
    found |= imports & {"a relative import"}
    if room in KERAS_ROOMS and not tensorflow:
        found |= imports & TENSORFLOW
    if room not in FLAG_ROOMS:
        found |= imports & {"absl.flags"}
    return found


def prints(source: str) -> bool:
    """Whether `source` calls `print` as a function."""
    return any(
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "print"
        for node in ast.walk(ast.parse(source))
    )


def test_each_source_imports_only_what_its_room_may():
    found = {}
    for path in SOURCES:
        name = str(path.relative_to(PACKAGE))
        exempt = name in TENSORFLOW_EXEMPT
        source = path.read_text("utf-8")
        found[name] = import_violations(source, room_of(path), tensorflow=exempt)
    assert {name: what for name, what in found.items() if what} == {}


def test_only_the_command_line_prints():
    printing = [path for path in SOURCES if prints(path.read_text("utf-8"))]
    assert {room_of(path) for path in printing} <= {*FLAG_ROOMS}


def test_sources_are_short():
    lengths = {path: len(path.read_text("utf-8").splitlines()) for path in SOURCES}
    assert [path for path, lines in lengths.items() if lines > MAX_LINES] == []


def test_rooms_import_each_other_in_one_direction():
    rooms = {room_of(path) for path in SOURCES}
    graph = {room: set() for room in rooms}
    for path in SOURCES:
        room = room_of(path)
        graph[room] |= imports_of(path.read_text("utf-8")) & rooms - {room}

    # A circle would be a CycleError that names it.
    assert set(graphlib.TopologicalSorter(graph).static_order()) == rooms


def test_all_sources_are_found():
    assert {room_of(path) for path in SOURCES} == {*ALLOWED_IMPORTS}


@pytest.mark.parametrize(
    ("room", "source", "violations"),
    [
        ("layers", "import tensorflow as tf", {"tensorflow"}),
        ("layers", "from tensorflow.python import ops", {"tensorflow"}),
        ("layers", "def f():\n    import tensorflow", {"tensorflow"}),
        ("layers", "from adafilter_tf.models import gating", {"models"}),
        ("models", "from adafilter_tf import layers, methods", {"methods"}),
        ("models", "import adafilter_tf.methods.adafilter", {"methods"}),
        ("data", "from adafilter_tf.models.gating import add_gates", {"models"}),
        ("data", "from absl import flags, logging", {"absl.flags"}),
        ("training", "from adafilter_tf import methods", {"methods"}),
        ("training", "from absl.flags import FLAGS", {"absl.flags"}),
        ("training", "import absl.flags", {"absl.flags"}),
        ("export", "from adafilter_tf.run import main", {"run"}),
        ("cli", "from adafilter_tf import run", {"run"}),
        ("methods", "from . import adafilter", {"a relative import"}),
        ("methods", "import os\nimport keras\nfrom adafilter_tf import models", set()),
        ("layers", "from adafilter_tf.layers.filter_gate import FilterGate", set()),
        ("run", "from absl import flags\nfrom adafilter_tf.cli import settings", set()),
    ],
)
def test_import_check_finds_violations(room, source, violations):
    assert import_violations(source, room) == violations


def test_print_check_finds_calls_alone():
    assert prints("def f():\n    print(1)")
    assert not prints("# print(1)\n'print(1)'\nlogging.print(1)")
