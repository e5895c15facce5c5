"""--dry_run: what to expect of a training, from two of its steps; writes nothing."""

import dataclasses
import math
import resource
import time

import keras
import tensorflow as tf
from absl import flags

from adafilter_tf import distribution, evaluation, training
from adafilter_tf.cli import dataset, flagfile, rate_search, settings
from adafilter_tf.cli.flags import choices
from adafilter_tf.data import pipeline
from adafilter_tf.data.examples import Splits
from adafilter_tf.models import gate_io
from adafilter_tf.training import time_plan


class _StepTimes(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.seconds: list[float] = []

    def on_train_batch_begin(self, batch, logs=None):
        self._started = time.monotonic()

    def on_train_batch_end(self, batch, logs=None):
        self.seconds.append(time.monotonic() - self._started)


def run(values: flags.FlagValues) -> None:
    """Resolves and builds everything, takes two steps, prints what was found."""
    if values.recipe:
        examples = dataset.make_splits(values, dataset.load_source(values)).train
        print(settings.apply_recipe(values, examples))
    splits, skipped = dataset.load_splits(values)
    print(f"Settings:\n{flagfile.to_flagfile(values)}", end="")
    counts = ", ".join(f"{name} {len(examples)}" for name, examples in splits.items())
    print(f"Images: {counts}; {len(splits.train.class_names)} classes")
    if skipped:
        print(f"Left out: {len(skipped)} images that cannot be read")
    if values.time_limit:
        print(
            f"Time limit: {values.time_limit}; a training has as many epochs as fit, "
            f"at most the {values.epochs} of the following"
        )
    if values.learning_rate == choices.AUTO:
        print(
            "Learning rate: auto; its search takes as many steps again as the training"
        )
    for method in filter(None, (values.method, values.baseline)):
        print(_try_method(values, method, splits))
    print("A dry run: nothing was written.")


def _try_method(values: flags.FlagValues, method: str, splits: Splits) -> str:
    # Of several machines it tries this one alone.
    here = "auto" if values.distribution == "multi_worker" else values.distribution
    strategy = distribution.create_strategy(here, values.devices, environment={})
    distribution.check_batch_size(values.batch_size, strategy.num_replicas_in_sync)
    keras.utils.set_random_seed(values.seed)
    model = settings.build_model(
        values, method, len(splits.train.class_names), strategy=strategy
    )
    plan = rate_search.make_plan(values, method, strategy, splits.train)
    options = settings.training_options(values, len(splits.train))
    plan.stages[-1].begin(model)
    training.compile_stage(model, plan, steps=options.total_steps)
    times = _StepTimes()
    data = settings.training_input(values, model, splits)
    batches = pipeline.training_dataset(
        dataclasses.replace(data, cache="none"),
        global_batch_size=options.batch_size,
        total_steps=2,
    )
    model.fit(batches, verbose=0, shuffle=False, callbacks=[times])
    score = evaluation.create_scorer(model, data.spec, batch_size=values.batch_size)
    validation = _estimate_validation(values, score, splits.validation.paths)
    step = times.seconds[1]
    total = times.seconds[0] + options.total_steps * step + options.epochs * validation
    return _describe(values, method, model, options, step, validation, total)


def _estimate_validation(values: flags.FlagValues, score, paths) -> float:
    """Returns the seconds of a whole validation, by one batch and by four."""
    _, image = time_plan.time_scoring(score, paths, values.batch_size)
    return image * values.batch_size * math.ceil(len(paths) / values.batch_size)


def _describe(
    values: flags.FlagValues, method, model, options, step, validation, total
) -> str:
    parameters = training.count_parameters(model)
    held = [*model.variables, *model.optimizer.variables]
    checkpoint = sum(keras.ops.convert_to_numpy(variable).nbytes for variable in held)
    lines = [
        f"{method}: {parameters['parameters']:,} parameters, "
        f"{parameters['trainable_parameters']:,} of them train",
        f"  gated layers       {len(gate_io.list_gates(model))}",
        f"  steps              {options.epochs} epochs of {options.steps_per_epoch}, "
        f"{options.total_steps} in all",
        f"  time               about {_format_seconds(total)}: {1e3 * step:.0f} ms a "
        f"step (the second one), {validation:.1f} s a validation",
        f"  memory             {_describe_memory()} so far, at its highest",
        f"  one checkpoint     {checkpoint / 2**20:.1f} MiB, {values.keep_checkpoints} "
        "are kept",
    ]
    return "\n".join(lines)


def _describe_memory() -> str:
    # In KiB on Linux.
    host = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    parts = [f"{host:.1f} GiB of the host"]
    for device in tf.config.list_logical_devices("GPU"):
        peak = tf.config.experimental.get_memory_info(device.name[-5:])["peak"]
        parts.append(f"{peak / 2**30:.1f} GiB of {device.name[-5:]}")
    return ", ".join(parts)


def _format_seconds(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
