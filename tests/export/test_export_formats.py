import importlib.util
import os
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from adafilter_tf import errors, layers
from adafilter_tf.export import export_formats, runtimes
from adafilter_tf.methods import adafilter, fine_tuning
from adafilter_tf.models import backbones
from tests import conftest

FILES = {
    "onnx": "model.onnx",
    "litert": "model.tflite",
    "litert_int8": "model_int8.tflite",
}


def needs(name):
    """The format's name, skipped where a package of it is missing."""
    packages = runtimes.RUNTIMES[name].packages
    missing = [
        package
        for package in packages
        if importlib.util.find_spec(package.replace("-", "_")) is None
    ]
    reason = f"needs pip install {' '.join(missing)}"
    return pytest.param(name, marks=pytest.mark.skipif(bool(missing), reason=reason))


FLOAT_FORMATS = [needs("onnx"), needs("litert")]
ALL_FORMATS = [*FLOAT_FORMATS, needs("litert_int8")]


def pixels(n=40, seed=0):
    """Smooth images, float32 [n, 8, 8, 3] in 0..255, each of another colour."""
    coarse = np.random.default_rng(seed).uniform(0, 255, (n, 2, 2, 3))
    return np.repeat(np.repeat(coarse, 4, 1), 4, 2).astype("float32")


def pixel_resnet():
    backbone = conftest.tiny_resnet()
    stem = backbone.get_layer("stem_conv")
    stem.kernel.assign(stem.kernel / 128)  # Reads pixels: no saturated probabilities.
    return backbone


def gated_model(backbone=None, num_classes=3):
    """A gated network whose two filter banks differ and whose gates need the image."""
    model = adafilter.build(backbone or pixel_resnet(), num_classes, gate_units=8)
    generator = np.random.default_rng(0)
    for weight in model.weights:
        if weight.name == "tuned_kernel":
            noise = generator.normal(size=weight.shape) * np.std(weight)
            weight.assign(weight + 0.3 * noise)
    return model


def plain_model():
    return fine_tuning.build(pixel_resnet(), 3)


def colour_model():
    """Logits = mean of each channel / 100."""
    inputs = keras.Input((8, 8, 3))
    means = keras.layers.GlobalAveragePooling2D()(inputs)
    return keras.Model(inputs, keras.layers.Rescaling(0.01)(means))


def layer_model(function):
    """A model with one layer of ours, named "odd", and logits around 0."""

    class Odd(keras.layers.Layer):
        def call(self, inputs):
            return function(inputs)

    inputs = keras.Input((8, 8, 3))
    features = keras.layers.Flatten()(Odd(name="odd")(inputs))
    small = keras.initializers.RandomNormal(stddev=1e-3, seed=0)
    return keras.Model(
        inputs, keras.layers.Dense(3, kernel_initializer=small)(features)
    )


def export(model, folder, *formats, images=None, labels=None):
    images = pixels() if images is None else images
    return export_formats.export_formats(
        model,
        str(folder),
        formats,
        images=images,
        labels=np.zeros(len(images), int) if labels is None else labels,
        representative_images=pixels(seed=1),
    )


def run_file(path, images):
    """Logits of a file, by the runtime's plainest calls."""
    if path.endswith(".onnx"):
        import onnxruntime

        session = onnxruntime.InferenceSession(path)
        return session.run(None, {"images": images})[0]
    from ai_edge_litert import interpreter

    runtime = interpreter.Interpreter(path)
    (inputs,), (outputs,) = runtime.get_input_details(), runtime.get_output_details()
    runtime.resize_tensor_input(inputs["index"], images.shape)
    runtime.allocate_tensors()
    runtime.set_tensor(inputs["index"], images)
    runtime.invoke()
    return runtime.get_tensor(outputs["index"])


@pytest.mark.parametrize("build", [gated_model, plain_model])
@pytest.mark.parametrize("name", FLOAT_FORMATS)
def test_file_answers_as_keras(tmp_path, name, build):
    model = build()
    (report,) = export(model, tmp_path, name)
    assert report.path == str(tmp_path / FILES[name])
    # Another number of images than at export: the batch is free.
    images = pixels(7, seed=2)
    expected = model(images, training=False)
    assert np.ptp(expected, axis=0).min() > 0.01
    np.testing.assert_allclose(run_file(report.path, images), expected, atol=1e-4)


