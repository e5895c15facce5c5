import keras
import numpy as np
import pytest

from adafilter_tf.methods import wise_ft
from adafilter_tf.optim.stages import Ending
from tests.conftest import compile_sgd, random_images, tiny_resnet, train


@pytest.fixture
def model():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.set_weights([np.full((2, 1), 10.0), np.full((1,), 20.0)])
    return model


PROBED = [np.zeros((2, 1), "float32"), np.full((1,), 10.0, "float32")]


def test_weights_are_a_fraction_of_the_way_from_probed_to_tuned(model):
    """Best at a kernel of 3, that is at three tenths of the way."""

    def measure():
        return {"accuracy": -abs(float(model.get_weights()[0][0, 0]) - 3), "loss": 1}

    assert wise_ft.finish(model, Ending([PROBED], measure)) == {"alpha": 0.3}
    kernel, bias = model.get_weights()
    np.testing.assert_allclose(kernel, 3.0, rtol=1e-6)
    np.testing.assert_allclose(bias, 13.0, rtol=1e-6)


def test_lower_loss_decides_between_equal_accuracies(model):
    def measure():
        return {"accuracy": 0.5, "loss": abs(float(model.get_weights()[1][0]) - 18)}

    assert wise_ft.finish(model, Ending([PROBED], measure)) == {"alpha": 0.8}


def test_integers_are_kept():
    """EfficientNet counts batches; there is nothing between a count of 1 and of 6."""
    model = keras.Sequential([keras.Input((2,)), keras.layers.Normalization()])
    (count,) = [w for w in model.weights if w.name == "count"]
    assert "int" in count.dtype
    tuned = [np.full(w.shape, 6, w.dtype) for w in model.weights]
    model.set_weights(tuned)
    seen = []

    def measure():
        seen.append(int(count))
        return {"accuracy": float(len(seen) == 4), "loss": 1.0}

    probed = [np.ones_like(value) for value in tuned]
    assert wise_ft.finish(model, Ending([probed], measure)) == {"alpha": 0.3}
    assert (seen, int(count)) == (11 * [6], 6)


@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_ends_of_the_way_are_the_probed_and_the_tuned_network(alpha):
    """Through both stages of a training, moving statistics included."""
    images = random_images(4, 8, 8, 3, seed=2)
    model = wise_ft.build(tiny_resnet(), 3)
    logits, ends = [], []
    for stage in wise_ft.stages(probe_fraction=0.5):
        stage.begin(model)
        train(compile_sgd(model))
        logits.append(model(images).numpy())
        ends.append(model.get_weights())

    def measure():
        tuned = np.array_equal(model(images), logits[1])
        probed = np.array_equal(model(images), logits[0])
        return {"accuracy": float(tuned if alpha else probed), "loss": 1.0}

    found = wise_ft.finish(model, Ending(ends[:1], measure))
    assert found == {"alpha": alpha}
    assert np.array_equal(model(images), logits[int(alpha)])


def test_statistics_are_renewed_before_each_measurement_but_the_probe(model):
    """The probe is the pre-trained network, with its own statistics."""
    calls = []

    def measure():
        calls.append(round(float(model.get_weights()[0][0, 0])))
        return {"accuracy": 0.5, "loss": abs(calls[-1] - 2)}

    wise_ft.finish(model, Ending([PROBED], measure, lambda: calls.append("renew")))
    assert calls[:5] == [0, "renew", 1, "renew", 2]
    assert calls[-1] == "renew"
