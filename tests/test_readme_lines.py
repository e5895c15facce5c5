"""The lines of Keras in README and docs/index.md run."""

import pathlib
import re

import keras
import numpy as np

from tests import conftest

ROOT = pathlib.Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")


def test_keras_lines_of_readme_and_home_run(monkeypatch):
    code = re.search(r"```python\n(.*?)```", README, flags=re.DOTALL)[1]
    _, lines = code.split("\n\n")
    assert len(lines.splitlines()) == 5
    assert code in (ROOT / "docs/index.md").read_text("utf-8")
    # Stands for an ImageNet network, which would be a download.
    backbone = conftest.tiny_resnet()
    monkeypatch.setattr(keras.applications, "ResNet50", lambda include_top: backbone)
    names = {
        "images": conftest.random_images(8, 8, 8, 3),
        "keras": keras,
        "labels": np.arange(8) % 5,
    }
    exec(code, names)
    assert names["model"].optimizer.iterations == 1
