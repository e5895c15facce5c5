import json
import math
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from adafilter_tf import errors, export, prediction
from adafilter_tf.data.decoding import preprocessing
from adafilter_tf.data.decoding.preprocessing import ImageSpec
from adafilter_tf.export import warmup

NAMES = ("rosé", "daisy", "wild tulip")
SPEC = ImageSpec(image_size=16, channels=3, crop_fraction=0.875)
SIZES = ((30, 20), (17, 40), (16, 16), (5, 7))


@keras.saving.register_keras_serializable("test_export")
class Centre(keras.layers.Layer):
    """A custom layer, as the gated ones are to whoever loads an export."""

    def call(self, inputs):
        return inputs / 127.5 - 1.0


def convolutional_model(dtype="float32"):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((16, 16, 3), dtype="float32")
    features = Centre(dtype="float32")(inputs)
    features = keras.layers.Conv2D(8, 3, activation="relu", dtype=dtype)(features)
    features = keras.layers.BatchNormalization(dtype=dtype)(features)
    features = keras.layers.GlobalAveragePooling2D(dtype=dtype)(features)
    return keras.Model(inputs, keras.layers.Dense(3, dtype=dtype)(features))


def colour_model():
    """Logits = mean of each channel / 100."""
    inputs = keras.Input((16, 16, 3))
    means = keras.layers.GlobalAveragePooling2D()(inputs)
    return keras.Model(inputs, keras.layers.Rescaling(0.01)(means))


def random_images():
    generator = np.random.default_rng(0)
    return [generator.integers(0, 256, (*size, 3), np.uint8) for size in SIZES]


def encode(image, encoder=tf.io.encode_png):
    return encoder(image).numpy()


def export_model(model, folder, spec=SPEC, class_names=NAMES):
    return export.export_saved_model(model, str(folder), spec, class_names=class_names)


def python(script, *arguments):
    """The script's last line of output, as JSON, from a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def model():
    return convolutional_model()


@pytest.fixture(scope="module")
def version(model, tmp_path_factory):
    return export_model(model, tmp_path_factory.mktemp("run") / "export")


@pytest.fixture(scope="module")
def signatures(version):
    loaded = tf.saved_model.load(version)
    # A signature does not keep the variables of its object alive.
    yield loaded.signatures
    del loaded


@pytest.mark.parametrize("encoder", [tf.io.encode_png, tf.io.encode_jpeg])
def test_bytes_give_what_evaluation_gives(model, signatures, encoder):
    encoded = [encode(image, encoder) for image in random_images()]
    answer = signatures["serving_default"](image_bytes=tf.constant(encoded))
    images = [preprocessing.preprocess_for_evaluation(e, SPEC) for e in encoded]
    expected = model.predict_on_batch(np.stack(images))
    np.testing.assert_allclose(answer["logits"], expected, atol=1e-5)
    exponentials = np.exp(expected.astype(np.float64))
    probabilities = exponentials / exponentials.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(answer["probabilities"], probabilities, atol=1e-6)
    assert [name.decode() for name in answer["classes"].numpy()] == [
        NAMES[k] for k in expected.argmax(axis=1)
    ]


@pytest.mark.parametrize("image", random_images(), ids=map(str, SIZES))
def test_pixels_give_what_their_file_gives(signatures, image):
    batch = tf.constant([encode(image)] * 2)
    expected = signatures["serving_default"](image_bytes=batch)
    answer = signatures["serving_float"](images=np.stack([image] * 2).astype("float32"))
    np.testing.assert_allclose(answer["logits"], expected["logits"], atol=1e-5)


def test_logits_and_class_of_a_coloured_centre_by_hand(tmp_path):
    # A central crop of one half sees nothing of the white frame.
    image = np.full((40, 40, 3), 255, np.uint8)
    image[8:32, 8:32] = (50, 100, 200)
    version = export_model(colour_model(), tmp_path, ImageSpec(16, 3, 0.5))
    loaded = tf.saved_model.load(version)
    answer = loaded.signatures["serving_default"](tf.constant([encode(image)]))
    np.testing.assert_allclose(answer["logits"], [[0.5, 1.0, 2.0]], atol=1e-5)
    total = math.exp(0.5) + math.exp(1.0) + math.exp(2.0)
    np.testing.assert_allclose(
        answer["probabilities"][0, 2], math.exp(2.0) / total, atol=1e-6
    )
    assert answer["classes"].numpy().tolist() == [b"wild tulip"]


@pytest.mark.slow
def test_loads_where_our_layers_are_not_imported(version, signatures, tmp_path):
    (tmp_path / "image.png").write_bytes(encode(random_images()[0]))
    script = """
