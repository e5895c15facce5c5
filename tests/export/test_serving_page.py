"""The lines of docs/serving.md that run the files of other runtimes."""

import importlib.util
import pathlib
import re

import numpy as np
import pytest
from PIL import Image

from adafilter_tf import prediction
from adafilter_tf.data.decoding.preprocessing import ImageSpec
from adafilter_tf.export import export_formats, runtimes
from adafilter_tf.methods import fine_tuning
from tests import conftest

PAGE = pathlib.Path(__file__).parents[2] / "docs/serving.md"
NAMES = ("=rosé", "daisy", "wild tulip")
SPEC = ImageSpec(image_size=8, channels=3, crop_fraction=0.875)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A model, its files of other runtimes and a photograph that lies on its side."""
    for format_name in ("onnx", "litert"):
        for package in runtimes.RUNTIMES[format_name].packages:
            if importlib.util.find_spec(package.replace("-", "_")) is None:
                pytest.skip(f"needs pip install {package}")
    folder = tmp_path_factory.mktemp("run")
    model = fine_tuning.build(conftest.tiny_resnet(), 3)
    kernel = model.get_layer("head").kernel
    kernel.assign(kernel / 100)  # No saturated probabilities.
    rng = np.random.default_rng(0)
    images = rng.uniform(0, 255, (4, 8, 8, 3)).astype("float32")
    export_formats.export_formats(
        model,
        str(folder),
        ["onnx", "litert"],
        images=images,
        labels=np.zeros(4, int),
        representative_images=images,
        metadata=export_formats.Metadata(NAMES, *SPEC.shape[1:], SPEC.crop_fraction),
    )
    tags = Image.Exif()
    tags[0x0112] = 6
    photograph = rng.integers(0, 256, (45, 30, 3), np.uint8)
    Image.fromarray(photograph).save(folder / "a.jpg", exif=tags)
    return model, folder


def code_blocks(folder):
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    return [
        block.replace("runs/mine", str(folder)).replace("a.jpg", str(folder / "a.jpg"))
        for block in blocks
        if "adafilter_tf import" not in block
    ]


@pytest.mark.parametrize("format_name", ["onnx", "litert"])
def test_documented_lines_answer_as_prediction(exported, capsys, format_name):
    model, folder = exported
    with_onnx, litert_start = code_blocks(folder)
    code = with_onnx
    if format_name == "litert":
        rest = with_onnx[with_onnx.index("image = ") :]
        rest = rest.replace('session.run(["logits"], {"images": ', "run(images=")
        rest = rest.replace("})[0]", ')["logits"]')
        code = f"import numpy as np\nfrom PIL import Image, ImageOps\n{litert_start}"
        code += rest
    exec(code, {})  # noqa: S102 - lines of the documentation
    name, probability = capsys.readouterr().out.rsplit(maxsplit=1)
    (expected,) = prediction.predict_paths(
        model, [folder / "a.jpg"], SPEC, class_names=NAMES, batch_size=1
    )
    assert expected.error is None
    assert name == expected.classes[0]
    assert float(probability) == pytest.approx(expected.probabilities[0], abs=1e-4)
