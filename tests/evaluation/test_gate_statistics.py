import numpy as np
import pytest
from sklearn import metrics

from adafilter_tf.evaluation import gate_statistics


def test_counts_by_hand():
    gates = {
        "first": np.array([[1, 0], [1, 1], [1, 0]], np.uint8),
        "second": np.zeros((3, 4), np.uint8),
    }
    moved_from = {
        "first": np.array([[1, 0], [0, 0], [1, 0]], np.uint8),
        "second": np.array([[0, 0, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0]], np.uint8),
    }
    statistics = gate_statistics.gate_statistics(gates, moved_from)
    assert statistics.num_images == 3
    # 4 of 18 choices; a mean over layers would give (4/6 + 0) / 2 = 1/3.
    assert statistics.tuned_fraction == pytest.approx(4 / 18)
    assert statistics.tuned_fraction_per_layer == pytest.approx(
        {"first": 4 / 6, "second": 0.0}
    )
    np.testing.assert_allclose(statistics.tuned_frequencies["first"], [1, 1 / 3])
    assert statistics.image_dependent_fraction == pytest.approx(1 / 6)
    assert statistics.changed_fraction == pytest.approx(3 / 18)
    assert statistics.collapsed_layers == {"second": 0}


def test_layer_with_constant_filters_of_both_kinds_is_not_collapsed():
    gates = {"mixed": np.array([[1, 0], [1, 0]]), "tuned": np.ones((2, 3))}
    statistics = gate_statistics.gate_statistics(gates)
    assert statistics.collapsed_layers == {"tuned": 1}
    assert statistics.image_dependent_fraction == 0.0


def test_order_of_images_changes_nothing():
    gates = np.random.default_rng(0).integers(0, 2, (50, 7), np.uint8)
    some = gate_statistics.gate_statistics({"layer": gates})
    other = gate_statistics.gate_statistics({"layer": gates[::-1]})
    assert some.tuned_fraction == other.tuned_fraction
    np.testing.assert_array_equal(
        some.tuned_frequencies["layer"], other.tuned_frequencies["layer"]
    )


def test_every_gate_flipped_is_changed_fraction_one():
    gates = {"layer": np.random.default_rng(0).integers(0, 2, (4, 5))}
    flipped = {"layer": 1 - gates["layer"]}
    assert gate_statistics.gate_statistics(gates, flipped).changed_fraction == 1.0
    assert gate_statistics.gate_statistics(gates, gates).changed_fraction == 0.0
    assert gate_statistics.gate_statistics(gates).changed_fraction is None


def test_soft_gates_count_by_their_mean_and_move_across_one_half():
    gates = {"soft": np.array([[0.25, 1.0, 0.5], [0.75, 1.0, 0.5]], np.float16)}
    start = {"soft": np.array([[0.5, 1.0, 0.6], [0.5, 0.75, 0.4]], np.float16)}
    statistics = gate_statistics.gate_statistics(gates, start)
    assert statistics.tuned_fraction == 4 / 6
    np.testing.assert_array_equal(statistics.tuned_frequencies["soft"], [0.5, 1, 0.5])
    # The third filter blends, but alike for every image.
    assert statistics.image_dependent_fraction == pytest.approx(1 / 3)
    # 0.5 to 0.75 and 0.6 to 0.5 crossed the threshold, which 0.5 is below.
    assert statistics.changed_fraction == pytest.approx(2 / 6)


def test_only_exact_gates_are_collapsed():
    gates = {"soft": np.full((2, 3), 0.999), "constant": np.full((2, 3), 0.5)}
    assert gate_statistics.gate_statistics(gates).collapsed_layers == {}


@pytest.mark.parametrize(
    ("value", "lowest", "highest"),
    [(1.25, "0.5", "1.25"), (-0.25, "-0.25", "0.5"), (np.nan, "nan", "nan")],
)
def test_gates_outside_zero_to_one_are_refused(value, lowest, highest):
    with pytest.raises(
        ValueError,
        match=rf"gates of layer 'wild' with values from {lowest} to {highest}; allowed "
        r"are 0 \(frozen filter\) to 1 \(tuned filter\)",
    ):
        gate_statistics.gate_statistics({"wild": np.array([[0.5, value]])})


def test_unlike_batches_are_refused():
    gates = {"a": np.zeros((2, 3)), "b": np.zeros((1, 3))}
    with pytest.raises(
        ValueError,
        match=r"shapes \{'a': \(2, 3\), 'b': \(1, 3\)\}; each layer needs \[B, N\] "
        "with the same number of images",
    ):
        gate_statistics.gate_statistics(gates)


def test_no_layer_is_refused():
    with pytest.raises(ValueError, match="gates of no layer; a gated model has"):
        gate_statistics.gate_statistics({})


def test_reference_of_other_images_is_refused():
    with pytest.raises(
        ValueError,
        match=r"reference gates of shapes \{'a': \(1, 3\)\} for gates of shapes "
        r"\{'a': \(2, 3\)\}; both must hold the same images and layers",
    ):
        gate_statistics.gate_statistics(
            {"a": np.zeros((2, 3))}, {"a": np.zeros((1, 3))}
        )


def test_information_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 200)
    gates = {"a": rng.random((200, 4)), "b": (labels == 1)[:, np.newaxis] * 1.0}
    chosen = np.concatenate(list(gates.values()), axis=1) > 0.5
    shuffled = np.random.default_rng(5).permutation(labels)

    def expected(of):
        nats = [metrics.mutual_info_score(of, column) for column in chosen.T]
        return np.mean(nats) / np.log(2)

    assert gate_statistics.class_mutual_information(
        gates, labels, seed=5
    ) == pytest.approx(expected(labels) - expected(shuffled))


def test_gates_that_name_the_class_have_a_bit_and_chance_has_none():
    labels = np.repeat([0, 1], 500)
    told = {"layer": labels[:, np.newaxis].astype(np.float16)}
    assert gate_statistics.class_mutual_information(told, labels) == pytest.approx(
        1, abs=0.01
    )
    chance = {"layer": np.random.default_rng(0).integers(0, 2, (1000, 50))}
    assert abs(gate_statistics.class_mutual_information(chance, labels)) < 1e-3
    constant = {"layer": np.ones((1000, 2))}
    assert gate_statistics.class_mutual_information(constant, labels) == 0.0
