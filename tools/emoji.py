"""Emoji of four vendors: Google's for pre-training, the others' as targets.

The vendors draw the same things: a model that has seen Google's cat meets Twitter's as
a near transfer. Within one vendor nothing may be in train and test at once, so skin
tones and the man's and woman's variants of a person are left out of the targets.
"""

import json
import pathlib
import re
from collections.abc import Iterator

from adafilter_tf.files import packages
from tools import task_images

TWITTER = packages.Package(
    "npm",
    "emoji-datasource-twitter",
    "16.0.0",
    "emoji-datasource-twitter-16.0.0.tgz",
    "f64a530c63bca463bd8317fdc4615ce63a53a0c65018e4ce2d848aaba7a28877",
    "Twemoji by Twitter, Inc and other contributors, collected by Cal Henderson",
    "graphics CC-BY 4.0, collection MIT",
)
GOOGLE = packages.Package(
    "npm",
    "emoji-datasource-google",
    "16.0.0",
    "emoji-datasource-google-16.0.0.tgz",
    "fb5fd131b362aab7a55542d2a147a79708cce0a8b1c1bbacd470172708b5c438",
    "Noto Emoji by Google LLC, collected by Cal Henderson",
    "graphics Apache 2.0, collection MIT",
)
OPENMOJI = packages.Package(
    "npm",
    "openmoji",
    "17.0.0",
    "openmoji-17.0.0.tgz",
    "55ee7d13485dec86e9f38c1f3a645a13382d33ff97c0cd845ee824b0aef45e68",
    "OpenMoji, the open-source emoji and icon project of HfG Schwaebisch Gmuend",
    "CC BY-SA 4.0",
)
FLUENT = packages.Package(
    "npm",
    "@lobehub/fluent-emoji-3d",
    "1.1.0",
    "lobehub-fluent-emoji-3d-1.1.0.tgz",
    "c1bb7eee7de090205a232518a9ab4adb3df458bfbe8a1f78232991194c8b2e58",
    "Fluent Emoji by Microsoft Corporation, collected by LobeHub; classes by OpenMoji",
    "MIT",
)

_LEFT_OUT = re.compile("flags|component|extras-.*", re.IGNORECASE)
# Categories of Unicode that show things and animals, in its own words.
_THINGS = (
    "Animals & Nature",
    "Food & Drink",
    "Travel & Places",
    "Activities",
    "Objects",
)
THING_SIZE = 64
_GENDER_SIGN = re.compile("-200D-(2640|2642)-FE0F")
_MAN_OR_WOMAN = re.compile("1F46[89]")
_PERSON = "1F9D1"
_FACING_RIGHT = "-200D-27A1-FE0F"
_EMOJI_STYLE = "-FE0F"
# One drawing with other hands, light or sign: clock faces, phases of the moon, keycaps.
_VARIANTS = {
    "clock": re.compile("1F5[56].|1F570"),
    "moon": re.compile("1F31[1-8]"),
    "keycap": re.compile(".*20E3"),
}


def neutral_code(code: str) -> str:
    """Returns an emoji's code points without gender and direction, joined by `-`."""
    code = _GENDER_SIGN.sub("", code.replace(_FACING_RIGHT, ""))
    return _MAN_OR_WOMAN.sub(_PERSON, code) if "-200D-" in code else code


def read_twitter(path: pathlib.Path) -> Iterator[task_images.TaskImage]:
    """One image per emoji; classes are the groups of Unicode, without flags."""
    for entry, pixels in _read_datasource(path, with_variations=False):
        code = entry["unified"]
        if not _LEFT_OUT.fullmatch(entry["category"]) and neutral_code(code) == code:
            group = _folder_name(entry["category"])
            yield task_images.TaskImage(group, code.lower(), code, pixels)


def read_twitter_things(path: pathlib.Path) -> Iterator[task_images.TaskImage]:
    """One image of 64 pixels per animal or thing; classes are Unicode's subgroups."""
    for entry, pixels in _read_datasource(path, with_variations=False, size=THING_SIZE):
        if entry["category"] in _THINGS:
            kind = _folder_name(entry["subcategory"])
            name = entry["short_name"]
            yield task_images.TaskImage(kind, name, entry["unified"], pixels)


