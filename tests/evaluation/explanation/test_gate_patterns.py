import numpy as np
import pytest

from adafilter_tf.evaluation.explanation import gate_patterns

GATES = {
    "first": np.array([[1, 0, 1], [1, 0, 0], [1, 0, 0], [1, 0, 1]], np.float16),
    "second": np.array([[0], [1], [1], [1]], np.float16),
}
LABELS = (0, 1, 1, 0)


def test_layers_by_hand():
    first, second = gate_patterns.describe_layers(GATES, LABELS, 3)
    assert (first["name"], first["filters"]) == ("first", 3)
    assert first["tuned_fraction"] == 0.5
    shares = [first[name] for name in ("always_tuned", "always_frozen")]
    assert shares == pytest.approx([1 / 3, 1 / 3])
    assert first["image_dependent"] == pytest.approx(1 / 3)
    assert first["entropy"] == pytest.approx(1 / 3)  # one of three is an even split
    assert first["tuned_fraction_per_class"] == [
        pytest.approx(2 / 3),
        pytest.approx(1 / 3),
        None,
    ]
    assert second["entropy"] == pytest.approx(0.811278, abs=1e-6)  # H(1/4)


def test_patterns_are_the_filters_that_tell_images_apart():
    patterns = gate_patterns.collect_patterns(GATES)
    np.testing.assert_array_equal(patterns, [[1, 0], [0, 1], [0, 1], [1, 1]])
    tuned = gate_patterns.measure_tuned_shares(GATES)
    np.testing.assert_allclose(tuned, [0.5, 0.5, 0.5, 0.75])


def test_distances_count_differing_filters():
    patterns = np.random.default_rng(0).integers(0, 2, (6, 40)).astype(np.uint8)
    expected = [[np.count_nonzero(a != b) for b in patterns] for a in patterns]
    np.testing.assert_array_equal(gate_patterns.measure_distances(patterns), expected)


def test_neighbours_of_the_most_typical_image_of_each_class():
    places = np.array([0, 1, 5, 7, 8, 20])  # on a line
    distances = np.abs(places[:, None] - places).astype(float)
    found = gate_patterns.find_neighbours(
        distances, [0, 0, 0, 1, 1, 2], num_queries=2, num_nearest=2
    )
    assert found == [
        {"image": 1, "nearest": [{"image": 0, "distance": 1},
                                 {"image": 2, "distance": 4}]},
        {"image": 3, "nearest": [{"image": 4, "distance": 1},
                                 {"image": 2, "distance": 2}]},
    ]  # fmt: skip


def test_agreement_by_hand_and_over_ties():
    distances = np.array([[0, 1, 1], [1, 0, 3], [1, 3, 0]])
    found = gate_patterns.measure_agreement(distances, [0, 0, 1])
    # Image 0 is as near to its class as to the other; 1 finds it, 2 does not.
    assert found["share"] == pytest.approx((0.5 + 1 + 0) / 3)
    assert found["chance"] == pytest.approx(2 / 6)


@pytest.mark.parametrize("method", gate_patterns.PROJECTIONS)
@pytest.mark.parametrize("filters", [2, 12])
def test_projection_keeps_groups_apart(method, filters):
    patterns = np.repeat(np.eye(2, filters, dtype=np.uint8), 8, axis=0)
    found = gate_patterns.project_patterns(patterns, method)
    points = np.array(found["points"])
    assert points.shape == (16, 2)
    between = np.linalg.norm(points[:8].mean(axis=0) - points[8:].mean(axis=0))
    assert between > 0.1
    if method == "pca":
        # Two points, the square root of two apart, on one line.
        assert between == pytest.approx(2**0.5, abs=1e-5)
        assert found["explained_variance"] == pytest.approx([1.0, 0.0], abs=1e-5)


def test_one_filter_that_depends_on_the_image_is_a_line():
    patterns = np.array([[0], [1], [1], [0]], np.uint8)
    found = gate_patterns.project_patterns(patterns, "pca")
    np.testing.assert_allclose(np.abs(found["points"]), [[0.5, 0]] * 4, atol=1e-6)
    assert found["explained_variance"] == pytest.approx([1.0, 0.0])
