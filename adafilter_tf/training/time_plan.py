"""How many epochs fit into a time limit, from a rehearsal of the training.

A schedule of the learning rate needs the number of steps before the first one. So a
few steps are taken and timed, every variable gets its value back, and the training
that follows is that of the planned number of epochs, to the last bit.
"""

import dataclasses
import functools
import itertools
import tempfile
import time
from collections.abc import Callable, Sequence

import keras
import numpy as np

from adafilter_tf import distribution, evaluation
from adafilter_tf.data import pipeline
from adafilter_tf.training import (
    checkpointing,
    rehearsal,
    stage_program,
    statistics_renewal,
)
from adafilter_tf.training import plan as plan_lib

_MOST_STEPS = 12
# Of the time that there is, after which a rehearsal takes no further step.
_REHEARSED_SHARE = 0.05
# What is planned of the time that there is; steps and files vary.
_PLANNED_SHARE = 0.92
# Training images that a run scores at its end, and those of its projector.
_SAMPLED, _PROJECTED = 256, 1000
# Validations of a method that changes the weights at the end, as many as WiSE-FT's.
_FINISHING = 11
# Seconds for curves and pictures: of an epoch, and of the end.
_EPOCH_PICTURES, _END_PICTURES = 0.3, 3.0


@dataclasses.dataclass(frozen=True)
class Pace:
    """What the parts of a training take, in seconds.

    Attributes:
        start: Until the first step is taken: reading ahead, tracing.
        step: Of each further step.
        trace: Of the first scoring, before its first image.
        image: To score one image.
        checkpoint: To write one.
    """

    start: float
    step: float
    trace: float
    image: float
    checkpoint: float


@dataclasses.dataclass(frozen=True)
class Work:
    """What a training does beside its steps.

    Attributes:
        stages: Number of stages, each traced anew.
        epoch_images: Images that are scored after each epoch.
        end_images: Images that are scored before and after the training.
        least_steps: Of an epoch, for one update.
    """

    stages: int
    epoch_images: int
    end_images: int
    least_steps: int = 1


def count_work(
    data: pipeline.TrainingInput,
    plan: plan_lib.TrainingPlan,
    options: plan_lib.TrainingOptions,
    probed_images: int = 0,
) -> Work:
    """Returns what a run does beside its steps.

    Args:
        data: Of the run.
        plan: Of the training.
        options: The longest training.
        probed_images: How many are read before the training for a probe.
    """
    train, validation, test = (len(split) for _, split in data.splits.items())
    renewed = 0
    if options.renews:
        batches = statistics_renewal.count_batches(
            options.batch_size, options.total_steps, train
        )
        renewed = batches * options.batch_size
    averaged = renewed if plan.optimizer.ema_decay else 0
    end = min(train, _SAMPLED) + validation + test + min(validation, _PROJECTED)
    end += renewed * len(plan.stages) + probed_images
    if plan.finish is not None:
        end += _FINISHING * (renewed + validation)
    least_steps = plan.optimizer.accumulation_steps
    return Work(len(plan.stages), validation + averaged, end, least_steps)


def choose_length(
    pace: Pace, work: Work, options: plan_lib.TrainingOptions, *, seconds: float
) -> plan_lib.TrainingOptions:
    """Returns the options with as many epochs as fit, at most their own.

    Where not even one epoch for each stage fits, epochs have fewer steps.

    Args:
        pace: Of this machine.
        work: Of this run.
        options: The longest training.
        seconds: From the first step to the saved model.
    """
    left = _PLANNED_SHARE * seconds - count_fixed_seconds(pace, work)
    after = pace.checkpoint + pace.image * work.epoch_images + _EPOCH_PICTURES
    epochs = int(left / (options.steps_per_epoch * pace.step + after))
    if epochs >= work.stages:
        return dataclasses.replace(options, epochs=min(options.epochs, epochs))
    steps = int((left / work.stages - after) / pace.step)
    return dataclasses.replace(
        options,
        epochs=work.stages,
        steps_per_epoch=min(max(work.least_steps, steps), options.steps_per_epoch),
    )