import json, sys
import tensorflow as tf
loaded = tf.saved_model.load(sys.argv[1])
encoded = tf.constant([tf.io.read_file(sys.argv[2]).numpy()])
answer = loaded.signatures["serving_default"](image_bytes=encoded)
assert not {"adafilter_tf", "test_export"} & set(sys.modules)
print(json.dumps(answer["logits"].numpy().tolist()))
"""
    logits = python(script, version, str(tmp_path / "image.png"))
    encoded = tf.constant([encode(random_images()[0])])
    expected = signatures["serving_default"](image_bytes=encoded)["logits"]
    np.testing.assert_allclose(logits, expected, atol=1e-6)


@pytest.mark.slow
def test_saved_model_cli_gives_the_same_as_prediction(model, version, tmp_path):
    paths = [str(tmp_path / f"{i}.jpg") for i in range(len(SIZES))]
    encoded = [encode(image, tf.io.encode_jpeg) for image in random_images()]
    for path, content in zip(paths, encoded, strict=True):
        with open(path, "wb") as file:
            file.write(content)
    np.save(tmp_path / "images.npy", np.array(encoded))
    command = "run --tag_set serve --signature_def serving_default --overwrite --dir"
    subprocess.run(
        [os.path.join(os.path.dirname(sys.executable), "saved_model_cli")]
        + [*command.split(), version, "--outdir", str(tmp_path)]
        + ["--inputs", f"image_bytes={tmp_path / 'images.npy'}"],
        check=True,
        capture_output=True,
        timeout=600,
    )
    rows = list(
        prediction.predict_paths(model, paths, SPEC, class_names=NAMES, batch_size=3)
    )
    classes = np.load(tmp_path / "classes.npy", allow_pickle=True)
    assert [name.decode() for name in classes] == [row.classes[0] for row in rows]
    probabilities = np.load(tmp_path / "probabilities.npy")
    np.testing.assert_allclose(
        np.sort(probabilities)[:, ::-1], [row.probabilities for row in rows], atol=1e-6
    )


def test_label_map_is_an_asset(version):
    loaded = tf.saved_model.load(version)
    path = os.path.join(version, "assets", "labels.txt")
    assert loaded.labels.asset_path.numpy().decode() == path
    with open(path, encoding="utf-8") as file:
        assert file.read() == "rosé\ndaisy\nwild tulip\n"


def test_next_version_is_one_above_the_highest(tmp_path):
    for name in ("2", "10", "notes", ".unfinished-x"):
        (tmp_path / name).mkdir()
    assert export_model(colour_model(), tmp_path) == str(tmp_path / "11")
    assert export_model(colour_model(), tmp_path) == str(tmp_path / "12")
    assert len(os.listdir(tmp_path)) == 6


def test_version_that_another_export_took_meanwhile_is_kept(tmp_path, monkeypatch):
    taken = tmp_path / "1"
    replay = warmup.replay_requests

    def replay_slowly(folder):
        taken.mkdir()
        (taken / "saved_model.pb").touch()
        return replay(folder)

    monkeypatch.setattr(warmup, "replay_requests", replay_slowly)
    assert export_model(colour_model(), tmp_path) == str(tmp_path / "2")
    assert [path.name for path in taken.iterdir()] == ["saved_model.pb"]


@pytest.mark.slow
def test_kill_during_export_leaves_no_numbered_folder(tmp_path):
    script = """
