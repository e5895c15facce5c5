import dataclasses
import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from adafilter_tf import errors, evaluation, training
from adafilter_tf.data import pipeline
from adafilter_tf.data.augmentation import Augmentation
from adafilter_tf.data.decoding.preprocessing import ImageSpec
from adafilter_tf.data.examples import Examples, Splits
from adafilter_tf.methods import METHODS
from adafilter_tf.optim import optimizers
from adafilter_tf.training import feature_cache
from tests.conftest import tiny_resnet

SPEC = ImageSpec(image_size=8, channels=3, crop_fraction=1.0)
OPTIONS = training.TrainingOptions(
    epochs=3, steps_per_epoch=2, batch_size=4, log_every=10
)


@pytest.fixture
def examples(image_files):
    paths, _ = image_files
    return Examples(tuple(paths), (0, 1, 2, 0, 1, 2, 0), ("a", "b", "c"))


def make_input(examples, augmentation=None, *, seed):
    splits = Splits(examples, examples, examples)
    return pipeline.TrainingInput(splits, SPEC, augmentation or Augmentation(), seed)


def train(examples, method, cached, augmentation=None, **hyperparameters):
    """Returns the weights and the losses of a training on seven images."""
    keras.utils.set_random_seed(0)
    model = METHODS[method].build(tiny_resnet(), 3, **hyperparameters)
    losses = []
    log = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: losses.append(logs["loss"])
    )
    options = dataclasses.replace(OPTIONS, cache_frozen_features=cached)
    score = evaluation.create_scorer(model, SPEC, batch_size=4)
    training.Trainer(model, options, score=score, quiet=True).fit(
        make_input(examples, augmentation, seed=5),
        training.TrainingPlan(
            METHODS[method].stages(),
            optimizers.OptimizerOptions(
                "sgd", 0.05, 0.05, 0.01, weight_decay=1e-3, warmup_fraction=0.0
            ),
        ),
        callbacks=[log],
    )
    return {weight.path: np.asarray(weight) for weight in model.weights}, losses


@pytest.mark.parametrize(
    ("method", "hyperparameters"),
    [
        ("adafilter", {"gate_from": "stage1"}),
        ("adafilter", {"gate_from": "stage1", "gate_noise": 0.5}),
        ("fine_tuning", {"tune_blocks": "1"}),
        ("fine_tuning", {"tune_blocks": "none"}),
    ],
)
def test_cached_features_train_the_same_weights(examples, method, hyperparameters):
    expected, losses = train(examples, method, cached=False, **hyperparameters)
    actual, cached_losses = train(examples, method, cached=True, **hyperparameters)
    np.testing.assert_allclose(cached_losses, losses, atol=1e-5)
    assert abs(losses[-1] - losses[0]) > 0.1  # it did train
    assert actual.keys() == expected.keys()
    for path, value in expected.items():
        np.testing.assert_allclose(actual[path], value, atol=1e-5, err_msg=path)


def test_frozen_layers_see_each_image_once(examples):
    model = METHODS["adafilter"].build(tiny_resnet(), 3, gate_from="stage1")
    rest, read = feature_cache.cache(model, make_input(examples, seed=1), batch_size=4)
    assert "stem_conv" not in {layer.name for layer in rest.layers}
    create = functools.partial(read, global_batch_size=2, total_steps=4)
    batches = [np.asarray(features) for features, _ in create()]
    assert [batch.shape for batch in batches] == [(2, 8, 8, 8)] * 4
    # A resumed training sees the batches that are left.
    (last,) = create(start_step=3)
    assert np.array_equal(last[0], batches[3])


@pytest.mark.parametrize(
    "options", [{"horizontal_flip": True}, {"mixup_alpha": 0.2}], ids=str
)
def test_augmentation_is_an_error(examples, options):
    with pytest.raises(errors.UsageError, match="with augmentation"):
        train(examples, "adafilter", True, Augmentation(**options), gate_from="stage1")


def test_network_without_frozen_layers_is_an_error(examples):
    with pytest.raises(errors.UsageError, match="set --gate_from to a later layer"):
        train(examples, "adafilter", cached=True)


def test_random_layer_of_the_network_is_an_error_that_names_it(examples):
    images = keras.Input((8, 8, 3))
    x = keras.layers.RandomFlip("horizontal", name="flip")(images)
    model = METHODS["fine_tuning"].build(
        keras.Model(images, tiny_resnet()(x)), 3, tune_blocks="none"
    )
    with pytest.raises(errors.UsageError, match=r"'flip' \(RandomFlip\)"):
        feature_cache.cache(model, make_input(examples, seed=0), batch_size=4)


def test_method_of_several_stages_is_an_error(examples):
    with pytest.raises(errors.UsageError, match="method of several stages"):
        train(examples, "lp_ft", cached=True)


def test_features_that_do_not_fit_are_an_error(examples, monkeypatch):
    monkeypatch.setattr(feature_cache.os, "sysconf", lambda name: 1)
    with pytest.raises(errors.RunError, match="behind 'stem_relu' need 0.0 GiB"):
        train(examples, "adafilter", cached=True, gate_from="stage1")


def test_features_keep_the_order_of_the_images(examples):
    """Each batch of features is that of the images that training would have read."""
    images = np.stack([keras.utils.load_img(p) for p in examples.paths])
    data = make_input(examples, seed=7)
    options = {"global_batch_size": 3, "total_steps": 5}
    expected = pipeline.training_dataset(data, **options)
    actual = pipeline.feature_dataset(images, data, **options)
    for (a, labels), (b, expected_labels) in zip(actual, expected, strict=True):
        assert np.array_equal(a, b)
        tf.debugging.assert_equal(labels, expected_labels)
