import keras
import numpy as np
import pytest

from adafilter_tf.methods import wise_ft


@pytest.fixture
def model():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.set_weights([np.full((2, 1), 10.0), np.full((1,), 20.0)])
    return model


PROBED = [np.zeros((2, 1), "float32"), np.full((1,), 10.0, "float32")]


def test_weights_are_a_share_of_the_way_from_probed_to_tuned(model):
    """Best at a kernel of 3, that is at three tenths of the way."""

    def measure():
        return {"accuracy": -abs(float(model.get_weights()[0][0, 0]) - 3), "loss": 1}

    assert wise_ft.finish(model, [PROBED], measure) == {"tuned_share": 0.3}
    kernel, bias = model.get_weights()
    np.testing.assert_allclose(kernel, 3.0, rtol=1e-6)
    np.testing.assert_allclose(bias, 13.0, rtol=1e-6)


def test_lower_loss_decides_between_equal_accuracies(model):
    def measure():
        return {"accuracy": 0.5, "loss": abs(float(model.get_weights()[1][0]) - 18)}

    assert wise_ft.finish(model, [PROBED], measure) == {"tuned_share": 0.8}
