import json
import pathlib

import pytest
from absl import flags

from adafilter_tf.data.sources import image_folder
from tests.files import package_files
from tools import bundle_emoji, emoji

_KINDS = {
    "animal-mammal": "Animals & Nature",
    "animal-bug": "Animals & Nature",
    "person-role": "People & Body",
    "country-flag": "Flags",
}
_COUNTS = {"animal-mammal": 50, "animal-bug": 24, "person-role": 30, "country-flag": 30}


@pytest.fixture
def package_dir(tmp_path, monkeypatch):
    """A folder with a package of random pictures as the recorded one."""
    entries, members = [], {}
    for kind, count in _COUNTS.items():
        for number in range(count):
            code = f"{kind}-{number:04}"
            content = package_files.random_png(len(members), size=64)
            members[f"package/img/twitter/64/{code}.png"] = content
            entries.append(
                {
                    "unified": code,
                    "image": f"{code}.png",
                    "short_name": code,
                    "category": _KINDS[kind],
                    "subcategory": kind,
                }
            )
    members["package/emoji.json"] = json.dumps(entries).encode()
    content = package_files.tar(members)
    (tmp_path / "tiny.tgz").write_bytes(content)
    package = package_files.package(content, "tiny.tgz")
    monkeypatch.setattr(emoji, "TWITTER", package)
    return tmp_path


def test_folder_has_the_kinds_of_things_that_are_large_enough(
    package_dir, monkeypatch, capsys
):
    options = flags.FlagValues()
    bundle_emoji.define_flags(options)
    folder = package_dir / "bundle"
    options(["tool", f"--package_dir={package_dir}", f"--output_dir={folder}"])
    monkeypatch.setattr(flags, "FLAGS", options)

    bundle_emoji.main(["tool"])

    assert capsys.readouterr().out == f"{folder}: 40 pictures\n"
    examples = image_folder.load_folder(str(folder / "classes"))["all"]
    assert examples.class_names == ("animal_mammal",)
    assert len(examples) == 40
    readme = (folder / "README.md").read_text("utf-8")
    assert "| `animal_mammal` | 40 |" in readme
    assert emoji.TWITTER.sha256 in readme


def test_package_of_the_pictures_is_the_recorded_one():
    readme = pathlib.Path(__file__).parents[2] / "adafilter_tf/data/emoji/README.md"
    assert emoji.TWITTER.sha256 in readme.read_text("utf-8")
