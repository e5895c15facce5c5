"""--mode=find_learning_rate: a learning rate from a short run on training images."""

import dataclasses
import functools
import pathlib

import keras
import tensorflow as tf
from absl import flags

from adafilter_tf import errors, training
from adafilter_tf.cli import dataset, probe, settings, training_settings
from adafilter_tf.data import pipeline
from adafilter_tf.models import graph
from adafilter_tf.optim import lr_finder, optimizers


def run(values: flags.FlagValues) -> None:
    """Raises the rate step by step; writes table and plot, prints a suggestion."""
    folder = pathlib.Path(values.output_dir)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise errors.UsageError(
            f"Received --output_dir={folder}, which is not an empty folder; choose a "
            "new one for --mode=find_learning_rate."
        )
    if not values.learning_rate:
        raise errors.UsageError(
            "Received --learning_rate=0; the other rates keep their ratio to it, so "
            "it must be above 0."
        )
    settings.resolve_defaults(values)
    splits, _ = dataset.load_splits(values)
    keras.utils.set_random_seed(values.seed)
    steps = values.finder_steps
    strategy = tf.distribute.get_strategy()
    model = settings.build_model(
        values, values.method, len(splits.train.class_names), strategy=strategy
    )
    data = settings.training_input(values, model, splits)
    probe.start_head(values, model, data)
    plan = training_settings.make_plan(values, values.method, strategy, splits.train)
    plan.stages[-1].begin(model)
    optimizer = optimizers.create_optimizer(
        plan.optimizer,
        total_steps=steps,
        blocks=graph.assign_blocks(model),
        make_schedule=functools.partial(_rise, peak=values.learning_rate),
    )
    training.compile_model(
        model, optimizer, loss=plan.loss, jit_compile=plan.jit_compile
    )
    losses = lr_finder.BatchLosses()
    batches = pipeline.training_dataset(
        dataclasses.replace(data, cache="none"),
        global_batch_size=values.batch_size,
        total_steps=steps,
    )
    model.fit(batches, verbose=2, shuffle=False, callbacks=[losses])
    search = lr_finder.evaluate_losses(losses.losses, steps)
    paths = lr_finder.write_range_test(search, folder)
    ratio = values.head_learning_rate / values.learning_rate
    print(
        f"The loss falls fastest at --learning_rate={search.suggestion:.2g} "
        f"--head_learning_rate={search.suggestion * ratio:.2g} and is lowest at "
        f"{search.lowest:.2g}, after {len(search.rates)} steps on training images."
    )
    print("\n".join(map(str, paths)))


def _rise(learning_rate, options, total_steps, *, peak):
    del options
    return lr_finder.rising_schedule(learning_rate, total_steps, peak)
