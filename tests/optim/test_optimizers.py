import keras
import numpy as np
import pytest

from adafilter_tf import errors
from adafilter_tf.methods import adafilter, fine_tuning
from adafilter_tf.models import gating, graph
from adafilter_tf.optim import optimizers
from tests.conftest import compile_sgd, random_images, tiny_convnext, tiny_resnet

OPTIONS = optimizers.OptimizerOptions(
    "sgd", 0.4, 0.8, 0.01, weight_decay=0.1, warmup_fraction=0.25
)


def member(optimizer, name):
    return next(o for o in optimizer.optimizers if o.name == name)


def test_each_group_has_its_own_optimizer():
    optimizer = optimizers.create_optimizer(OPTIONS, total_steps=100)
    model = adafilter.build(tiny_resnet(), 3)
    optimizer.build(model.trainable_variables)
    groups = {
        o.name: {v.path.split("/")[0] for v in o._trainable_variables}
        for o in optimizer.optimizers
    }
    assert groups["gates"] == {"recurrent_gate"}
    assert groups["head"] == {"head"}
    assert "stem_conv" in groups["backbone"]
    assert not groups["backbone"] & {"recurrent_gate", "head"}
    assert isinstance(member(optimizer, "gates"), keras.optimizers.Adam)


@pytest.mark.parametrize(
    ("step", "share"),
    # Linear to step 25, then half a cosine to step 100.
    [(0, 0.0), (5, 0.2), (25, 1.0), (50, 0.75), (100, 0.0)],
)
def test_rates_rise_linearly_and_fall_along_a_cosine(step, share):
    optimizer = optimizers.create_optimizer(OPTIONS, total_steps=100)
    for name, peak in (("backbone", 0.4), ("head", 0.8), ("gates", 0.01)):
        rate = member(optimizer, name)._learning_rate(step)
        assert float(rate) == pytest.approx(share * peak, abs=1e-7)


@pytest.mark.parametrize("method", [adafilter, fine_tuning], ids=["gated", "plain"])
@pytest.mark.parametrize("backbone", [tiny_resnet, tiny_convnext])
def test_decay_shrinks_kernels_only(method, backbone):
    optimizer = optimizers.create_optimizer(
        optimizers.OptimizerOptions("sgd", 0.5, 0.5, 0.5, 0.1, 0.0), total_steps=10
    )
    model = method.build(backbone(), 3)
    for weight in model.trainable_variables:
        weight.assign(np.ones(weight.shape))
    optimizer.build(model.trainable_variables)
    zeros = [np.zeros(v.shape, "float32") for v in model.trainable_variables]
    optimizer.apply(zeros, model.trainable_variables)
    for weight in model.trainable_variables:
        decayed = "kernel" in weight.name and "recurrent_gate" not in weight.path
        expected = 1 - 0.5 * 0.1 if decayed else 1.0
        np.testing.assert_allclose(
            weight.numpy(), expected, rtol=1e-6, err_msg=weight.path
        )


def test_loaded_optimizer_leaves_biases_out_of_the_decay():
    """Keras' configuration of an optimizer does not hold what is excluded."""
    optimizer = optimizers.create_optimizer(
        optimizers.OptimizerOptions("adamw", 0.5, 0.5, 0.5, 0.1, 0.0), total_steps=10
    )
    optimizer = optimizer.from_config(optimizer.get_config())
    weights = [keras.Variable([1.0], name=name) for name in ("kernel", "bias")]
    with pytest.warns(UserWarning, match="layer named 'head'"):
        optimizer.apply([np.zeros(1, "float32")] * 2, weights)
    assert [float(w[0]) for w in weights] == [pytest.approx(0.95), 1.0]


