"""Incidents side by side, each in a process that may break without harm to the others."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import NamedTuple

from wsdiag.batch.task import Task, diagnose
from wsdiag.incidents import Incident, State

_STEP_S = 0.2
_THREADS = "POLARS_MAX_THREADS"


class _Worker(NamedTuple):
    process: multiprocessing.process.BaseProcess
    line: Connection


def run(
    tasks: Sequence[Task],
    jobs: int,
    stopped: Callable[[], bool],
    busy_with: Callable[[Sequence[str]], None],
) -> Iterator[Incident]:
    """Diagnose all tasks, `jobs` at once; each result as it comes.

    Once `stopped`, what is not done is left. `busy_with` takes the names of those being read.
    """
    waiting, busy, idle = [*tasks][::-1], dict[Connection, tuple[_Worker, Task]](), list[_Worker]()
    try:
        while (waiting or busy) and not stopped():
            while waiting and len(busy) < jobs:
                worker, task = idle.pop() if idle else _start(jobs), waiting.pop()
                busy[worker.line] = worker, task
                with suppress(OSError):  # it is gone; that is told below
                    worker.line.send(task)
            busy_with([task.name for _, task in busy.values()])
            for line in wait(list(busy), _STEP_S):
                assert isinstance(line, Connection)
                worker, task = busy.pop(line)
                try:
                    told = line.recv()
                    idle.append(worker)
                except (EOFError, OSError):  # killed, for want of memory, say
                    worker.process.join()
                    why = f"its process ended with code {worker.process.exitcode}"
                    told = Incident(name=task.name, state=State.FAILED, why=why)
                yield told
    finally:
        for worker in (*idle, *(worker for worker, _ in busy.values())):
            worker.line.close()
            worker.process.terminate()
            worker.process.join()


def _start(jobs: int) -> _Worker:
    """A process that waits for tasks. It starts afresh: polars does not survive a fork."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    share = max((os.cpu_count() or 1) // jobs, 1)
    before = os.environ.get(_THREADS)
    os.environ[_THREADS] = before or str(share)  # read when polars is imported there
    try:
        process = context.Process(target=_serve, args=(theirs,), daemon=True)
        process.start()
    finally:
        if before is None:
            del os.environ[_THREADS]
    theirs.close()
    return _Worker(process, ours)


def _serve(line: Connection) -> None:
    """Do one task after another."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one that shows the progress
    while True:
        try:
            task = line.recv()
        except EOFError:
            return
        line.send(diagnose(task))
