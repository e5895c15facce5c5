"""--time_limit: how many epochs a run has, decided once and written into its folder."""

import dataclasses
import time
from collections.abc import Callable

import keras
from absl import logging

from adafilter_tf import errors, training
from adafilter_tf.data import pipeline
from adafilter_tf.files import atomic, text
from adafilter_tf.runs import run_dir
from adafilter_tf.training import time_plan

_NEEDS = {"epochs": int, "steps_per_epoch": int}


def limit_length(
    model: keras.Model,
    data: pipeline.TrainingInput,
    folder: run_dir.RunDir,
    plan: training.TrainingPlan,
    options: training.TrainingOptions,
    *,
    deadline: float,
    probed_images: int = 0,
    clock: Callable[[], float] = time.monotonic,
) -> training.TrainingOptions:
    """Returns the options with the epochs that fit before a deadline.

    A folder that has a plan keeps it, so that a resumed run is the one that was begun.

    Args:
        model: Not trained yet; it has the same weights afterwards.
        data: Of the run.
        folder: Of the training.
        plan: Of the training.
        options: The longest training.
        deadline: When the model is to be tested and saved, in the clock's seconds.
        probed_images: How many are read before the training for a probe.
        clock: Seconds since any moment.

    Raises:
        RunError: The folder's plan cannot be read, is not one, or is gone.
    """
    if folder.time_plan.exists():
        found = atomic.read_json(folder.time_plan, needs=_NEEDS)
        length = {name: found[name] for name in _NEEDS}
        if min(length.values()) < 1:
            raise errors.RunError(
                f"{folder.time_plan} plans {length}; put the run's own file back, or "
                "start anew in another --output_dir."
            )
        return dataclasses.replace(options, **length)
    folder.check_not_begun(folder.time_plan)
    seconds = deadline - clock()
    pace = time_plan.rehearse(model, data, plan, options, seconds=seconds, clock=clock)
    work = time_plan.count_work(data, plan, options, probed_images)
    left = deadline - clock()
    chosen = time_plan.choose_length(pace, work, options, seconds=left)
    folder.root.mkdir(parents=True, exist_ok=True)
    atomic.write_json(
        folder.time_plan,
        {
            **{name: getattr(chosen, name) for name in _NEEDS},
            "most_epochs": options.epochs,
            "seconds_left": left,
            "seconds": dataclasses.asdict(pace),
        },
    )
    _log(chosen, options, pace, left)
    return chosen


def _log(chosen, options, pace, left) -> None:
    if chosen.steps_per_epoch < options.steps_per_epoch:
        logging.warning(
            "The time limit leaves %s, less than an epoch of %d steps at %.2g s for "
            "each stage; training %d of %d steps. Give more time, or a smaller "
            "--image_size or --backbone.",
            text.format_duration(max(0.0, left)),
            options.steps_per_epoch,
            pace.step,
            chosen.epochs,
            chosen.steps_per_epoch,
        )
        return
    logging.info(
        "The time limit leaves %s: %d of %d epochs of %d steps at %.2g s.",
        text.format_duration(left),
        chosen.epochs,
        options.epochs,
        options.steps_per_epoch,
        pace.step,
    )
