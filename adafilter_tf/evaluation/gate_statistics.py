"""Statistics over the gates of a set of images."""

import dataclasses
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from scipy import special

Gates = Mapping[str, np.ndarray]
"""Layer name -> gates [B, N] of B images and N filters; 1 tuned, 0 frozen filter.

Soft gates lie between the two.
"""


@dataclasses.dataclass(frozen=True, eq=False)
class GateStatistics:
    """Statistics over the gates of `num_images` images.

    Every filter weighs the same in the overall figures, so a layer of 512 filters
    counts eight times as much as one of 64.

    Attributes:
        num_images: B, the number of images behind every figure.
        tuned_fraction: share of (image, filter) choices that pick the tuned filter;
            the mean of soft gates.
        tuned_fraction_per_layer: the same share for each layer, in network order.
        tuned_frequencies: layer -> float64 [N], the share of images for which each
            filter is tuned.
        image_dependent_fraction: share of filters whose gate is not the same for all
            images: the method's point. Always 0 when B is 1.
        collapsed_layers: layer -> 0 or 1 for each layer in which every filter has
            exactly that gate for every image.
        changed_fraction: share of (image, filter) choices, soft gates rounded at 0.5,
            that differ from the reference gates; None without a reference.
    """

    num_images: int
    tuned_fraction: float
    tuned_fraction_per_layer: dict[str, float]
    tuned_frequencies: dict[str, np.ndarray]
    image_dependent_fraction: float
    collapsed_layers: dict[str, int]
    changed_fraction: float | None


def gate_statistics(gates: Gates, reference: Gates | None = None) -> GateStatistics:
    """Counts the choices in `gates`, and how many of them differ from `reference`.

    Args:
        gates: layer -> [B, N], values in [0, 1] of any dtype, in network order.
            Memory: B times the number of filters, so pass `float16` and a fixed sample
            of images (1,000 images of a ResNet50 are 53 MB).
        reference: gates of the same images at the start of training, same shapes.

    Raises:
        ValueError: no layer, no image, layers of unlike batch sizes, a value that is
            not in [0, 1], or a reference of other layers or shapes.
    """
    num_images = _checked_batch_size(gates)
    frequencies = {
        name: np.asarray(np.mean(gate, axis=0, dtype=np.float64))
        for name, gate in gates.items()
    }
    every_filter = np.concatenate(list(frequencies.values()))
    image_dependent = [np.any(gate != gate[:1], axis=0) for gate in gates.values()]
    return GateStatistics(
        num_images=num_images,
        tuned_fraction=float(every_filter.mean()),
        tuned_fraction_per_layer={
            name: float(frequency.mean()) for name, frequency in frequencies.items()
        },
        tuned_frequencies=frequencies,
        image_dependent_fraction=float(np.mean(np.concatenate(image_dependent))),
        collapsed_layers={
            name: int(frequency[0])
            for name, frequency in frequencies.items()
            if np.all(frequency == 0) or np.all(frequency == 1)
        },
        changed_fraction=None
        if reference is None
        else _changed_fraction(gates, reference),
    )


def class_mutual_information(
    gates: Gates, labels: npt.ArrayLike, seed: int = 0
) -> float:
    """Returns the mutual information between gate and class, in bits per filter.

    I(gate; class) of each gate, rounded at 0.5, averaged over filters: 0 for gates that
    do not depend on the class, at most 1. A small sample biases the estimate upwards,
    so the value under shuffled labels is subtracted; the result may be slightly
    negative.

    Example:
        >>> import numpy as np
        >>> gates = {"conv": np.array([[0, 1], [1, 1]] * 500)}
        >>> round(class_mutual_information(gates, [0, 1] * 500), 1)
        0.5

    Args:
        gates: layer -> [B, N].
        labels: B class indices.
        seed: of the shuffling.
    """
    classes = np.asarray(labels)
    chosen = np.concatenate([np.asarray(gate) > 0.5 for gate in gates.values()], axis=1)
    shuffled = np.random.default_rng(seed).permutation(classes)
    return _information(chosen, classes) - _information(chosen, shuffled)


def _information(chosen: np.ndarray, labels: np.ndarray) -> float:
    """Returns the mean over the columns of `chosen`, bool [B, N], in bits."""
    classes, counts = np.unique(labels, return_counts=True)
    frequencies = np.stack([chosen[labels == of].mean(axis=0) for of in classes])
    within = np.average(binary_entropy(frequencies), axis=0, weights=counts)
    return float(np.mean(binary_entropy(chosen.mean(axis=0)) - within))


def binary_entropy(frequency: np.ndarray) -> np.ndarray:
    """Returns the entropy of a choice between two, in bits.

    Args:
        frequency: Of one of the two, 0..1, of any shape.

    Example:
        >>> import numpy as np
        >>> binary_entropy(np.array([0.0, 0.5])).tolist()
        [0.0, 1.0]
    """
    return (special.entr(frequency) + special.entr(1 - frequency)) / np.log(2)


def _checked_batch_size(gates: Gates) -> int:
    if not gates:
        raise ValueError(
            "Received gates of no layer; a gated model has at least one gated layer."
        )
    shapes = {name: np.shape(gate) for name, gate in gates.items()}
    if any(len(shape) != 2 or 0 in shape for shape in shapes.values()) or (
        len({shape[0] for shape in shapes.values()}) > 1
    ):
        raise ValueError(
            f"Received gates of shapes {shapes}; each layer needs [B, N] with the "
            "same number of images B >= 1 and N >= 1 filters."
        )
    for name, gate in gates.items():
        # Written so that NaN is refused, too.
        if not np.all((np.asarray(gate) >= 0) & (np.asarray(gate) <= 1)):
            raise ValueError(
                f"Received gates of layer {name!r} with values from {np.min(gate)} to "
                f"{np.max(gate)}; allowed are 0 (frozen filter) to 1 (tuned filter)."
            )
    return next(iter(shapes.values()))[0]


def _changed_fraction(gates: Gates, reference: Gates) -> float:
    shapes = {name: np.shape(gate) for name, gate in gates.items()}
    reference_shapes = {name: np.shape(gate) for name, gate in reference.items()}
    if shapes != reference_shapes:
        raise ValueError(
            f"Received reference gates of shapes {reference_shapes} for gates of "
            f"shapes {shapes}; both must hold the same images and layers."
        )
    changed = sum(
        np.count_nonzero(
            (np.asarray(gate) > 0.5) != (np.asarray(reference[name]) > 0.5)
        )
        for name, gate in gates.items()
    )
    return changed / sum(np.size(gate) for gate in gates.values())
