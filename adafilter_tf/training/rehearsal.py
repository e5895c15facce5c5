"""Steps that leave no trace: before a training, to time it or to choose its rate."""

import contextlib
from collections.abc import Iterator

import keras


@contextlib.contextmanager
def unchanged(model: keras.Model) -> Iterator[None]:
    """A context whose end gives every variable of a model its value back.

    That includes moving statistics and the state of random layers. Which layers train
    is left to the first stage of the training that follows, and so is compiling.
    """
    before = [keras.ops.convert_to_numpy(variable) for variable in model.variables]
    try:
        yield
    finally:
        for variable, array in zip(model.variables, before, strict=True):
            variable.assign(array)
