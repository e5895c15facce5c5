"""The examples in the docstrings of all public symbols, run in one process.

Beside a module's own names, an example may use `np`, `keras`, `adafilter_tf` and
`backbone`, a small convolutional network with one residual block.
"""

import doctest
import importlib
import inspect

import keras
import numpy as np
import pytest

import adafilter_tf
from adafilter_tf import layers, methods
from tests.library_check import build_backbone

# Public beside what `adafilter_tf` lists: see docs/api.
MODULES = (
    "optim.losses",
    "optim.lr_finder",
    "optim.optimizers",
    "optim.stages",
)
WITHOUT_EXAMPLE = {
    # Their examples would be trainings.
    "BatchLosses",
    "write_range_test",
    "rising_schedule",
    "LRRangeTest",
    # `tests/test_api.py` runs the examples of docs/python.md.
    "Run",
    "fit",
    "load_run",
    "compare_runs",
    # Shown by the examples of what takes them.
    "Stage",
    "train_all",
    "RunError",
}


def list_symbols():
    """Every public function and class, by its module and name."""
    found = [getattr(adafilter_tf, name) for name in adafilter_tf.__all__]
    found += [getattr(layers, name) for name in layers.__all__]
    found += [method.build for method in methods.METHODS.values()]
    found += [methods.Method, methods.wise_ft.finish]
    for name in MODULES:
        module = importlib.import_module(f"adafilter_tf.{name}")
        found += [
            value
            for key, value in vars(module).items()
            if not key.startswith("_")
            and getattr(value, "__module__", None) == module.__name__
        ]
    symbols = [each for each in found if inspect.isclass(each) or callable(each)]
    return {f"{each.__module__}.{each.__qualname__}": each for each in symbols}


SYMBOLS = list_symbols()


@pytest.mark.parametrize("name", SYMBOLS)
def test_example_of_a_public_symbol_runs(name):
    symbol = SYMBOLS[name]
    if symbol.__name__ in WITHOUT_EXAMPLE:
        pytest.skip("a training, or shown by another example")
    module = importlib.import_module(symbol.__module__)
    names = {**vars(module), "np": np, "keras": keras, "adafilter_tf": adafilter_tf}
    if "backbone" in symbol.__doc__:
        names["backbone"] = build_backbone()
    tests = doctest.DocTestFinder(recurse=False).find(
        symbol, symbol.__name__, globs=names
    )
    assert [test.examples for test in tests if test.examples], f"{name} has no example"
    output = []
    runner = doctest.DocTestRunner(optionflags=doctest.IGNORE_EXCEPTION_DETAIL)
    for test in tests:
        runner.run(test, out=output.append)
    assert runner.failures == 0, "".join(output)
