import hashlib
import pathlib
import re
import tomllib

import numpy as np
from PIL import Image

from adafilter_tf.data import sources
from adafilter_tf.data.sources import emoji

ROOT = pathlib.Path(__file__).parents[3]
README = ROOT / "adafilter_tf" / "data" / "emoji" / "README.md"


def test_pictures_are_those_that_the_readme_counts():
    examples = sources.load_source("emoji")["all"]
    listed = re.findall(r"^\| `(\w+)` \| (\d+) \|$", README.read_text("utf-8"), re.M)
    counted = zip(examples.class_names, examples.count_per_class(), strict=True)
    assert [(name, int(number)) for name, number in listed] == [*counted]
    assert all(25 <= int(number) <= 40 for _, number in listed)


def test_pictures_are_different_small_and_rgb():
    paths = emoji.load_emoji()["all"].paths
    contents = [pathlib.Path(path).read_bytes() for path in paths]
    assert len({hashlib.sha256(content).hexdigest() for content in contents}) == 300
    assert sum(map(len, contents)) < 2_000_000
    for path in paths:
        with Image.open(path) as image:
            assert (image.size, image.mode) == ((64, 64), "RGB")
            assert np.asarray(image).std() > 1


def test_licence_is_named_where_the_package_says_it():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["license"] == "Apache-2.0 AND CC-BY-4.0"
    assert str(README.relative_to(ROOT)) in project["license-files"]
    text = README.read_text("utf-8")
    for part in ("creativecommons.org/licenses/by/4.0", "Twitter, Inc", "Changes:"):
        assert part in text
