"""Files of records (TFRecord, Parquet) that hold a data set, and their splits."""

import glob
import hashlib
import os
import pathlib
import re
from collections.abc import Iterable

from adafilter_tf import errors
from adafilter_tf.data.sources.split_names import SPLIT_NAMES, is_unclear

# Part of an extraction's name: what is read by other rules is another data set.
_READING_VERSION = 2


def find_files(form: str, pattern: str, suffix: str) -> dict[str, list[str]]:
    """The files that a pattern names, by split.

    The split is a word of a file's name (`train-00000-of-00004.parquet`), or else the
    name of its folder (`train/0000.parquet`).

    Args:
        form: Of the data set, for messages.
        pattern: A file, a glob pattern (`**` for any depth), or a folder, which stands
            for all files below it whose name contains `suffix`.
        suffix: Such as ".parquet".

    Returns:
        Absolute paths in order of name under "all", or under the names of the splits.

    Raises:
        errors.UsageError: There is no such file, some name a split and some do not, or
            a name is unclear (`eval-0.parquet`).
    """
    expanded = os.path.abspath(os.path.expanduser(pattern))
    if os.path.isdir(expanded):
        expanded = os.path.join(glob.escape(expanded), "**", f"*{suffix}*")
    names = [expanded] if os.path.isfile(expanded) else glob.glob(
        expanded, recursive=True)  # fmt: skip
    files = sorted(name for name in names if os.path.isfile(name))
    if not files:
        raise errors.UsageError(
            f"dataset={form}:{pattern}: there is no such file; give a file, a folder "
            f"of {suffix} files or a glob pattern in quotes."
        )
    splits: dict[str, list[str]] = {}
    for file in files:
        splits.setdefault(_split_of(file), []).append(file)
    if "all" in splits and len(splits) > 1:
        named = next(of[0] for split, of in splits.items() if split != "all")
        raise errors.UsageError(
            f"dataset={form}:{pattern}: {named} names its split and "
            f"{splits['all'][0]} does not; name train, validation or test in all of "
            "them, or give a pattern that leaves some out."
        )
    return splits


def name_extraction(
    form: str,
    splits: dict[str, list[str]],
    *keys: str | None,
    beside: Iterable[str] = (),
) -> str:
    """A name for what is extracted from these files; another one if they change.

    Args:
        form: Of the data set.
        splits: Files of records by split.
        *keys: What else decides about the content.
        beside: Image files that the records refer to.
    """
    digest = hashlib.sha256(repr((form, _READING_VERSION, keys)).encode())
    listed = [(split, file) for split in sorted(splits) for file in splits[split]]
    for role, file in [*listed, *(("", file) for file in beside)]:
        status = os.stat(file)
        of_file = (role, os.fsencode(file), status.st_size, status.st_mtime_ns)
        digest.update(repr(of_file).encode())
    return f"{form}/{digest.hexdigest()[:24]}"


def choose_key(given: str | None, names, candidates, *, flag: str, where: str) -> str:
    """The name under which images or classes are found.

    Args:
        given: By the user, or None for the first of the candidates that there is.
        names: What there is.
        candidates: The usual names.
        flag: That names another one.
        where: A file, for the message.

    Raises:
        errors.UsageError: There is no such name.
    """
    names = list(names)
    if given is not None:
        if given in names:
            return given
        raise errors.UsageError(
            f"{where} has no {given!r} (--{flag}); it has "
            f"{', '.join(map(repr, names)) or 'nothing'}."
        )
    for candidate in candidates:
        if candidate in names:
            return candidate
    raise errors.UsageError(
        f"{where} has none of {', '.join(candidates)}; it has "
        f"{', '.join(map(repr, names)) or 'nothing'}: name one of these by --{flag}."
    )


def _split_of(file: str) -> str:
    path = pathlib.Path(file)
    words = re.split(r"[^a-z]+", path.name.lower())
    splits = {SPLIT_NAMES[word] for word in words if word in SPLIT_NAMES}
    if len(splits) == 1:
        return splits.pop()
    folder = path.parent.name
    if folder.lower() in SPLIT_NAMES:
        return SPLIT_NAMES[folder.lower()]
    if splits or is_unclear(folder) or any(map(is_unclear, words)):
        raise errors.UsageError(
            f"{file}: which split this is stays unclear; let the name of the file or "
            "its folder have one of the words train, validation and test."
        )
    return "all"
