"""What runs answer for the same test images: matched, counted, picture by picture."""

import collections
import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from adafilter_tf import errors
from adafilter_tf.evaluation.explanation import paired_difference


@dataclasses.dataclass(frozen=True)
class RunAnswers:
    """A run and its answers for its test images.

    Attributes:
        name: How the run is called; each run of a comparison has its own.
        class_names: Its classes.
        paths: Its n test images.
        labels: Names of their classes.
        predicted: The predicted classes, by name.
        probabilities: Those of the predictions, 0..1.
        digests: SHA-256 of the images by path; empty if they are not known.
    """

    name: str
    class_names: Sequence[str]
    paths: Sequence[str]
    labels: Sequence[str]
    predicted: Sequence[str]
    probabilities: Sequence[float]
    digests: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def find_right(self) -> np.ndarray:
        """Returns which images are classified correctly, bool [n]."""
        return np.asarray(self.predicted) == np.asarray(self.labels)


def check_classes(runs: Sequence[RunAnswers]) -> None:
    """Checks that runs have the same classes, in whatever order.

    Raises:
        RunError: Naming a class that one of them has and another has not.
    """
    first = runs[0]
    for run in runs[1:]:
        for one, other in ((first, run), (run, first)):
            alone = sorted(set(one.class_names) - set(other.class_names))
            if alone:
                more = f" ({len(alone) - 1} more)" if len(alone) > 1 else ""
                raise errors.RunError(
                    f"{other.name} has no class {alone[0]!r}{more}, which {one.name} "
                    "has: only runs with the same classes are compared."
                )


def match_images(runs: Sequence[RunAnswers]) -> list[RunAnswers]:
    """Returns the runs with the test images that all of them have, in one order.

    Images are the same if their content is, or their path where a run does not know
    their content, and their class is the same. The order is that of the first run.

    Args:
        runs: At least one.
    """
    by_content = all(path in run.digests for run in runs for path in run.paths)
    positions = [_list_positions(run, by_content) for run in runs]
    common = [key for key in positions[0] if all(key in each for each in positions)]
    return [
        _take(run, [places[key] for key in common])
        for run, places in zip(runs, positions, strict=True)
    ]


def compare_answers(first: RunAnswers, other: RunAnswers) -> dict[str, float]:
    """Returns how much better another run is than the first on matched images.

    Args:
        first: See `match_images`.
        other: With the same images.

    Returns:
        `difference`, `low` and `high`, see `paired_difference.measure_difference`;
        `other_alone` and `first_alone`, how many images only one of them gets right.
    """
    right, reference = other.find_right(), first.find_right()
    return {
        **paired_difference.measure_difference(right, reference),
        "other_alone": int(np.count_nonzero(right & ~reference)),
        "first_alone": int(np.count_nonzero(reference & ~right)),
    }


def group_disagreements(runs: Sequence[RunAnswers]) -> dict[tuple[str, ...], list[int]]:
    """Returns the images for which runs answer differently, by the runs that are right.

    Args:
        runs: See `match_images`.

    Returns:
        Names of the runs that are right to positions of images; the largest group
        first, that of no run last.
    """
    right = [run.find_right() for run in runs]
    groups = collections.defaultdict(list)
    for index in range(len(runs[0].paths)):
        if len({run.predicted[index] for run in runs}) > 1:
            pairs = zip(runs, right, strict=True)
            names = tuple(run.name for run, each in pairs if each[index])
            groups[names].append(index)
    return dict(sorted(groups.items(), key=lambda item: (not item[0], -len(item[1]))))


def _list_positions(run: RunAnswers, by_content: bool) -> dict[tuple, int]:
    """Returns the position of each image by what makes it the same image."""
    seen: collections.Counter = collections.Counter()
    positions = {}
    for index, (path, label) in enumerate(zip(run.paths, run.labels, strict=True)):
        key = (run.digests[path] if by_content else path, label)
        # A copy within one test set is another image.
        positions[(*key, seen[key])] = index
        seen[key] += 1
    return positions


def _take(run: RunAnswers, positions: Sequence[int]) -> RunAnswers:
    return dataclasses.replace(
        run,
        paths=[run.paths[index] for index in positions],
        labels=[run.labels[index] for index in positions],
        predicted=[run.predicted[index] for index in positions],
        probabilities=[run.probabilities[index] for index in positions],
    )
