"""Where the time of a training step goes, by kind of operation.

    python -m tools.benchmarks.step_profile --backbone=resnet50 --batch_size=8

prints, for standard fine-tuning and for AdaFilter with all layers gated, the seconds
that each kind of TensorFlow operation took in a step, summed over the threads, by
TensorFlow's own profiler. CPU and TensorFlow alone; an operation that waits for a core
counts the wait.
"""

import collections
import pathlib
import tempfile

from adafilter_tf.cli import startup  # noqa: F401  # isort: skip - before TensorFlow

import keras
import tensorflow as tf
from absl import app, flags
from tensorflow.tsl.profiler.protobuf import xplane_pb2

from adafilter_tf.models import backbones
from tools.benchmarks import subjects

STEPS = 3
_LEAST_SHARE = 0.01


def profile(settings: subjects.Settings, method: str) -> dict[str, float]:
    """Returns the seconds of a step by kind of operation, the longest first."""
    model = subjects.build_model(settings, method)
    subjects.compile_model(model, settings)
    images = subjects.draw_images(settings, settings.batch_size)
    labels = subjects.draw_labels(settings.batch_size)
    for _ in range(2):
        model.train_on_batch(images, labels)
    with tempfile.TemporaryDirectory() as folder:
        with tf.profiler.experimental.Profile(folder):
            for _ in range(STEPS):
                model.train_on_batch(images, labels)
        (path,) = pathlib.Path(folder).rglob("*.xplane.pb")
        seconds = sum_operations(path.read_bytes())
    return {kind: each / STEPS for kind, each in seconds.items()}


def sum_operations(profile: bytes) -> dict[str, float]:
    """Returns the seconds by kind of operation in a serialized profile (XSpace)."""
    space = xplane_pb2.XSpace.FromString(profile)
    seconds: collections.Counter = collections.Counter()
    for plane in space.planes:
        if not plane.name.startswith("/host:CPU"):
            continue
        for line in plane.lines:
            for event in line.events:
                # The events of operations are called "name:kind", those of the
                # executor "Class::Function".
                name = plane.event_metadata[event.metadata_id].name
                _, colon, kind = name.rpartition(":")
                if colon and kind.isidentifier() and "::" not in name:
                    seconds[kind] += event.duration_ps * 1e-12
    return dict(seconds.most_common())


def main(argv: list[str]) -> None:
    """Prints a table for each method."""
    if argv[1:]:
        raise app.UsageError(f"Unexpected arguments {argv[1:]}.")
    values = flags.FLAGS
    size = values.image_size or backbones.get_spec(values.backbone).image_size
    settings = subjects.Settings(values.backbone, size, values.batch_size, False)
    for method in (subjects.REFERENCE, "adafilter"):
        seconds = profile(settings, method)
        keras.backend.clear_session()
        total = sum(seconds.values())
        print(f"{method}: {total:.3f} s of operations per step")
        for kind, each in seconds.items():
            if each > _LEAST_SHARE * total:
                print(f"  {kind:<32} {each:.3f} s  {each / total:.1%}")


if __name__ == "__main__":
    flags.DEFINE_enum("backbone", "resnet50", list(backbones.BACKBONES), "Its name.")
    flags.DEFINE_integer("image_size", None, "Pixels; none for the usual size.")
    flags.DEFINE_integer("batch_size", 8, "Images per step.")
    app.run(main)