import keras, sys, threading, os, time
from adafilter_tf import export
from adafilter_tf.data.decoding.preprocessing import ImageSpec
model = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Flatten(),
    keras.layers.Dense(2)])
def kill():
    time.sleep(float(sys.argv[2]))
    os.kill(os.getpid(), 9)
threading.Thread(target=kill).start()
export.export_saved_model(model, sys.argv[1], ImageSpec(4, 1, 1.0),
    class_names=["a", "b"])
"""
    found = []
    for seconds in ("0.05", "0.5", "1", "1.5"):
        process = subprocess.run(
            [sys.executable, "-c", script, str(tmp_path), seconds],
            capture_output=True,
            timeout=600,
        )
        found.append(process.returncode)
        for version in filter(str.isdecimal, os.listdir(tmp_path)):
            assert warmup.replay_requests(tmp_path / version) == 4
    assert found[0] == -9


def test_failed_export_leaves_nothing(tmp_path):
    with pytest.raises(ValueError, match="expected shape"):
        export_model(convolutional_model(), tmp_path, ImageSpec(9, 3, 1.0))
    assert os.listdir(tmp_path) == []


def test_mixed_precision_model_answers_in_float32(tmp_path):
    model = convolutional_model("mixed_bfloat16")
    assert model.output.dtype == "bfloat16"
    loaded = tf.saved_model.load(export_model(model, tmp_path))
    image = tf.constant([encode(random_images()[0])])
    answer = loaded.signatures["serving_default"](image_bytes=image)
    assert answer["logits"].dtype == answer["probabilities"].dtype == tf.float32
    expected = convolutional_model().predict_on_batch(
        preprocessing.preprocess_for_evaluation(image[0], SPEC)[None]
    )
    # bfloat16 keeps 8 bits: 2 ** -8 of values around 1, over four layers.
    np.testing.assert_allclose(answer["logits"], expected, atol=0.03)


def test_model_of_a_distribution_strategy_is_exported(tmp_path):
    script = """
import json, sys
import keras
import numpy as np
import tensorflow as tf
from adafilter_tf import export
from adafilter_tf.data.decoding.preprocessing import ImageSpec
cpu = tf.config.list_physical_devices("CPU")[0]
logical = tf.config.LogicalDeviceConfiguration()
tf.config.set_logical_device_configuration(cpu, [logical] * 2)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
with strategy.scope():
    model = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Flatten(),
        keras.layers.BatchNormalization(), keras.layers.Dense(2)])
    model.compile("sgd", "mse")
images = np.random.default_rng(0).uniform(0, 255, (8, 4, 4, 1)).astype("float32")
model.fit(images, np.ones((8, 2)), batch_size=4, verbose=0)
assert "Mirrored" in type(model.layers[-1].kernel.value).__name__
version = export.export_saved_model(model, sys.argv[1], ImageSpec(4, 1, 1.0),
    class_names=["a", "b"])
served = tf.saved_model.load(version).signatures["serving_float"](images=images)
print(json.dumps([served["logits"].numpy().tolist(), model(images).numpy().tolist()]))
"""
    served, expected = python(script, str(tmp_path))
    np.testing.assert_allclose(served, expected, atol=1e-5)


def test_class_name_with_a_line_break_is_refused(tmp_path):
    with pytest.raises(
        errors.RunError, match=r"class name 'a\\nb'; a name is one line, because labels"
    ):
        export_model(colour_model(), tmp_path / "e", class_names=["a\nb", "c", "d"])
    assert not (tmp_path / "e").exists()


def test_number_of_class_names_is_checked(tmp_path):
    with pytest.raises(
        errors.RunError,
        match="2 class names for a model of 3 outputs; each output needs one name. Use "
        "the labels.txt with which",
    ):
        export_model(colour_model(), tmp_path / "e", class_names=["a", "b"])
