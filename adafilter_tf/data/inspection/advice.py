"""What to do about what an inspection found."""

from collections.abc import Mapping

_IMBALANCE = 3.0
_FEW_IMAGES = 10
_LARGE = 4


def advise(found: Mapping) -> list[str]:
    """Returns one sentence for each thing that is worth a thought.

    Args:
        found: See `report.inspect`.
    """
    advice = [
        *_on_broken(found),
        *_on_noted(found),
        *_on_classes(found),
        *_on_duplicates(found),
        *_on_sizes(found),
    ]
    return [line for line in advice if line]


def imbalance(found: Mapping) -> float | None:
    """Training images of the largest class over those of the smallest that has some."""
    counts = [count for count in _training_counts(found).values() if count]
    return max(counts) / min(counts) if counts else None


def _training_counts(found: Mapping) -> dict[str, int]:
    split = "train" if "train" in found["splits"] else "unused"
    return {name: of.get(split, 0) for name, of in found["classes"].items()}


def _on_broken(found):
    number, total = len(found["broken"]), found["images"]
    if number:
        if number == total:
            yield f"None of the {total} images can be used: replace them."
            return
        share = number / total
        allow = f" --max_bad_fraction={share + 0.005:.2f}" if share > 0.1 else ""
        yield (
            f"{number} of {total} images cannot be used: replace or remove them, or "
            f"train with --on_bad_image=skip{allow}."
        )


def _on_noted(found):
    noted = found.get("noted", [])
    if noted:
        yield (
            f"{len(noted)} images look empty, first {noted[0]['path']}: "
            f"{noted[0]['reason']}. Check that they are what you think (manifest.csv, "
            "column note)."
        )


def _on_classes(found):
    counts = _training_counts(found)
    empty = [name for name, count in counts.items() if not count]
    if empty:
        yield (
            f"Classes without a training image: {len(empty)}, first {empty[0]!r}. Add "
            "images, or remove the class."
        )
    few = [name for name, count in counts.items() if 0 < count < _FEW_IMAGES]
    if few:
        yield (
            f"Classes with fewer than {_FEW_IMAGES} training images: {len(few)}, first "
            f"{few[0]!r} with {counts[few[0]]}. Their accuracy will say little."
        )
    ratio = imbalance(found)
    if ratio is not None and ratio >= _IMBALANCE:
        yield (
            f"The largest class has {ratio:.1f} times the training images of the "
            "smallest: judge by the mean per-class accuracy in metrics.json, and add "
            "images of the small classes or weigh them more."
        )


def _on_duplicates(found):
    copies = found["copies"]
    across = sum(group["crosses_splits"] for group in copies)
    across += len(found["alike"])
    if across:
        yield (
            f"{across} groups of images are in two splits: what is measured on test "
            "will be too good. Keep all copies of an image in one split, or remove all "
            "but one (duplicates.csv)."
        )
    elif copies:
        surplus = sum(len(group["images"]) - 1 for group in copies)
        yield (
            f"Copies of images (surplus: {surplus}): remove them (duplicates.csv), "
            "since other splits may separate them."
        )
    conflicts = sum(group["disagrees"] for group in [*copies, *found["alike"]])
    if conflicts:
        yield (
            f"Images with two labels: {conflicts}. Correct them (duplicates.csv, "
            "column class)."
        )


def _on_sizes(found):
    usable = sum(found["splits"].values())
    small = found["smaller_than_image_size"]
    if small > usable / 10:
        yield (
            f"{small} of {usable} images have a side below the {found['image_size']} "
            "pixels that the model will see: they are made larger, which adds no "
            "detail. A smaller --image_size costs less; try both."
        )
    median = min(
        (found[side] or {"median": 0})["median"] for side in ("height", "width")
    )
    if median > _LARGE * found["image_size"]:
        yield (
            f"Half of the images are larger than {median} pixels: reading them may "
            f"take longer than training. Copies of {2 * found['image_size']} pixels "
            "would serve as well."
        )
