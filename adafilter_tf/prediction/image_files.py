"""Image files from what a user names: files, folders and glob patterns."""

import glob
import os
from collections.abc import Iterator, Sequence

from adafilter_tf import errors
from adafilter_tf.data.sources.image_folder import IMAGE_SUFFIXES, list_visible


def iterate_images(patterns: Sequence[str]) -> Iterator[str]:
    """Yields image files from files, folders and glob patterns, each file once.

    A file that is named is taken whatever its suffix. Folders (searched at any depth)
    and patterns (`**` for any depth) give their `.jpg`, `.jpeg` and `.png` files in
    alphabetical order, hidden ones left out. Of one folder no list is kept, so that it
    may hold millions of files.

    Raises:
        UsageError: No pattern, one that gives no image, or a folder that cannot be
            read.
    """
    if not patterns:
        raise errors.UsageError(
            "Received no image to predict; name at least one file, folder or glob "
            "pattern."
        )
    if len(patterns) == 1 and os.path.isdir(patterns[0]):
        yield from _require(patterns[0], _images_below(patterns[0]))
        return
    seen = set()
    for pattern in patterns:
        for path in _require(pattern, _matches(pattern)):
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
            f"folder with {', '.join(IMAGE_SUFFIXES)} files at any depth, or a "
            "glob pattern. Check the path, relative to the current folder."
        )


def _matches(pattern: str) -> Iterator[str]:
    if os.path.isdir(pattern):
        yield from _images_below(pattern)
    elif os.path.exists(pattern):
        yield pattern
    else:
        for match in sorted(glob.glob(pattern, recursive=True)):
            if os.path.isdir(match):
                yield from _images_below(match)
            elif match.lower().endswith(IMAGE_SUFFIXES):
                yield match


def _images_below(folder: str) -> Iterator[str]:
    visible = list_visible(folder)
    # With its slash a folder sorts as the paths below it do.
    for entry in sorted(visible, key=lambda entry: entry.name + "/" * entry.is_dir()):
        if entry.is_dir(follow_symlinks=False):
            yield from _images_below(entry.path)
        elif entry.name.lower().endswith(IMAGE_SUFFIXES) and not entry.is_dir():
            yield entry.path
