"""EMA weights: the moving average that Keras' optimizers keep, put into the model."""

import contextlib
from collections.abc import Iterator

import keras


@contextlib.contextmanager
def averaged(model: keras.Model) -> Iterator[bool]:
    """Puts the EMA weights into a model within the context, if its optimizer has any.

    Yields whether it has any. Afterwards its own are back, bit by bit.
    `keras.callbacks.SwapEMAWeights` exchanges them by sums, whose rounding a resumed
    run would not repeat.
    """
    pairs = _list_pairs(model)
    kept = [keras.ops.convert_to_numpy(weight) for weight, _ in pairs]
    apply_average(model)
    try:
        yield bool(pairs)
    finally:
        for (weight, _), own in zip(pairs, kept, strict=True):
            weight.assign(own)


def apply_average(model: keras.Model) -> None:
    """Puts the EMA weights into a model, if its optimizer has any.

    Moving statistics of batch norms stay those of the last steps: renew them, see
    `batch_norm_statistics.renew`.
    """
    for weight, average in _list_pairs(model):
        weight.assign(keras.ops.convert_to_numpy(average))


def _list_pairs(model) -> list[tuple[keras.Variable, keras.Variable]]:
    optimizer = getattr(model, "optimizer", None)
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    return [
        pair
        for member in getattr(optimizer, "optimizers", ())
        # A member without weights, as that of gates where there are none, is not built.
        if member.use_ema and member.built
        for pair in zip(
            member._trainable_variables,
            member._model_variables_moving_average,
            strict=True,
        )
    ]
