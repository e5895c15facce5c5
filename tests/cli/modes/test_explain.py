import json

import keras
import numpy as np
import pytest

from adafilter_tf import layers
from tests import command_line, run_folders


def scatter(model):
    """Weights with which gates depend on the image, and the branches differ."""
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, layers.RecurrentGateCell):
            layer.set_weights([rng.normal(0, 1, w.shape) for w in layer.get_weights()])
        elif isinstance(layer, layers.PolicyNetwork):
            colours = np.array(list(run_folders.COLOURS.values()), "float32")
            images = np.tile(colours[:, None, None], (1, 16, 16, 1))
            logits = keras.Model(model.input, layer.output)(images)
            middle = np.mean(logits, axis=0).reshape(-1)
            layer.choice_logits.bias.assign(-middle)
        elif not layer.name.startswith("head"):
            for weight in layer.trainable_weights:
                noise = rng.normal(0, 0.05, weight.shape)
                weight.assign(weight + noise.astype("float32"))


@pytest.fixture
def explain(capfd):
    def call(folder, *arguments):
        return command_line.call(
            capfd, "--mode=explain", f"--output_dir={folder.root}", *arguments
        )

    return call


@pytest.mark.parametrize(
    ("method", "unit"), [("adafilter", "filter"), ("spottune", "block")]
)
def test_gated_run_leaves_a_page_and_its_data(explain, tmp_path, method, unit):
    folder = run_folders.make_run(tmp_path, method=method, change=scatter)
    code, out, err = explain(folder)
    assert code == 0, err
    html, data = (folder.root / f"explain_validation.{end}" for end in ("html", "json"))
    assert out.splitlines()[-2:] == [f"Page  {html}", f"Data  {data}"]
    report = json.loads(data.read_text())
    assert out.splitlines()[:-2] == report["summary"]
    assert report["run"]["unit"] == unit
    gates = report["gates"]
    assert set(gates["effect"]) == {
        "shuffled", "mean", "majority", "all_tuned", "all_frozen"
    }  # fmt: skip
    assert gates["neighbours"] and len(gates["projection"]["points"]) == 12
    for layer in gates["layers"]:
        shares = ("always_frozen", "image_dependent", "always_tuned")
        assert sum(layer[name] for name in shares) == pytest.approx(1.0)
    paths = [image["path"] for image in report["images"]]
    assert sorted(paths) == sorted(
        map(str, (tmp_path / "images/validation").glob("*/*"))
    )
    for sentence in report["summary"]:
        first = sentence.split("(")[0].replace(" %", "\N{NO-BREAK SPACE}%")
        assert first.replace("'", "&#39;") in html.read_text()


def test_run_without_gates_says_so(explain, tmp_path):
    folder = run_folders.make_run(tmp_path, method="fine_tuning")
    code, out, err = explain(folder, "--explain_split=test", "--explain_images=5")
    assert code == 0, err
    report = json.loads((folder.root / "explain_test.json").read_text())
    assert report["gates"] is None and report["metrics"]["examples"] == 5
    assert "fine_tuning has no gates" in out
    assert "(sampled from 12)" in report["run"]["images_from"]
    assert "These are test images" in (folder.root / "explain_test.html").read_text()

    other = tmp_path / "other"
    run_folders.make_images(other, number=2, seed=9)
    code, _, err = explain(folder, f"--evaluate_on=folder:{other}")
    assert code == 0, err
    (data,) = folder.root.glob("explain_folder_*_other_all.json")
    assert json.loads(data.read_text())["metrics"]["examples"] == 6


def test_gates_that_are_all_the_same_are_told(explain, tmp_path):
    folder = run_folders.make_run(tmp_path, "--gate_policy=all_frozen")
    code, out, err = explain(folder)
    assert code == 0, err
    assert "All images have the same gates (0.0 % of the filters tuned)" in out
    report = json.loads((folder.root / "explain_validation.json").read_text())
    assert report["gates"]["projection"] is None
    assert report["gates"]["effect"]["all_frozen"]["difference"] == 0


def test_run_that_does_not_exist_is_refused(explain, tmp_path, capfd):
    result = command_line.call(capfd, "--mode=explain", f"--output_dir={tmp_path}/no")
    command_line.assert_error(result, 1, "--mode=explain needs a finished run")
