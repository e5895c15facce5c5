"""Images of a target task: made small, freed of near duplicates, split and written."""

import collections
import dataclasses
import hashlib
import io
import pathlib
import re
from collections.abc import Iterable, Mapping

import numpy as np

from adafilter_tf import errors

IMAGE_SIZE = 32
# Images of their own size are at most this large, in pixels.
MAX_IMAGE_SIZE = 160
# Mean absolute difference of the pixels, 0..255, under which two images are one.
_DUPLICATE_DIFFERENCE = 4.0
# A PNG of more pixels in height or width is left out.
_MAX_SIZE = 8192  # Pillow itself refuses 179 million pixels.
# SVG files are drawn this large and then made small like the others.
_DRAWN_SIZE = 128
# Differences are bounded by those of the means over squares of so many pixels.
_COARSE_STRIDE = 8
# Beyond what the rounding of the means could change.
_ROUNDING = 0.01
_COLORS = "black blue brown cyan gold gray green grey indigo magenta orange pink purple"
_DIRECTIONS = "bottom down horizontal left right top up vertical"
_VARIANT_WORDS = re.compile(
    f"(?<![a-z])({'|'.join([*_COLORS.split(), *_DIRECTIONS.split()])}"
    "|red|seagreen|teal|turquoise|violet|white|yellow|h|v)(?![a-z])"
)


class UnusableImageError(ValueError):
    """An image file that cannot become an image of a task."""


@dataclasses.dataclass(frozen=True, eq=False)
class TaskImage:
    """One labelled image.

    Attributes:
        class_name: Name of a folder.
        name: Of the file, without its ending; unique within the class.
        group: Images of one group stay together in train or test.
        pixels: uint8 `[S, S]` (grey) or `[S, S, 3]`; S is 32, 64, or at most 160.
        split: "train" or "test" where the source says so, otherwise "".
    """

    class_name: str
    name: str
    group: str
    pixels: np.ndarray
    split: str = ""


