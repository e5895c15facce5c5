import base64
import os

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from adafilter_tf import evaluation, export
from adafilter_tf.data.decoding.preprocessing import ImageSpec
from adafilter_tf.methods import adafilter, fine_tuning, spottune
from tests.conftest import tiny_resnet

NAMES = ["rosé", "daisy", "wild tulip"]
SPEC = ImageSpec(image_size=8, channels=3, crop_fraction=0.875)
OUTPUTS = {"logits", "probabilities", "classes", "top_k_classes", "top_k_scores"}
GATED_LAYERS = {
    "stem_conv",
    "stage1_block1_conv1",
    "stage1_block1_conv2",
    "stage1_block1_shortcut_conv",
}


def make_images(number, seed=0):
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (number, 12, 15, 3), np.uint8)
    return pixels, [tf.io.encode_png(image).numpy() for image in pixels]


def write_images(folder, encoded):
    paths = [str(folder / f"{index}.png") for index in range(len(encoded))]
    for path, content in zip(paths, encoded, strict=True):
        tf.io.write_file(path, content)
    return paths


def make_example(encoded):
    feature = tf.train.Feature(bytes_list=tf.train.BytesList(value=[encoded]))
    features = tf.train.Features(feature={"image/encoded": feature})
    return tf.train.Example(features=features).SerializeToString()


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return adafilter.build(tiny_resnet(), 3)


