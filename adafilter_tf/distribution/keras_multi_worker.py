"""Makes Keras' `fit` work on several workers, where Keras 3.15 fails.

https://github.com/keras-team/keras/issues/20585: `fit` of a model that was built in the
scope of a `tf.distribute.MultiWorkerMirroredStrategy` fails twice. It averages the
replicas' inputs before the first step, to know their shapes, with a call that takes
no distributed values; and it averages the logs of a step, which are scalars, over
their first axis. The remedies are two attributes of the model alone; Keras itself is
left as it is. Both are the results of `fit` on one machine. `predict` needs neither.

`tests/distribution/test_keras_multi_worker.py` fails as soon as a Keras does without:
then remove this module.
"""

import functools

import keras
import tensorflow as tf

AFFECTED_VERSIONS = "3.15."


def adapt(model: keras.Model) -> None:
    """Lets a model of a multi-worker strategy be fitted; twice is as good as once.

    Args:
        model: Made in the scope of its strategy.
    """
    if keras.__version__.startswith(AFFECTED_VERSIONS):
        build_by_local_batch(model)
        give_logs_an_axis(model)


def build_by_local_batch(model: keras.Model) -> None:
    """Shows Keras the first batch of one local replica instead of the average."""
    strategy = model.distribute_strategy
    build = functools.partial(type(model)._maybe_symbolic_build, model)

    def take_first(value: tf.distribute.DistributedValues) -> tf.Tensor:
        return strategy.experimental_local_results(value)[0]

    def build_locally(iterator=None, data_batch=None):
        if iterator is not None:
            _, _, batches = next(iter(iterator))
            data_batch = keras.tree.map_structure(take_first, next(batches))
        build(data_batch=data_batch)

    model._maybe_symbolic_build = build_locally


def give_logs_an_axis(model: keras.Model) -> None:
    """Makes the scalars that a step returns vectors of one element."""
    train_step = functools.partial(type(model).train_step, model)

    def train_step_with_axis(data):
        return {name: value[None] for name, value in train_step(data).items()}

    model.train_step = train_step_with_axis
