"""The time that a training step waits for images, and the pipeline's throughput."""

import functools
import pathlib
import time
from collections.abc import Iterable

import keras
import numpy as np
import tensorflow as tf

from adafilter_tf.data import pipeline
from adafilter_tf.data.decoding.preprocessing import ImageSpec
from adafilter_tf.data.examples import Examples, Splits
from adafilter_tf.models import backbones
from tools.benchmarks import interleaving, photographs, subjects

_AUTOTUNE = tf.data.AUTOTUNE
PASSES = 8
"""Over all images, in one measurement: a pipeline costs tens of milliseconds to start,
which a training does once."""


def create_dataset(
    examples: Examples, settings: subjects.Settings, steps: int
) -> tf.data.Dataset:
    """Returns the batches of a training without augmentation."""
    return pipeline.training_dataset(
        pipeline.TrainingInput(
            Splits(examples, examples, examples),
            ImageSpec(
                settings.image_size,
                backbones.get_spec(settings.backbone).channels,
                crop_fraction=1.0,
            ),
        ),
        global_batch_size=settings.batch_size,
        total_steps=steps,
    )


def measure_wait(
    examples: Examples, settings: subjects.Settings, *, rounds: int, warm_up: int
) -> float:
    """Returns the share of the time of `rounds` steps that they wait for their batch.

    The steps are those of `subjects.REFERENCE`, the method whose step is the shortest
    of those that train a whole backbone: a longer step waits less.
    """
    model = subjects.build_model(settings, subjects.REFERENCE)
    subjects.compile_model(model, settings)
    batches = iter(create_dataset(examples, settings, warm_up + rounds))
    waited, computed = [], []
    for _ in range(warm_up + rounds):
        start = time.perf_counter()
        images, labels = next(batches)
        ready = time.perf_counter()
        missing = subjects.NUM_CLASSES - labels.shape[-1]
        labels = np.pad(labels, [(0, 0), (0, missing)])
        model.train_on_batch(images.numpy(), labels)
        waited.append(ready - start)
        computed.append(time.perf_counter() - ready)
    waiting = sum(waited[warm_up:])
    return waiting / (waiting + sum(computed[warm_up:]))


def measure_pipelines(
    examples: Examples, settings: subjects.Settings, *, rounds: int, warm_up: int
) -> dict[str, interleaving.Times]:
    """Returns the times in which each pipeline reads all images `PASSES` times.

    `pipeline` is this package's. `keras` is `keras.utils.image_dataset_from_directory`
    as it comes: shuffled, cut to a centred square, resized, one-hot labels, prefetched.
    It has no antialiasing, which is most of the work here; `keras_antialiased` leaves
    the resizing to Keras' `Resizing`, which has.
    """
    channels = backbones.get_spec(settings.backbone).channels
    size = (settings.image_size,) * 2

    def read(**options):
        return keras.utils.image_dataset_from_directory(
            pathlib.Path(examples.paths[0]).parents[1],
            label_mode="categorical",
            color_mode={1: "grayscale", 3: "rgb"}[channels],
            batch_size=settings.batch_size,
            seed=0,
            verbose=False,
            **options,
        ).repeat(PASSES)

    resize = keras.layers.Resizing(*size, crop_to_aspect_ratio=True, antialias=True)
    datasets = {
        "pipeline": create_dataset(
            examples, settings, PASSES * len(examples) // settings.batch_size
        ),
        "keras": read(image_size=size, crop_to_aspect_ratio=True).prefetch(_AUTOTUNE),
        "keras_antialiased": read(image_size=(photographs.HEIGHT, photographs.WIDTH))
        .map(lambda images, labels: (resize(images), labels), _AUTOTUNE)
        .prefetch(_AUTOTUNE),
    }
    functions = {
        name: functools.partial(_exhaust, dataset) for name, dataset in datasets.items()
    }
    return interleaving.measure(functions, rounds=rounds, warm_up=warm_up)


def _exhaust(batches: Iterable) -> None:
    for _ in batches:
        pass
