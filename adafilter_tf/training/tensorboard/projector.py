"""Features and gates of validation images, for TensorBoard's projector."""

import itertools
import os
import pathlib

import keras
import numpy as np
import tensorflow as tf
from google.protobuf import text_format
from PIL import Image
from tensorboard.plugins import projector

from adafilter_tf import evaluation
from adafilter_tf.data import pipeline
from adafilter_tf.data.decoding.preprocessing import ImageSpec
from adafilter_tf.data.examples import Examples, show_path
from adafilter_tf.distribution import workers as workers_lib
from adafilter_tf.models import gate_io

MAX_IMAGES = 1000
MAX_GATES = 2000
_SPRITE = 48


def write_projector(
    log_dir: str | os.PathLike,
    model: keras.Model,
    examples: Examples,
    spec: ImageSpec,
    *,
    batch_size: int,
    workers: workers_lib.Workers = workers_lib.ALONE,
) -> None:
    """Writes the points that the projector shows, with labels and thumbnails.

    `features` are the inputs of the head. `gates` are the gates that vary most between
    the images, at most `MAX_GATES`; a model without varying gates has none.

    Args:
        log_dir: TensorBoard's folder.
        model: A classifier with a layer "head".
        examples: Of which at most `MAX_IMAGES`, evenly spaced, are shown.
        spec: How an image becomes the model's pixels.
        batch_size: Images per step over all replicas.
        workers: Of the run; all of them predict, the chief writes.
    """
    folder = pathlib.Path(log_dir)
    shown = np.unique(
        np.linspace(0, len(examples) - 1, min(len(examples), MAX_IMAGES)).astype(int)
    )
    examples = examples.take(shown)
    predict = evaluation.create_predictor(
        model,
        {
            "features": model.get_layer("head").input,
            "gates": gate_io.list_gates(model),
        },
        spec,
        batch_size=batch_size,
    )
    outputs = predict(examples.paths)
    if not workers.is_chief:
        return
    points = {"features": outputs["features"]}
    if outputs["gates"]:
        every = np.concatenate(list(outputs["gates"].values()), axis=1)
        varying = _choose_gates(every)
        if varying.shape[1]:
            points["gates"] = varying
    folder.mkdir(parents=True, exist_ok=True)
    _write_labels(folder / "projector_labels.tsv", examples)
    dataset = pipeline.evaluation_dataset(examples.paths, spec, batch_size=batch_size)
    _draw_sprite(dataset, len(examples)).save(folder / "projector_sprite.png")
    config = projector.ProjectorConfig()
    for name, array in points.items():
        path = folder / f"projector_{name}.tsv"
        np.savetxt(path, array, fmt="%.5g", delimiter="\t")
        embedding = config.embeddings.add(
            tensor_name=name,
            tensor_shape=list(array.shape),
            tensor_path=path.name,
            metadata_path="projector_labels.tsv",
        )
        embedding.sprite.image_path = "projector_sprite.png"
        embedding.sprite.single_image_dim.extend([_SPRITE, _SPRITE])
    text = text_format.MessageToString(config)
    (folder / "projector_config.pbtxt").write_text(text)


def _choose_gates(gates: np.ndarray) -> np.ndarray:
    """Returns the columns that vary over the images, in their order."""
    spread = gates.astype(np.float64).var(axis=0)
    order = np.argsort(-spread, kind="stable")[:MAX_GATES]
    return gates[:, np.sort(order[spread[order] > 0])]


def _write_labels(path: pathlib.Path, examples: Examples) -> None:
    lines = ["class\timage"]
    for image, label in zip(examples.paths, examples.labels, strict=True):
        fields = (examples.class_names[label], show_path(os.path.basename(image)))
        lines.append("\t".join(" ".join(field.split()) for field in fields))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _draw_sprite(dataset: tf.data.Dataset, count: int) -> Image.Image:
    """Returns `count` images on one square, row by row, as the projector reads them."""
    side = int(np.ceil(np.sqrt(count)))
    sprite = np.full((side * _SPRITE, side * _SPRITE, 3), 255, np.uint8)
    small = dataset.map(
        lambda images: tf.image.resize(images, [_SPRITE, _SPRITE], antialias=True)
    )
    images = (image for batch in small.as_numpy_iterator() for image in batch)
    for place, pixels in enumerate(itertools.islice(images, count)):
        top, left = _SPRITE * (place // side), _SPRITE * (place % side)
        # A grey image is broadcast to three channels.
        sprite[top : top + _SPRITE, left : left + _SPRITE] = np.rint(pixels).clip(
            0, 255
        )
    return Image.fromarray(sprite)