def test_blocks_and_start_are_in_the_configuration():
    optimizer = optimizers.create_optimizer(
        optimizers.OptimizerOptions(layer_decay=0.5, accumulation_steps=2),
        total_steps=40,
        start_step=7,
        blocks={"conv": "stem", "conv1": "block1", "head": "block1"},
        average_at_end=False,
    )
    config = optimizer.get_config()
    loaded = optimizers.GroupOptimizer.from_config(config)
    assert loaded.get_config() == config
    assert optimizers.count_steps(loaded) == 7
    rates = {
        name: member["config"]["learning_rate"]["config"]["schedule"]["config"]
        for name, member in config["members"].items()
    }
    assert rates["block1"]["warmup_target"] == 0.01
    assert rates["stem"]["warmup_target"] == 0.005


@pytest.mark.parametrize("blocks", [None, {}, {"conv": "stem", "norm": "stem"}])
def test_rates_by_depth_need_blocks(blocks):
    with pytest.raises(errors.UsageError, match="layer_decay=0.5 for a backbone whose"):
        optimizers.create_optimizer(
            optimizers.OptimizerOptions(layer_decay=0.5), total_steps=1, blocks=blocks
        )


def test_layer_that_no_block_holds_is_named():
    optimizer = optimizers.create_optimizer(
        optimizers.OptimizerOptions(layer_decay=0.5),
        total_steps=1,
        blocks={"one": "stem", "two": "block1"},
    )
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, name="three")])
    with pytest.raises(
        errors.UsageError, match="no layer of the weight .*three/kernel"
    ):
        optimizer.build(model.trainable_variables)


def test_groups_are_found_inside_a_model_of_the_user():
    gated = adafilter.build(tiny_resnet(), 3)
    images = keras.Input((8, 8, 3))
    model = keras.Sequential([images, keras.layers.Rescaling(2.0), gated])
    optimizer = optimizers.create_optimizer(OPTIONS, total_steps=100)
    optimizer.build(model.trainable_variables)
    for name, layer in (("gates", "recurrent_gate/"), ("head", "head/")):
        paths = [v.path for v in member(optimizer, name)._trainable_variables]
        assert len(paths) == len(
            [w for w in model.trainable_variables if layer in w.path]
        )


def test_model_without_a_head_is_warned_of():
    optimizer = optimizers.create_optimizer(OPTIONS, total_steps=1)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, name="last")])
    with pytest.warns(UserWarning, match="layer named 'head'"):
        optimizer.build(model.trainable_variables)


def test_mixed_precision_scales_the_loss_and_trains():
    keras.config.set_dtype_policy("mixed_float16")
    model = compile_sgd(adafilter.build(tiny_resnet(), 3))
    assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    images = random_images(8, 8, 8, 3)
    labels = np.eye(3, dtype="float32")[[0, 1, 2, 0, 1, 2, 0, 1]]
    losses = [float(model.train_on_batch(images, labels)[0]) for _ in range(8)]
    assert np.isfinite(losses).all()
    assert losses[-1] < losses[0]


def test_gates_inside_of_ones_own_model_have_their_optimizer_and_a_missing_head_warns():
    gated = gating.add_gates(tiny_resnet())
    x = keras.layers.GlobalAveragePooling2D()(gated.output)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            keras.Model(gated.input, x),
            keras.layers.Dense(3, name="classes"),
        ]
    )
    options = optimizers.OptimizerOptions()
    optimizer = optimizers.create_optimizer(options, total_steps=10)
    with pytest.warns(UserWarning, match="'head'"):
        optimizer.build(model.trainable_variables)
    groups = {group.name: group for group in optimizer.optimizers}
    decided = {
        v.path
        for v in model.trainable_variables
        if optimizer._optimizer_map(v) is groups["gates"]
    }
    network = gated.get_layer("recurrent_gate")
    assert decided == {v.path for v in network.trainable_variables}
    options = optimizers.OptimizerOptions(layer_decay=0.5)
    by_block = optimizers.create_optimizer(
        options, total_steps=10, blocks=graph.assign_blocks(model)
    )
    with pytest.warns(UserWarning, match="'head'"):
        by_block.build(model.trainable_variables)
    assert "backbone_stage1_block1" in {group.name for group in by_block.optimizers}
