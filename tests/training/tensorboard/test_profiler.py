import keras
import numpy as np
import pytest

from adafilter_tf import errors
from adafilter_tf.cli.flags import tensorboard_flags
from adafilter_tf.training.tensorboard import profiler


@pytest.mark.parametrize(("first", "last"), [(2, 3), (3, 99)])
def test_steps_leave_a_trace(tmp_path, first, last):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    inputs = np.ones((4, 1))
    callback = profiler.Profiler(tmp_path, first, last)
    model.fit(inputs, inputs, 1, epochs=2, verbose=0, callbacks=[callback])
    (trace,) = tmp_path.glob("plugins/profile/*/*.xplane.pb")
    assert b"MatMul" in trace.read_bytes()  # an operation of the training step


@pytest.mark.parametrize("given", ["10", "1,3", "9,4", "a,b", "2,3,4"])
def test_steps_that_are_none_are_refused(given):
    message = f"Received --profile_steps={given}; needed are the first and the last"
    with pytest.raises(errors.UsageError, match=message):
        tensorboard_flags.parse_profile_steps(given.split(","))


def test_steps_are_read():
    assert tensorboard_flags.parse_profile_steps([]) is None
    assert tensorboard_flags.parse_profile_steps(["10", "20"]) == (10, 20)
