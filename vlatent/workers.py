"""Workers: processes that do the same work side by side, here or on a Ray cluster."""

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
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from types import FrameType
from typing import Any

import torch

from vlatent.shapes import UserError

logger = logging.getLogger(__name__)

PAUSE = 0.5  # seconds between two looks at the workers
STILLBORN = 3  # workers in a row that died at once: then something is wrong with all of them
AT_ONCE = 20.0  # seconds


class Stop:
    """A wish to stop, which work heeds when it can do so without losing anything."""

    def __init__(self) -> None:
        self._wished = self._undisturbed = self._insisted = False
        self._parent = os.getppid()

    @property
    def wished(self) -> bool:
        """Whether to stop: asked for, or there is nobody left to work for."""
        return self._wished or os.getppid() != self._parent

    def wish(self) -> None:
        self._wished = True

    def insist(self) -> None:
        """Stop at once; the first time that work must not be disturbed, as soon as it heeds."""
        if not self._undisturbed or self._insisted:
            raise KeyboardInterrupt
        self._insisted = True

    @contextlib.contextmanager
    def undisturbed(self) -> Iterator[None]:
        """While books are opened or closed that would else stay open for ever."""
        self._undisturbed = True
        try:
            yield
        finally:
            self._undisturbed = False

    def heed(self) -> None:
        """Stop now if that was insisted on meanwhile."""
        if self._insisted:
            raise KeyboardInterrupt


# What every worker does: it returns when nothing is left to do, or soon after a stop is wished.
Work = Callable[[Any, Stop], None]


@contextlib.contextmanager
def gentle_interruption(stop: Stop, first: str) -> Iterator[None]:
    """The first Ctrl-C wishes for a stop and says so, the second insists on it."""

    def ask(_: int, __: FrameType | None) -> None:
        if stop.wished:
            stop.insist()
            return
        stop.wish()
        print(f"\n{first} Ctrl-C again stops at once.", file=sys.stderr, flush=True)

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, ask) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


@dataclass
class _Worker:
    process: SpawnProcess
    errors: Connection
    began: float = field(default_factory=time.monotonic)


def run_processes(
    work: Work, job: object, count: int, stop: Stop, look: Callable[[], None]
) -> None:
    """Let `count` processes work until all are done; one that is killed is replaced.

    Args:
        work: A function of a module, called with `job` and the process's own wish to stop.
        job: What can be pickled.
        count: Processes; the cores are divided between them.
        stop: Passed on to the workers once it is wished.
        look: Called about twice a second.

    Raises:
        UserError: What a worker raised, or that workers die as soon as they are begun.
        KeyboardInterrupt: Raised by a second Ctrl-C, after which no worker is alive.
    """
    workers: dict[int, _Worker] = {}
    stillborn, told = 0, False
    problem: str | None = None
    for place in range(count):
        workers[place] = _begin(work, job, place, count)
    try:
        while workers:
            time.sleep(PAUSE)
            look()
            if (stop.wished or problem) and not told:
                told = True
                for worker in workers.values():
                    worker.process.terminate()
            for place, worker in list(workers.items()):
                if worker.process.is_alive():
                    continue
                del workers[place]
                said = _said(worker.errors)
                if said is not None:
                    problem = problem or said
                elif worker.process.exitcode and not (told or stop.wished):
                    code = worker.process.exitcode
                    logger.warning("a worker ended with status %s; another takes its place", code)
                    early = time.monotonic() - worker.began < AT_ONCE
                    stillborn = stillborn + 1 if early and code > 0 else 0
                    if stillborn == STILLBORN:
                        problem = f"{STILLBORN} workers in a row died at once, status {code}."
                    else:
                        workers[place] = _begin(work, job, place, count)
                worker.errors.close()
    finally:
        for worker in workers.values():
            worker.process.kill()
        for worker in workers.values():
            worker.process.join()
    if problem:
        raise UserError(problem)


