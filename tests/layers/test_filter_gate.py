import keras
import numpy as np
import pytest
import tensorflow as tf

from adafilter_tf import layers


def test_hard_gate_thresholds_at_one_half_exactly():
    probabilities = np.array([[0.0, 0.49999, 0.5, 0.50001, 1.0]], "float32")
    gates = keras.ops.convert_to_numpy(layers.hard_gate(probabilities))
    assert gates.tolist() == [[0.0, 0.0, 0.0, 1.0, 1.0]]


def test_gradient_passes_straight_through():
    probabilities = tf.constant([[0.1, 0.5, 0.9]])
    weights = tf.constant([[3.0, -2.0, 7.0]])
    with tf.GradientTape() as tape:
        tape.watch(probabilities)
        loss = tf.reduce_sum(weights * layers.hard_gate(probabilities))
    assert tape.gradient(loss, probabilities).numpy().tolist() == [[3.0, -2.0, 7.0]]


def test_gate_gradient_equals_finite_differences_of_the_soft_blend():
    """I4: the loss's slope in p is its slope in g, the blend being linear in g."""
    rng = np.random.default_rng(0)
    images = rng.normal(size=(2, 5, 5, 3))
    probabilities = rng.uniform(size=(2, 4))
    convolution = layers.GatedConv2D(4, (3, 3), dtype="float64")
    convolution.build(images.shape)
    convolution.tuned_kernel.assign(rng.normal(size=(3, 3, 3, 4)))
    gate = layers.FilterGate("learned", dtype="float64")

    def loss(gates):
        return tf.reduce_sum(tf.square(convolution(images, gates)))

    with tf.GradientTape() as tape:
        p = tf.constant(probabilities)
        tape.watch(p)
        value = loss(gate(p))
    gradient = tape.gradient(value, p).numpy()
    hard = (probabilities > 0.5).astype("float64")
    step = 1e-6
    for index in np.ndindex(hard.shape):
        above, below = hard.copy(), hard.copy()
        above[index] += step
        below[index] -= step
        slope = (loss(tf.constant(above)) - loss(tf.constant(below))) / (2 * step)
        # float64 differences with this step are good to about eight digits.
        np.testing.assert_allclose(gradient[index], slope, 1e-6)


@pytest.mark.parametrize(("policy", "value"), [("all_tuned", 1), ("all_frozen", 0)])
def test_forced_policies_ignore_the_probabilities(policy, value):
    gates = layers.FilterGate(policy)(np.array([[0.1, 0.9]], "float32"))
    assert keras.ops.convert_to_numpy(gates).tolist() == [[value, value]]


def test_soft_gates_are_the_probabilities():
    probabilities = np.array([[0.1, 0.5, 0.9]], "float32")
    assert np.array_equal(layers.FilterGate("soft")(probabilities), probabilities)


def test_random_gates_are_fair_coins_for_each_image_and_filter():
    probabilities = np.full((400, 50), 0.9, "float32")
    gate = layers.FilterGate("random", seed=1)
    gates = np.array(gate(probabilities, training=True))
    assert set(np.unique(gates)) == {0.0, 1.0}
    # Five standard errors of the mean of 20,000, 400 and 50 tosses.
    assert abs(gates.mean() - 0.5) < 0.018
    assert np.abs(gates.mean(axis=0) - 0.5).max() < 0.125
    assert np.abs(gates.mean(axis=1) - 0.5).max() < 0.36
    assert not np.array_equal(gates, gate(probabilities, training=True))


def test_random_gates_are_their_expectation_at_inference():
    gates = layers.FilterGate("random")(np.array([[0.1, 0.9]], "float32"))
    assert np.array(gates).tolist() == [[0.5, 0.5]]


def test_noise_draws_its_share_of_the_gates():
    probabilities = np.tile(np.array([[0.2, 0.7]], "float32"), (20_000, 1))
    gate = layers.FilterGate("learned", noise=0.4, seed=1)
    gates = np.array(gate(probabilities, training=True))
    assert set(np.unique(gates)) == {0.0, 1.0}
    # A fifth of the gates is not what was chosen; five standard errors of its mean.
    np.testing.assert_allclose(gates.mean(axis=0), [0.2, 0.8], atol=0.0142)
    assert np.array_equal(gate(probabilities[:1]), np.array([[0.2, 0.8]], "float32"))


def test_noise_of_soft_gates_draws_them_by_their_mean():
    probabilities = np.full((20_000, 1), 0.1, "float32")
    gate = layers.FilterGate("soft", noise=0.5, seed=1)
    gates = np.array(gate(probabilities, training=True))
    assert set(np.unique(gates)) == {0.0, 1.0}
    assert abs(gates.mean() - 0.3) < 0.0163  # five standard errors
    np.testing.assert_allclose(gate(probabilities[:1]), [[0.3]], rtol=1e-6)


