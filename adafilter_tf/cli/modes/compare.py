"""--mode=compare: methods x tasks x seeds, as tables and a plot."""

import functools
import pathlib

from absl import flags

from adafilter_tf.cli import flagfile, trial
from adafilter_tf.experiments import parsing, report, runner, store

FLAGS = flags.FLAGS


def run() -> None:
    """Trains methods x tasks x seeds and writes tables and a plot."""
    plan = parsing.parse_plan(
        FLAGS.task,
        FLAGS.row,
        FLAGS.seeds,
        FLAGS.search_seeds,
        common=["--test_seed=0", *flagfile.list_given()],
        task_flags=trial.TASK_FLAGS,
    )
    parsing.check_trials(plan, trial.check_flags)
    for task in plan.tasks:
        first = next(c for c in plan.final_trials({}) if c.task == task.name)
        trial.check_task(list(first.flags), FLAGS.prepare_command)
    folder = pathlib.Path(FLAGS.output_dir)
    with store.open_store(folder, plan) as finished:
        runner.run_plan(
            plan,
            finished,
            trial.run_trial,
            workers=FLAGS.workers or trial.count_workers(),
            report=functools.partial(print, flush=True),
            initialize=trial.initialize_worker,
        )
        print(report.write_report(folder, plan, finished))
