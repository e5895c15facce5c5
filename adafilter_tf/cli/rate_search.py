"""--learning_rate=auto: the backbone's rate from short trainings, by validation images.

A learning-rate range test needs fewer steps, but looks at the training loss alone.
"""

import dataclasses
import math
from collections.abc import Sequence

import keras
from absl import flags, logging

from adafilter_tf import evaluation, training
from adafilter_tf.cli import training_settings
from adafilter_tf.cli.flags import choices
from adafilter_tf.data import pipeline
from adafilter_tf.data.examples import Examples
from adafilter_tf.files import atomic
from adafilter_tf.runs import run_dir
from adafilter_tf.training import rehearsal

# Peak rates of the backbone. Adam's steps do not depend on the gradient's scale.
RATES = {
    "sgd": (0.003, 0.01, 0.05, 0.2, 1.0),
    "adamw": (3e-5, 1e-4, 3e-4, 1e-3, 3e-3),
}


def make_plan(
    values: flags.FlagValues, method: str, strategy, examples: Examples
) -> training.TrainingPlan:
    """Returns `training_settings.make_plan`, for auto with the middle one of the rates.

    Args:
        values: The run's flags.
        method: A key of METHODS.
        strategy: The one that holds the model.
        examples: The training split.
    """
    rate = None
    if values.learning_rate == choices.AUTO:
        rates = RATES[values.optimizer]
        rate = rates[len(rates) // 2]
    return training_settings.make_plan(
        values, method, strategy, examples, learning_rate=rate
    )


def replace_rate(plan: training.TrainingPlan, rate: float) -> training.TrainingPlan:
    """Returns a plan with another learning rate of the backbone."""
    optimizer = dataclasses.replace(plan.optimizer, learning_rate=rate)
    return dataclasses.replace(plan, optimizer=optimizer)


def find_rate(
    model: keras.Model,
    data: pipeline.TrainingInput,
    folder: run_dir.RunDir,
    plan: training.TrainingPlan,
    options: training.TrainingOptions,
) -> float:
    """Returns the rate of the best short training; a run that has one keeps it.

    Args:
        model: Not trained yet; it has the same weights afterwards.
        data: Of the run.
        folder: Of the training.
        plan: Of the training.
        options: Of the training; the short ones together have as many steps.

    Raises:
        RunError: The folder's search cannot be read or is gone.
    """
    if folder.learning_rates.exists():
        found = atomic.read_json(folder.learning_rates, needs={"learning_rate": float})
        return found["learning_rate"]
    folder.check_not_begun(folder.learning_rates)
    rates = RATES[plan.optimizer.optimizer]
    short = shorten(
        options, len(plan.stages), len(rates), plan.optimizer.accumulation_steps
    )
    runs = RateTrials(model, data, plan, short)
    trials = [_try_rate(runs, rate, data.splits.validation) for rate in rates]
    chosen = max(trials, key=_rank)["learning_rate"]
    folder.root.mkdir(parents=True, exist_ok=True)
    atomic.write_json(
        folder.learning_rates,
        {"learning_rate": chosen, "steps": short.total_steps, "trials": trials},
    )
    logging.info(
        "Learning rate %g, the best of short trainings of %d steps by validation "
        "accuracy: %s.",
        chosen,
        short.total_steps,
        ", ".join(
            f"{each['learning_rate']:g} {100 * each['validation_accuracy']:.1f} %"
            for each in trials
        ),
    )
    return chosen


def shorten(
    options: training.TrainingOptions, stages: int, trials: int, least_steps: int = 1
) -> training.TrainingOptions:
    """Returns the options of one of several trainings with as many steps together.

    Args:
        options: Of the whole training.
        stages: Number of stages, which have an epoch each.
        trials: Number of trainings.
        least_steps: Of a stage, for one update.

    Example:
        >>> options = training.TrainingOptions(30, 20, batch_size=8, log_every=10)
        >>> shorten(options, stages=1, trials=5).total_steps
        120
    """
    steps = options.total_steps // (trials * stages)
    return dataclasses.replace(
        options, epochs=stages, steps_per_epoch=max(least_steps, steps)
    )


class RateTrials:
    """Trainings in memory that differ in the backbone's rate alone.

    Args:
        model: Not trained yet; it has the same weights after each of them.
        data: Of the run.
        plan: Of the training, with any rate.
        options: Length and batches.
    """

    def __init__(
        self,
        model: keras.Model,
        data: pipeline.TrainingInput,
        plan: training.TrainingPlan,
        options: training.TrainingOptions,
    ):
        self._model = model
        self._data = data
        self._plan = plan
        self._score = evaluation.create_scorer(
            model, data.spec, batch_size=options.batch_size
        )
        # The stages of a method train different layers, each a program of its own; on
        # several devices programs were not tried with other rates.
        self._trainer = training.Trainer(
            model,
            options,
            score=self._score,
            reusable=len(plan.stages) == 1
            and model.distribute_strategy.num_replicas_in_sync == 1,
            quiet=True,
        )

    def train(
        self, rate: float, splits: Sequence[str] = ("validation", "test")
    ) -> dict[str, evaluation.Outputs]:
        """Returns what a training with a rate makes of each split."""
        with rehearsal.unchanged(self._model):
            self._trainer.fit(self._data, replace_rate(self._plan, rate))
            of = self._data.splits
            return {name: self._score(getattr(of, name).paths) for name in splits}


def _try_rate(trials: RateTrials, rate: float, validation: Examples) -> dict:
    """Returns what a short training with a rate gives on the validation images."""
    found = trials.train(rate, ["validation"])
    metrics = evaluation.compute_metrics(found["validation"].logits, validation.labels)
    return {
        "learning_rate": rate,
        "validation_accuracy": metrics["accuracy"],
        # JSON has no number for a training that diverged.
        "validation_loss": metrics["loss"] if math.isfinite(metrics["loss"]) else None,
    }


def _rank(trial: dict) -> tuple[bool, float, float]:
    """Returns what is compared: accuracy, then the loss; what diverged comes last."""
    loss = trial["validation_loss"]
    return loss is not None, trial["validation_accuracy"], -(loss or 0.0)
