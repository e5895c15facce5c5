"""The linear classifier on frozen features: what it computes, and beside a training."""

import numpy as np
import pytest
from sklearn import linear_model, metrics, pipeline, preprocessing

from adafilter_tf import errors, methods
from adafilter_tf.data.decoding.preprocessing import ImageSpec
from adafilter_tf.data.examples import Examples
from adafilter_tf.evaluation import feature_probe
from tests.conftest import random_images, tiny_resnet


def make_features(num_classes, count=60, seed=0, noise=1.0):
    """Features of unlike means and scales whose classes overlap."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % num_classes
    centres = np.random.default_rng(1).normal(size=(num_classes, 5))
    features = centres[labels] + noise * rng.normal(size=(count, 5))
    return features * [1.0, 0.5, 3.0, 2.0, 1.5] + [5.0, 0.0, -2.0, 1.0, 0.0], labels


def reference(regularization):
    """scikit-learn's own pipeline; 5 channels of mean square 1 are 5 times too long."""
    return pipeline.make_pipeline(
        preprocessing.StandardScaler(),
        linear_model.LogisticRegression(C=regularization / 5, tol=1e-8, max_iter=5000),
    )


def centre(logits):
    return logits - logits.mean(axis=1, keepdims=True)


def test_logits_are_those_of_scikit_learn_up_to_a_constant():
    features, labels = make_features(3)
    kernel, bias, regularization = feature_probe.fit_head(features, labels, 3, None)
    expected = reference(regularization).fit(features, labels)
    other, _ = make_features(3, seed=2)
    logits = centre(other @ kernel + bias)
    assert kernel.dtype == bias.dtype == np.float32
    np.testing.assert_allclose(
        logits, centre(expected.decision_function(other)), atol=0.02
    )
    assert np.abs(logits).max() > 3


def test_scaling_is_folded_to_the_digits_of_float32():
    features, labels = make_features(3)
    kernel, bias, regularization = feature_probe.fit_head(features, labels, 3, None)
    scaler = preprocessing.StandardScaler().fit(features)
    scaled = scaler.transform(features) / np.sqrt(5)
    same = linear_model.LogisticRegression(C=regularization).fit(scaled, labels)
    np.testing.assert_allclose(
        centre(features @ kernel + bias),
        centre(same.decision_function(scaled)),
        atol=1e-5,
    )


def test_two_classes_differ_by_scikit_learns_single_logit():
    features, labels = make_features(2)
    kernel, bias, regularization = feature_probe.fit_head(features, labels, 2, None)
    expected = reference(regularization).fit(features, labels)
    logits = features @ kernel + bias
    np.testing.assert_allclose(
        logits[:, 1] - logits[:, 0], expected.decision_function(features), atol=0.02
    )


@pytest.mark.parametrize("noise", [0.3, 8.0])
def test_regularization_has_the_lowest_validation_loss(noise):
    features, labels = make_features(3, noise=noise)
    held_out = make_features(3, count=300, seed=2, noise=noise)
    *_, chosen = feature_probe.fit_head(features, labels, 3, held_out)
    losses = {
        each: metrics.log_loss(
            held_out[1],
            reference(each).fit(features, labels).predict_proba(held_out[0]),
        )
        for each in feature_probe.REGULARIZATIONS
    }
    assert chosen == min(losses, key=losses.get)
    assert chosen == (0.1 if noise > 1 else chosen)


def test_channel_that_hardly_varies_gets_no_large_weights():
    features, labels = make_features(3)
    features[:, 0] = 1 + 1e-7 * features[:, 0]
    kernel, _, _ = feature_probe.fit_head(features, labels, 3, None)
    assert np.abs(kernel[0]).max() < np.abs(kernel).max()


@pytest.mark.parametrize("present", [[0, 2, 3], [1, 3], [2]])
def test_class_without_images_is_not_predicted(present):
    features, places = make_features(len(present))
    labels = np.array(present)[places]
    kernel, bias, _ = feature_probe.fit_head(features, labels, 4, None)
    assert set(np.argmax(features @ kernel + bias, axis=1)) == set(present)


def test_features_that_are_not_finite_are_refused():
    features, labels = make_features(3)
    features[7, 2] = np.inf
    with pytest.raises(errors.RunError, match="not finite.*--precision=float32"):
        feature_probe.fit_head(features, labels, 3, None)


@pytest.mark.parametrize("method", methods.METHODS)
def test_every_method_starts_from_the_features_of_the_backbone(method, image_files):
    paths, pixels = image_files
    backbone = tiny_resnet()
    features = backbone.predict(pixels, verbose=0).mean(axis=(1, 2))
    labels = [0, 1, 2, 0, 1, 2, 0]
    examples = Examples(tuple(paths), tuple(labels), ("a", "b", "c"))
    model = methods.METHODS[method].build(backbone, 3)
    probe = feature_probe.measure(
        model,
        {"train": examples, "validation": examples, "test": examples.take([0, 1])},
        ImageSpec(image_size=8, channels=3, crop_fraction=1.0),
        batch_size=4,
        seed=0,
    )
    kernel, bias, _ = feature_probe.fit_head(features, labels, 3, (features, labels))
    np.testing.assert_allclose(probe.kernel, kernel, rtol=0.02, atol=1e-4)
    probe.start_head(model)
    logits = model.predict(pixels, verbose=0)
    np.testing.assert_allclose(logits, features @ kernel + bias, rtol=0.02, atol=0.02)
    correct = logits.argmax(axis=1) == labels
    assert probe.validation_correct.tolist() == correct.tolist()
    assert probe.list_metrics() == {
        "probe_validation_accuracy": correct.mean(),
        "probe_test_accuracy": correct[:2].mean(),
    }


def make_probe(correct):
    return feature_probe.FeatureProbe(
        random_images(5, 3),
        random_images(3),
        10.0,
        np.array(correct, bool),
        np.zeros(0, bool),
    )


def test_probe_survives_its_file(tmp_path):
    probe, path = make_probe([True, False]), tmp_path / "probe.npz"
    feature_probe.save(probe, path)
    loaded = feature_probe.load(path)
    for name, value in vars(probe).items():
        assert np.array_equal(getattr(loaded, name), value), name
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(errors.RunError, match=r"probe\.npz cannot be read"):
        feature_probe.load(path)
    np.savez(path, other=np.ones(2))
    with pytest.raises(errors.RunError, match="is not a probe: it has other"):
        feature_probe.load(path)


def describe(correct, of_probe):
    """The line on a training with these answers beside those of the probe."""
    labels = np.ones(len(correct), int)
    probe = make_probe(of_probe)
    return feature_probe.describe_shortfall(
        {
            "validation_accuracy": float(np.mean(correct)),
            **probe.list_metrics(),
            **probe.compare(np.eye(2)[np.array(correct, int)], labels),
        }
    )


def test_training_below_its_probe_says_so_when_it_is_no_chance():
    right, wrong = [True], [False]
    line = describe(60 * right + 40 * wrong, 80 * right + 20 * wrong)
    assert "60.0 % and 80.0 %" in line
    assert "--tune_blocks=none --head_init=probe --head_learning_rate=0" in line
    # The same accuracies, and one image more: as likely by chance.
    assert describe(60 * right + 40 * wrong, 61 * right + 39 * wrong) is None
    assert describe(80 * right + 20 * wrong, 60 * right + 40 * wrong) is None
    assert feature_probe.describe_shortfall({"validation_accuracy": 0.1}) is None
