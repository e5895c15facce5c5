"""--mode=compare: methods x tasks x seeds, as tables and a plot."""

import functools
import pathlib

from absl import flags

from adafilter_tf.cli import flagfile, trial
from adafilter_tf.experiments import parsing, report, runner, store


def run(values: flags.FlagValues) -> None:
    """Trains methods x tasks x seeds and writes tables and a plot."""
    plan = parsing.parse_plan(
        values.task,
        values.row,
        values.seeds,
        values.search_seeds,
        common=["--test_seed=0", *flagfile.list_given(values)],
        task_flags=trial.TASK_FLAGS,
    )
    parsing.check_trials(plan, trial.check_flags)
    for task in plan.tasks:
        first = next(c for c in plan.final_trials({}) if c.task == task.name)
        trial.check_task(list(first.flags), values.prepare_command)
    folder = pathlib.Path(values.output_dir)
    with store.open_store(folder, plan) as finished:
        runner.run_plan(
            plan,
            finished,
            trial.run_trial,
            workers=values.workers or trial.count_workers(),
            report=functools.partial(print, flush=True),
            initialize=trial.initialize_worker,
        )
        print(report.write_report(folder, plan, finished))
