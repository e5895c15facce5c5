import pytest

from adafilter_tf import errors
from adafilter_tf.optim import stages


def make(*fractions):
    return tuple(
        stages.Stage(f"stage{index}", fraction, begin=lambda model: None)
        for index, fraction in enumerate(fractions)
    )


@pytest.mark.parametrize(
    ("fractions", "epochs", "expected"),
    [
        ((1.0,), 7, [7]),
        ((0.5, 0.5), 4, [2, 2]),
        ((0.25, 0.75), 8, [2, 6]),
        ((0.01, 0.99), 4, [1, 3]),
        ((0.99, 0.01), 4, [3, 1]),
        ((0.9, 0.05, 0.05), 3, [1, 1, 1]),
    ],
)
def test_epochs_are_shared_out_and_each_stage_has_one(fractions, epochs, expected):
    assert stages.list_epochs(make(*fractions), epochs) == expected


def test_fewer_epochs_than_stages_are_refused():
    message = "--epochs=1 for the 2 stages stage0, stage1"
    with pytest.raises(errors.UsageError, match=message):
        stages.list_epochs(make(0.5, 0.5), 1)
