"""--mode=evaluate: the metrics of a finished run, on its images or on others."""

import json

from absl import flags, logging

from adafilter_tf import evaluation, training
from adafilter_tf.cli import finished_run
from adafilter_tf.data import splits
from adafilter_tf.data.inspection import leaks
from adafilter_tf.data.integrity import image_record, manifest

FLAGS = flags.FLAGS


def run() -> None:
    """Scores the trained model on a split or data set; prints the metrics as JSON."""
    folder = finished_run.open_run()
    model, spec = finished_run.load_model(folder)
    split, examples, num_unreadable = finished_run.load_examples(
        folder, FLAGS.evaluate_split, channels=spec.channels
    )
    score = evaluation.create_scorer(model, spec, batch_size=FLAGS.batch_size)
    if not FLAGS.evaluate_on:
        print(json.dumps(training.measure_split(score, examples, split), indent=2))
        return
    leak = leaks.find_leak(
        examples,
        splits.read_splits(folder.splits).train,
        image_record.read_digests(folder.images),
        cache=manifest.default_path(FLAGS.evaluate_on, FLAGS.data_dir),
        trained_cache=manifest.default_path(FLAGS.dataset, FLAGS.data_dir),
    )
    if leak.copies or leak.alike:
        logging.warning(
            "%d of these %d images are training images of the run, byte by byte; %d "
            "more look like one.",
            leak.copies,
            len(examples),
            leak.alike or 0,
        )
    metrics = {
        "dataset": FLAGS.evaluate_on,
        "split": split,
        "unreadable_images": num_unreadable,
        "training_images_among_them": leak.copies,
        "images_like_training_images": leak.alike,
        # Whatever their name, these images test the run.
        **training.measure_split(score, examples, "test"),
    }
    print(json.dumps(metrics, indent=2))
