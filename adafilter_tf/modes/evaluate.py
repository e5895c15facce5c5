"""--mode=evaluate: the metrics of a finished run on its test split."""

import json

from absl import flags

from adafilter_tf import evaluation, model_file, settings, training
from adafilter_tf.data import splits
from adafilter_tf.modes import finished_run

FLAGS = flags.FLAGS


def run() -> None:
    """Scores the trained model on the run's test split; prints the metrics as JSON."""
    folder = finished_run.open_run()
    test = splits.read_splits(folder.splits).test
    score = evaluation.create_scorer(
        model_file.load_model(folder.model),
        **settings.image_options(FLAGS),
        batch_size=FLAGS.batch_size,
    )
    print(json.dumps(training.measure_split(score, test, "test"), indent=2))