def decode(
    content: bytes,
    ending: str,
    *,
    size: int = IMAGE_SIZE,
    max_size: int | None = None,
) -> np.ndarray:
    """Reads an image file; returns RGB pixels on white, uint8 `[S, S, 3]`.

    The whole image is kept in its proportions; each pixel is a weighted mean of those
    that it replaces (Pillow's reducing Lanczos filter), so that nothing aliases.

    Args:
        content: Of a file that Pillow reads, or of an SVG file.
        ending: Of the file's name; ".svg" is drawn.
        size: S, unless `max_size` is given.
        max_size: Larger images are reduced to this many pixels and smaller ones keep
            their longer side; SVG files are drawn this large. None makes all one size.

    Raises:
        UnusableImageError: The file is damaged, or too large to be a drawing.
        errors.RunError: Pillow, or for SVG resvg-py, is not installed.
    """
    pillow = _import("PIL.Image", "pillow")
    try:
        if ending == ".svg":
            content = _draw(content, max_size or _DRAWN_SIZE)
        with pillow.open(io.BytesIO(content)) as image:
            if max(image.size) > _MAX_SIZE:
                raise ValueError(f"it has {image.size} pixels")
            image = image.convert("RGBA")
    except (OSError, ValueError, pillow.DecompressionBombError) as error:
        raise UnusableImageError(str(error)) from error
    square = pillow.new("RGBA", (max(image.size),) * 2, "white")
    corner = [(square.width - length) // 2 for length in image.size]
    square.alpha_composite(image, tuple(corner))
    if max_size:
        size = min(max_size, square.width)
    return np.asarray(_resize(square.convert("RGB"), size))


def base_name(name: str) -> str:
    """Returns the name without numbers at its end: variants of one drawing share it."""
    return re.sub(r"[-_.\s\d]+r?$", "", name.lower()) or name


def drawing_name(name: str) -> str:
    """Returns the base name without colors and directions: `led_h_red_01` -> `led`."""
    words = re.sub(r"[-_.\s]+", "_", _VARIANT_WORDS.sub("", name.lower())).strip("_")
    return base_name(words if re.search("[a-z]", words) else name)


def drop_near_duplicates(images: Iterable[TaskImage]) -> list[TaskImage]:
    """Keeps of images that are alike, mirrored or not, the first by class and name.

    Copies of 32x32 pixels are compared.
    """
    images = sorted(images, key=lambda image: (image.class_name, image.name))
    if not images:
        return []
    copies = np.stack([_small_copy(image.pixels) for image in images])
    coarse, mirrored = _coarse(copies), _coarse(copies[:, :, ::-1])
    kept: list[int] = []
    for number, pixels in enumerate(copies):
        views = ((pixels, coarse[number]), (pixels[:, ::-1], mirrored[number]))
        if not any(_is_seen(copies, coarse, kept, view) for view in views):
            kept.append(number)
    return [images[number] for number in kept]


def select(
    images: Iterable[TaskImage], *, min_images: int, max_images: int
) -> list[TaskImage]:
    """Drops classes of fewer than `min_images`; keeps at most `max_images` of others.

    Which ones are kept depends on their names alone.
    """
    kept = []
    for of_class in _by_class(images).values():
        if len(of_class) >= min_images:
            kept += sorted(of_class, key=_rank)[:max_images]
    return kept


def assign_splits(images: Iterable[TaskImage], test_share: float) -> list[TaskImage]:
    """Assigns a split to each image: of each class `test_share`, 0..1, becomes test.

    Whole groups, in the order of a hash of their names, become test until their images
    are enough; one that would give more than twice as many is for training. The images
    that have a split keep it.
    """
    result = []
    for of_class in _by_class(images).values():
        free = [image for image in of_class if not image.split]
        result += [image for image in of_class if image.split]
        groups = collections.defaultdict(list)
        for image in sorted(free, key=_rank):
            groups[image.group].append(image)
        wanted, num_test = round(test_share * len(free)), 0
        for members in groups.values():
            is_test = num_test < wanted and num_test + len(members) <= 2 * wanted
            num_test += len(members) * is_test
            split = "test" if is_test else "train"
            result += [dataclasses.replace(image, split=split) for image in members]
    return result


def drop_unsplit(
    images: Iterable[TaskImage], min_images: Mapping[str, int]
) -> list[TaskImage]:
    """Drops classes of fewer than `min_images[split]` images in a split.

    So few are left where most images of a class are variants of one drawing.
    """
    images = list(images)
    counts = collections.Counter((image.class_name, image.split) for image in images)
    return [
        image
        for image in images
        if all(counts[image.class_name, s] >= min_images[s] for s in min_images)
    ]


def write(images: Iterable[TaskImage], folder: pathlib.Path) -> None:
    """Writes `<split>/<class>/<name>.png` below a folder."""
    pillow = _import("PIL.Image", "pillow")
    for image in images:
        path = folder / image.split / image.class_name / f"{image.name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pillow.fromarray(image.pixels).save(path)


def _import(module, package):
    try:
        return __import__(module, fromlist=["*"])
    except ImportError as error:
        raise errors.RunError(
            f"Preparing this task needs {package}, which is not installed. Install it "
            f"with `pip install {package}` or all of `pip install -e .[dev]`."
        ) from error


def _draw(svg, width):
    resvg = _import("resvg_py", "resvg-py")
    text = svg.decode("utf-8")
    return bytes(resvg.svg_to_bytes(svg_string=text, width=width))


def _resize(image, size):
    pillow = _import("PIL.Image", "pillow")
    return image.resize((size, size), pillow.Resampling.LANCZOS)


def _small_copy(pixels):
    """float32 `[32, 32, 3]`."""
    if len(pixels) != IMAGE_SIZE:
        pillow = _import("PIL.Image", "pillow")
        pixels = np.asarray(_resize(pillow.fromarray(pixels), IMAGE_SIZE))
    return pixels.astype(np.float32)


def _coarse(copies):
    """`[N, 32, 32, 3]` -> means of squares, `[N, 4 * 4 * 3]`."""
    cells = IMAGE_SIZE // _COARSE_STRIDE
    shape = (-1, cells, _COARSE_STRIDE, cells, _COARSE_STRIDE, 3)
    return copies.reshape(shape).mean((2, 4)).reshape(len(copies), -1)


def _is_seen(copies, coarse, kept, view):
    """Whether one of the kept images is like this one.

    Means differ at most as much as the pixels (the triangle inequality), so the pixels
    of few images are compared, and the answer is that of comparing all.
    """
    pixels, means = view
    bound = np.abs(coarse[kept] - means).mean(1)
    near = np.array(kept, int)[bound < _DUPLICATE_DIFFERENCE + _ROUNDING]
    differences = np.mean(np.abs(copies[near] - pixels), axis=(1, 2, 3))
    return np.any(differences < _DUPLICATE_DIFFERENCE)


def _by_class(images):
    classes = collections.defaultdict(list)
    for image in images:
        classes[image.class_name].append(image)
    return classes


def _rank(image):
    """Order by a hash of the group, so that it has nothing to do with the content."""
    digest = hashlib.sha256(image.group.encode()).hexdigest()
    return digest, image.group, image.name
