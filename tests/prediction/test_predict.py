import itertools
import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from adafilter_tf import errors, prediction
from adafilter_tf.data.decoding.preprocessing import ImageSpec

COLOURS = ("red", "green", "blue")
SPEC = ImageSpec(image_size=8, channels=3, crop_fraction=1.0)


def colour_model(scale=1 / 100):
    """Logits = mean of each channel / 100: the class of an image is its colour."""
    inputs = keras.Input((8, 8, 3))
    means = keras.layers.GlobalAveragePooling2D()(inputs)
    return keras.Model(inputs, keras.layers.Rescaling(scale)(means))


def write_image(path, colour, size=(12, 9)):
    pixels = np.broadcast_to(np.array(colour, np.uint8), (*size, 3))
    path.write_bytes(tf.io.encode_png(pixels).numpy())
    return str(path)


def predict(paths, batch_size=2, **options):
    rows = prediction.predict_paths(
        colour_model(),
        paths,
        SPEC,
        **{"class_names": COLOURS, "batch_size": batch_size, **options},
    )
    return list(rows)


def test_classes_and_probabilities_by_hand(tmp_path):
    row = predict([write_image(tmp_path / "a.png", (50, 200, 100))])[0]
    total = math.exp(0.5) + math.exp(2.0) + math.exp(1.0)
    assert row.path == str(tmp_path / "a.png")
    assert row.classes == ("green", "blue", "red")
    # A constant image stays constant within float32 rounding of the resize weights.
    assert row.probabilities == pytest.approx(
        [math.exp(2.0) / total, math.exp(1.0) / total, math.exp(0.5) / total], abs=1e-6
    )
    assert row.error is None


@pytest.mark.parametrize("batch_size", [1, 2, 5, 64])
def test_one_row_per_path_in_order_whatever_the_batch_size(tmp_path, batch_size):
    colours = np.eye(3, dtype=np.uint8)[[0, 1, 2, 2, 0, 1, 1]] * 200
    paths = [write_image(tmp_path / f"{i}.png", c) for i, c in enumerate(colours)]
    rows = predict(paths, batch_size)
    assert [row.path for row in rows] == paths
    assert [row.classes[0] for row in rows] == [
        COLOURS[k] for k in (0, 1, 2, 2, 0, 1, 1)
    ]


def test_top_k_keeps_the_most_probable(tmp_path):
    row = predict([write_image(tmp_path / "a.png", (0, 10, 250))], top_k=2)[0]
    assert row.classes == ("blue", "green")


def test_broken_images_are_rows_and_leave_the_others_as_they_are(tmp_path):
    good = write_image(tmp_path / "good.png", (0, 0, 250))
    jpeg = tf.io.encode_jpeg(np.zeros((40, 40, 3), np.uint8)).numpy()
    (tmp_path / "half.jpg").write_bytes(jpeg[: len(jpeg) // 2])
    (tmp_path / "half.png").write_bytes(open(good, "rb").read()[:60])
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "text.jpg").write_text("<html>not found</html>")
    names = ["half.jpg", "half.png", "empty.jpg", "text.jpg", "none.jpg"]
    broken = [str(tmp_path / name) for name in names] + [str(tmp_path)]
    rows = predict([good, *broken, good], batch_size=3)
    assert [row.error for row in rows[1:-1]] == [
        "a truncated or damaged JPEG file",
        "a truncated or damaged PNG file",
        "an empty file, not an image",
        "an HTML or SVG text, not an image",
        "No such file or directory",
        "a folder, not a file",
    ]
    assert rows[0] == rows[-1] == predict([good])[0]
    assert rows[1].classes == ("", "", "") and np.isnan(rows[1].probabilities).all()


def test_rows_come_before_later_files_are_read(tmp_path):
    paths = [str(tmp_path / f"{i}.png") for i in range(4)]
    write_image(tmp_path / "0.png", (200, 0, 0))
    write_image(tmp_path / "1.png", (200, 0, 0))
    rows = prediction.predict_paths(
        colour_model(), paths, SPEC, class_names=COLOURS, batch_size=1
    )
    assert next(rows).classes[0] == "red"
    write_image(tmp_path / "2.png", (0, 200, 0))
    write_image(tmp_path / "3.png", (0, 0, 200))
    assert [row.classes[0] for row in rows] == ["red", "green", "blue"]


def test_no_paths_give_no_rows():
    assert predict([]) == []


def test_logits_that_are_not_finite_are_refused(tmp_path):
    path = write_image(tmp_path / "a.png", (1, 1, 1))
    rows = prediction.predict_paths(
        colour_model(scale=math.inf), [path], SPEC, class_names=COLOURS, batch_size=1
    )
    with pytest.raises(
        errors.RunError,
        match=r"non-finite logits .* for .*a.png",
    ):
        next(rows)


def test_paths_are_taken_no_more_than_two_batches_ahead():
    taken = []

    def endless():
        for index in itertools.count():
            taken.append(index)
            yield f"nowhere/{index}.png"

    rows = prediction.predict_paths(
        colour_model(), endless(), SPEC, class_names=COLOURS, batch_size=4
    )
    for number in range(1, 30):
        assert next(rows).path == f"nowhere/{number - 1}.png"
        assert len(taken) <= number + 2 * 4
