import keras
import numpy as np

from adafilter_tf import training
from adafilter_tf.data import pipeline
from adafilter_tf.data.decoding.preprocessing import ImageSpec
from adafilter_tf.methods import fine_tuning
from adafilter_tf.optim import optimizers, stages
from tests.conftest import tiny_resnet


class Kernels(keras.callbacks.Callback):
    """Records the head's kernel after each step."""

    def __init__(self):
        super().__init__()
        self.values = []

    def on_train_batch_end(self, batch, logs=None):
        self.values.append(self.model.get_layer("head").kernel.numpy())


def test_training_without_early_stopping_ends_with_the_average(few_digits):
    """Over two epochs, each a `fit` of its own; the average is computed by hand."""
    model = fine_tuning.build(tiny_resnet(channels=1), 10, tune_blocks="none")
    kernels = Kernels()
    options = training.TrainingOptions(2, 2, 8, log_every=50)
    training.Trainer(model, options, score=None, quiet=True).fit(
        pipeline.TrainingInput(few_digits, ImageSpec(8, 1, 1.0), seed=3),
        training.TrainingPlan(
            stages.train_all(), optimizers.OptimizerOptions(ema_decay=0.75)
        ),
        callbacks=[kernels],
    )
    average, *later = kernels.values
    for kernel in later:
        average = 0.75 * average + 0.25 * kernel
    final = model.get_layer("head").kernel.numpy()
    np.testing.assert_allclose(final, average, rtol=1e-5, atol=1e-7)
    assert np.abs(final - kernels.values[-1]).max() > 1e-4
