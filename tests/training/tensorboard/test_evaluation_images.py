import numpy as np
import tensorflow as tf

from adafilter_tf.data.examples import Examples
from adafilter_tf.training.tensorboard import evaluation_images, event_writer
from tests.training.tensorboard.test_tensorboard_logger import read_events


def test_evaluation_leaves_matrix_sheet_and_table(tmp_path, image_files):
    paths, _ = image_files
    examples = Examples(tuple(paths), (0, 1, 0, 1, 0, 1, 0), ("cat", "dog"))
    logits = np.array([[2.0, 0.0]] * 7)
    writer = event_writer.EventWriter(tmp_path / "logs")
    writer.open(0)
    evaluation_images.write_images(writer, "validation", logits, examples, 12)
    right = np.eye(2)[list(examples.labels)]
    evaluation_images.write_images(writer, "test", right, examples, 12)
    writer.close()
    events = read_events(tmp_path / "logs")
    for tag in ("validation/confusion_matrix", "test/confusion_matrix"):
        assert tf.io.decode_png(events[tag][12][2]).shape[-1] == 3
    table = events["validation/misclassified_paths"][12].item().decode().splitlines()
    assert [line.split(" | ")[0] for line in table[2:]] == [
        f"| {paths[index]}" for index in (1, 3, 5)
    ]
    assert table[2].endswith("| dog | cat | 0.881 |")
    assert "test/misclassified" not in events
