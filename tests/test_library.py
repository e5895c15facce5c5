"""The package as a library, on each backend of Keras that is installed."""

import importlib.util
import json
import os
import pathlib
import subprocess
import sys

import pytest

import adafilter_tf
from tests.conftest import compile_sgd, tiny_resnet, train

ROOT = pathlib.Path(__file__).parents[1]
PACKAGES = {"tensorflow": "tensorflow", "jax": "jax", "torch": "torch"}


@pytest.fixture(scope="module", params=PACKAGES)
def found(request):
    """What tests/library_check.py finds on a backend."""
    package = PACKAGES[request.param]
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    result = subprocess.run(
        [sys.executable, "-m", "tests.library_check"],
        env={**os.environ, "KERAS_BACKEND": request.param},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout.splitlines()[-1])
    assert found["backend"] == request.param
    return found


@pytest.mark.slow
def test_untrained_gates_are_the_pretrained_network(found):
    assert found["pretrained_error"] < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("method", ["adafilter", "fine_tuning", "spottune", "lora"])
def test_a_step_changes_only_what_trains(found, method):
    result = found["methods"][method]
    assert 0 < result["loss"] < 10
    changed = result["changed"]
    assert "head/kernel" in changed
    assert not [path for path in changed if "frozen" in path]
    own = {
        "adafilter": "stem_conv/tuned_kernel",
        "fine_tuning": "stem_conv/kernel",
        "spottune": "stage1_block1_conv/kernel",
        "lora": "stem_conv/lora_kernel_a",
    }[method]
    assert own in changed, changed


@pytest.mark.slow
@pytest.mark.parametrize(
    "way",
    ["load_model", "ModelCheckpoint", "BackupAndRestore", "pickle", "clone_model"],
)
def test_compiled_model_that_is_kept_trains_on(found, way):
    """Its state comes back, and the next step is the same."""
    kept = found["kept"][way]
    assert kept["before"] == 0
    assert kept["moved"] > 1e-4
    assert kept["after"] < 1e-6
    assert kept["start_step"] == 5


@pytest.mark.slow
def test_fit_ends_with_the_moving_average_of_the_weights(found):
    assert found["average"]["error"] < 1e-5
    assert found["average"]["moved"] > 1e-4


def test_names_of_the_package_are_those_it_lists():
    for name in adafilter_tf.__all__:
        assert getattr(adafilter_tf, name) is not None
    assert set(adafilter_tf.__all__) <= set(dir(adafilter_tf))
    with pytest.raises(AttributeError, match="no attribute 'add_gate'"):
        adafilter_tf.add_gate  # noqa: B018


def test_importing_the_package_imports_no_keras():
    code = "import adafilter_tf, sys; sys.exit('keras' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    "imports",
    ["import adafilter_tf, keras", "import keras, adafilter_tf"],
)
def test_saved_model_loads_after_the_import_of_the_package_alone(imports, tmp_path):
    path = str(tmp_path / "model.keras")
    model = compile_sgd(adafilter_tf.METHODS["adafilter"].build(tiny_resnet(), 3))
    train(model, steps=1)
    model.save(path)
    code = f"{imports}; print(keras.models.load_model({path!r}).optimizer.iterations)"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert "value=1" in result.stdout
