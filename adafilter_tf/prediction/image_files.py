"""Image files from what a user names: files, folders and glob patterns."""

import glob
import os
from collections.abc import Iterator, Sequence

from adafilter_tf import errors
from adafilter_tf.data.sources import image_folder

# Pairs (path, reason) of what was found and is not an image.
LeftOut = list[tuple[str, str]]


def iterate_images(
    patterns: Sequence[str], left_out: LeftOut | None = None
) -> Iterator[str]:
    """Yields image files from files, folders and glob patterns, each file once.

    A file that is named is taken whatever it is. Folders (searched at any depth) and
    patterns (`**` for any depth) give their images, by suffix or content, in
    alphabetical order. Of one folder no list is kept, so that it may hold millions of
    files.

    Args:
        patterns: At least one; `~` is the user's folder.
        left_out: To which everything else in the folders is added: hidden files, links
            to folders, folders that cannot be read, and other files.

    Raises:
        UsageError: No pattern, one that gives no image, or a named folder that cannot
            be read.
    """
    if not patterns:
        raise errors.UsageError(
            "Received no image to predict; name at least one file, folder or glob "
            "pattern."
        )
    left_out = [] if left_out is None else left_out
    patterns = [os.path.expanduser(pattern) for pattern in patterns]
    if len(patterns) == 1 and os.path.isdir(patterns[0]):
        image_folder.list_visible(patterns[0])  # an error if it cannot be read
        yield from _require(patterns[0], _images_below(patterns[0], left_out))
        return
    seen = set()
    for pattern in patterns:
        for path in _require(pattern, _matches(pattern, left_out)):
            if path not in seen:
                seen.add(path)
                yield path


def list_images(patterns: Sequence[str]) -> list[str]:
    """`iterate_images` as a list."""
    return list(iterate_images(patterns))


def _require(pattern: str, found: Iterator[str]) -> Iterator[str]:
    """Yields what was found; an error if that is nothing."""
    empty = True
    for path in found:
        empty = False
        yield path
    if empty:
        raise errors.UsageError(
            f"Received {pattern!r}, which gives no image; allowed are a file, a "
            "folder with images at any depth, or a glob pattern. Check the path, "
            "relative to the current folder."
        )


def _matches(pattern: str, left_out: LeftOut) -> Iterator[str]:
    if os.path.isdir(pattern):
        image_folder.list_visible(pattern)  # an error if it cannot be read
        yield from _images_below(pattern, left_out)
    elif os.path.exists(pattern):
        yield pattern
    else:
        for match in sorted(glob.glob(pattern, recursive=True)):
            if os.path.isdir(match):
                yield from _images_below(match, left_out)
            else:
                yield from _take(match, left_out)


def _images_below(folder: str, left_out: LeftOut) -> Iterator[str]:
    try:
        with os.scandir(folder) as found:
            entries = list(found)
    except OSError as error:
        left_out.append((folder, f"a folder that cannot be read ({error.strerror})"))
        return
    # With its slash a folder sorts as the paths below it do.
    for entry in sorted(
        entries, key=lambda entry: entry.name + "/" * image_folder.is_folder(entry)
    ):
        if entry.name.startswith("."):
            left_out.append((entry.path, "hidden"))
        elif entry.is_dir(follow_symlinks=False):
            yield from _images_below(entry.path, left_out)
        elif image_folder.is_folder(entry):
            left_out.append((entry.path, "a link to a folder"))
        else:
            yield from _take(entry.path, left_out)


def _take(path: str, left_out: LeftOut) -> Iterator[str]:
    """The path of an image; of one by suffix whatever is wrong with it."""
    reason = image_folder.reason_against(path)
    if reason is None:
        yield path
    else:
        left_out.append((path, reason))
