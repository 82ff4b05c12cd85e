"""Workers: processes that do the same work side by side on this machine."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any

import torch

from vlatent.runtime.interruption import STATUS, Interrupted, Stop
from vlatent.runtime.process import environment, prepare
from vlatent.runtime.streams import outlast_readers
from vlatent.shapes import UserError

logger = logging.getLogger(__name__)

PAUSE = 0.5  # seconds between two looks at the workers
FAILED_STARTS = 3  # workers in a row that failed at start-up: the fault is not theirs alone
AT_ONCE = 60.0  # seconds: a busy machine imports for half of them
STOP_SIGNAL = signal.SIGUSR1  # from the parent alone: nobody else sends it


# What every worker does: it returns when nothing is left to do, or soon after a stop is requested.
Work = Callable[[Any, Stop], None]


@dataclass
class _Worker:
    process: SpawnProcess
    errors: Connection
    began: float = field(default_factory=time.monotonic)

    def request_stop(self) -> None:
        assert self.process.pid is not None
        os.kill(self.process.pid, STOP_SIGNAL)


def run_processes(
    work: Work, job: object, count: int, stop: Stop, look: Callable[[], None]
) -> None:
    """Run `count` worker processes until all are done; one that is killed is replaced.

    Args:
        work: A function of a module, called with `job` and the process's own `Stop`.
        job: What can be pickled.
        count: Processes; the cores are divided between them.
        stop: Passed on to the workers once it is requested.
        look: Called about twice a second.

    Raises:
        UserError: What a worker raised, or that workers die as soon as they are begun.
        KeyboardInterrupt: Raised by a second Ctrl-C, after which no worker is alive.
    """
    workers: dict[int, _Worker] = {}
    failed_starts, stopping = 0, False
    problem: str | None = None

    def begin(place: int) -> None:
        with stop.shield():  # a worker that is started must be known, to be ended
            workers[place] = _begin(work, job, place, count)
        stop.check()

    try:
        for place in range(count):
            if not stop.requested:
                begin(place)
        while workers:
            time.sleep(PAUSE)
            look()
            if (stop.requested or problem) and not stopping:
                stopping = True
                for worker in workers.values():
                    worker.request_stop()
            for place, worker in list(workers.items()):
                if worker.process.is_alive():
                    continue
                del workers[place]
                error, code = _error_of(worker.errors), worker.process.exitcode
                worker.errors.close()
                if error is not None:
                    problem = problem or error
                elif code and not (stopping or stop.requested):
                    logger.warning("a worker %s; another takes its place", _ended(code))
                    early = time.monotonic() - worker.began < AT_ONCE
                    failed_starts = failed_starts + 1 if early and 0 < code < STATUS else 0
                    if failed_starts == FAILED_STARTS:
                        problem = f"{FAILED_STARTS} workers in a row died at once, status {code}."
                    else:
                        begin(place)
    finally:
        for worker in workers.values():
            worker.process.kill()
        for worker in workers.values():
            worker.process.join()
    if problem:
        raise UserError(problem)


def _ended(code: int) -> str:
    """How a worker ended, in words, from its exit status."""
    number = -code if code < 0 else code - STATUS
    if number not in list(signal.Signals):
        return f"ended with status {code}"
    return f"was ended by {signal.Signals(number).name}"


def _begin(work: Work, job: object, place: int, count: int) -> _Worker:
    context = multiprocessing.get_context("spawn")  # database connections do not survive a fork
    ours, theirs = context.Pipe(duplex=False)
    threads = max(1, len(os.sched_getaffinity(0)) // count)
    process = context.Process(
        target=_work, args=(work, job, theirs, threads, os.getpid()), name=f"worker-{place}"
    )
    surroundings = environment() | {"OMP_NUM_THREADS": str(threads)}  # read with the libraries
    if torch.cuda.is_available():
        surroundings["CUDA_VISIBLE_DEVICES"] = _card(place)
    resource_tracker.ensure_running()  # begun with the first worker, it would unblock the signal
    with _environment(surroundings), _blocked_for_children(signal.SIGINT):
        process.start()
    theirs.close()
    return _Worker(process, ours)


def _work(work: Work, job: object, errors: Connection, threads: int, parent: int) -> None:
    stop = Stop(parent)
    prepare()
    for number in (
        signal.SIGINT,
        signal.SIGHUP,
    ):  # a terminal sends them to all
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
    signal.signal(STOP_SIGNAL, lambda *_: stop.request())
    signal.signal(signal.SIGTERM, lambda *_: stop.on_signal(signal.SIGTERM))
    outlast_readers()
    torch.set_num_threads(threads)
    try:
        if not stop.requested:  # the parent may be gone already
            work(job, stop)
    except UserError as error:
        errors.send(str(error))
        sys.exit(2)
    except Interrupted as error:
        sys.exit(STATUS + error.number)
    if stop.number is not None:
        sys.exit(STATUS + stop.number)


@contextlib.contextmanager
def _blocked_for_children(number: signal.Signals) -> Iterator[None]:
    """Block a signal for a child that is started, until it has its own handler; here it only waits.

    Else a terminal's Ctrl-C would end the child with a traceback out of its imports.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [number])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _error_of(errors: Connection) -> str | None:
    """The error that an ended worker has sent."""
    try:
        return str(errors.recv())
    except (EOFError, OSError):  # none was sent, or it was killed meanwhile
        return None


def _card(place: int) -> str:
    """The GPU that a worker sees: they take turns."""
    listed = os.environ.get("CUDA_VISIBLE_DEVICES")
    cards = listed.split(",") if listed else [str(i) for i in range(torch.cuda.device_count())]
    return cards[place % len(cards)]


@contextlib.contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
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
