"""Runs the trials that are not finished, each worker in a process of its own."""

import collections
import contextlib
import functools
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent import futures
from concurrent.futures import process as process_futures

from adafilter_tf import errors
from adafilter_tf.experiments.choice import choose_settings
from adafilter_tf.experiments.plan import Plan, Trial
from adafilter_tf.experiments.progress import Progress
from adafilter_tf.experiments.store import Store

# TensorFlow's processes grow; a new one now and then keeps them small. The executor's
# own max_tasks_per_child can hang (github.com/python/cpython/issues/115634).
_TRIALS_PER_PROCESS = 25
# After so long without a line there is one that says how far it is.
_SILENCE_S = 10.0

RunTrial = Callable[[list[str], bool], dict]


def run_plan(
    plan: Plan,
    store: Store,
    run_trial: RunTrial,
    *,
    workers: int,
    report: Callable[[str], None],
    initialize: Callable[[int, int], None],
) -> None:
    """Runs the search, chooses, and runs the final trials; see `run_trials`."""
    run = functools.partial(
        run_trials,
        store=store,
        run_trial=run_trial,
        workers=workers,
        report=report,
        initialize=initialize,
    )
    search = plan.search_trials()
    run(search, planned=[*search, *plan.final_trials({})])
    final = plan.final_trials(choose_settings(plan, store))
    run(final, planned=[*search, *final])


def run_trials(
    trials: Sequence[Trial],
    store: Store,
    run_trial: RunTrial,
    *,
    workers: int,
    report: Callable[[str], None],
    initialize: Callable[[int, int], None],
    planned: Sequence[Trial] | None = None,
) -> None:
    """Runs the trials that the store does not have and keeps what comes out.

    After a failure the other workers finish their trial and take no new one.

    Args:
        trials: What to run, in this order.
        store: Where finished trials are.
        run_trial: Takes a trial's flags and whether it measures test images; returns
            its metrics. A function at the top level of a module.
        workers: Processes at a time; 0 runs in this one.
        report: Receives a line of progress after every trial.
        initialize: Called in each new process with the worker's index and the number
            of workers. A function at the top level of a module.
        planned: The whole comparison, for the progress; `trials` if None.

    Raises:
        RunError: When a trial fails or its process dies; names the trial.
    """
    progress = Progress(planned or trials, store, max(workers, 1))
    waiting = collections.deque(trial for trial in trials if not store.has(trial))
    lock = threading.Lock()
    said = threading.Event()

    def finish(trial: Trial, metrics: dict) -> None:
        with lock:
            store.save(trial, metrics)
            said.set()
            report(progress.finish(trial, metrics))

    def say() -> None:
        with lock:
            report(progress.describe())

    if waiting:
        say()
    with _breaking_silence(said, say):
        if workers:
            _run_in_processes(waiting, run_trial, finish, workers, initialize)
        while waiting:
            trial = waiting.popleft()
            with _naming(trial):
                metrics = run_trial(*_arguments(trial))
            finish(trial, metrics)


@contextlib.contextmanager
def _breaking_silence(said: threading.Event, say: Callable[[], None]) -> Iterator[None]:
    """Calls `say` within the context whenever `said` was not set for a while."""
    ended = threading.Event()

    def watch() -> None:
        while not ended.is_set():
            if said.wait(_SILENCE_S):
                said.clear()
            elif not ended.is_set():
                say()

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    try:
        yield
    finally:
        ended.set()
        said.set()
        watching.join()


def _run_in_processes(waiting, run_trial, finish, workers, initialize) -> None:
    threads = futures.ThreadPoolExecutor(workers)
    try:
        running = [
            threads.submit(
                _drive,
                waiting,
                run_trial,
                finish,
                functools.partial(_begin_process, initialize, index, workers),
            )
            for index in range(workers)
        ]
        futures.wait(running, return_when=futures.FIRST_EXCEPTION)
        waiting.clear()
        futures.wait(running)
    except KeyboardInterrupt:
        waiting.clear()
        for process in multiprocessing.active_children():
            process.terminate()
        raise
    finally:
        threads.shutdown()
    for future in running:
        future.result()


def _drive(waiting, run_trial, finish, begin) -> None:
    """Runs trials one after the other in one process, renewed now and then."""
    context = multiprocessing.get_context("spawn")
    while waiting:
        # One executor per worker: a process that dies takes no other trial with it.
        with futures.ProcessPoolExecutor(1, context, begin) as process:
            for _ in range(_TRIALS_PER_PROCESS):
                try:
                    trial = waiting.popleft()
                except IndexError:
                    return
                with _naming(trial):
                    flags, measure_test = _arguments(trial)
                    metrics = process.submit(run_trial, flags, measure_test).result()
                finish(trial, metrics)


def _begin_process(initialize, index: int, workers: int) -> None:
    # Ctrl-C reaches the whole process group; the parent alone answers it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    initialize(index, workers)


def _end_with_parent() -> None:
    """Ends this process when its parent is gone, even if that was killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)


def _arguments(trial: Trial) -> tuple[list[str], bool]:
    return list(trial.flags), trial.phase == "final"


@contextlib.contextmanager
def _naming(trial: Trial) -> Iterator[None]:
    """Names the trial in the errors raised within."""
    try:
        yield
    except process_futures.BrokenProcessPool:
        raise errors.RunError(
            f"The process of the trial {trial} died; out of memory? Finished "
            "trials are kept: repeat the command, with fewer --workers if it dies "
            "again."
        ) from None
    except errors.RunError as error:
        raise type(error)(f"In the trial {trial}: {error}") from error
    except Exception as error:
        error.add_note(f"In the trial {trial}: {' '.join(trial.flags)}")
        raise