def test_gates_of_the_tested_model_depend_on_the_image():
    model = gated_model()
    gates = [x.output for x in model.layers if isinstance(x, layers.FilterGate)]
    values = keras.Model(model.inputs[0], gates)(pixels())
    varying = [np.ptp(value, axis=0).mean() for value in values]
    assert max(varying) > 0.1


@pytest.mark.parametrize("name", ALL_FORMATS)
def test_logits_and_report_by_hand(tmp_path, name):
    images = np.zeros((4, 8, 8, 3), "float32")
    for image, channel in zip(images, (0, 1, 2, 2), strict=True):
        image[..., channel] = 200.0
    labels = np.array([0, 1, 2, 0])
    model = colour_model()
    (report,) = export(model, tmp_path, name, images=images, labels=labels)
    # An int8 step is 1/256 of the pixels' and the logits' ranges.
    expected = np.eye(3)[[0, 1, 2, 2]] * 2.0
    tolerance = 0.02 if name == "litert_int8" else 1e-5
    np.testing.assert_allclose(run_file(report.path, images), expected, atol=tolerance)
    assert report.num_bytes == os.path.getsize(tmp_path / FILES[name])
    assert (report.num_images, report.changed_predictions) == (4, 0)
    assert report.accuracy == report.keras_accuracy == 0.75
    assert report.median_difference <= report.greatest_difference <= tolerance


@pytest.mark.parametrize("name", FLOAT_FORMATS)
def test_adapted_normalization_is_exported(tmp_path, name):
    normalization = keras.layers.Normalization()
    normalization.adapt(pixels())
    inputs = keras.Input((8, 8, 3))
    means = keras.layers.GlobalAveragePooling2D()(normalization(inputs))
    model = keras.Model(inputs, keras.layers.Rescaling(0.01)(means))
    (report,) = export(model, tmp_path, name)
    scaled = (pixels() - pixels().mean((0, 1, 2))) / pixels().std((0, 1, 2))
    expected = scaled.mean((1, 2)) / 100
    np.testing.assert_allclose(run_file(report.path, pixels()), expected, atol=1e-5)


@pytest.mark.parametrize("name", [needs("onnx")])
def test_onnx_names_its_input_output_and_batch(tmp_path, name):
    import onnxruntime

    (report,) = export(colour_model(), tmp_path, name)
    session = onnxruntime.InferenceSession(report.path)
    (inputs,), (outputs,) = session.get_inputs(), session.get_outputs()
    assert (inputs.name, inputs.shape) == ("images", ["batch", 8, 8, 3])
    assert (outputs.name, outputs.shape) == ("logits", ["batch", 3])


@pytest.mark.parametrize("name", [needs("litert_int8")])
def test_int8_file_computes_in_int8(tmp_path, name):
    from ai_edge_litert import interpreter

    model = plain_model()
    (report,) = export(model, tmp_path, name)
    details = interpreter.Interpreter(report.path).get_tensor_details()
    kernels = [tensor for tensor in details if tuple(tensor["shape"]) == (12, 3, 3, 12)]
    assert [kernel["dtype"] for kernel in kernels] == [np.int8]
    assert report.greatest_difference > 0


