"""Gate patterns of a set of images: by layer, class and image."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from sklearn import decomposition, manifold

from adafilter_tf.evaluation import gate_statistics

Gates = Mapping[str, np.ndarray]

PROJECTIONS = ("pca", "tsne")


def describe_layers(gates: Gates, labels: npt.ArrayLike, num_classes: int) -> list:
    """Returns one entry per layer, in the order of deciding, ready for JSON.

    Args:
        gates: Layer name to [n, N]; soft gates are rounded at 0.5 but for the shares.
        labels: n class indices.
        num_classes: K.

    Returns:
        For each layer `name` and `filters` N; `tuned_fraction`, the share of choices
        that are tuned; `always_frozen`, `always_tuned` and `image_dependent`, shares of
        its filters that sum to 1; `entropy`, in the mean over filters the entropy of
        the choice in bits: 0 for the same choice for all images, 1 for an even split;
        `class_information`, see
        `gate_statistics.class_mutual_information`; and
        `tuned_fraction_per_class`, K shares, None for a class without image.
    """
    labels = np.asarray(labels)
    described = []
    for name, gate in gates.items():
        frequencies = (np.asarray(gate) > 0.5).mean(axis=0)
        entropy = gate_statistics.binary_entropy(frequencies)
        shares = np.asarray(gate, np.float64).mean(axis=1)
        frozen, tuned = np.mean(frequencies == 0), np.mean(frequencies == 1)
        described.append(
            {
                "name": name,
                "filters": int(np.shape(gate)[1]),
                "tuned_fraction": float(shares.mean()),
                "always_frozen": float(frozen),
                "always_tuned": float(tuned),
                "image_dependent": float(
                    np.mean((frequencies > 0) * (frequencies < 1))
                ),
                "entropy": float(entropy.mean()),
                "class_information": gate_statistics.class_mutual_information(
                    {name: gate}, labels
                ),
                "tuned_fraction_per_class": [
                    float(shares[labels == label].mean())
                    if np.any(labels == label)
                    else None
                    for label in range(num_classes)
                ],
            }
        )
    return described


def measure_tuned_shares(gates: Gates) -> np.ndarray:
    """Returns each image's share of tuned filters, [n], every filter alike."""
    total = sum(np.asarray(gate, np.float64).sum(axis=1) for gate in gates.values())
    return total / sum(gate.shape[1] for gate in gates.values())


def collect_patterns(gates: Gates) -> np.ndarray:
    """Returns the choices of each image, uint8 [n, M], 1 = tuned.

    Filters that all images choose alike are left out: they do not tell images apart.
    """
    chosen = np.concatenate([np.asarray(gate) > 0.5 for gate in gates.values()], axis=1)
    return chosen[:, np.any(chosen != chosen[:1], axis=0)].astype(np.uint8)


def measure_distances(patterns: np.ndarray) -> np.ndarray:
    """Returns in how many filters two images differ: float32 [n, n]."""
    patterns = patterns.astype(np.float32)
    totals = patterns.sum(axis=1)
    return totals[:, None] + totals[None, :] - 2 * patterns @ patterns.T


def find_neighbours(
    distances: np.ndarray, labels: npt.ArrayLike, *, num_queries: int, num_nearest: int
) -> list[dict]:
    """Returns, for a typical image of each class, the images nearest to it.

    Typical is the image with the smallest mean distance to the others of its class. If
    there are more than `num_queries` classes, those with the most images are taken.

    Args:
        distances: [n, n], see `measure_distances`.
        labels: n class indices.
        num_queries: How many images.
        num_nearest: How many neighbours of each.

    Returns:
        `image` and `nearest`, a list of `image` and `distance`; images are positions.
    """
    labels = np.asarray(labels)
    classes, counts = np.unique(labels, return_counts=True)
    largest = np.sort(classes[np.argsort(-counts, kind="stable")][:num_queries])
    found = []
    for label in largest:
        members = np.flatnonzero(labels == label)
        means = distances[np.ix_(members, members)].mean(axis=1)
        image = int(members[means.argmin()])
        others = distances[image].copy()
        others[image] = np.inf
        nearest = np.argsort(others, kind="stable")[:num_nearest]
        nearest = nearest[np.isfinite(others[nearest])]
        found.append(
            {
                "image": image,
                "nearest": [
                    {"image": int(other), "distance": int(others[other])}
                    for other in nearest
                ],
            }
        )
    return found


def measure_agreement(
    distances: np.ndarray, labels: npt.ArrayLike
) -> dict[str, float] | None:
    """Returns how often the image with the nearest pattern is of the same class.

    Images at the same distance share the vote. None for fewer than two images.

    Returns:
        `share`, and `chance`, that of a random image.
    """
    labels = np.asarray(labels)
    if len(labels) < 2:
        return None
    others = distances.astype(np.float64)
    np.fill_diagonal(others, np.inf)
    tied = others == others.min(axis=1, keepdims=True)
    same = labels[:, None] == labels[None, :]
    pairs = same.sum() - len(labels)
    return {
        "share": float(((tied & same).sum(axis=1) / tied.sum(axis=1)).mean()),
        "chance": float(pairs / (len(labels) * (len(labels) - 1))),
    }


def project_patterns(patterns: np.ndarray, method: str, seed: int = 0) -> dict:
    """Returns the patterns in two dimensions.

    Args:
        patterns: [n, M], see `collect_patterns`; M at least 1, n at least 2.
        method: One of PROJECTIONS. t-SNE (van der Maaten & Hinton 2008) keeps near
            images near; distances between its groups mean nothing.
        seed: Of t-SNE.

    Returns:
        `method`, `points`, n pairs, and `explained_variance`, the shares of the two
        axes of PCA, None for t-SNE.
    """
    patterns = patterns.astype(np.float32)
    if method == "tsne":
        points = manifold.TSNE(
            init="random" if min(patterns.shape) < 2 else "pca",
            perplexity=min(30.0, (len(patterns) - 1) / 3),
            random_state=seed,
        ).fit_transform(patterns)
        return {"method": method, "points": points.tolist(), "explained_variance": None}
    analysis = decomposition.PCA(min(2, *patterns.shape), random_state=seed)
    points = analysis.fit_transform(patterns)
    variance = analysis.explained_variance_ratio_
    if points.shape[1] == 1:  # one filter that depends on the image
        points = np.pad(points, [(0, 0), (0, 1)])
        variance = np.append(variance, 0.0)
    return {
        "method": method,
        "points": points.astype(float).tolist(),
        "explained_variance": variance.astype(float).tolist(),
    }
