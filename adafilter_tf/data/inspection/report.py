"""An inspection as numbers, as text, and as the files that it leaves."""

import pathlib
from collections.abc import Mapping, Sequence

from adafilter_tf.data.examples import show_path
from adafilter_tf.data.inspection import advice, duplicates, facts
from adafilter_tf.data.inspection.facts import LabelledImage
from adafilter_tf.data.integrity import manifest
from adafilter_tf.files import atomic

REPORT, MANIFEST, DUPLICATES = "inspection.json", "manifest.csv", "duplicates.csv"
_MAX_CLASSES, _MAX_LINES = 30, 10


def inspect(
    dataset: str,
    images: Sequence[LabelledImage],
    class_names: Sequence[str],
    image_size: int,
    left_out: Sequence[tuple[str, str]] = (),
) -> dict:
    """Returns everything that a report says, as plain values.

    Args:
        dataset: As it is named on the command line.
        images: See `facts.collect_images`.
        class_names: Also of classes without images.
        image_size: Side in pixels that a model will see.
        left_out: Path and reason of what the source found and does not use.
    """
    alike, complete = duplicates.find_alike(images)
    found = {
        "dataset": dataset,
        **facts.summarize(images, class_names, image_size),
        "copies": [_describe(group) for group in duplicates.find_copies(images)],
        "alike": [_describe(pair) for pair in alike],
        "all_candidates_compared": complete,
        "left_out": [{"path": path, "reason": reason} for path, reason in left_out],
    }
    found["imbalance"] = advice.imbalance(found)
    found["advice"] = advice.advise(found)
    return found


def write_files(
    folder: pathlib.Path, found: Mapping, images: Sequence[LabelledImage]
) -> None:
    """Writes the report, the manifest and the list of duplicates."""
    folder.mkdir(parents=True, exist_ok=True)
    atomic.write_json(folder / REPORT, found)
    manifest.write_manifest((image.entry for image in images), folder / MANIFEST)
    groups = [("copy", group) for group in found["copies"]]
    groups += [("alike", group) for group in found["alike"]]
    rows = (
        (number, kind, image["split"], image["class"], image["path"])
        for number, (kind, group) in enumerate(groups)
        for image in group["images"]
    )
    columns = ("group", "kind", "split", "class", "path")
    atomic.write_csv(folder / DUPLICATES, columns, rows)


def format_report(found: Mapping) -> str:
    """Returns the report as text."""
    lines = [
        f"{'Data set':13}{found['dataset']}: {found['images']:,} images, "
        f"{_format_bytes(found['bytes'])}, {len(found['classes']):,} classes",
        f"{'Splits':13}{_join(found['splits'])}",
        f"{'Formats':13}{_join(found['formats'])}; "
        f"{found['turned_by_exif']:,} turned upright by EXIF",
        *(
            f"{side.capitalize():13}{_format_spread(found[side])}"
            for side in ("height", "width")
        ),
        "",
        *_list_classes(found),
        "",
        *_list_files("Left out", found["left_out"], REPORT),
        *_list_files("Broken", found["broken"], MANIFEST),
        *_list_files("Look empty", found["noted"], MANIFEST),
        *_list_groups("Copies", "of the same bytes", found["copies"]),
        *_list_groups("Alike", "that look the same, in two splits", found["alike"]),
    ]
    if not found["all_candidates_compared"]:
        lines.append("             (only the 2,000 most likely pairs were compared)")
    lines += ["", "Advice"]
    lines += [f"  - {line}" for line in found["advice"]] or ["  - none: go on."]
    return "\n".join(map(show_path, lines))


def _describe(group: Sequence[LabelledImage]) -> dict:
    return {
        "crosses_splits": duplicates.crosses_splits(group),
        "disagrees": duplicates.disagrees(group),
        "images": [
            {
                "path": image.entry.path,
                "split": image.split,
                "class": image.class_name,
            }
            for image in group
        ],
    }


def _list_classes(found: Mapping) -> list[str]:
    splits = list(found["splits"])
    classes = sorted(found["classes"].items(), key=lambda item: -sum(item[1].values()))
    left_out = len(classes) - _MAX_CLASSES
    if left_out > 0:
        half = _MAX_CLASSES // 2
        classes = [*classes[:half], None, *classes[-half:]]
    width = max([5, *(len(item[0]) for item in classes if item)])
    width = min(width, 40)
    lines = [f"{'Class':{width}}  {'images':>8}" + "".join(f"{s:>12}" for s in splits)]
    for item in classes:
        if item is None:
            lines.append(f"({left_out:,} classes of a size between)")
            continue
        name, counts = item
        cells = "".join(f"{counts[split]:>12,}" for split in splits)
        lines.append(f"{name:{width}}  {sum(counts.values()):>8,}{cells}")
    return lines


def _list_files(title: str, files: Sequence[Mapping], rest: str) -> list[str]:
    lines = [f"{title:13}{len(files):,}"]
    lines += [f"  {file['path']}: {file['reason']}" for file in files[:_MAX_LINES]]
    return lines + _tell_rest(len(files), rest)


def _list_groups(title: str, what: str, groups: Sequence[Mapping]) -> list[str]:
    across = sum(group["crosses_splits"] for group in groups)
    conflicts = sum(group["disagrees"] for group in groups)
    lines = [
        f"{title:13}{len(groups):,} groups {what}; across splits {across:,}, "
        f"with two labels {conflicts:,}"
    ]
    for group in groups[:_MAX_LINES]:
        images = [f"{image['path']} ({image['split']}, {image['class']})"
                  for image in group["images"][:3]]  # fmt: skip
        more = ", ..." if len(group["images"]) > 3 else ""
        lines.append(f"  {', '.join(images)}{more}")
    return lines + _tell_rest(len(groups), DUPLICATES)


def _tell_rest(number: int, file: str) -> list[str]:
    rest = number - _MAX_LINES
    return [f"  and {rest:,} more: {file}"] if rest > 0 else []


def _join(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items()) or "none"


def _format_spread(spread: Mapping | None) -> str:
    if spread is None:
        return "not known"
    return (
        f"{spread['smallest']:,} to {spread['largest']:,} pixels, median "
        f"{spread['median']:,}"
    )


def _format_bytes(number: int) -> str:
    power = max(0, min(3, (len(str(number)) - 1) // 3))
    if power == 0:
        return f"{number} bytes"
    return f"{number / 1000**power:.1f} {('kB', 'MB', 'GB')[power - 1]}"
