"""The flagfile that repeats a run, and what of a command line agrees with it."""

from absl import flags

from adafilter_tf import errors, methods
from adafilter_tf.flags import define_flags

# They say where things are and how they are shown, and change no result.
UNRECORDED = (
    "mode",
    "output_dir",
    "images",
    "predictions",
    "top_k",
    "data_dir",
    "cache",
    "log_every",
)


def recorded_names(values: flags.FlagValues = flags.FLAGS) -> list[str]:
    """Returns the names of the flags that define a run, in the order of definition."""
    own = flags.FlagValues()
    define_flags(own)
    return [name for name in own if name not in (*UNRECORDED, "flagfile", "undefok")]


def to_flagfile(values: flags.FlagValues = flags.FLAGS) -> str:
    """Returns the text of a flagfile that repeats the run."""
    lines = (values[name].serialize() for name in recorded_names(values))
    return "\n".join(line for line in lines if line) + "\n"


def check_unused(values: flags.FlagValues = flags.FLAGS) -> None:
    """Checks that no hyper-parameter was given which no chosen method has.

    Raises:
        UsageError: Naming the flag and the methods that have it.
    """
    chosen = [name for name in (values.method, values.baseline) if name]
    used = {p for name in chosen for p in methods.list_hyperparameters(name)}
    for name in recorded_names(values):
        owners = [m for m in methods.METHODS if name in methods.list_hyperparameters(m)]
        if owners and name not in used and values[name].present:
            raise errors.UsageError(
                f"Received --{name}, which --method={values.method} does not have; it "
                f"belongs to {', '.join(owners)}. Remove it or choose another method."
            )


def apply_saved(text: str, path: str, values: flags.FlagValues = flags.FLAGS) -> None:
    """Fills `values` from the flagfile of an earlier run.

    Args:
        text: Made by `to_flagfile`.
        path: Of that flagfile, for the message.
        values: Flags of this command line; only those not given there change.

    Raises:
        RunError: When a flag was given with another value than the run had.
    """
    saved = flags.FlagValues()
    define_flags(saved)
    saved(["run", *text.splitlines()])
    for name in recorded_names(values):
        given, found = values[name], saved[name]
        if given.present and given.value != found.value:
            raise errors.RunError(
                f"Received --{name}={given.value}, but the run in this folder has "
                f"{found.value} ({path}). Choose another --output_dir, or repeat that "
                f"run's settings with --flagfile={path}."
            )
        given.value = found.value
