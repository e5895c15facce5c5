"""The projector's files as TensorBoard's plugin reads them."""

import numpy as np
from google.protobuf import text_format
from PIL import Image
from tensorboard.plugins.projector import projector_config_pb2

from adafilter_tf.data.decoding.preprocessing import ImageSpec
from adafilter_tf.data.examples import Examples
from adafilter_tf.methods import adafilter, fine_tuning
from adafilter_tf.training.tensorboard import projector
from tests.conftest import tiny_resnet

SPEC = ImageSpec(image_size=8, channels=3, crop_fraction=1.0)


def write(folder, model, image_files):
    paths, pixels = image_files
    examples = Examples(tuple(paths), (0, 1, 0, 1, 0, 1, 0), ("a cat", "a\tdog"))
    projector.write_projector(folder, model, examples, SPEC, batch_size=4)
    text = (folder / "projector_config.pbtxt").read_text()
    config = text_format.Parse(text, projector_config_pb2.ProjectorConfig())
    return pixels, {entry.tensor_name: entry for entry in config.embeddings}


def test_points_labels_and_thumbnails_belong_together(tmp_path, image_files):
    model = adafilter.build(tiny_resnet(), 2)
    pixels, entries = write(tmp_path / "logs", model, image_files)
    assert list(entries) == ["features", "gates"]
    for entry in entries.values():
        points = np.loadtxt(tmp_path / "logs" / entry.tensor_path, delimiter="\t")
        assert list(points.shape) == list(entry.tensor_shape)
        assert len(points) == 7
    head = model.get_layer("head")
    features = np.loadtxt(tmp_path / "logs/projector_features.tsv")
    logits = features @ head.kernel.numpy() + head.bias.numpy()
    np.testing.assert_allclose(logits, model.predict(pixels, verbose=0), atol=1e-3)
    gates = np.loadtxt(tmp_path / "logs/projector_gates.tsv", delimiter="\t")
    assert set(np.unique(gates)) == {0.0, 1.0}
    assert (gates.var(axis=0) > 0).all()
    lines = (tmp_path / "logs" / entries["gates"].metadata_path).read_text()
    assert lines.splitlines()[:3] == ["class\timage", "a cat\t0.png", "a dog\t1.png"]
    sprite = np.asarray(Image.open(tmp_path / "logs/projector_sprite.png"))
    assert sprite.shape == (3 * 48, 3 * 48, 3)
    # 8 pixels became 48, smoothly: their averages stay.
    np.testing.assert_allclose(
        sprite[48:96, 48:96].mean((0, 1)), pixels[4].mean((0, 1)), atol=4
    )


def test_model_without_gates_has_features_alone(tmp_path, image_files):
    model = fine_tuning.build(tiny_resnet(), 2)
    _, entries = write(tmp_path / "logs", model, image_files)
    assert list(entries) == ["features"]
