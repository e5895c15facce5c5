"""The flagfile that repeats a run, and whether a command line agrees with it."""

from collections.abc import Collection, Sequence

from absl import flags

from adafilter_tf import errors
from adafilter_tf.cli import usage
from adafilter_tf.cli.flags import choices, define_flags

# Where things are and how they are shown: they change no result. A rollback gives one
# only where a run would stop without it.
UNRECORDED = (
    "mode",
    "output_dir",
    "export_formats",
    "fold",
    "fold_tolerance",
    "images",
    "package_dir",
    "classifier",
    "predictions",
    "predictions_format",
    "overwrite",
    "evaluate_on",
    "evaluate_split",
    "explain_split",
    "explain_images",
    "explain_projection",
    "report",
    "host",
    "port",
    "export_version",
    "top_k",
    "data_dir",
    "cache",
    "devices",
    "distribution",
    "log_every",
    "profile_steps",
    "dry_run",
    "finder_steps",
    "search",
    "search_method",
    "search_trials",
    "checkpoint_steps",
    "checkpoint_minutes",
    "keep_checkpoints",
    "on_non_finite",
    "max_rollbacks",
    "runs",
    "probe",
    "task",
    "row",
    "seeds",
    "search_seeds",
    "prepare_command",
    "workers",
)

# What runs did before there was a flag, where its default does something else.
_BEFORE = {"example_order": 1, "renew_batch_norm_statistics": False}


def recorded_names(values: flags.FlagValues) -> list[str]:
    """Returns the names of the flags that define a run, in the order of definition."""
    own = flags.FlagValues()
    define_flags(own)
    left_out = {*UNRECORDED, *_list_unused(values), "flagfile", "undefok"}
    return [name for name in own if name not in left_out]


def parse(arguments: Sequence[str]) -> flags.FlagValues:
    """Returns all flags; those not in `arguments` have their defaults.

    Args:
        arguments: Each "--name=value".

    Raises:
        UsageError: A flag is unknown or has no such value.
    """
    values = flags.FlagValues()
    define_flags(values)
    try:
        values(["run", *arguments])
    except flags.UnrecognizedFlagError as error:
        raise errors.UsageError(
            usage.describe_unknown(error.flagname, list(values))
        ) from error
    except flags.Error as error:
        raise errors.UsageError(" ".join(str(error).split())) from error
    return values


def list_hyperparameters(values: flags.FlagValues, method: str) -> dict[str, object]:
    """Returns the settings of one training of a run, by name.

    Args:
        values: The run's flags.
        method: The training's: the run's method or its baseline.
    """
    own = flags.FlagValues()
    define_flags(own)
    left_out = {*UNRECORDED, "baseline", "flagfile", "undefok"}
    for names in choices.HYPERPARAMETERS.values():
        left_out.update(names)
    left_out -= set(choices.HYPERPARAMETERS[method])
    found = {name: values[name].value for name in own if name not in left_out}
    return {**found, "method": method}


def to_flagfile(values: flags.FlagValues) -> str:
    """Returns the text of a flagfile that repeats the run."""
    lines = (values[name].serialize() for name in recorded_names(values))
    return "\n".join(line for line in lines if line) + "\n"


def list_earlier(values: flags.FlagValues) -> dict[str, str]:
    """Returns by flag the line of what runs did before there was the flag.

    It is the flag's default, unless that changed what a run does.
    """
    own = flags.FlagValues()
    define_flags(own)
    for name, value in _BEFORE.items():
        own[name].value = value
    lines = {name: own[name].serialize() for name in recorded_names(values)}
    return {name: line for name, line in lines.items() if line}


def list_given(values: flags.FlagValues) -> list[str]:
    """Returns what was given of the flags that a comparison hands to all its trials."""
    own = flags.FlagValues()
    define_flags(own)
    left_out = {*UNRECORDED, "seed"} - {"cache", "data_dir"}
    return [
        values[name].serialize()
        for name in own
        if name not in left_out and values[name].present
    ]


def check_unused(values: flags.FlagValues) -> None:
    """Checks that each given hyper-parameter belongs to a chosen method.

    Raises:
        UsageError: Naming the flag and the methods that have it.
    """
    for name, owners in _list_unused(values).items():
        if values[name].present:
            raise errors.UsageError(
                f"Received --{name}, which --method={values.method} does not have; it "
                f"belongs to {', '.join(owners)}. Remove it or choose another method."
            )


def _list_unused(values: flags.FlagValues) -> dict[str, list[str]]:
    """Returns the hyper-parameters of no chosen method, with the methods they have."""
    chosen = {values.method, values.baseline}
    owners: dict[str, list[str]] = {}
    for method, names in choices.HYPERPARAMETERS.items():
        for name in names:
            owners.setdefault(name, []).append(method)
    return {name: of for name, of in owners.items() if not chosen & set(of)}


def apply_saved(
    text: str,
    path: str,
    values: flags.FlagValues,
    free: Collection[str] = (),
) -> None:
    """Fills `values` from the flagfile of an earlier run.

    Args:
        text: Made by `to_flagfile`.
        path: The flagfile's, for the message.
        values: Flags of this command line; only those not given there change.
        free: Names of flags that may be given with another value than the run had.

    Raises:
        RunError: The text is not a flagfile, or a flag was given with another value
            than the run had.
    """
    saved = flags.FlagValues()
    define_flags(saved)
    try:
        rest = saved(["run", *text.splitlines()])[1:]
    except (flags.Error, ValueError, OSError, RecursionError) as error:
        rest = [errors.explain(error)]
    if rest:
        raise errors.RunError(
            f"{path} is not the flagfile of a run ({rest[0][:200]}): put the run's own "
            "file back."
        )
    for name in recorded_names(saved):
        given, found = values[name], saved[name]
        if given.present and name in free:
            continue
        if given.present and given.value != found.value:
            other_images = (
                " Other images that it is tried on are --evaluate_on."
                if name == "dataset"
                else ""
            )
            raise errors.RunError(
                f"Received --{name}={given.value}, but the run in this folder has "
                f"{found.value} ({path}). Choose another --output_dir, or repeat that "
                f"run's settings with --flagfile={path}.{other_images}"
            )
        given.value = found.value
