"""The peak memory of one method's training or one network's inference, in a process.

A process of its own for each, since an allocator does not give memory back:

    python -m tools.benchmarks.memory '{"subject": "adafilter", "backbone": ...}'

prints the bytes of the peak above those of the process before the model was made:
weights, optimizer, activations, gradients and the traced graph.
"""

import dataclasses
import json
import os
import pathlib
import subprocess
import sys

from adafilter_tf.cli import startup  # noqa: F401  # isort: skip - before TensorFlow

from adafilter_tf import errors
from adafilter_tf.files import model_file
from tools.benchmarks import devices, subjects

_STEPS = 3


def measure(settings: subjects.Settings, subject: str) -> int:
    """Returns the peak of a subject, in bytes.

    Args:
        settings: Of the benchmark.
        subject: A key of `subjects.list_methods` for its training, or a `.keras` file
            for its inference.

    Raises:
        RunError: When the process fails, as it does without memory.
    """
    request = {**dataclasses.asdict(settings), "subject": subject}
    done = subprocess.run(
        [sys.executable, "-m", "tools.benchmarks.memory", json.dumps(request)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no message"]
        raise errors.RunError(
            f"The process that measures the memory of {subject} ended with "
            f"{done.returncode}: {lines[-1]}. Try a smaller --batch_size."
        )
    return int(done.stdout.split()[-1])


def _train(settings: subjects.Settings, name: str) -> None:
    method, options = subjects.list_methods(settings)[name]
    model = subjects.build_model(settings, method, **options)
    subjects.compile_model(model, settings)
    images = subjects.draw_images(settings, settings.batch_size)
    labels = subjects.draw_labels(settings.batch_size)
    for _ in range(_STEPS):
        model.train_on_batch(images, labels)


def _predict(settings: subjects.Settings, path: pathlib.Path) -> None:
    model = model_file.load_model(path)
    images = subjects.draw_images(settings, settings.batch_size)
    for _ in range(_STEPS):
        model.predict_on_batch(images)


def main(request: dict) -> None:
    """Runs the subject of a request and prints its peak."""
    subject = request.pop("subject")
    settings = subjects.Settings(**request)
    before = devices.read_memory()
    if subject.endswith(".keras"):
        _predict(settings, pathlib.Path(subject))
    else:
        _train(settings, subject)
    print(devices.read_peak_memory() - before)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