@pytest.fixture(scope="module")
def version(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("export")
    return export.export_saved_model(
        model, str(folder), SPEC, class_names=NAMES, top_k=2
    )


@pytest.fixture(scope="module")
def loaded(version):
    return tf.saved_model.load(version)


def test_bytes_pixels_and_evaluation_agree(model, loaded, tmp_path):
    pixels, encoded = make_images(5)
    paths = write_images(tmp_path, encoded)
    logits = evaluation.create_scorer(model, SPEC, batch_size=5)(paths).logits
    expected = tf.nn.softmax(logits)
    signatures = loaded.signatures
    for answer in (
        signatures["serving_default"](image_bytes=tf.constant(encoded)),
        signatures["strict"](image_bytes=tf.constant(encoded)),
        signatures["serving_float"](images=tf.constant(pixels, tf.float32)),
    ):
        np.testing.assert_allclose(answer["probabilities"], expected, atol=1e-6)


def test_signatures_have_these_inputs_and_batch_major_outputs(loaded):
    outputs = {
        "serving_default": {*OUTPUTS, "valid", "error"},
        "strict": OUTPUTS,
        "serving_float": OUTPUTS,
        "classify": {"classes", "scores"},
        "gates": {*GATED_LAYERS, "valid"},
    }
    inputs = {name: "image_bytes" for name in outputs}
    inputs.update(serving_float="images", classify="inputs")
    assert set(loaded.signatures) == set(outputs)
    for name, signature in loaded.signatures.items():
        _, keywords = signature.structured_input_signature
        assert set(keywords) == {inputs[name]}
        assert set(signature.structured_outputs) == outputs[name]
        for spec in [*keywords.values(), *signature.structured_outputs.values()]:
            assert spec.shape[0] is None


def test_broken_image_is_flagged_and_the_others_are_answered(loaded):
    _, encoded = make_images(3)
    expected = loaded.signatures["strict"](image_bytes=tf.constant(encoded))
    batch = tf.constant([encoded[0], b"text", encoded[1], b"", encoded[2]])
    answer = loaded.signatures["serving_default"](image_bytes=batch)
    valid = [True, False, True, False, True]
    assert answer["valid"].numpy().tolist() == valid
    for name in OUTPUTS:
        of_valid = answer[name].numpy()[valid]
        if of_valid.dtype == object:
            assert of_valid.tolist() == expected[name].numpy().tolist()
            assert not np.any(answer[name].numpy()[[1, 3]] != b"")
        else:
            np.testing.assert_allclose(of_valid, expected[name], atol=1e-5)
            # JSON has no NaN.
            assert np.all(answer[name].numpy()[[1, 3]] == 0)


def test_base64_text_is_told_how_to_be_sent(loaded):
    _, encoded = make_images(2)
    text = base64.b64encode(encoded[0])
    batch = tf.constant([text, encoded[1], b"text", b""])
    answer = loaded.signatures["serving_default"](image_bytes=batch)
    assert answer["valid"].numpy().tolist() == [False, True, False, False]
    reasons = [reason.decode() for reason in answer["error"].numpy()]
    assert '{"b64": "..."}' in reasons[0] and reasons[1] == ""
    assert all("cannot be decoded" in reason for reason in reasons[2:])
    with pytest.raises(tf.errors.InvalidArgumentError, match="base64 text"):
        loaded.signatures["strict"](image_bytes=batch)


def test_strict_refuses_a_broken_image(loaded):
    _, encoded = make_images(1)
    with pytest.raises(tf.errors.InvalidArgumentError, match="neither a JPEG nor"):
        loaded.signatures["strict"](image_bytes=tf.constant([*encoded, b"text"]))


def test_best_classes_are_named_in_order(loaded):
    _, encoded = make_images(4)
    answer = loaded.signatures["serving_default"](image_bytes=tf.constant(encoded))
    probabilities = answer["probabilities"].numpy()
    order = np.argsort(-probabilities, axis=1)[:, :2]
    names = [[NAMES[index].encode() for index in row] for row in order]
    assert answer["top_k_classes"].numpy().tolist() == names
    assert answer["classes"].numpy().tolist() == [row[0] for row in names]
    np.testing.assert_array_equal(
        answer["top_k_scores"], np.take_along_axis(probabilities, order, axis=1)
    )


def test_gates_are_those_of_the_model(model, loaded, tmp_path):
    _, encoded = make_images(4)
    paths = write_images(tmp_path, encoded)
    gates = evaluation.create_scorer(model, SPEC, batch_size=4)(paths).gates
    answer = loaded.signatures["gates"](image_bytes=tf.constant([*encoded, b"text"]))
    assert answer.pop("valid").numpy().tolist() == [True] * 4 + [False]
    for name, expected in gates.items():
        np.testing.assert_array_equal(answer[name][:4], expected)
        assert not np.any(answer[name][4])
    values = np.concatenate([np.ravel(gate) for gate in answer.values()])
    assert set(values) == {0.0, 1.0}


def test_examples_are_classified_as_their_images(loaded):
    _, encoded = make_images(3)
    examples = tf.constant([make_example(image) for image in [*encoded, b"text"]])
    answer = loaded.signatures["classify"](inputs=examples)
    expected = loaded.signatures["serving_default"](
        image_bytes=tf.constant([*encoded, b"text"])
    )
    np.testing.assert_array_equal(answer["classes"], expected["top_k_classes"])
    np.testing.assert_array_equal(answer["scores"], expected["top_k_scores"])


def test_classify_is_the_call_of_that_name(version):
    with open(os.path.join(version, "saved_model.pb"), "rb") as file:
        [meta_graph] = saved_model_pb2.SavedModel.FromString(file.read()).meta_graphs
    methods = {name: of.method_name for name, of in meta_graph.signature_def.items()}
    assert methods.pop("classify") == "tensorflow/serving/classify"
    methods.pop("__saved_model_init_op")
    assert {*methods.values()} == {"tensorflow/serving/predict"}


@pytest.mark.parametrize("name", ["serving_default", "strict", "gates"])
def test_empty_batch_is_refused(loaded, name):
    with pytest.raises(tf.errors.InvalidArgumentError, match="empty batch; send one"):
        loaded.signatures[name](image_bytes=tf.constant([], tf.string))


@pytest.mark.parametrize(
    ("build", "gates"),
    [(fine_tuning.build, None), (spottune.build, {"stage1_block1", "valid"})],
)
def test_gates_are_served_by_models_that_choose(tmp_path, build, gates):
    folder = export.export_saved_model(
        build(tiny_resnet(), 3), str(tmp_path), SPEC, class_names=NAMES
    )
    signatures = tf.saved_model.load(folder).signatures
    assert ("gates" in signatures) == (gates is not None)
    if gates:
        assert set(signatures["gates"].structured_outputs) == gates
