import keras
import numpy as np
import pytest

from adafilter_tf import methods
from tests.conftest import compile_sgd, random_images, tiny_resnet, train


def test_hyperparameters_are_the_keyword_arguments():
    assert methods.list_hyperparameters("adafilter") == (
        "gate_from",
        "gate_units",
        "gate_initial_bias",
        "gate_temperature",
        "gate_policy",
        "gate_network",
        "gated_batch_norm",
        "frozen_statistics",
        "gate_noise",
        "tuned_penalty",
        "dependence_penalty",
        "inference_gates",
    )


def test_hyperparameters_of_stages_belong_to_the_method():
    assert methods.list_hyperparameters("wise_ft") == ("probe_fraction",)


@pytest.mark.parametrize("method", methods.METHODS)
def test_every_method_builds_trains_saves_and_loads(method, tmp_path):
    """The contract of a method: pixels to float32 logits, and nothing else to know."""
    model = compile_sgd(methods.METHODS[method].build(tiny_resnet(), 3))
    losses = train(model)
    assert np.isfinite(losses).all()
    assert losses[-1] < losses[0]
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    images = random_images(2, 8, 8, 3)
    logits = loaded(images)
    assert (logits.shape, logits.dtype) == ((2, 3), "float32")
    assert np.array_equal(logits, model(images))
