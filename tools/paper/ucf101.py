"""UCF-101: frames of the videos, official split 1 (Soomro et al. 2012).

Clips that were cut from one video are a group. The official split keeps groups apart:
1 to 7 are the test, 8 to 25 for training. Ours: groups 23 to 25 become the validation
split, so that neither frames of a clip nor clips of a group are in two splits.
"""

import functools
import pathlib
import re
from collections.abc import Callable, Iterator

from adafilter_tf import errors
from tools.paper import archives, conversion

_VIDEOS = r"(?i)(.*/)?v_\w+_g\d\d_c\d\d\.avi"
_LISTS = r"(.*/)?(train|test)list01\.txt"
_FIRST_VALIDATION_GROUP = 23

# From the bytes of a video and the number of frames to as many encoded images.
Decoder = Callable[[bytes, int], list[bytes]]


def read(
    paths: list[pathlib.Path], *, frames: int, decode: Decoder
) -> Iterator[conversion.Image]:
    """Yields the frames of the videos of split 1.

    Args:
        paths: Archive of the videos and UCF101TrainTestSplits-RecognitionTask.zip, in
            any order.
        frames: A video, evenly spaced; 1 is the middle one.
        decode: Reads a video.
    """
    lists: dict[str, str] = {}
    videos: list[pathlib.Path] = []
    for path in paths:
        found = archives.texts(path, _LISTS)
        lists |= found
        videos += [] if found else [path]
    if set(lists) != {"trainlist01.txt", "testlist01.txt"} or len(videos) != 1:
        raise errors.UsageError(
            "ucf101 needs two files in --archive: the archive of the videos and "
            "UCF101TrainTestSplits-RecognitionTask.zip, which has trainlist01.txt and "
            f"testlist01.txt (received {', '.join(path.name for path in paths)})."
        )
    splits = read_lists(lists)
    for member, read_member in archives.members(videos[0], _VIDEOS):
        stem = pathlib.PurePosixPath(member).stem
        # Lists and files spell one class with different capitals.
        if stem.lower() in splits:
            split, class_name = splits[stem.lower()]
            # The frames of one video are decoded once, when the first is missing.
            decoded = functools.cache(
                functools.partial(_decode, read_member, decode, frames)
            )
            for index in range(frames):
                yield conversion.Image(
                    split,
                    class_name,
                    f"{stem}_f{index + 1:02d}",
                    functools.partial(_select, decoded, index),
                )


def _decode(read: Callable[[], bytes], decode: Decoder, frames: int):
    return decode(read(), frames)


def _select(decoded: Callable, index: int):
    return decoded()[index]


def read_lists(lists: dict[str, str]) -> dict[str, tuple[str, str]]:
    """Returns split and class of each video, by its name in lower case."""
    splits = {}
    for name, text in lists.items():
        for line in text.split("\n"):
            path = line.strip().partition(" ")[0]
            if not path:
                continue
            class_name, _, file = path.partition("/")
            stem = file.removesuffix(".avi").lower()
            found = re.search(r"_g(\d+)_c\d+$", stem)
            if found is None:
                raise errors.RunError(
                    f"{name} lists {path}, whose name has no group such as _g01_c01; "
                    "use the official lists."
                )
            group = int(found[1])
            split = "train" if group < _FIRST_VALIDATION_GROUP else "validation"
            splits[stem] = "test" if name.startswith("test") else split, class_name
    return splits
