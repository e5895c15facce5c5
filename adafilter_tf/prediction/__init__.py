"""Classes and scores of images, and the files that hold them."""

from adafilter_tf.prediction.predict import (
    Prediction,
    create_reader,
    predict_paths,
    rank_classes,
)

__all__ = [
    "Prediction",
    "create_reader",
    "predict_paths",
    "rank_classes",
]
