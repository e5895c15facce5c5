"""Classes, gates and nearest training pictures of one image file."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from adafilter_tf import prediction
from adafilter_tf.data.decoding.preprocessing import ImageSpec
from adafilter_tf.data.examples import Examples
from adafilter_tf.methods import adafilter, fine_tuning
from adafilter_tf.models import gate_io
from adafilter_tf.serving import picture_answers
from tests.conftest import tiny_resnet

NAMES = ("rosé", "daisy", "wild tulip")
SPEC = ImageSpec(image_size=8, channels=3, crop_fraction=1.0)
NONE = picture_answers.TrainingPictures(Examples((), (), NAMES), np.zeros((0, 0)))


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    model = adafilter.build(tiny_resnet(), 3)
    kernel = model.get_layer("head").kernel
    kernel.assign(kernel / 100)  # No saturated probabilities.
    return model


@pytest.fixture(scope="module")
def observer(model):
    return picture_answers.Observer(model, SPEC)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for index in range(4):
        pixels = rng.integers(0, 256, (8, 8, 3), np.uint8)
        (folder / f"{index}.png").write_bytes(tf.io.encode_png(pixels).numpy())
    (folder / "text.png").write_text("no image")
    return [str(folder / f"{index}.png") for index in range(4)]


def test_probabilities_are_those_of_prediction(model, observer, photos):
    rows = prediction.predict_paths(
        model, photos, SPEC, class_names=NAMES, batch_size=4, top_k=2
    )
    for path, expected in zip(photos, rows, strict=True):
        found = picture_answers.answer(
            observer, path, class_names=NAMES, training=NONE, top_k=2
        ).row
        assert (found.path, found.classes) == (path, expected.classes)
        # float32 logits of another batch size.
        np.testing.assert_allclose(
            found.probabilities, expected.probabilities, atol=1e-6
        )


def test_gates_are_those_of_the_model(model, observer, photos):
    pixels = tf.io.decode_png(tf.io.read_file(photos[0]))
    gates = keras.Model(model.input, gate_io.list_gates(model))(
        tf.cast(pixels, tf.float32)[tf.newaxis]
    )
    found = picture_answers.answer(
        observer, photos[0], class_names=NAMES, training=NONE
    )
    assert [*found.tuned] == [*gates]
    for name, gate in gates.items():
        assert found.tuned[name] == pytest.approx(np.mean(gate))
    every = np.concatenate([np.ravel(gate) for gate in gates.values()])
    assert found.tuned_fraction == pytest.approx(every.mean())


def test_nearest_pictures_by_hand():
    examples = Examples(("a", "b", "c", "d"), (0, 1, 2, 1), NAMES)
    training = picture_answers.TrainingPictures(
        examples, np.array([[3, 0], [0, 2], [1, 1], [0, 0]])
    )
    nearest = training.find_nearest(np.array([0, 5]), 3)
    assert [(of.path, of.class_name) for of in nearest] == [
        ("b", "daisy"),
        ("c", "wild tulip"),
        ("a", "rosé"),
    ]
    np.testing.assert_allclose(
        [of.similarity for of in nearest], [1, np.sqrt(0.5), 0], atol=1e-12
    )
    assert training.find_nearest(np.zeros(2), 1)[0].similarity == 0


def test_picture_is_nearest_to_itself_and_unreadable_ones_are_left_out(
    observer, photos
):
    broken = photos[0].replace("0.png", "text.png")
    examples = Examples((*photos, broken), (0, 1, 2, 0, 1), NAMES)
    features = list(picture_answers.observe_all(observer, examples.paths))
    assert features[4] is None
    training = picture_answers.keep_readable(examples, features)
    assert training.examples.paths == tuple(photos)
    for path in photos:
        found = picture_answers.answer(
            observer, path, class_names=NAMES, training=training, num_nearest=2
        )
        assert [of.path for of in found.neighbours][0] == path
        assert found.neighbours[0].similarity == pytest.approx(1, abs=1e-6)
        assert len(found.neighbours) == 2


def test_broken_file_has_its_reason_alone(observer, tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8\xff")
    found = picture_answers.answer(
        observer, str(tmp_path / "a.jpg"), class_names=NAMES, training=NONE
    )
    assert found.row.error == "a truncated or damaged JPEG file"
    assert (found.row.classes, found.neighbours, found.tuned) == ((), (), {})


def test_logits_that_are_not_finite_are_a_message(photos):
    model = fine_tuning.build(tiny_resnet(), 3, tune_blocks="all")
    observer = picture_answers.Observer(model, SPEC)
    found = picture_answers.answer(
        observer, photos[0], class_names=NAMES, training=NONE
    )
    assert found.row.error is None and found.tuned_fraction is None
    model.get_layer("head").bias.assign([np.nan] * 3)
    found = picture_answers.answer(
        observer, photos[0], class_names=NAMES, training=NONE
    )
    assert "The model has non-finite logits" in found.row.error
