import keras
import numpy as np
import pytest

from adafilter_tf import errors
from adafilter_tf.methods import fine_tuning
from adafilter_tf.training.callbacks import finite_loss
from tests.conftest import compile_sgd, tiny_resnet, train


@pytest.fixture(scope="module")
def callback():
    callback = finite_loss.FiniteLoss()
    callback.set_model(compile_sgd(fine_tuning.build(tiny_resnet(), 3)))
    train(callback.model, steps=2)
    return callback


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_loss_that_is_no_number_ends_the_run_with_its_step(callback, loss):
    message = f"The loss is {loss} at step 2; .* --on_non_finite=rollback, or start"
    with pytest.raises(errors.RunError, match=message):
        callback.on_train_batch_end(1, {"loss": loss})


def test_message_names_rates_and_files_of_both_steps_that_may_be_the_cause(callback):
    named = finite_loss.FiniteLoss(lambda step: [f"{step}/a.jpg", f"{step}/b.jpg"])
    named.set_model(callback.model)
    message = (
        r"Learning rates of the next step: gates 0\.01, head 0\.045\d+, "
        r"backbone 0\.045\d+\. "
        r"Images of step 2: 1/a\.jpg 1/b\.jpg\. Images of step 1: 0/a\.jpg 0/b\.jpg\."
    )
    with pytest.raises(errors.NonFiniteError, match=message):
        named.on_train_batch_end(1, {"loss": float("nan")})


def test_finite_loss_goes_on(callback):
    assert callback.on_train_batch_end(1, {"loss": 0.5}) is None


def test_gradient_that_is_no_number_shows_at_the_next_step():
    """The square root of 0 is finite, and its gradient times 0 is not."""
    images = keras.Input((4,))
    roots = keras.ops.sqrt(0 * keras.layers.Dense(3, name="head")(images))
    model = compile_sgd(keras.Model(images, roots))
    named = finite_loss.FiniteLoss(lambda step: [f"{step}.jpg"])
    batches = np.ones([12, 4]), np.eye(3)[[0, 1, 2] * 4]
    message = r"The loss is nan at step 2; .*Images of step 2: 1.jpg. .*1: 0.jpg"
    with pytest.raises(errors.NonFiniteError, match=message):
        model.fit(*batches, batch_size=4, callbacks=[named], verbose=0)
