"""From the flags of one run to its stages, its optimizer and its loss."""

import dataclasses
import functools
from collections.abc import Callable

from absl import flags

from adafilter_tf import distribution, errors, methods, training
from adafilter_tf.data.examples import Examples
from adafilter_tf.models import graph
from adafilter_tf.optim import losses, optimizers


def make_procedure(
    values: flags.FlagValues, method: str, strategy, examples: Examples
) -> training.Procedure:
    """Returns how a method's model is compiled and trained.

    Args:
        values: Of the run.
        method: A key of METHODS.
        strategy: That holds the model.
        examples: Of the training split, which class weights count.

    Raises:
        UsageError: When gradients are to be accumulated over several replicas.
    """
    accumulated, replicas = values.accumulation_steps, strategy.num_replicas_in_sync
    if accumulated > 1 and replicas > 1:
        raise errors.UsageError(
            f"Received --accumulation_steps={accumulated} for {replicas} devices, "
            "where Keras cannot accumulate gradients; use one device or a larger "
            "--batch_size."
        )
    weights = None
    if values.class_weights == "balanced":
        weights = losses.balance_classes(examples.count_per_class())
    chosen = methods.METHODS[method]
    stages = chosen.stages(**_take(values, methods.list_options(chosen.stages)))
    return training.Procedure(
        stages=stages,
        compile=functools.partial(
            _compile,
            values=values,
            strategy=strategy,
            loss=losses.create_loss(weights, values.label_smoothing),
        ),
        finish=chosen.finish,
    )


def _compile(
    model,
    *,
    steps,
    start_step,
    values,
    strategy,
    loss,
    rate_factor: float = 1.0,
    make_schedule: Callable = optimizers.cosine_schedule,
) -> None:
    if steps < values.accumulation_steps:
        raise errors.UsageError(
            f"Received --accumulation_steps={values.accumulation_steps} for {steps} "
            "steps of training, in which nothing would be updated; take more epochs or "
            "accumulate less."
        )
    options = optimizers.OptimizerOptions(
        **_take(
            values,
            (
                "optimizer",
                "learning_rate",
                "head_learning_rate",
                "gate_learning_rate",
                "weight_decay",
                "warmup_fraction",
                "ema_decay",
                "accumulation_steps",
                "layer_decay",
            ),
        )
    )
    rates = ("learning_rate", "head_learning_rate", "gate_learning_rate")
    options = dataclasses.replace(
        options, **{name: getattr(options, name) * rate_factor for name in rates}
    )
    with strategy.scope():
        training.compile_model(
            model,
            optimizers.create_optimizer(
                options,
                total_steps=steps,
                start_step=start_step,
                blocks=graph.assign_blocks(model),
                make_schedule=make_schedule,
            ),
            loss=loss,
            jit_compile=distribution.use_jit_compile(values.jit_compile, strategy),
        )


def _take(values: flags.FlagValues, names) -> dict:
    return {name: values[name].value for name in names}
