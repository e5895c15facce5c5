import importlib
import sys
import warnings

import pytest

import adafilter_tf
from adafilter_tf import _moved


@pytest.mark.parametrize("old", sorted(_moved.MOVED))
def test_old_name_gives_the_same_objects_and_warns(old):
    new = _moved.MOVED[old]
    sys.modules.pop(f"adafilter_tf.{old}", None)
    if not new:
        importlib.import_module(f"adafilter_tf.{old}")
        return
    with pytest.warns(DeprecationWarning, match=_moved.REMOVAL):
        module = importlib.import_module(f"adafilter_tf.{old}")
    moved = importlib.import_module(f"adafilter_tf.{new}")
    names = [name for name in vars(moved) if not name.startswith("_")]
    assert names
    assert all(getattr(module, name) is getattr(moved, name) for name in names)


def test_old_name_is_an_attribute_of_the_package():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        assert adafilter_tf.optimization.OptimizerOptions


def test_unknown_name_is_still_unknown():
    with pytest.raises(AttributeError, match="no attribute 'optimisation'"):
        _ = adafilter_tf.optimisation
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("adafilter_tf.optimisation")
