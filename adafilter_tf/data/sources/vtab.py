"""VTAB-1k: 800 training and 200 validation images of a data set of TFDS.

Zhai et al., 2019, arXiv 1910.04867. The slices are those of google-research/
task_adaptation (train800, val200, test): in TFDS's own order, which it shuffles when it
prepares a data set; another version of a data set may have another order.
"""

import dataclasses
from collections.abc import Mapping

from adafilter_tf import errors
from adafilter_tf.data.examples import Examples
from adafilter_tf.data.sources import tfds_dataset

NUM_TRAIN = 800
NUM_VALIDATION = 200


@dataclasses.dataclass(frozen=True)
class Task:
    """Where a task's images are in TFDS.

    Attributes:
        name: In TFDS.
        train_percent: Of TFDS's train split, where the validation images begin; None
            where it has a validation split.
        test_percent: Of TFDS's train split, where the test images begin; None where it
            has a test split.
    """

    name: str
    train_percent: int | None = None
    test_percent: int | None = None


# Those of the 19 tasks whose labels are TFDS's own.
TASKS = {
    "caltech101": Task("caltech101", 90),
    "cifar100": Task("cifar100", 90),
    "dtd": Task("dtd"),
    "eurosat": Task("eurosat/rgb", 60, 80),
    "oxford_flowers102": Task("oxford_flowers102"),
    "oxford_iiit_pet": Task("oxford_iiit_pet", 80),
    "patch_camelyon": Task("patch_camelyon"),
    "resisc45": Task("resisc45", 60, 80),
    "sun397": Task("sun397/tfds"),
    "svhn": Task("svhn_cropped", 90),
}


def load_vtab(name: str, data_dir: str | None) -> dict[str, Examples]:
    """Returns the task's 800, 200 and test images.

    Args:
        name: A key of `TASKS`.
        data_dir: Where data sets are kept; None is TFDS's default.

    Raises:
        errors.UsageError: There is no such task.
        errors.RunError: The data cannot be had.
    """
    if name not in TASKS:
        raise errors.UsageError(
            f"Received dataset=vtab:{name}; allowed are {', '.join(TASKS)}. VTAB's "
            "other tasks have labels that TFDS does not give."
        )
    return tfds_dataset.load_tfds(
        TASKS[name].name,
        data_dir,
        folder="vtab1k",
        choose=lambda sizes: slice_splits(TASKS[name], sizes),
    )


def slice_splits(task: Task, sizes: Mapping[str, int]) -> dict[str, str]:
    """Returns what TFDS is asked for by the name of our split.

    Args:
        task: Of `TASKS`.
        sizes: Number of examples of TFDS's splits.
    """
    validation = f"validation[:{NUM_VALIDATION}]"
    if task.train_percent:
        start = task.train_percent * sizes["train"] // 100
        validation = f"train[{start}:{start + NUM_VALIDATION}]"
    test = f"train[{task.test_percent}%:]" if task.test_percent else "test"
    return {"train": f"train[:{NUM_TRAIN}]", "validation": validation, "test": test}
