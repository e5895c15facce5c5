"""A mistyped flag and the help are answered before anything slow is imported."""

import subprocess
import sys

import pytest

_SCRIPT = """
import runpy, sys
sys.argv = ["run", *sys.argv[1:]]
try:
    runpy.run_module("adafilter_tf.run", run_name="__main__", alter_sys=True)
except SystemExit as error:
    slow = {"keras", "tensorflow", "numpy", "sklearn"} & sys.modules.keys()
    print("imported:", *sorted(slow))
    sys.exit(error.code)
"""


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--help"], 0),
        (["--help=all"], 0),
        (["--epoch=3"], 2),
        (["--learning_rate=nan", "--output_dir=x"], 2),
        (["--backbone=resnet51", "--output_dir=x"], 2),
        (["--method=lora", "--gate_units=3", "--output_dir=x"], 2),
        (["--mode=predict"], 2),
    ],
)
def test_wrong_flags_are_answered_without_keras_and_tensorflow(arguments, code):
    process = subprocess.run(
        [sys.executable, "-c", _SCRIPT, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == code, process.stderr
    assert process.stdout.splitlines()[-1] == "imported:"
    assert process.stderr.count("\n") == (1 if code else 0)
