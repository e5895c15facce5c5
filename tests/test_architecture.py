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
MAX_LINES = 300

# Room: what it may import beside itself and the standard library. The first ones, up to
# the methods, run on every Keras backend.
ALLOWED_IMPORTS = {
    "errors": set(),
    "layers": {"errors", "keras"},
    "untrusted": {"errors", "h5py", "keras", "numpy"},
    "models": {"errors", "keras", "keras_hub", "layers", "untrusted"},
    "stages": {"errors", "keras"},
    "methods": {"errors", "keras", "layers", "models", "stages"},
    "__init__": {"layers", "methods", "models", "optimization"},
    "data": {
        "errors",
        "absl.logging",
        "google",
        "keras",
        "numpy",
        "pyarrow",
        "sklearn",
        "tensorflow",
        "tensorflow_datasets",
    },
}
# Training, evaluation and export take a model and never name a method; options reach
# them as arguments.
FORBIDDEN_ELSEWHERE = {
    "methods",
    "cell",
    "flagfile",
    "flags",
    "modes",
    "run",
    "settings",
    "training_settings",
    "absl.flags",
}
EXEMPT = {"cell", "flagfile", "flags", "modes", "run", "settings", "training_settings"}
ENTRY_POINT = "run"


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


def import_violations(source: str, room: str) -> set[str]:
    imports = imports_of(source) - {room}
    if room in EXEMPT:
        return imports & {"a relative import", ENTRY_POINT}
    if room in ALLOWED_IMPORTS:
        return imports - ALLOWED_IMPORTS[room]
    return imports & {"a relative import", *FORBIDDEN_ELSEWHERE}


def prints(source: str) -> bool:
    """Whether `source` calls `print` as a function."""
    return any(
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "print"
        for node in ast.walk(ast.parse(source))
    )


@pytest.mark.parametrize(
    "path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE))
)
class TestSource:
    def test_imports_only_what_its_room_may(self, path):
        assert import_violations(path.read_text("utf-8"), room_of(path)) == set()

    def test_writes_to_standard_output_only_in_a_mode(self, path):
        assert room_of(path) in {"modes", ENTRY_POINT} or not prints(
            path.read_text("utf-8")
        )

    def test_is_short(self, path):
        assert len(path.read_text("utf-8").splitlines()) <= MAX_LINES


def test_rooms_import_each_other_in_one_direction():
    rooms = {room_of(path) for path in SOURCES}
    graph = {room: set() for room in rooms}
    for path in SOURCES:
        room = room_of(path)
        graph[room] |= imports_of(path.read_text("utf-8")) & rooms - {room}

    # A circle would be a CycleError that names it.
    assert set(graphlib.TopologicalSorter(graph).static_order()) == rooms


def test_all_sources_are_found():
    assert {*ALLOWED_IMPORTS, *EXEMPT} <= {room_of(path) for path in SOURCES}


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
        ("flags", "from adafilter_tf import run", {"run"}),
        ("methods", "from . import adafilter", {"a relative import"}),
        ("methods", "import os\nimport keras\nfrom adafilter_tf import models", set()),
        ("layers", "from adafilter_tf.layers.filter_gate import FilterGate", set()),
        ("run", "from absl import flags\nfrom adafilter_tf import methods", set()),
    ],
)
def test_import_check_finds_violations(room, source, violations):
    assert import_violations(source, room) == violations


def test_print_check_finds_calls_alone():
    assert prints("def f():\n    print(1)")
    assert not prints("# print(1)\n'print(1)'\nlogging.print(1)")