@pytest.mark.parametrize("training", [False, True])
def test_gradient_passes_through_the_share_that_is_chosen(training):
    probabilities = tf.constant([[0.1, 0.5, 0.9]])
    gate = layers.FilterGate("learned", noise=0.25)
    with tf.GradientTape() as tape:
        tape.watch(probabilities)
        loss = tf.reduce_sum(
            [[4.0, -8.0, 12.0]] * gate(probabilities, training=training)
        )
    assert tape.gradient(loss, probabilities).numpy().tolist() == [[3.0, -6.0, 9.0]]


@pytest.mark.parametrize(("policy", "value"), [("all_tuned", 1), ("all_frozen", 0)])
def test_forced_gates_have_no_noise(policy, value):
    gate = layers.FilterGate(policy, noise=1.0)
    gates = gate(np.full((2, 50), 0.5, "float32"), training=True)
    assert np.unique(gates).tolist() == [value]


@pytest.mark.parametrize("noise", [-0.1, 1.1])
def test_noise_is_a_fraction(noise):
    with pytest.raises(ValueError, match=f"noise={noise}"):
        layers.FilterGate("learned", noise=noise)


def test_penalty_is_a_loss_in_training_alone():
    gate = layers.FilterGate("learned", tuned_penalty=2.0)
    probabilities = np.array([[0.1, 0.9], [0.2, 0.3]], "float32")
    gate(probabilities, training=True)
    assert [float(loss) for loss in gate.losses] == [2.0 * 1 / 4]
    gate(probabilities, training=False)
    assert not gate.losses


def test_dependence_is_a_loss_of_choices_that_differ():
    """Of four images, none, all, half and a quarter choose the tuned filter."""
    gate = layers.FilterGate("learned", dependence_penalty=2.0)
    chosen = [[0, 1, 1, 1], [0, 1, 1, 0], [0, 1, 0, 0], [0, 1, 0, 0]]
    probabilities = 0.1 + 0.8 * np.array(chosen, "float32")
    gate(probabilities, training=True)
    expected = 2.0 * np.mean([0, 0, 1, 4 * 0.25 * 0.75])
    np.testing.assert_allclose([float(loss) for loss in gate.losses], [expected])
    gate(probabilities, training=False)
    assert not gate.losses


def test_config_rebuilds_the_layer():
    gate = layers.FilterGate(
        "soft", noise=0.5, tuned_penalty=0.1, dependence_penalty=0.2, seed=3
    )
    rebuilt = layers.FilterGate.from_config(gate.get_config())
    assert rebuilt.get_config() == gate.get_config()


def test_gates_stay_float32_under_mixed_precision():
    keras.config.set_dtype_policy("mixed_float16")
    # 0.5001 rounds to 0.5 in float16, which would close the gate.
    gates = layers.FilterGate("learned")(np.array([[0.5001]], "float32"))
    assert gates.dtype == "float32"
    assert float(gates[0, 0]) == 1.0


def test_unknown_policy_is_named_with_the_allowed_ones():
    with pytest.raises(ValueError, match="Received gate policy 'some'; allowed are"):
        layers.FilterGate("some")


@pytest.mark.parametrize("policy", ["learned", "soft", "random"])
def test_settled_gates_stand_for_all_images_at_inference_alone(policy):
    probabilities = np.array([[0.1, 0.9], [0.8, 0.3]], "float32")
    gate = layers.FilterGate(policy, inference="auto")
    own = np.asarray(gate(probabilities))
    trained = np.asarray(gate(probabilities, training=True))
    gate.settle([0.25, 1.0])
    np.testing.assert_array_equal(gate(probabilities), 2 * [[0.25, 1.0]])
    np.testing.assert_array_equal(gate.read_settled(), [0.25, 1.0])
    if policy != "random":  # it is sampled anew
        np.testing.assert_array_equal(gate(probabilities, training=True), trained)
    gate.settle(None)
    np.testing.assert_array_equal(gate(probabilities), own)
    assert gate.read_settled() is None


def test_gates_of_each_image_cannot_be_settled():
    gate = layers.FilterGate("learned")
    gate.build((None, 2))
    assert not gate.weights and gate.read_settled() is None
    with pytest.raises(ValueError, match="the gates of each image alone"):
        gate.settle([0.0, 1.0])


def test_unknown_inference_is_refused():
    with pytest.raises(ValueError, match="inference='median'.*own, mean"):
        layers.FilterGate("learned", inference="median")
