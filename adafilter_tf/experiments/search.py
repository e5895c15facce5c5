"""A search over flags by KerasTuner, which is optional."""

import dataclasses
import math
import os
import re
from collections.abc import Callable, Mapping, Sequence

from adafilter_tf import errors
from adafilter_tf.files import atomic

METHODS = ("random", "bayesian", "hyperband")
_FORMS = "log:LOW..HIGH, LOW..HIGH, int:LOW..HIGH or A|B|C"
_RANGE = re.compile(r"(?:(log|int):)?([^:|]+)\.\.([^:|]+)$")


@dataclasses.dataclass(frozen=True)
class Parameter:
    """A flag and the values that it may take.

    Attributes:
        name: The flag's name.
        kind: "log", "linear", "int" or "choice".
        values: Lowest and highest value, or the choices as they are written.
    """

    name: str
    kind: str
    values: tuple

    def bounds(self) -> list[str]:
        """Returns the values that stand for all when flags are checked."""
        return [str(value) for value in self.values]


def parse_space(lines: Sequence[str]) -> list[Parameter]:
    """Returns the parameters of `--search` lines.

    Raises:
        UsageError: There is no line, a line is malformed or a flag comes twice.
    """
    if not lines:
        raise errors.UsageError(
            f"--mode=search needs --search: FLAG={_FORMS}, once for each flag."
        )
    space = [_parse_line(line) for line in lines]
    names = [parameter.name for parameter in space]
    for name in names:
        if names.count(name) > 1:
            raise errors.UsageError(
                f"Received --search={name}=... {names.count(name)} times; give each "
                "flag one line."
            )
    return space


def _parse_line(line: str) -> Parameter:
    name, _, text = line.partition("=")
    name, text = name.strip().removeprefix("--"), text.strip()
    wrong = errors.UsageError(
        f"Received --search={line}; allowed is FLAG={_FORMS}, LOW below HIGH, and "
        "above 0 for log."
    )
    match = _RANGE.match(text)
    if not match:
        choices = tuple(choice.strip() for choice in text.split("|"))
        if not name or len(choices) < 2 or not all(choices) or ".." in text:
            raise wrong
        return Parameter(name, "choice", choices)
    kind = match.group(1) or "linear"
    try:
        convert = int if kind == "int" else float
        low, high = convert(match.group(2)), convert(match.group(3))
    except ValueError:
        raise wrong from None
    if not name or not low < high or not math.isfinite(high - low):
        raise wrong
    if kind == "log" and low <= 0:
        raise wrong
    return Parameter(name, kind, (low, high))


@dataclasses.dataclass(frozen=True)
class SearchOptions:
    """How a search chooses what it tries.

    Attributes:
        method: One of `METHODS`.
        trials: Number of trainings, except for hyperband.
        epochs: Epochs of a full training.
        seed: Seed of the sampled values.
        monitor: "validation_accuracy" or "validation_loss".
    """

    method: str
    trials: int
    epochs: int
    seed: int
    monitor: str

    @property
    def direction(self) -> str:
        """Returns "min" for a loss, "max" for an accuracy."""
        return "min" if self.monitor.endswith("loss") else "max"


def run_search(
    space: Sequence[Parameter],
    measure: Callable[[dict, int | None], dict],
    folder: str | os.PathLike,
    options: SearchOptions,
    report: Callable[[str], None],
) -> list[dict]:
    """Tries values and returns all trials, the best first.

    An interrupted search resumes in its folder.

    Args:
        space: What is tried.
        measure: (values by flag, epochs or None for the run's own) to the metrics of a
            training, with `options.monitor` among them.
        folder: Where KerasTuner keeps its state.
        options: How values are chosen.
        report: Receives a line for each trial.

    Raises:
        UsageError: When KerasTuner is not installed.
        RunError: When a training cannot run.
    """
    tuner_lib = _import_tuner()
    oracle = _create_oracle(tuner_lib, space, options)
    failed = []

    class FlagTuner(tuner_lib.Tuner):  # type: ignore[name-defined]  # imported here
        """Trains with the flags of a trial."""

        def run_trial(self, trial, *args, **kwargs):
            values = {p.name: trial.hyperparameters.get(p.name) for p in space}
            trial_epochs = trial.hyperparameters.values.get("tuner/epochs")
            try:
                metrics = measure(values, trial_epochs)
            except errors.RunError as error:
                failed.append(error)
                raise tuner_lib.errors.FatalError(str(error)) from error
            score = metrics[options.monitor]
            if not math.isfinite(score):  # it diverged
                score = math.copysign(1e30, 1 if options.direction == "min" else -1)
            text = " ".join(f"{name}={_write(value)}" for name, value in values.items())
            report(f"{options.monitor} {score:.4g}  {text}")
            return {options.monitor: score}

    tuner = FlagTuner(
        oracle=oracle, directory=str(folder), project_name="trials", overwrite=False
    )
    try:
        tuner.search(verbose=0)
    except tuner_lib.errors.FatalError:
        raise failed[0] from None
    return _list_trials(oracle, space, options)


def _create_oracle(tuner_lib, space: Sequence[Parameter], options: SearchOptions):
    common = {
        "objective": tuner_lib.Objective(options.monitor, options.direction),
        "hyperparameters": _describe_space(tuner_lib, space),
        "seed": options.seed,
        "allow_new_entries": False,
        "tune_new_entries": False,
    }
    oracles = tuner_lib.oracles
    if options.method == "hyperband":
        return oracles.HyperbandOracle(max_epochs=options.epochs, **common)
    kind = {
        "random": oracles.RandomSearchOracle,
        "bayesian": oracles.BayesianOptimizationOracle,
    }[options.method]
    return kind(max_trials=options.trials, **common)


def write_results(rows: Sequence[Mapping], path: str | os.PathLike) -> None:
    """Writes the trials as CSV."""
    columns = list(rows[0])
    atomic.write_csv(path, columns, ([row[name] for name in columns] for row in rows))


def to_arguments(values: Mapping[str, object]) -> list[str]:
    """Returns the flags of a trial."""
    return [f"--{name}={_write(value)}" for name, value in values.items()]


def _import_tuner():
    try:
        import keras_tuner
    except ImportError:
        raise errors.UsageError(
            "--mode=search needs KerasTuner: pip install -e .[tuner]"
        ) from None
    return keras_tuner


def _describe_space(tuner_lib, space):
    hyperparameters = tuner_lib.HyperParameters()
    for parameter in space:
        if parameter.kind == "choice":
            hyperparameters.Choice(parameter.name, list(parameter.values))
        elif parameter.kind == "int":
            hyperparameters.Int(parameter.name, *parameter.values)
        else:
            sampling = "log" if parameter.kind == "log" else "linear"
            hyperparameters.Float(parameter.name, *parameter.values, sampling=sampling)
    return hyperparameters


def _list_trials(oracle, space, options: SearchOptions) -> list[dict]:
    done = [trial for trial in oracle.trials.values() if trial.score is not None]
    done.sort(key=lambda trial: trial.score, reverse=options.direction == "max")
    return [
        {
            options.monitor: trial.score,
            **{p.name: _write(trial.hyperparameters.get(p.name)) for p in space},
            "epochs": trial.hyperparameters.values.get("tuner/epochs", ""),
        }
        for trial in done
    ]


def _write(value) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
