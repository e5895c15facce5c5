import numpy as np
import pytest

from adafilter_tf.callbacks import gate_statistics


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
    assert statistics.moved_fraction == pytest.approx(3 / 18)
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


def test_every_gate_flipped_is_moved_fraction_one():
    gates = {"layer": np.random.default_rng(0).integers(0, 2, (4, 5))}
    flipped = {"layer": 1 - gates["layer"]}
    assert gate_statistics.gate_statistics(gates, flipped).moved_fraction == 1.0
    assert gate_statistics.gate_statistics(gates, gates).moved_fraction == 0.0
    assert gate_statistics.gate_statistics(gates).moved_fraction is None


def test_soft_gates_are_refused():
    with pytest.raises(
        ValueError,
        match=r"gates of layer 'soft' with values from 0.25 to 1.0; allowed are 0 \("
        r"frozen filter\) and 1 \(tuned filter\)",
    ):
        gate_statistics.gate_statistics({"soft": np.array([[0.25, 1.0]])})


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
