"""Runs the cells that are not finished, each worker in a process of its own."""

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
from adafilter_tf.experiments.plan import Cell, Plan
from adafilter_tf.experiments.progress import Progress
from adafilter_tf.experiments.store import Store

# TensorFlow's processes grow; a new one now and then keeps them small. The executor's
# own max_tasks_per_child can hang (github.com/python/cpython/issues/115634).
_CELLS_PER_PROCESS = 25

RunCell = Callable[[list[str], bool], dict]


def run_plan(
    plan: Plan,
    store: Store,
    run_cell: RunCell,
    *,
    workers: int,
    report: Callable[[str], None],
    initialize: Callable[[int, int], None],
) -> None:
    """Runs the search, chooses, and runs the final cells; see `run_cells`."""
    run = functools.partial(
        run_cells,
        store=store,
        run_cell=run_cell,
        workers=workers,
        report=report,
        initialize=initialize,
    )
    search = plan.search_cells()
    run(search, planned=[*search, *plan.final_cells({})])
    final = plan.final_cells(choose_settings(plan, store))
    run(final, planned=[*search, *final])


def run_cells(
    cells: Sequence[Cell],
    store: Store,
    run_cell: RunCell,
    *,
    workers: int,
    report: Callable[[str], None],
    initialize: Callable[[int, int], None],
    planned: Sequence[Cell] | None = None,
) -> None:
    """Runs the cells that the store does not have and keeps what comes out.

    After a failure the other workers finish their cell and take no new one.

    Args:
        cells: To run, in this order.
        store: Where finished cells are.
        run_cell: Takes a cell's flags and whether it measures test images; returns
            its metrics. A function at the top level of a module.
        workers: Processes at a time; 0 runs in this one.
        report: Receives a line of progress after every cell.
        initialize: Called in each new process with the worker's index and the number
            of workers. A function at the top level of a module.
        planned: The whole comparison, for the progress; `cells` if None.

    Raises:
        RunError: When a cell fails or its process dies; names the cell.
    """
    progress = Progress(planned or cells, store, max(workers, 1))
    waiting = collections.deque(cell for cell in cells if not store.has(cell))
    lock = threading.Lock()

    def finish(cell: Cell, metrics: dict) -> None:
        with lock:
            store.save(cell, metrics)
            report(progress.finish(cell, metrics))

    if workers:
        _run_in_processes(waiting, run_cell, finish, workers, initialize)
    while waiting:
        cell = waiting.popleft()
        with _naming(cell):
            metrics = run_cell(*_arguments(cell))
        finish(cell, metrics)


def _run_in_processes(waiting, run_cell, finish, workers, initialize) -> None:
    threads = futures.ThreadPoolExecutor(workers)
    try:
        running = [
            threads.submit(
                _drive,
                waiting,
                run_cell,
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


def _drive(waiting, run_cell, finish, begin) -> None:
    """Runs cells one after the other in one process, renewed now and then."""
    context = multiprocessing.get_context("spawn")
    while waiting:
        # One executor per worker: a process that dies takes no other cell with it.
        with futures.ProcessPoolExecutor(1, context, begin) as process:
            for _ in range(_CELLS_PER_PROCESS):
                try:
                    cell = waiting.popleft()
                except IndexError:
                    return
                with _naming(cell):
                    metrics = process.submit(run_cell, *_arguments(cell)).result()
                finish(cell, metrics)


def _begin_process(initialize, index: int, workers: int) -> None:
    # Ctrl-C reaches the whole process group; the parent alone answers it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    initialize(index, workers)


def _end_with_parent() -> None:
    """Ends this process when its parent is gone, even if that was killed."""
    multiprocessing.parent_process().join()
    os._exit(1)


def _arguments(cell: Cell) -> tuple[list[str], bool]:
    return list(cell.flags), cell.phase == "final"


@contextlib.contextmanager
def _naming(cell: Cell) -> Iterator[None]:
    """Errors within say in which cell."""
    try:
        yield
    except process_futures.BrokenProcessPool:
        raise errors.RunError(
            f"The process of the cell {cell} died; out of memory? Finished cells are "
            "kept: repeat the command, with fewer --workers if it dies again."
        ) from None
    except errors.RunError as error:
        raise type(error)(f"In the cell {cell}: {error}") from error
    except Exception as error:
        error.add_note(f"In the cell {cell}: {' '.join(cell.flags)}")
        raise
