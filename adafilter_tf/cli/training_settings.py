"""From the flags of one run to its stages, its optimizer and its loss."""

import dataclasses

from absl import flags

from adafilter_tf import distribution, errors, methods, training
from adafilter_tf.data.examples import Examples
from adafilter_tf.optim import losses, optimizers


def make_plan(
    values: flags.FlagValues,
    method: str,
    strategy,
    examples: Examples,
    *,
    learning_rate: float | None = None,
) -> training.TrainingPlan:
    """Returns how a method's model is trained.

    Args:
        values: The run's flags.
        method: A key of METHODS.
        strategy: The one that holds the model.
        examples: The training split, whose classes are counted for class weights.
        learning_rate: In the place of --learning_rate; None for the flag's.

    Raises:
        UsageError: Gradients are to be accumulated over several replicas, or XLA is to
            compile for them.
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
    names = [field.name for field in dataclasses.fields(optimizers.OptimizerOptions)]
    rates = _take(values, names)
    if learning_rate is not None:
        rates["learning_rate"] = learning_rate
    return training.TrainingPlan(
        stages=chosen.stages(**_take(values, chosen.list_stage_options())),
        optimizer=optimizers.OptimizerOptions(**rates),
        loss=losses.create_loss(weights, values.label_smoothing),
        jit_compile=distribution.use_jit_compile(values.jit_compile, strategy),
        finish=chosen.finish,
    )


def _take(values: flags.FlagValues, names) -> dict:
    return {name: values[name].value for name in names}