def count_fixed_seconds(pace: Pace, work: Work) -> float:
    """Returns what a run takes whatever the number of its epochs."""
    # Each with a function of its own: probe, validation, renewals, the projector.
    traces = 3 + work.stages
    return (
        work.stages * pace.start
        + traces * pace.trace
        + pace.image * work.end_images
        + 2 * pace.checkpoint  # the model, and its copy with the best weights
        + _END_PICTURES
    )


def rehearse(
    model: keras.Model,
    data: pipeline.TrainingInput,
    plan: plan_lib.TrainingPlan,
    options: plan_lib.TrainingOptions,
    *,
    seconds: float,
    clock: Callable[[], float] = time.monotonic,
) -> Pace:
    """Takes a few steps of the last stage, then gives every variable its value back.

    Args:
        model: Not trained yet.
        data: Of the run.
        plan: Of the training.
        options: The longest training.
        seconds: That there are; a rehearsal takes a small part of them.
        clock: Seconds since any moment.
    """
    started = clock()
    with rehearsal.unchanged(model):
        plan.stages[-1].begin(model)
        program = stage_program.StageProgram(model)
        steps = range(options.total_steps)
        trained, read = program.prepare(steps, data, plan, options)
        times = _StepTimes(clock, _REHEARSED_SHARE * seconds)
        make_dataset = functools.partial(
            read, global_batch_size=options.batch_size, total_steps=_MOST_STEPS
        )
        trained.fit(
            distribution.distribute(
                model.distribute_strategy, options.batch_size, make_dataset
            ),
            steps_per_epoch=_MOST_STEPS,
            shuffle=False,
            verbose=0,
            callbacks=[times],
        )
        checkpoint = _time_checkpoint(trained, clock)
    score = evaluation.create_scorer(model, data.spec, batch_size=options.batch_size)
    paths = data.splits.validation.paths or data.splits.train.paths
    # What reads an image is traced once for all that score.
    images = pipeline.evaluation_dataset(paths[:1], data.spec, batch_size=1)
    next(iter(images))
    trace, image = time_scoring(score, paths, options.batch_size, clock)
    later = np.diff(times.ends)[len(times.ends) // 2 - 1 :]
    return Pace(
        start=times.ends[0] - started,
        step=max(float(np.mean(later)), 1e-6),
        trace=trace,
        image=image,
        checkpoint=checkpoint,
    )


class _StepTimes(keras.callbacks.Callback):
    """Notes when each step ended; stops after the third one that comes too late."""

    def __init__(self, clock: Callable[[], float], seconds: float):
        super().__init__()
        self.ends: list[float] = []
        self._clock, self._seconds = clock, seconds

    def on_train_batch_end(self, batch, logs=None):
        """Notes the time once the step's results are there."""
        float(logs["loss"])
        self.ends.append(self._clock())
        is_late = self.ends[-1] - self.ends[0] > self._seconds
        if is_late and len(self.ends) > 2:
            self.model.stop_training = True


def _time_checkpoint(model: keras.Model, clock: Callable[[], float]) -> float:
    started = clock()
    info = checkpointing.CheckpointInfo(1, "rehearsal", 1, 0.0)
    with tempfile.TemporaryDirectory() as folder:
        checkpointing.save_checkpoint(folder, model, info)
        return clock() - started


def time_scoring(
    score: Callable[..., evaluation.Outputs],
    paths: Sequence[str],
    batch_size: int,
    clock: Callable[[], float] = time.monotonic,
) -> tuple[float, float]:
    """Returns the seconds of a first scoring without images, and those of an image.

    Args:
        score: Made by `evaluation.create_scorer`, not used yet.
        paths: Images, at least one.
        batch_size: That of `score`.
        clock: Seconds since any moment.
    """
    filled = list(itertools.islice(itertools.cycle(paths), 4 * batch_size))
    seconds = []
    for batches in (1, 1, 4):
        started = clock()
        score(filled[: batches * batch_size])
        seconds.append(clock() - started)
    first, one, four = seconds
    image = max(0.0, four - one) / (3 * batch_size)
    return max(0.0, first - image * batch_size), image
