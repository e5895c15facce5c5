"""--mode=search: hyper-parameters by KerasTuner, on validation images alone."""

import functools
import pathlib

from absl import flags

from adafilter_tf import errors
from adafilter_tf.cli import flagfile, trial
from adafilter_tf.experiments import search
from adafilter_tf.files import atomic

# With these the trials would be measured on other images, or not be trainings.
_FIXED = {*trial.TASK_FLAGS, "monitor"} - {
    "backbone",
    "batch_size",
    "crop_fraction",
    "epochs",
    "horizontal_flip",
    "image_size",
    "mixup_alpha",
    "precision",
    "randaugment",
    "random_resized_crop_min_area",
    "steps_per_epoch",
    "weights",
}


def run(values: flags.FlagValues) -> None:
    """Trains with values of the searched flags; writes a table and the best flags."""
    space = search.parse_space(values.search)
    monitor = f"--monitor={values.monitor}"
    common = [flag for flag in flagfile.list_given(values) if flag != monitor]
    common.append(f"--seed={values.seed}")
    if values.early_stopping_patience:
        common.append(monitor)
    _check_space(space, common)
    folder = pathlib.Path(values.output_dir)
    _claim(values, folder, [f"--search={line}" for line in values.search], common)
    rows = search.run_search(
        space,
        lambda values, epochs: trial.run_trial(
            [*common, *search.to_arguments(values), *_limit_epochs(epochs)], False
        ),
        folder,
        search.SearchOptions(
            method=values.search_method,
            trials=values.search_trials,
            epochs=values.epochs,
            seed=values.seed,
            monitor=values.monitor,
        ),
        report=functools.partial(print, flush=True),
    )
    search.write_results(rows, folder / "trials.csv")
    best = {parameter.name: rows[0][parameter.name] for parameter in space}
    arguments = search.to_arguments(best)
    text = flagfile.to_flagfile(trial.parse_flags([*common, *arguments]))
    atomic.write_text(folder / "best.cfg", text)
    print(
        f"Best of {len(rows)} trials, {values.monitor} {rows[0][values.monitor]:.4g}: "
        f"{' '.join(arguments)}\n"
        f"Trials     {folder / 'trials.csv'}\n"
        f"Flagfile   {folder / 'best.cfg'}"
    )


def _check_space(space: list[search.Parameter], common: list[str]) -> None:
    """Refuses flags that do not exist, may not vary, or do not take the values."""
    for parameter in space:
        if parameter.name in _FIXED or parameter.name in flagfile.UNRECORDED:
            raise errors.UsageError(
                f"Received --search={parameter.name}=...; a search trains with the "
                "same images and measures the same, so this flag cannot vary."
            )
        for value in parameter.bounds():
            trial.check_flags([*common, f"--{parameter.name}={value}"])


def _claim(
    values: flags.FlagValues, folder: pathlib.Path, lines: list[str], common: list[str]
) -> None:
    """Claims a folder for this search, or recognizes it as this search's."""
    method = [f"--search_method={values.search_method}", f"--monitor={values.monitor}"]
    text = "\n".join([*common, *lines, *method]) + "\n"
    path = folder / "search.cfg"
    if path.exists():
        if path.read_text(encoding="utf-8") != text:
            raise errors.UsageError(
                f"--output_dir={folder} holds another search ({path}); choose another "
                "folder or repeat that search's flags."
            )
        return
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise errors.UsageError(
            f"Received --output_dir={folder}, which is not an empty folder and holds "
            "no search; choose a new one."
        )
    folder.mkdir(parents=True, exist_ok=True)
    atomic.write_text(path, text)


def _limit_epochs(epochs: int | None) -> list[str]:
    return [f"--epochs={epochs}"] if epochs else []