def _begin(work: Work, job: object, place: int, count: int) -> _Worker:
    context = multiprocessing.get_context("spawn")  # database connections do not survive a fork
    ours, theirs = context.Pipe(duplex=False)
    threads = max(1, len(os.sched_getaffinity(0)) // count)
    process = context.Process(
        target=_work, args=(work, job, theirs, threads), name=f"worker-{place}"
    )
    surroundings = {"OMP_NUM_THREADS": str(threads)}  # read when the libraries are loaded
    if torch.cuda.is_available():
        surroundings["CUDA_VISIBLE_DEVICES"] = _card(place)
    with _environment(surroundings):
        process.start()
    theirs.close()
    return _Worker(process, ours)


def _work(work: Work, job: object, errors: Connection, threads: int) -> None:
    stop = Stop()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all; the parent tells us
    signal.signal(signal.SIGTERM, lambda *_: stop.wish())
    torch.set_num_threads(threads)
    try:
        work(job, stop)
    except UserError as error:
        errors.send(str(error))
        sys.exit(2)


def _said(errors: Connection) -> str | None:
    """The error with which an ended worker ended."""
    try:
        return str(errors.recv())
    except (EOFError, OSError):  # it said nothing, or was killed while it spoke
        return None


def _card(place: int) -> str:
    """Which GPU a worker sees: they take turns."""
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


def run_ray(
    work: Work,
    job: object,
    count: int,
    stop: Stop,
    look: Callable[[], None],
    cpus: float,
    gpus: float,
) -> None:
    """The same as tasks of the Ray cluster that is running, or of one made here.

    Ray begins the task of a killed worker anew. A stop reaches the workers as an interruption.

    Raises:
        UserError: Ray is not installed, has no room for one worker, or a worker raised it.
    """
    try:
        import ray
    except ImportError:
        raise UserError(
            "study.launcher ray needs Ray: pip install 'vlatent[ray]', or leave it at processes."
        ) from None
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    try:
        ray.init("auto", **quiet)
    except ConnectionError:
        # A cluster of this machine alone must not listen to others, who could run code in it.
        ray._private.ray_constants.ENABLE_RAY_CLUSTER = False
        ray.init("local", include_dashboard=False, _node_ip_address="127.0.0.1", **quiet)
    room: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    if cpus > room.get("CPU", 0) or gpus > room.get("GPU", 0):
        raise UserError(
            f"a worker of {cpus:g} CPUs and {gpus:g} GPUs finds no room on this Ray cluster "
            f"({room.get('CPU', 0):g} CPUs, {room.get('GPU', 0):g} GPUs): lower --study.cpus or "
            "--study.gpus."
        )
    task = ray.remote(num_cpus=cpus, num_gpus=gpus, max_retries=-1)(_ray_work)
    here, path = str(Path.cwd()), [entry for entry in sys.path if entry]
    waiting = [task.remote(work, job, here, path, max(1, int(cpus))) for _ in range(count)]
    told, problem = False, None
    try:
        while waiting:
            done, waiting = ray.wait(waiting, timeout=PAUSE)
            look()
            for result in done:
                try:
                    problem = problem or ray.get(result)
                except (ray.exceptions.TaskCancelledError, ray.exceptions.RayTaskError) as error:
                    if not told:
                        raise UserError(f"a worker failed: {error}") from error
            if (stop.wished or problem) and not told:
                told = True
                for each in waiting:
                    ray.cancel(each)
    finally:
        for each in waiting:
            ray.cancel(each, force=True)
    if problem:
        raise UserError(problem)


def _ray_work(work: Work, job: object, here: str, path: list[str], threads: int) -> str | None:
    sys.path[:] = list(dict.fromkeys(path + sys.path))
    if Path(here).is_dir():
        os.chdir(here)  # relative places mean the same as where the study was begun
    torch.set_num_threads(threads)
    try:
        work(job, Stop())
    except UserError as error:
        return str(error)
    return None
