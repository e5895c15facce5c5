import numpy as np
import pytest

from adafilter_tf.methods import lp_ft
from tests.conftest import compile_sgd, tiny_resnet, train


def test_probe_trains_the_head_alone_and_then_everything_trains():
    model = lp_ft.build(tiny_resnet(), 3)
    probe, tune = lp_ft.stages(probe_fraction=0.3)
    assert (probe.fraction, tune.fraction) == (0.3, pytest.approx(0.7))
    for stage, everything in ((probe, False), (tune, True)):
        stage.begin(model)
        compile_sgd(model)
        before = {weight.path: weight.numpy() for weight in model.weights}
        train(model)
        changed = {
            path: not np.array_equal(value, weight.numpy())
            for (path, value), weight in zip(before.items(), model.weights, strict=True)
        }
        assert all(changed[path] for path in changed if path.startswith("head"))
        assert (
            any(changed[path] for path in changed if not path.startswith("head"))
            == everything
        )
        if everything:
            assert all(changed.values()), changed
