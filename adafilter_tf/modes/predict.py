"""--mode=predict: class scores for images without labels."""

import sys

from absl import flags

from adafilter_tf import errors, model_file, prediction, settings
from adafilter_tf.modes import finished_run

FLAGS = flags.FLAGS


def run() -> None:
    """Writes one CSV row per image of --images."""
    folder = finished_run.open_run()
    if not FLAGS.images:
        raise errors.UsageError(
            "--mode=predict needs --images: files, folders or globs, separated by "
            "commas."
        )
    paths = prediction.expand_images(FLAGS.images)
    rows = prediction.predict_paths(
        model_file.load_model(folder.model),
        paths,
        class_names=finished_run.read_labels(folder),
        batch_size=FLAGS.batch_size,
        top_k=FLAGS.top_k,
        **settings.image_options(FLAGS),
    )
    if FLAGS.predictions:
        prediction.save_csv(rows, FLAGS.predictions)
    else:
        prediction.write_csv(rows, sys.stdout)
