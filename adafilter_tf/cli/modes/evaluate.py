"""--mode=evaluate: the metrics of a finished run, on its images or on others."""

import json

from absl import flags, logging

from adafilter_tf import evaluation, training
from adafilter_tf.cli import finished_run
from adafilter_tf.data import splits

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
    known = set(splits.read_splits(folder.splits).train.paths)
    num_trained = sum(path in known for path in examples.paths)
    if num_trained:
        logging.warning(
            "%d of these %d images are training images of the run.",
            num_trained,
            len(examples),
        )
    metrics = {
        "dataset": FLAGS.evaluate_on,
        "split": split,
        "unreadable_images": num_unreadable,
        "training_images_among_them": num_trained,
        # Whatever their name, these images test the run.
        **training.measure_split(score, examples, "test"),
    }
    print(json.dumps(metrics, indent=2))
