"""Batch norm statistics that belong to a network's present weights.

A batch norm's moving statistics are an exponential average over training steps. The
networks of `keras.applications` have a momentum of 0.99 or 0.999: after 88 steps 41 %
or 92 % of that average is still the source task's, and inference is not what was
trained.
Averages of weights (EMA, WiSE-FT, soups) have no statistics of their own at all.

Two remedies, both used by a training of this package whose batch norms adapt:

- `fitted_momentum` lets the moving average forget the source task within an epoch;
- `renew` replaces the statistics by the mean over batches that pass through the present
  weights (Wu and Johnson 2021, arXiv 2105.07576, "precise batch norm"; Jordan et al.
  2022, arXiv 2211.08403, for averaged weights).
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import keras
from keras import ops

from adafilter_tf import layers

# Steps of the average, as a share of an epoch and of the training, and at least.
_SHARE_OF_EPOCH = 1 / 3
_SHARE_OF_TRAINING = 1 / 10
_MIN_STEPS = 2.0
# By the layer's id: how many contexts of `batch_mode` it is in, its own momentum, and
# what gives it back its own call.
_INSIDE: dict[int, tuple[int, float, contextlib.ExitStack]] = {}


def list_training(model: keras.Model) -> list[keras.layers.Layer]:
    """Returns the batch norms of a model that use batch statistics in training."""
    kinds = (keras.layers.BatchNormalization, layers.GatedBatchNormalization)
    return [
        layer
        for layer in model._flatten_layers(include_self=False)
        if isinstance(layer, kinds) and layer.trainable
    ]


def list_statistics(model: keras.Model) -> list[keras.Variable]:
    """Returns the moving means and variances that a training of the model changes."""
    statistics = []
    for layer in list_training(model):
        branches = ["tuned_"]
        if isinstance(layer, keras.layers.BatchNormalization):
            branches = [""]
        elif layer.frozen_statistics == "adapting":
            branches += ["frozen_"]
        for branch in branches:
            statistics.append(getattr(layer, f"{branch}moving_mean"))
            statistics.append(getattr(layer, f"{branch}moving_variance"))
    return statistics


@contextlib.contextmanager
def fixed(model: keras.Model) -> Iterator[None]:
    """Lets a backbone's batch norms normalize by their moving statistics in training.

    Their gamma and beta train. Within the context a training step computes what it does
    at inference (Keras' guide to transfer learning recommends this for few images); it
    is traced within. The batch norms of a policy network, which are new, adapt.

    Args:
        model: Any model.

    Example:
        >>> batch_norm = keras.layers.BatchNormalization()
        >>> model = keras.Sequential([keras.Input((1,)), batch_norm])
        >>> images = np.array([[0.0], [2.0]], "float32")
        >>> with fixed(model):
        ...     outputs = model(images, training=True)
        >>> np.round(keras.ops.convert_to_numpy(outputs), 2).ravel().tolist()
        [0.0, 2.0]
    """
    own = {
        id(layer)
        for network in model._flatten_layers()
        if isinstance(network, layers.PolicyNetwork)
        for layer in network.batch_norms
    }
    changed = [layer for layer in list_training(model) if id(layer) not in own]
    with contextlib.ExitStack() as stack:
        for layer in changed:
            stack.enter_context(_calling(layer, training=False))
        yield


@contextlib.contextmanager
def fitted_momentum(
    model: keras.Model, *, steps_per_epoch: int, total_steps: int
) -> Iterator[None]:
    """Lowers momenta to the length of a training, within the context.

    The average then spans a third of an epoch or a tenth of the training, whichever is
    shorter, and at least two steps: the first validation already sees the target task.
    A lower momentum stays as it is. Training steps traced within the context use it.

    Args:
        model: Any model; its batch norms get their own momentum back.
        steps_per_epoch: Steps between two validations.
        total_steps: Steps of the training.
    """
    shortest = min(_SHARE_OF_EPOCH * steps_per_epoch, _SHARE_OF_TRAINING * total_steps)
    longest = 1.0 - 1.0 / max(_MIN_STEPS, shortest)
    own = [(layer, layer.momentum) for layer in list_training(model)]
    for layer, momentum in own:
        layer.momentum = min(momentum, longest)
    try:
        yield
    finally:
        for layer, momentum in own:
            layer.momentum = momentum


def renew(model: keras.Model, images: Any, *, steps: int | None = None) -> int:
    """Re-estimates the statistics of the batch norms that train, in place.

    Each statistic becomes the mean of those of the batches. Batch norms see the batch;
    everything else computes as at inference (dropout is off, gates are hard). Batch
    norms with `trainable=False` and frozen branches keep their statistics.

    Example:
        >>> import keras, numpy as np
        >>> inputs = keras.Input((2,))
        >>> outputs = keras.layers.BatchNormalization()(inputs)
        >>> model = keras.Model(inputs, outputs)
        >>> images = np.array([[1.0, 4.0], [3.0, 8.0]], "float32")
        >>> renew(model, images)
        1
        >>> np.asarray(model.layers[0].moving_mean).tolist()
        [2.0, 6.0]

    Args:
        model: Functional; its weights do not change.
        images: What `keras.Model.predict` takes: an array, or a data set of batches,
            all of one size, without padding; the more images a batch has, the better
            are its variances.
        steps: Batches to take; None for all.

    Returns:
        The number of batch norms whose statistics were renewed.
    """
    return StatisticsRenewal(model).renew(images, steps=steps)


class StatisticsRenewal:
    """`renew` for a model, traced once and used again for each set of weights.

    Args:
        model: Built in its strategy's scope. Which batch norms train is read now.
    """

    def __init__(self, model: keras.Model):
        self._model = model
        self._batch_norms = list_training(model)
        self._pass: _StatisticsPass | None = None

    def renew(self, images: Any, *, steps: int | None = None) -> int:
        """See the function `renew`."""
        if not self._batch_norms:
            return 0
        if self._pass is None:
            self._pass = self._create_pass()
        self._pass.batches.assign(ops.zeros_like(self._pass.batches))
        self._pass.predict(images, steps=steps, verbose=0)
        return len(self._batch_norms)

    @contextlib.contextmanager
    def renewed(self, images: Any, *, steps: int | None = None) -> Iterator[None]:
        """Renews within the context; afterwards the statistics are back, bit by bit."""
        statistics = list_statistics(self._model)
        own = [ops.convert_to_numpy(variable) for variable in statistics]
        try:
            self.renew(images, steps=steps)
            yield
        finally:
            for variable, array in zip(statistics, own, strict=True):
                variable.assign(array)

    def _create_pass(self) -> "_StatisticsPass":
        scope = contextlib.nullcontext()
        if keras.backend.backend() == "tensorflow":
            scope = self._model.distribute_strategy.scope()
        with scope:
            return _StatisticsPass(self._model, self._batch_norms)


class _StatisticsPass(keras.Model):
    """A forward pass that makes moving statistics the mean over the batches so far."""

    def __init__(self, network: keras.Model, batch_norms: list):
        super().__init__(dtype=network.dtype_policy, name="batch_norm_statistics")
        self._network = network
        self._batch_norms = batch_norms
        self.batches = self.add_weight(
            name="batches", shape=(), initializer="zeros", trainable=False,
            dtype="float32", autocast=False,
        )  # fmt: skip
        self.built = True

    def call(self, images):
        """Returns zeros [B]; what counts are the statistics."""
        # 0, 1/2, 2/3, ...: the moving average with it is the mean of all batches.
        momentum = self.batches / (self.batches + 1.0)
        with contextlib.ExitStack() as stack:
            for layer in self._batch_norms:
                stack.enter_context(batch_mode(layer, momentum))
            outputs = self._network(images, training=False)
        self.batches.assign_add(1.0)
        return ops.zeros_like(outputs[..., 0])


@contextlib.contextmanager
def batch_mode(layer: keras.layers.Layer, momentum) -> Iterator[None]:
    """Lets one layer compute as in training while the network computes as at inference.

    An argument of the network's call cannot say so for some layers alone, and a copy of
    the graph would give layers second nodes, whose `output` is then ambiguous.

    A mirrored strategy traces its replicas in turns: the context of the second begins
    before, and ends after, the end of the first. Their momenta have equal values.
    """
    key = id(layer)
    if key in _INSIDE:
        count, own_momentum, calling = _INSIDE[key]
    else:
        count, own_momentum = 0, layer.momentum
        calling = contextlib.ExitStack()
        calling.enter_context(_calling(layer, training=True))
    _INSIDE[key] = count + 1, own_momentum, calling
    object.__setattr__(layer, "momentum", momentum)
    try:
        yield
    finally:
        count, own_momentum, calling = _INSIDE.pop(key)
        if count > 1:
            _INSIDE[key] = count - 1, own_momentum, calling
        else:
            calling.close()
            object.__setattr__(layer, "momentum", own_momentum)


@contextlib.contextmanager
def _calling(layer: keras.layers.Layer, *, training: bool) -> Iterator[None]:
    """Lets a layer be called as in training, or as at inference, whatever is asked."""
    own_call = layer.call

    def call(*args, **kwargs):
        return own_call(*args, **{**kwargs, "training": training})

    # Past Keras' tracking of attributes, which has nothing to do with it.
    object.__setattr__(layer, "call", call)
    try:
        yield
    finally:
        object.__delattr__(layer, "call")
