"""From the texts of a flagfile to a plan that compares methods on equal terms."""

import collections
import dataclasses
import itertools
import re
import shlex
from collections.abc import Callable, Collection, Sequence

from adafilter_tf import errors
from adafilter_tf.experiments.plan import REFERENCE, Plan, Row, Task

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def parse_plan(
    tasks: Sequence[str],
    rows: Sequence[str],
    seeds: Sequence[str],
    search_seeds: Sequence[str],
    *,
    common: Sequence[str],
    task_flags: Collection[str],
) -> Plan:
    """Reads and checks a comparison.

    Args:
        tasks: Each "NAME flag=value ...", with flags of `task_flags` alone.
        rows: Each "NAME method=... flag=value flag=a|b ...", with other flags alone.
        seeds: Integers of the final trials.
        search_seeds: Integers of the search.
        common: Flags of all trials, each "--name=value".
        task_flags: Names of the flags that say what is learned with which budget.

    Raises:
        UsageError: When two methods would not be compared on equal terms, or a text
            cannot be read.
    """
    plan = Plan(
        tasks=tuple(Task(*_parse(text, "task")) for text in tasks),
        rows=tuple(Row(*_parse(text, "row")) for text in rows),
        seeds=_parse_seeds(seeds, "seeds"),
        search_seeds=_parse_seeds(search_seeds, "search_seeds"),
        common=tuple(common),
    )
    _check_names(plan)
    _check_seeds(plan)
    _check_ownership(plan, task_flags)
    _check_rows(plan)
    return plan


def check_trials(plan: Plan, check: Callable[[list[str]], object]) -> None:
    """Checks the flags of all that could run, before anything does.

    Args:
        plan: The comparison.
        check: Raises a ValueError for flags of a trial that cannot be run.

    Raises:
        UsageError: Naming task and row.
    """
    for setting in range(len(plan.rows[0].settings)):
        chosen = {
            (task.name, row.name): setting
            for task, row in itertools.product(plan.tasks, plan.rows)
        }
        first_seed = dataclasses.replace(plan, seeds=plan.seeds[:1])
        for trial in first_seed.final_trials(chosen):
            try:
                check(list(trial.flags))
            except ValueError as error:
                raise errors.UsageError(
                    f"--task={trial.task} with --row={trial.row}: {error}"
                ) from error


def _parse(text: str, kind: str) -> tuple[str, dict[str, str]]:
    received = f"Received --{kind}={text}"
    try:
        name, *settings = shlex.split(text)
    except ValueError:
        raise errors.UsageError(
            f"{received}, which is empty or has an open quote; write NAME flag=value "
            "flag=value."
        ) from None
    if not _NAME.fullmatch(name):
        raise errors.UsageError(
            f"{received}, whose name {name!r} cannot name a folder: use letters, "
            "digits, _ - and . alone (in a flagfile, no quotes around the value)."
        )
    flags: dict[str, str] = {}
    for setting in settings:
        flag, equals, value = setting.removeprefix("--").partition("=")
        if not equals or not flag or flag in flags:
            raise errors.UsageError(
                f"{received}, where {setting!r} is "
                f"{'given twice' if flag in flags else 'not flag=value'}; write each "
                "flag once, as flag=value."
            )
        flags[flag] = value
    return name, flags


def _parse_seeds(texts: Sequence[str], flag: str) -> tuple[int, ...]:
    try:
        return tuple(int(text) for text in texts)
    except ValueError:
        raise errors.UsageError(
            f"Received --{flag}={','.join(map(str, texts))}; seeds are integers "
            f"separated by commas, such as --{flag}=0,1,2."
        ) from None


def _check_names(plan: Plan) -> None:
    for kind, items in (("task", plan.tasks), ("row", plan.rows)):
        counts = collections.Counter(item.name for item in items)
        repeated = [name for name, count in counts.items() if count > 1]
        if repeated:
            raise errors.UsageError(
                f"Received --{kind}={repeated[0]} more than once; give each its own "
                "name."
            )
        if not items:
            raise errors.UsageError(
                f"--mode=compare needs --{kind}=NAME flag=value ..., once or more."
            )


def _check_seeds(plan: Plan) -> None:
    for flag in ("seeds", "search_seeds"):
        values = getattr(plan, flag)
        if not values or len({*values}) < len(values) or min(values) < 0:
            raise errors.UsageError(
                f"Received --{flag}={','.join(map(str, values))}; needed are one or "
                "more different integers from 0."
            )
    shared = sorted({*plan.seeds} & {*plan.search_seeds})
    if shared:
        raise errors.UsageError(
            f"Received seed {shared[0]} in both --seeds and --search_seeds; the final "
            "table must not use seeds on which settings were chosen."
        )


def _check_ownership(plan: Plan, task_flags: Collection[str]) -> None:
    for task in plan.tasks:
        for flag in task.flags:
            if flag not in task_flags or flag == "seed":
                raise errors.UsageError(
                    f"Received --task={task.name} with {flag}=, which a task may not "
                    f"set; allowed are {', '.join(sorted({*task_flags} - {'seed'}))}. "
                    "Set it in a --row, or for all as a flag of its own."
                )
    for row in plan.rows:
        for flag in row.flags:
            if flag in task_flags or flag == "seed":
                raise errors.UsageError(
                    f"Received --row={row.name} with {flag}=, which all methods share; "
                    "set it in the --task, or for all as a flag of its own."
                )


def _check_rows(plan: Plan) -> None:
    methods = {row.name: row.flags.get("method") for row in plan.rows}
    if methods.get(REFERENCE) != REFERENCE:
        raise errors.UsageError(
            f"Received the rows {', '.join(methods)}; needed is also --row={REFERENCE} "
            f"method={REFERENCE} ..., from which all differences are taken."
        )
    for row in plan.rows:
        if methods[row.name] is None:
            raise errors.UsageError(
                f"Received --row={row.name} without method=; a row is a method with "
                "its hyper-parameters."
            )
        for flag, value in row.flags.items():
            choices = value.split("|")
            if len({*choices}) < len(choices):
                raise errors.UsageError(
                    f"Received --row={row.name} with {flag}={value}; a searched value "
                    "counts once."
                )
    counts = {row.name: len(row.settings) for row in plan.rows}
    if len({*counts.values()}) > 1:
        listed = ", ".join(f"{name} {count}" for name, count in counts.items())
        raise errors.UsageError(
            f"Received rows with different numbers of settings: {listed}. Every method "
            "gets the same search; add or remove values a|b|c."
        )
