import numpy as np

from tests.conftest import tiny_resnet
from tools.benchmarks import filter_banks


def test_all_forms_compute_the_same():
    steps = filter_banks.create_steps((6, 6, 3), (3, 3, 3, 4), 2, batch_size=2)
    (frozen, tuned), gradient, filters = steps["pair"]()
    assert np.abs(frozen - tuned).max() > 0.1
    for name in ("fused", "fused_forward"):
        outputs, other, other_filters = steps[name]()
        # Other orders of summation over 36 values.
        np.testing.assert_allclose(outputs, [frozen, tuned], atol=1e-4)
        np.testing.assert_allclose(other, gradient, atol=1e-4)
        np.testing.assert_allclose(other_filters, filters, atol=1e-4)
    outputs, _, filters_alone = steps["one"]()
    np.testing.assert_allclose(outputs, tuned, atol=1e-4)
    np.testing.assert_allclose(filters_alone, filters, atol=1e-4)


def test_shapes_are_those_of_the_backbone():
    assert filter_banks.count_shapes(tiny_resnet()) == {
        ((8, 8, 3), (3, 3, 3, 8), 1): 1,
        ((8, 8, 8), (3, 3, 8, 12), 2): 1,
        ((8, 8, 8), (1, 1, 8, 12), 2): 1,
        ((4, 4, 12), (3, 3, 12, 12), 1): 1,
    }