@pytest.mark.slow
@pytest.mark.parametrize("name", FLOAT_FORMATS)
def test_mixed_precision_model_is_exported_in_float32(tmp_path, name):
    keras.config.set_dtype_policy("mixed_bfloat16")
    mixed = gated_model()
    keras.config.set_dtype_policy("float32")
    exact = gated_model()
    exact.set_weights(mixed.get_weights())
    (report,) = export(mixed, tmp_path, name)
    np.testing.assert_allclose(
        run_file(report.path, pixels()), exact(pixels(), training=False), atol=1e-4
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", FLOAT_FORMATS)
def test_model_of_a_distribution_strategy_is_exported(tmp_path, name):
    with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
        model = plain_model()
    assert "Mirrored" in type(model.layers[-1].kernel.value).__name__
    (report,) = export(model, tmp_path, name)
    np.testing.assert_allclose(
        run_file(report.path, pixels()), model(pixels(), training=False), atol=1e-4
    )


@pytest.mark.parametrize("name", FLOAT_FORMATS)
def test_layer_without_a_form_in_the_format_is_named(tmp_path, name):
    model = layer_model(lambda x: keras.ops.qr(x[..., 0])[0])
    (tmp_path / FILES[name]).write_text("of an earlier export")
    messages = {
        "onnx": "No Op registered for Qr .*odd_1/Qr",
        "litert": "LiteRT has no op Qr, which is '.*odd_1/Qr'",
    }
    with pytest.raises(
        errors.RunError,
        match=f"^The model cannot be exported as {name}: {messages[name]}.*Leave this",
    ):
        export(model, tmp_path, name)
    assert os.listdir(tmp_path) == [FILES[name]]
    assert (tmp_path / FILES[name]).read_text() == "of an earlier export"


@pytest.mark.parametrize("name", [needs("onnx")])
def test_file_that_answers_otherwise_is_refused(tmp_path, name):
    model = layer_model(lambda x: x + tf.random.uniform(tf.shape(x), maxval=99.0))
    message = (
        r"^model.onnx does not answer like Keras: its probabilities differ by "
        r"\d\.\de-0\d in the median image \(allowed is 1e-04\) and \d+ of 40 "
        r"predictions differ \(allowed are 1\)\. Leave this format out, or report "
        r"the model\.$"
    )
    with pytest.raises(errors.RunError, match=message):
        export(model, tmp_path, name)
    assert os.listdir(tmp_path) == []


def test_missing_package_is_named_with_its_command(tmp_path, monkeypatch):
    for package in ("onnx", "onnxruntime", "ai_edge_litert"):
        monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.setitem(sys.modules, "tf2onnx", sys)
    with pytest.raises(
        errors.UsageError,
        match="^The export format onnx needs packages that are not installed: pip "
        "install onnx onnxruntime$",
    ):
        export(colour_model(), tmp_path / "new", "onnx")
    with pytest.raises(errors.UsageError, match="format litert_int8 .*ai-edge-litert$"):
        export_formats.check_formats(["litert_int8"])
    assert not (tmp_path / "new").exists()


def test_unknown_format_is_named():
    with pytest.raises(
        errors.UsageError,
        match="^Received the export format 'coreml'; allowed are onnx, litert, "
        "litert_int8.$",
    ):
        export_formats.check_formats(["coreml"])


def test_images_and_labels_are_checked(tmp_path):
    with pytest.raises(
        ValueError,
        match=r"images of shape \(2, 8, 8, 3\) and type uint8; the model reads at least"
        r" one of shape \(8, 8, 3\) and type float32",
    ):
        export(colour_model(), tmp_path, images=np.zeros((2, 8, 8, 3), np.uint8))
    with pytest.raises(ValueError, match="40 images and 3 labels; each image needs"):
        export(colour_model(), tmp_path, labels=np.zeros(3, int))


def digit_images(indices):
    """Bundled digits as the backbone reads them, float32 [n, 16, 16, 1], and labels."""
    from sklearn import datasets

    digits = datasets.load_digits()
    images = np.kron(digits.images[indices], np.ones((2, 2))) * (255 / 16)
    return images[..., np.newaxis].astype("float32"), digits.target[indices]


@pytest.fixture(scope="module")
def digits_model():
    """A gated resnet14 with a head of linear regression on 300 digits."""
    model = gated_model(backbones.build_backbone("resnet14", image_size=16), 10)
    images, labels = digit_images(np.arange(300))
    head = model.get_layer("head")
    features = keras.Model(model.inputs[0], head.input).predict(images, verbose=0)
    features = np.column_stack([features, np.ones(len(features))])
    penalty = 0.001 * len(features) * np.eye(features.shape[1])
    weights = np.linalg.solve(
        features.T @ features + penalty, features.T @ (8.0 * np.eye(10)[labels])
    )
    head.set_weights([weights[:-1], weights[-1]])
    return model


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL_FORMATS)
def test_gated_resnet14_classifies_digits(tmp_path, digits_model, name):
    images, labels = digit_images(np.arange(300, 700))
    (report,) = export_formats.export_formats(
        digits_model,
        str(tmp_path),
        [name],
        images=images,
        labels=labels,
        representative_images=digit_images(np.arange(100))[0],
    )
    answers = run_file(report.path, images).argmax(axis=-1)
    assert report.accuracy == pytest.approx(np.mean(answers == labels))
    assert report.keras_accuracy > 0.75
    # One image by a gate at its threshold; int8 measured 7 images, to the better.
    allowed = 0.05 if name == "litert_int8" else 0.0025
    assert abs(report.accuracy - report.keras_accuracy) <= allowed
