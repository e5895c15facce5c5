"""TensorBoard: losses, accuracies, learning rates, and what the gates choose."""

import os
from collections.abc import Callable

import keras
from absl import logging
from tensorboard.plugins.histogram import summary_v2 as histogram_summary

from adafilter_tf.evaluation.gate_statistics import GateStatistics
from adafilter_tf.optim import optimizers
from adafilter_tf.training.tensorboard import event_writer, gate_figure, rendering
from adafilter_tf.training.tensorboard.gate_history import GateHistory

_TRAINING_TAGS = {"loss": "train/loss", "accuracy": "train/accuracy"}
_CHOICES = ("frozen", "tuned")


class TensorBoardLogger(keras.callbacks.Callback):
    """Writes a run's curves against `optimizer.iterations`, so that a resume continues.

    At the end of every epoch, from `logs`: `train/loss`, `train/accuracy`,
    `validation/<metric>` for each `val_<metric>`, any other key as it is; and
    `learning_rate/<optimizer>`, the rate of the next step, for each optimizer of a
    `keras.optimizers.MultiOptimizer`. Within an epoch: `train/batch_loss`.

    For a gated network, whenever `gate_statistics` returns a new object, also at the
    start of training: `gates/tuned_fraction` overall, `gates/tuned_fraction/<layer>`,
    `gates/image_dependent_fraction`, `gates/changed_fraction`, one histogram
    `tuned_frequency/<layer>` of how often each filter is tuned, the image
    `gates/layers_by_time`, and a warning in the log when a layer's gates collapse. The
    image's history is kept in `gate_history.jsonl` and continued by a resumed run.

    A callback that computes the statistics or adds to `logs` comes before this one in
    the list.

    Args:
        writer: of the run's folder; opened when training begins, closed by its owner.
        gate_statistics: Returns the latest statistics, None before the first.
        log_every: steps of an epoch between two points of `train/batch_loss`, each
            the mean loss of the steps since the one before, or since a resume.
        steps_per_epoch: of a run that may resume within an epoch.

    Raises:
        ValueError: `log_every` below 1.
    """

    def __init__(
        self,
        writer: event_writer.EventWriter,
        *,
        gate_statistics: Callable[[], GateStatistics | None] = lambda: None,
        log_every: int = 50,
        steps_per_epoch: int | None = None,
    ):
        super().__init__()
        if log_every < 1:
            raise ValueError(
                f"Received log_every={log_every}; allowed is an integer of at least 1."
            )
        self.gate_statistics = gate_statistics
        self.log_every = log_every
        self._steps_per_epoch = steps_per_epoch
        self._first = 0
        self._history = GateHistory(os.path.join(writer.log_dir, "gate_history.jsonl"))
        self._writer = writer
        self._logged_statistics: GateStatistics | None = None
        self._collapsed: dict[str, int] = {}
        self._window = (0, 0.0)

    def on_train_begin(self, logs=None):
        """Opens the event file and drops what was logged after the resumed step."""
        self._writer.open(self._step())
        self._history.truncate(last_step=self._step())
        self._log_gates()

    def on_epoch_begin(self, epoch, logs=None):
        """Resets the running mean of `train/batch_loss`, as Keras does."""
        self._first = (
            self._step() % self._steps_per_epoch if self._steps_per_epoch else 0
        )
        self._window = (0, 0.0)
        if self._first and "loss" in (logs or {}):
            self._window = (self._first, logs["loss"] * self._first)

    def on_train_batch_end(self, batch, logs=None):
        """Logs the mean loss of the steps since the last point."""
        num_steps, loss_sum = self._window
        taken = self._first + batch + 1
        if taken % self.log_every or "loss" not in (logs or {}):
            return
        # Keras reports the mean over the epoch so far, not the batch's own loss.
        new_loss_sum = float(logs["loss"]) * taken
        mean = (new_loss_sum - loss_sum) / (taken - num_steps)
        self._window = (taken, new_loss_sum)
        self._write_scalars({"train/batch_loss": mean})

    def on_epoch_end(self, epoch, logs=None):
        """Logs the epoch's metrics, the learning rates and the gates."""
        self._write_scalars(
            {scalar_tag(key): float(value) for key, value in (logs or {}).items()}
        )
        self._write_scalars(
            {
                f"learning_rate/{name}": rate
                for name, rate in learning_rates(self.model.optimizer).items()
            }
        )
        self._log_gates()

    def _step(self) -> int:
        return optimizers.count_steps(self.model.optimizer)

    def _write_scalars(self, scalars: dict[str, float]) -> None:
        self._writer.write_scalars(scalars, self._step())

    def _log_gates(self) -> None:
        statistics = self.gate_statistics()
        if statistics is None or statistics is self._logged_statistics:
            return
        self._logged_statistics = statistics
        self._warn_of_collapse(statistics.collapsed_layers)
        self._write_scalars(_gate_scalars(statistics))
        step = self._step()
        self._history.append(step, statistics.tuned_fraction_per_layer)
        layers, fractions, steps = self._history.to_table()
        figure = gate_figure.gate_figure(fractions, steps, layers)
        picture = event_writer.make_image(
            "gates/layers_by_time",
            rendering.render(figure),
            "Fraction of tuned filters: one row per layer, the first on top; one "
            "column per evaluation, labelled with its step.",
        )
        histograms = [
            histogram_summary.histogram_pb(f"tuned_frequency/{layer}", frequency)
            for layer, frequency in statistics.tuned_frequencies.items()
        ]
        self._writer.write([picture, *histograms], step)

    def _warn_of_collapse(self, collapsed: dict[str, int]) -> None:
        for layer, gate in collapsed.items():
            if layer not in self._collapsed:
                logging.warning(
                    "The gates of layer %s collapsed at step %d: every filter is %s "
                    "for every image.",
                    layer,
                    self._step(),
                    _CHOICES[gate],
                )
        self._collapsed = dict(collapsed)


def scalar_tag(key: str) -> str:
    """Returns the TensorBoard tag of a key of Keras' `logs`."""
    if key.startswith("val_"):
        return f"validation/{key.removeprefix('val_')}"
    return _TRAINING_TAGS.get(key, key)


def learning_rates(optimizer: keras.optimizers.Optimizer) -> dict[str, float]:
    """Returns the rate that each optimizer will use in the next step, by its name.

    Args:
        optimizer: any Keras optimizer; a `LossScaleOptimizer` is unwrapped, and a
            `MultiOptimizer` has one rate for each of its optimizers.

    Raises:
        ValueError: two optimizers of a `MultiOptimizer` have the same name.
    """
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        optimizer = optimizer.inner_optimizer
    if not isinstance(optimizer, keras.optimizers.MultiOptimizer):
        return {optimizer.name: float(optimizer.learning_rate)}
    names = [group.name for group in optimizer.optimizers]
    if len(set(names)) < len(names):
        raise ValueError(
            f"Received optimizers named {names}; each group needs a unique name "
            "(argument `name` of the optimizer)."
        )
    return {group.name: float(group.learning_rate) for group in optimizer.optimizers}


def _gate_scalars(statistics: GateStatistics) -> dict[str, float]:
    scalars = {
        "gates/tuned_fraction": statistics.tuned_fraction,
        "gates/image_dependent_fraction": statistics.image_dependent_fraction,
    }
    if statistics.changed_fraction is not None:
        scalars["gates/changed_fraction"] = statistics.changed_fraction
    for layer, share in statistics.tuned_fraction_per_layer.items():
        scalars[f"gates/tuned_fraction/{layer}"] = share
    return scalars
