"""The model of a trial, which the next trial of the same program trains again."""

import functools
from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf
from absl import flags

from adafilter_tf import evaluation, methods, training
from adafilter_tf.cli import flagfile, probe, settings, training_settings
from adafilter_tf.data.examples import Splits
from adafilter_tf.evaluation import feature_probe, gate_interventions
from adafilter_tf.models import gate_io, initialization
from adafilter_tf.training import feature_cache

# They change numbers in a traced program, not the program.
_SET_ANEW = ("seed", "learning_rate", "head_learning_rate", "gate_learning_rate")


class TrialModel:
    """A model with all that is built and traced to train and to measure it.

    To build, compile and trace takes several times as long as a trial's steps.

    Args:
        values: Flags of a trial.
        splits: Of its data set.

    Attributes:
        model: Uncompiled, with the weights of the present trial.
        has_gates: Whether it has gates.
        score: See `evaluation.create_scorer`.
        trainer: Trains it.
    """

    def __init__(self, values: flags.FlagValues, splits: Splits):
        keras.utils.set_random_seed(values.seed)
        num_classes = len(splits.train.class_names)
        self.model = settings.build_model(values, values.method, num_classes)
        self.has_gates = bool(gate_io.list_gates(self.model))
        self._start = [
            keras.ops.convert_to_numpy(variable) for variable in self.model.variables
        ]
        self._spec = settings.image_spec(values, self.model)
        self._batch_size = values.batch_size
        hard = ("learned", "all_tuned", "all_frozen")
        self._blends = self.has_gates and (
            values.gate_policy not in hard or values.gate_noise > 0
        )
        self.score = evaluation.create_scorer(
            self.model, self._spec, batch_size=values.batch_size
        )
        self.trainer = training.Trainer(
            self.model,
            settings.training_options(values, len(splits.train)),
            score=self.score,
            reusable=_is_reusable(values),
            quiet=True,
        )

    @functools.cached_property
    def interventions(self) -> gate_interventions.GateInterventions:
        """What classifies images under other gates."""
        return gate_interventions.GateInterventions(
            self.model, self._spec, batch_size=self._batch_size
        )

    @functools.cached_property
    def _read_features(self) -> Callable[[Sequence[str]], np.ndarray]:
        read = feature_probe.create_reader(
            self.model, self._spec, batch_size=self._batch_size
        )
        # At its start the network is the pre-trained one, whatever the seed: to the
        # last digit, unless gates blend two equal numbers.
        return read if self._blends else feature_cache.Memory(read)

    def begin(self, values: flags.FlagValues, splits: Splits) -> None:
        """Gives the model the weights with which a trial begins.

        Args:
            values: Flags of the trial.
            splits: Of its data set, on which a probe is fitted.
        """
        for variable, array in zip(self.model.variables, self._start, strict=True):
            variable.assign(array)
        initialization.initialize(self.model, values.seed)
        if values.head_init == "probe":
            data = settings.training_input(values, self.model, splits)
            probe.start_head(values, self.model, data, self._read_features)


# What the last trial of this process left.
_LATEST: dict[tuple, TrialModel] = {}


def start(values: flags.FlagValues, splits: Splits) -> TrialModel:
    """Returns a model with the weights at the start of a trial.

    Args:
        values: Flags of the trial.
        splits: Of its data set.
    """
    key = _describe_program(values, splits)
    if key not in _LATEST or not _is_reusable(values):
        _LATEST.clear()
        keras.backend.clear_session(free_memory=True)
        _LATEST[key] = TrialModel(values, splits)
    _LATEST[key].begin(values, splits)
    return _LATEST[key]


def make_plan(values: flags.FlagValues, splits: Splits) -> training.TrainingPlan:
    """Returns how the model of a trial is trained."""
    strategy = tf.distribute.get_strategy()
    return training_settings.make_plan(values, values.method, strategy, splits.train)


def _is_reusable(values: flags.FlagValues) -> bool:
    """Whether trials of other seeds train the same program.

    Not when a method changes what trains from stage to stage, when the loss counts the
    images of each class, or when the seed draws the backbone.
    """
    chosen = methods.METHODS[values.method]
    has_stages = bool(chosen.list_stage_options())
    return not (
        has_stages or values.class_weights == "balanced" or values.weights == "random"
    )


def _describe_program(values: flags.FlagValues, splits: Splits) -> tuple:
    lines = flagfile.to_flagfile(values).splitlines()
    fixed = [
        line
        for line in lines
        if line.removeprefix("--").partition("=")[0] not in _SET_ANEW
    ]
    examples = splits.train
    options = settings.training_options(values, len(examples))
    return (*fixed, examples.class_names, options)