def read_openmoji(path: pathlib.Path) -> Iterator[task_images.TaskImage]:
    """One image per emoji; classes are first words of Unicode's subgroups: animal."""
    entries = _openmoji_entries(path)
    for name, content in packages.read(path, "package/color/svg/*.svg"):
        entry = entries.get(_plain_code(pathlib.PurePath(name).stem))
        if entry is None:
            continue
        code = entry["hexcode"]
        class_name = entry["subgroups"].partition("-")[0]
        if class_name != "other":
            pixels = task_images.decode(content, ".svg")
            yield task_images.TaskImage(class_name, code.lower(), code, pixels)


def read_openmoji_kinds(path: pathlib.Path) -> Iterator[task_images.TaskImage]:
    """One larger image per emoji; classes are Unicode's subgroups."""
    entries = _openmoji_entries(path)
    for name, content in packages.read(path, "package/color/svg/*.svg"):
        yield from _of_subgroup(entries, pathlib.PurePath(name), content)


def read_fluent_kinds(
    path: pathlib.Path, openmoji_path: pathlib.Path
) -> Iterator[task_images.TaskImage]:
    """One larger image per emoji; classes are Unicode's subgroups, as OpenMoji's."""
    entries = _openmoji_entries(openmoji_path)
    for name, content in packages.read(path, "package/assets/*.webp"):
        yield from _of_subgroup(entries, pathlib.PurePath(name), content)


def read_google(path: pathlib.Path) -> Iterator[task_images.TaskImage]:
    """All emoji and skin tones; classes are subgroups, groups the neutral codes."""
    for entry, pixels in _read_datasource(path, with_variations=True):
        class_name = "emoji_" + _folder_name(entry["subcategory"])
        name = pathlib.PurePath(entry["image"]).stem
        group = neutral_code(entry["unified"])
        yield task_images.TaskImage(class_name, name, group, pixels)


def _openmoji_entries(path):
    """Entries without flags, extras, skin tones and genders, by plain code."""
    (content,) = (c for _, c in packages.read(path, "package/data/openmoji.json"))
    return {
        _plain_code(code): entry
        for entry in json.loads(content)
        if neutral_code(code := entry["hexcode"]) == code
        and not (_LEFT_OUT.fullmatch(entry["group"]) or entry["skintone"])
    }


def _of_subgroup(entries, file, content):
    """Yields the first image of an entry, if any; red and green hearts are a group."""
    entry = entries.pop(_plain_code(file.stem), None)
    if entry is not None:
        code = entry["hexcode"]
        groups = (g for g, codes in _VARIANTS.items() if codes.fullmatch(code))
        drawing = task_images.drawing_name(entry["annotation"])
        pixels = task_images.decode(
            content, file.suffix, max_size=task_images.MAX_IMAGE_SIZE
        )
        yield task_images.TaskImage(
            entry["subgroups"], code.lower(), next(groups, drawing), pixels
        )


def _plain_code(code):
    """Vendors differ in whether they say that a sign is meant as an emoji."""
    return code.upper().replace(_EMOJI_STYLE, "")


def _read_datasource(path, with_variations, size=task_images.IMAGE_SIZE):
    """Yields entries of emoji.json, with the `image` of the variation, and pixels."""
    (content,) = (c for _, c in packages.read(path, "package/emoji.json"))
    entries: dict[str, dict] = {}
    for entry in json.loads(content):
        variations = entry.get("skin_variations", {}) if with_variations else {}
        images = [entry["image"]] + [v["image"] for v in variations.values()]
        entries |= {image: {**entry, "image": image} for image in images}
    for name, content in packages.read(path, "package/img/*/64/*.png"):
        entry = entries.get(pathlib.PurePath(name).name)
        if entry is not None:
            yield entry, task_images.decode(content, ".png", size=size)


def _folder_name(words):
    return re.sub(r"[^a-z]+", "_", words.lower())
