import pytest

from adafilter_tf.training import statistics_renewal


@pytest.mark.parametrize(
    ("batch_size", "total_steps", "num_images", "batches"),
    [
        (16, 300, 5000, 16),  # 256 images, though a twentieth of the steps are 240
        (16, 20, 5000, 16),
        (32, 1000, 5000, 50),
        (32, 10_000, 5000, 64),  # no more than 2,048 images
        (512, 20, 5000, 1),
        (16, 300, 80, 10),  # twice the 80 images
        (16, 300, 3, 1),
    ],
)
def test_number_of_batches_grows_with_training_and_images(
    batch_size, total_steps, num_images, batches
):
    found = statistics_renewal.count_batches(batch_size, total_steps, num_images)
    assert found == batches


def test_gap_between_the_modes_is_described_with_both():
    line = statistics_renewal.describe_gap(0.95, 0.339, renewed=False)
    assert "95.0 %" in line
    assert "33.9 %" in line
    assert "--renew_batch_norm_statistics" in line
    line = statistics_renewal.describe_gap(0.95, 0.339, renewed=True)
    assert "--batch_size" in line and "--renew" not in line


@pytest.mark.parametrize(("trained", "inferred"), [(0.9, 0.85), (0.5, 1.0), (None, 0)])
def test_small_gap_is_not_described(trained, inferred):
    assert statistics_renewal.describe_gap(trained, inferred, renewed=True) is None
