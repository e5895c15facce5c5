import keras
import numpy as np
import pytest

from adafilter_tf import errors, layers
from adafilter_tf.models import routing
from adafilter_tf.models.backbones import resnet14
from tests.conftest import random_images, randomize, tiny_resnet

BACKBONES = {
    "resnet14": lambda: resnet14.resnet14((32, 32, 3)),
    "ResNet50": lambda: application(keras.applications.ResNet50),
    "ResNet50V2": lambda: application(keras.applications.ResNet50V2),
    "MobileNetV2": lambda: application(keras.applications.MobileNetV2),
    "DenseNet121": lambda: application(keras.applications.DenseNet121),
    "EfficientNetB0": lambda: application(keras.applications.EfficientNetB0),
}


def application(build):
    return build(include_top=False, weights=None, input_shape=(32, 32, 3))


def force(model, *tuned):
    """Makes the policy choose so, whatever the image; noise cannot change it."""
    dense = model.get_layer("policy_network").choice_logits
    dense.kernel.assign(np.zeros(dense.kernel.shape))
    dense.bias.assign(np.ravel([(100.0, -100.0)[:: -1 if t else 1] for t in tuned]))


def choices_of(model, images):
    choices = model.get_layer("block_choice").output
    return np.array(keras.Model(model.input, choices)(images))


def is_tuned_block(weight):
    return not any(
        part in weight.path for part in ("_frozen/", "policy_network", "stem")
    )


@pytest.mark.parametrize("build", BACKBONES.values(), ids=BACKBONES.keys())
@pytest.mark.filterwarnings("ignore:`input_shape` is undefined")
def test_routed_network_starts_as_the_pretrained_one(build):
    """I1's peer, with weights and statistics that show a missing copy."""
    backbone = randomize(build())
    routed = routing.add_routing(backbone)
    images = random_images(2, 32, 32, 3)
    expected = np.array(backbone(images, training=False))
    assert np.abs(expected).max() > 1e-2
    num_blocks = choices_of(routed, images).shape[1]
    # Neither all frozen nor all tuned.
    force(routed, *(block % 2 for block in range(num_blocks)))
    np.testing.assert_allclose(routed(images, training=False), expected, atol=1e-4)


def test_frozen_choices_give_the_pretrained_features_whatever_the_tuned_copy():
    backbone = tiny_resnet()
    routed = routing.add_routing(backbone)
    rng = np.random.default_rng(0)
    for weight in filter(is_tuned_block, routed.trainable_weights):
        weight.assign_add(rng.normal(size=weight.shape))
    images = random_images(3, 8, 8, 3)
    expected = np.array(backbone(images, training=False))
    force(routed, 0)
    np.testing.assert_allclose(routed(images), expected, atol=1e-5)
    force(routed, 1)
    assert np.abs(routed(images) - expected).max() > 0.1


def test_a_block_reads_the_blend_of_the_block_before():
    backbone = randomize(resnet14.resnet14((16, 16, 3)))
    changed = keras.models.clone_model(backbone)
    changed.set_weights(backbone.get_weights())
    routed = routing.add_routing(backbone)
    rng = np.random.default_rng(0)
    for block in ("stage1_block1", "stage3_block2"):
        for name in (f"{block}_conv1", f"{block}_conv2"):
            kernel = rng.normal(0, 0.1, backbone.get_layer(name).kernel.shape)
            changed.get_layer(name).kernel.assign(kernel)
            routed.get_layer(name).kernel.assign(kernel)
    images = random_images(2, 16, 16, 3)
    force(routed, 1, 0, 0, 0, 0, 1)
    np.testing.assert_allclose(routed(images), changed(images), atol=1e-4)
    assert np.abs(routed(images) - backbone(images)).max() > 0.1


def test_frozen_copy_and_only_it_does_not_train():
    routed = routing.add_routing(tiny_resnet())
    trainable = {w.path for w in routed.trainable_weights}
    assert not any("_frozen/" in path for path in trainable)
    # The stem's four, and seven with weights, two each, three of them convolutions.
    assert sum("policy_network" not in p for p in trainable) == 2 + 1 + 3 * 4
    policy = [p for p in trainable if p.startswith("policy_network/")]
    assert len(policy) == 7 * 3 + 2


def test_policy_reads_normalized_pixels():
    images = keras.Input((8, 8, 3))
    normalize = layers.PixelNormalization((127.5,) * 3, (60,) * 3, name="normalize")
    x = normalize(images)
    x = keras.layers.Conv2D(2, 3, name="block1_conv1")(x)
    routed = routing.add_routing(keras.Model(images, x))
    policy = routed.get_layer("policy_network")
    assert policy.input is routed.get_layer("normalize").output


