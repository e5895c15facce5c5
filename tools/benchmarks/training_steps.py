"""The time of a training step of each method, on the same batch."""

import functools
import gc

from adafilter_tf.models import trunk
from tools.benchmarks import interleaving, subjects


def measure(
    settings: subjects.Settings, *, rounds: int, warm_up: int
) -> dict[str, interleaving.Times]:
    """Returns the times of a step of each of `subjects.list_methods`.

    A step is Keras' `train_on_batch`: forward, backward, update, metrics. Where the
    first layers are frozen there is also `<name>_cached`, a step on their features, as
    with --cache_frozen_features.
    """
    images = subjects.draw_images(settings, settings.batch_size)
    labels = subjects.draw_labels(settings.batch_size)
    steps = {}
    for name, (method, options) in subjects.list_methods(settings).items():
        model = subjects.build_model(settings, method, **options)
        subjects.compile_model(model, settings)
        steps[name] = functools.partial(model.train_on_batch, images, labels)
        parts = trunk.split_trunk(subjects.build_model(settings, method, **options))
        if parts is not None:
            frozen, rest = parts
            features = frozen.predict_on_batch(images)
            subjects.compile_model(rest, settings)
            steps[f"{name}_cached"] = functools.partial(
                rest.train_on_batch, features, labels
            )
    gc.collect()
    return interleaving.measure(steps, rounds=rounds, warm_up=warm_up)
