"""A source task: labelled images to pre-train on."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class SourceTask:
    """Labelled images to pre-train on.

    Attributes:
        name: Of the data set, for people.
        origin: For the model card: who made the data, and under which licence.
        limits: For the model card: what the data teaches and what it does not.
        class_names: One per label, in the order of the labels.
        train_images, test_images: uint8 `[N, S, S, C]`.
        train_labels, test_labels: int32 `[N]`.
        background: The pixel value, 0..255, around images that are smaller or moved.
    """

    name: str
    origin: str
    limits: str
    class_names: tuple[str, ...]
    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    background: int = 0

    @property
    def num_channels(self) -> int:
        """1 for grey images, 3 for RGB."""
        return self.train_images.shape[-1]
