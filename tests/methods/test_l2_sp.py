import keras
import numpy as np
import pytest

from adafilter_tf.methods import fine_tuning, l2_sp
from tests.conftest import compile_sgd, random_images, tiny_resnet, train

IMAGES = random_images(8, 8, 8, 3)


def kernels_of(model):
    network = model.get_layer("anchored").network
    return [w for w in network.weights if w.name == "kernel"]


def training_penalty(model):
    """What the layers add to the loss of a training step."""
    model(IMAGES, training=True)
    return float(sum(model.losses))


def test_penalty_is_half_the_squared_distance_and_half_the_heads_square():
    model = l2_sp.build(tiny_resnet(), 3, starting_point_penalty=0.3, head_penalty=0.5)
    head = float(np.sum(model.get_layer("head").kernel.numpy() ** 2))
    assert training_penalty(model) == pytest.approx(0.5 / 2 * head, rel=1e-5)
    expected = 0.5 / 2 * head
    for index, kernel in enumerate(kernels_of(model)):
        change = np.random.default_rng(index).normal(size=kernel.shape)
        kernel.assign(kernel.numpy() + change.astype("float32"))
        expected += 0.3 / 2 * np.sum(change**2)
    assert training_penalty(model) == pytest.approx(expected, rel=1e-4)


def test_reference_survives_save_and_load_and_is_no_parameter(tmp_path):
    model = compile_sgd(l2_sp.build(tiny_resnet(), 3, starting_point_penalty=1.0))
    plain = fine_tuning.build(tiny_resnet(), 3)
    assert model.count_params() == plain.count_params()
    assert len(model.variables) == len(plain.variables)
    train(model)
    before = training_penalty(model)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    assert training_penalty(loaded) == pytest.approx(before, rel=1e-6)
    assert before > training_penalty(
        l2_sp.build(tiny_resnet(), 3, starting_point_penalty=1.0)
    )


def test_without_penalties_it_is_fine_tuning():
    losses = []
    for build, options in (
        (fine_tuning.build, {}),
        (l2_sp.build, {"starting_point_penalty": 0.0, "head_penalty": 0.0}),
    ):
        keras.utils.set_random_seed(5)
        losses.append(train(compile_sgd(build(tiny_resnet(), 3, **options))))
    np.testing.assert_allclose(losses[0], losses[1], atol=1e-5)


def test_strong_penalty_keeps_the_kernels_near_their_start():
    distances = []
    for penalty in (0.0, 5.0):
        keras.utils.set_random_seed(5)
        model = l2_sp.build(tiny_resnet(), 3, starting_point_penalty=penalty)
        start = [kernel.numpy() for kernel in kernels_of(model)]
        train(compile_sgd(model, total_steps=40), steps=30)
        distances.append(
            sum(
                np.sum((kernel.numpy() - value) ** 2)
                for kernel, value in zip(kernels_of(model), start, strict=True)
            )
        )
    assert distances[1] < 0.3 * distances[0]
