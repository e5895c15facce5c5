"""What TensorBoard shows of a run, and how often."""

from adafilter_tf import errors
from adafilter_tf.cli.flags.definition import Definer


def define(kinds: Definer) -> None:
    """Defines the flags of TensorBoard."""
    kinds.integer(
        "log_every",
        50,
        "Steps between two points of TensorBoard's batch curve.",
        lower_bound=1,
    )
    kinds.list(
        "profile_steps",
        [],
        "FIRST,LAST: profile these steps of the process for TensorBoard's profiler, "
        "such as 10,20.",
    )


def parse_profile_steps(given: list[str]) -> tuple[int, int] | None:
    """Returns first and last step to profile, None for an empty list.

    Raises:
        UsageError: When they are not two steps in order, the first above 1.
    """
    if not given:
        return None
    steps = tuple(int(step) if step.strip().isdecimal() else 0 for step in given)
    if len(steps) != 2 or not 2 <= steps[0] <= steps[1]:
        raise errors.UsageError(
            f"Received --profile_steps={','.join(given)}; needed are the first and the "
            "last step, such as 10,20, the first at least 2, since the first step of a "
            "process is traced."
        )
    return steps
