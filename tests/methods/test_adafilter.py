import keras
import numpy as np
import pytest

from adafilter_tf import errors
from adafilter_tf.methods import adafilter, fine_tuning
from adafilter_tf.models import classifier, gate_io, gating
from tests.conftest import compile_sgd, random_images, tiny_convnext, tiny_resnet, train


def same_head(*models):
    kernel = np.random.default_rng(0).normal(size=(12, 3))
    for model in models:
        model.get_layer("head").kernel.assign(kernel)


@pytest.mark.parametrize(
    ("build", "gated_batch_norm"),
    [(tiny_resnet, True), (tiny_resnet, False), (tiny_convnext, True)],
)
def test_all_gates_tuned_is_standard_fine_tuning_step_by_step(build, gated_batch_norm):
    """I2, gates 1."""
    backbone = build()
    tuned = compile_sgd(
        adafilter.build(
            backbone, 3, gate_policy="all_tuned", gated_batch_norm=gated_batch_norm
        )
    )
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


@pytest.mark.parametrize(
    ("options", "network"),
    [
        ({}, "recurrent_gate"),
        ({"gate_policy": "soft"}, "recurrent_gate"),
        ({"gate_network": "feedforward"}, "feedforward_gate"),
        ({"gated_batch_norm": False}, "recurrent_gate"),
    ],
    ids=str,
)
def test_gates_leave_their_start_in_training(options, network):
    model = compile_sgd(adafilter.build(tiny_resnet(), 3, **options))
    weights = model.get_layer(network).trainable_weights
    before = [w.numpy() for w in weights]
    train(model)
    for old, weight in zip(before, weights, strict=True):
        assert not np.array_equal(old, weight.numpy()), weight.path


def test_random_gates_train_the_tuned_filters_and_not_the_gate_network():
    model = compile_sgd(adafilter.build(tiny_resnet(), 3, gate_policy="random"))
    before = {w.path: w.numpy() for w in model.weights}
    train(model)
    for weight in model.weights:
        unchanged = np.array_equal(weight.numpy(), before[weight.path])
        if "recurrent_gate/" in weight.path or "/frozen_" in weight.path:
            assert unchanged, weight.path
        elif "/tuned_kernel" in weight.path:
            assert not unchanged, weight.path


def test_penalty_closes_the_gates():
    images, shares = random_images(8, 8, 8, 3), []
    for penalty in (0.0, 10.0):
        keras.utils.set_random_seed(0)
        model = adafilter.build(tiny_resnet(), 3, tuned_penalty=penalty)
        train(compile_sgd(model, total_steps=40), steps=40)
        gates = keras.Model(model.input, list(gate_io.list_gates(model).values()))
        shares.append(np.concatenate(gates(images), axis=1).mean())
    assert shares[1] < shares[0] / 2


def test_dependence_penalty_makes_choices_alike():
    images, shares = random_images(8, 8, 8, 3), []
    for penalty in (0.0, 10.0):
        keras.utils.set_random_seed(0)
        model = adafilter.build(tiny_resnet(), 3, dependence_penalty=penalty)
        train(compile_sgd(model, total_steps=40), steps=40)
        gates = keras.Model(model.input, list(gate_io.list_gates(model).values()))
        chosen = np.concatenate(gates(images), axis=1)
        shares.append(np.any(chosen != chosen[:1], axis=0).mean())
    assert shares[1] < shares[0] / 2


def test_frozen_statistics_that_one_plain_batch_norm_lacks_are_refused():
    with pytest.raises(
        errors.UsageError,
        match="frozen_statistics=adapting with gated_batch_norm=False",
    ):
        adafilter.build(
            tiny_resnet(), 3, gated_batch_norm=False, frozen_statistics="adapting"
        )
