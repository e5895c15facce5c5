import keras
import numpy as np

from adafilter_tf.methods import adafilter, fine_tuning
from adafilter_tf.models import classifier, gating
from tests.conftest import compile_sgd, random_images, tiny_resnet, train


def same_head(*models):
    kernel = np.random.default_rng(0).normal(size=(12, 3))
    for model in models:
        model.get_layer("head").kernel.assign(kernel)


def test_all_gates_tuned_is_standard_fine_tuning_step_by_step():
    """I2, gates 1."""
    backbone = tiny_resnet()
    tuned = gating.add_gates(backbone, gate_policy="all_tuned")
    tuned = compile_sgd(classifier.add_head(tuned, 3))
    plain = compile_sgd(fine_tuning.build(backbone, 3))
    same_head(tuned, plain)
    losses = train(plain)
    np.testing.assert_allclose(train(tuned), losses, atol=1e-4)
    assert losses[-1] < 0.8 * losses[0]  # it did train
    images = random_images(4, 8, 8, 3, seed=1)
    np.testing.assert_allclose(tuned(images), plain(images), atol=1e-3)


def test_all_gates_frozen_keeps_the_pretrained_features_through_training():
    """I2, gates 0: in training mode too, and after training."""
    backbone = tiny_resnet()
    gated = gating.add_gates(backbone, gate_policy="all_frozen")
    train(compile_sgd(classifier.add_head(gated, 3)))
    images = random_images(4, 8, 8, 3, seed=1)
    expected = backbone(images, training=False)
    for mode in (False, True):
        np.testing.assert_allclose(gated(images, training=mode), expected, atol=1e-5)


def test_frozen_weights_never_change_by_a_bit(tmp_path):
    """I3, through training, saving and loading."""
    model = compile_sgd(adafilter.build(tiny_resnet(), 3))
    before = {w.path: w.numpy() for w in model.weights if "/frozen_" in w.path}
    tuned = {w.path: w.numpy() for w in model.weights if "/tuned_kernel" in w.path}
    train(model)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    weights = {w.path: w.numpy() for w in loaded.weights}
    assert len(before) == 4 * 4 + 7  # four batch norms, four kernels, three biases
    for path, value in before.items():
        assert np.array_equal(weights[path], value), path
    for path, value in tuned.items():
        assert not np.array_equal(weights[path], value), path


def test_frozen_branch_of_a_trained_model_is_the_pretrained_network():
    backbone = tiny_resnet()
    model = compile_sgd(adafilter.build(backbone, 3))
    train(model)
    frozen = gating.add_gates(backbone, gate_policy="all_frozen")
    for layer in frozen.layers:
        if layer.weights:
            layer.set_weights(model.get_layer(layer.name).get_weights())
    images = random_images(4, 8, 8, 3, seed=1)
    np.testing.assert_allclose(frozen(images), backbone(images), atol=1e-5)


def test_gates_leave_their_start_in_training():
    model = compile_sgd(adafilter.build(tiny_resnet(), 3))
    cell = model.get_layer("recurrent_gate")
    before = [w.numpy() for w in cell.trainable_weights]
    train(model)
    for old, weight in zip(before, cell.trainable_weights, strict=True):
        assert not np.array_equal(old, weight.numpy()), weight.path
