"""Published accuracies that tell whether a run is healthy; docs/references.md."""

import re

# Name of a data set: accuracy in % of full fine-tuning and of a linear head on frozen
# features, supervised ImageNet ResNet50 (Grill et al. 2020, arXiv 2006.07733). Flowers:
# fine-tuning reaches 97.6 with 2,040 training images, about 88 with the 1,020 of TFDS.
_BANDS = {
    "oxford_flowers102": {"fine_tuning": 88.0, "frozen": 94.7},
    "oxford_iiit_pet": {"fine_tuning": 92.1, "frozen": 91.5},
    "dtd": {"fine_tuning": 74.6, "frozen": 74.9},
    "fgvc_aircraft": {"fine_tuning": 86.0, "frozen": 61.0},
    "cars196": {"fine_tuning": 92.1, "frozen": 66.7},
    "caltech101": {"fine_tuning": 93.3},
}
_FAR = 10.0  # points
_BACKBONE = re.compile(r"resnet(50|101|152)(v2)?")


def describe_shortfall(
    dataset: str, backbone: str, accuracy: float, *, weights: str, frozen: bool
) -> str | None:
    """Returns a warning if an accuracy is far below the published one.

    Args:
        dataset: Value of `--dataset`; a folder counts by its last name.
        backbone: Name of the backbone; only ResNet50 and its deeper kin are compared.
        accuracy: On test, 0..1, after training on the whole training split.
        weights: Value of `--weights`; only "pretrained" is compared.
        frozen: Whether only the head was trained.

    Returns:
        The warning; None if the accuracy is near the published one or none is known.
    """
    name = (
        re.sub(r"^(tfds|folder):|:[\d.]+$", "", dataset).rstrip("/").rpartition("/")[2]
    )
    kind = "frozen" if frozen else "fine_tuning"
    published = _BANDS.get(name, {}).get(kind)
    is_compared = _BACKBONE.fullmatch(backbone) and weights == "pretrained"
    if not published or not is_compared or 100 * accuracy > published - _FAR:
        return None
    return (
        f"Test accuracy {100 * accuracy:.1f} % is more than {_FAR:.0f} points below "
        f"the {published} % known for {name} with "
        f"{'frozen features' if frozen else 'full fine-tuning'} of a ResNet50 "
        "(docs/references.md): check learning rates, number of steps and weights."
    )
