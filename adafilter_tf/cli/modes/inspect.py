"""--mode=inspect: describes a data set before training."""

import pathlib

from absl import flags

from adafilter_tf import errors
from adafilter_tf.cli import dataset
from adafilter_tf.data import sources
from adafilter_tf.data.inspection import facts, report, sheet
from adafilter_tf.data.integrity import manifest
from adafilter_tf.models import backbones

SHEET = "samples.png"


def run(values: flags.FlagValues) -> None:
    """Scans the data set, prints a report and writes it with a sheet of samples."""
    folder = pathlib.Path(values.output_dir)
    _check_folder(folder)
    source = sources.read_source(values.dataset, **dataset.source_options(values))
    if not any(len(examples) for examples in source.values()):
        raise errors.UsageError(
            f"dataset={values.dataset} has no image; folder:PATH needs one subfolder "
            "of images per class."
        )
    splits, problem = _make_splits(values, source)
    spec = backbones.get_spec(values.backbone)
    images = facts.collect_images(
        source,
        splits,
        manifest.default_path(values.dataset, values.data_dir),
        channels=spec.channels,
        max_pixels=values.max_image_pixels,
    )
    class_names = next(iter(source.values())).class_names
    image_size = values.image_size or spec.image_size
    left_out = [pair for part in source.values() for pair in part.left_out]
    found = report.inspect(values.dataset, images, class_names, image_size, left_out)
    if problem:
        found["advice"].insert(0, f"Not fit for training yet: {problem}")
    report.write_files(folder, found, images)
    sheet.write_sheet(folder / SHEET, images, class_names)
    names = (report.REPORT, report.MANIFEST, report.DUPLICATES, SHEET)
    print(report.format_report(found))
    print(f"\nWritten      {', '.join(str(folder / name) for name in names)}")


def _make_splits(values: flags.FlagValues, source) -> tuple[dict, str | None]:
    """Returns a run's splits, or the source's own and why a run would have none."""
    try:
        sources.check_classes(values.dataset, source)
        return dict(dataset.make_splits(values, source).items()), None
    except errors.RunError as error:
        known = {name: of for name, of in source.items() if name != "all"}
        return known, str(error)


def _check_folder(folder: pathlib.Path) -> None:
    """Refuses a folder that holds anything but an earlier inspection."""
    if folder.exists() and not folder.is_dir():
        raise errors.UsageError(
            f"Received --output_dir={folder}, which is a file; choose a folder."
        )
    if not folder.exists() or (folder / report.REPORT).exists():
        return
    foreign = next(folder.iterdir(), None)
    if foreign is not None:
        raise errors.UsageError(
            f"Received --output_dir={folder}, which holds other files "
            f"({foreign.name}) and no inspection; choose a new or empty folder."
        )
