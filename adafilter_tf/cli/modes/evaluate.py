"""--mode=evaluate: the metrics of a finished run, on its images or on others."""

import json

from absl import flags, logging

from adafilter_tf import evaluation, training
from adafilter_tf.cli import finished_run
from adafilter_tf.data import splits
from adafilter_tf.data.inspection import leaks
from adafilter_tf.data.integrity import image_record, manifest


def run(values: flags.FlagValues) -> None:
    """Scores the trained model on a split or data set; prints the metrics as JSON."""
    print(json.dumps(measure(values), indent=2))


def measure(values: flags.FlagValues) -> dict:
    """Returns the metrics of the trained model on a split or data set."""
    folder = finished_run.open_run(values)
    model, spec = finished_run.load_model(values, folder)
    split, examples, num_unreadable = finished_run.load_examples(
        values, folder, values.evaluate_split, channels=spec.channels
    )
    score = evaluation.create_scorer(model, spec, batch_size=values.batch_size)
    if not values.evaluate_on:
        return training.measure_split(score, examples, split)
    leak = leaks.find_leak(
        examples,
        splits.read_splits(folder.splits).train,
        image_record.read_digests(folder.images),
        cache=manifest.default_path(values.evaluate_on, values.data_dir),
        trained_cache=manifest.default_path(values.dataset, values.data_dir),
    )
    if leak.copies or leak.alike:
        logging.warning(
            "%d of these %d images are training images of the run, byte by byte; %d "
            "more look like one.",
            leak.copies,
            len(examples),
            leak.alike or 0,
        )
    return {
        "dataset": values.evaluate_on,
        "split": split,
        "unreadable_images": num_unreadable,
        "training_images_among_them": leak.copies,
        "images_like_training_images": leak.alike,
        # Whatever their name, these images test the run.
        **training.measure_split(score, examples, "test"),
    }