def test_choices_at_inference_do_not_change_nor_depend_on_the_batch():
    """I5's peer."""
    routed = routing.add_routing(randomize(resnet14.resnet14((16, 16, 3))))
    images = random_images(8, 16, 16, 3)
    together = choices_of(routed, images)
    assert np.array_equal(together, choices_of(routed, images))
    for index in range(8):
        alone = choices_of(routed, images[index : index + 1])
        assert np.array_equal(together[index : index + 1], alone)


def test_sampled_choices_differ_in_training():
    routed = routing.add_routing(resnet14.resnet14((16, 16, 3)))
    images = random_images(8, 16, 16, 3)
    model = keras.Model(routed.input, routed.get_layer("block_choice").output)
    first, second = (np.array(model(images, training=True)) for _ in range(2))
    assert not np.array_equal(first, second)


def test_every_policy_weight_gets_a_gradient_once_the_copies_differ():
    tf = pytest.importorskip("tensorflow")
    routed = routing.add_routing(tiny_resnet())
    for weight in filter(is_tuned_block, routed.trainable_weights):
        weight.assign_add(np.full(weight.shape, 0.1))
    weights = routed.get_layer("policy_network").trainable_weights
    with tf.GradientTape() as tape:
        outputs = routed(random_images(4, 8, 8, 3), training=True)
        loss = tf.reduce_mean(tf.square(outputs))
    gradients = tape.gradient(loss, [w.value for w in weights])
    for weight, gradient in zip(weights, gradients, strict=True):
        assert np.abs(gradient).max() > 0, weight.path


def test_saved_network_loads_with_equal_outputs(tmp_path):
    routed = routing.add_routing(tiny_resnet(), policy_temperature=3.0)
    routed.save(tmp_path / "routed.keras")
    loaded = keras.saving.load_model(tmp_path / "routed.keras")
    images = random_images(2, 8, 8, 3)
    assert np.array_equal(loaded(images), routed(images))
    assert loaded.get_layer("block_choice").temperature == 3.0
    for mine, theirs in zip(routed.weights, loaded.weights, strict=True):
        assert (mine.path, mine.trainable) == (theirs.path, theirs.trainable)


def test_stateless_operations_in_a_block_are_kept(tmp_path):
    images = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(3, 3, padding="same", name="block1_conv1")(images)
    x = keras.ops.tanh(x + 2.0 * images)
    backbone = keras.Model(images, x)
    routed = routing.add_routing(backbone)
    routed.save(tmp_path / "routed.keras")
    batch = random_images(2, 8, 8, 3)
    for model in (routed, keras.saving.load_model(tmp_path / "routed.keras")):
        np.testing.assert_allclose(model(batch), backbone(batch), atol=1e-6)


def test_mixed_precision_network_gives_finite_half_precision_features():
    keras.config.set_dtype_policy("mixed_float16")
    outputs = routing.add_routing(tiny_resnet())(random_images(2, 8, 8, 3))
    assert outputs.dtype == "float16"
    assert np.isfinite(outputs).all()


def test_block_that_is_read_inside_is_named():
    images = keras.Input((8, 8, 3))
    inner = keras.layers.Conv2D(3, 3, padding="same", name="block1_conv1")(images)
    x = keras.layers.Conv2D(3, 3, padding="same", name="block1_conv2")(inner)
    x = keras.layers.Add(name="block2_add")([inner, x])
    message = (
        "block 'block1' cannot be routed: its layer 'block1_conv1' is read outside of "
        "it, by 'block2_add', and only its last layer 'block1_conv2' may be"
    )
    with pytest.raises(errors.RunError, match=message):
        routing.add_routing(keras.Model(images, x))


def test_backbone_without_blocks_is_refused():
    images = keras.Input((8, 8, 3))
    backbone = keras.Model(images, keras.layers.Conv2D(3, 3)(images), name="plain")
    with pytest.raises(errors.RunError, match="'plain' has no blocks to route"):
        routing.add_routing(backbone)


def test_shared_layer_is_named():
    backbone = tiny_resnet()
    shared = keras.layers.Conv2D(12, 3, padding="same", name="shared")
    model = keras.Model(backbone.input, shared(shared(backbone.output)))
    with pytest.raises(errors.RunError, match=r"'shared' \(Conv2D\) is called more"):
        routing.add_routing(model)
