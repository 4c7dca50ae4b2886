"""Cells in processes of their own: one thread each, and the death of one costs its cell alone.

Workers are started fresh (spawn), because a forked process inherits locks of libraries that hold threads. Each ends
by itself when its parent dies, be it killed.
"""

import multiprocessing
import os
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from tailfirst.backtesting import cells
from tailfirst.backtesting.cells import Cell
from tailfirst.errors import TailfirstError

ENVIRONMENT = {  # read by numeric libraries when they are loaded
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "PASSIVE",
    "TOKENIZERS_PARALLELISM": "false",
}
STOP_S = 5.0  # a worker that was asked to end gets this long


@dataclass(frozen=True, slots=True)
class Done:
    """A cell that ended: its result, or in words why there is none."""

    cell: Cell
    result: dict[str, Any] | None
    error: str | None = None


@dataclass(slots=True)
class _Worker:
    process: BaseProcess
    pipe: Connection
    cell: Cell | None = None


def run_all(todo: Sequence[Cell], folder: Path, jobs: int, done: Callable[[Done], None]) -> None:
    """Run cells, `jobs` at a time, and report each as it ends.

    Args:
        todo: Cells, in the order in which they are started.
        folder: Where cells are written.
        jobs: Processes.
        done: Called in this process for each cell.
    """
    waiting = list(reversed(todo))
    workers: list[_Worker] = []
    try:
        while waiting or any(worker.cell for worker in workers):
            while waiting and len(workers) < min(jobs, len(todo)):
                workers.append(_start(folder))
            for worker in workers:
                if worker.cell is None and waiting:
                    worker.cell = waiting.pop()
                    with suppress(BrokenPipeError):  # it died while it was idle: told below, as any other death
                        worker.pipe.send(worker.cell)
            busy = [worker for worker in workers if worker.cell is not None]
            ready = wait([worker.pipe for worker in busy])
            for worker in busy:
                if worker.pipe in ready:
                    done(_ended(worker))
                    if not worker.process.is_alive() or worker.pipe.closed:
                        workers.remove(worker)
    finally:
        _stop(workers)


def _ended(worker: _Worker) -> Done:
    """What a worker says of its cell; a pipe that ends says that the process died."""
    cell, worker.cell = worker.cell, None
    assert cell is not None
    try:
        result, error = worker.pipe.recv()
    except (EOFError, ConnectionResetError):
        worker.pipe.close()
        worker.process.join()
        return Done(cell, None, f"its process died with exit code {worker.process.exitcode} (out of memory?)")
    return Done(cell, result, error)


def _start(folder: Path) -> _Worker:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs, folder))
    with _environment(ENVIRONMENT):
        process.start()
    theirs.close()
    return _Worker(process, ours)


def _stop(workers: Sequence[_Worker]) -> None:
    for worker in workers:
        worker.pipe.close()
        if worker.cell is not None:
            worker.process.terminate()
    for worker in workers:
        worker.process.join(STOP_S)
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join()


def _work(pipe: Connection, folder: Path) -> None:
    """Run cells until the pipe ends."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with suppress(EOFError, KeyboardInterrupt):
        while True:
            pipe.send(_attempt(pipe.recv(), folder))


def _attempt(cell: Cell, folder: Path) -> tuple[dict[str, Any] | None, str | None]:
    try:
        return cells.run(cell, folder), None
    except TailfirstError as error:
        return None, str(error)
    except Exception:  # noqa: BLE001 - a plugin may raise anything: it is reported, and the other cells go on
        return None, traceback.format_exc().strip()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Variables for processes that are started inside the block."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
