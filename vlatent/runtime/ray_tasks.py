"""Workers as tasks of Ray: of a cluster that is shared, or of one that ends with its command."""

from __future__ import annotations

import logging
import os
import pickle
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from vlatent.runtime.interruption import Interrupted, Stop
from vlatent.runtime.process import prepare
from vlatent.runtime.settings import WorkSettings
from vlatent.runtime.workers import PAUSE, Work
from vlatent.shapes import UserError


def run_ray(
    work: Work,
    job: object,
    settings: WorkSettings,
    stop: Stop,
    look: Callable[[], None],
) -> None:
    """Run workers as tasks of the Ray cluster that is running, or of one started here.

    Ray restarts the task of a killed worker. A stop reaches the workers as an interruption.

    Raises:
        UserError: Ray is not installed, has no room for one worker, its cluster cannot be reached
            or has ended, or a worker raised it.
    """
    try:
        import ray
    except ImportError:
        raise UserError(
            f"{settings.section}.launcher ray needs Ray: pip install 'vlatent[ray]', or leave it "
            "at processes."
        ) from None
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    _join_or_make_cluster(ray)
    cpus, gpus = settings.cpus, settings.gpus
    room: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    if cpus > room.get("CPU", 0) or gpus > room.get("GPU", 0):
        raise UserError(
            f"a worker of {cpus:g} CPUs and {gpus:g} GPUs finds no room on this Ray cluster "
            f"({room.get('CPU', 0):g} CPUs, {room.get('GPU', 0):g} GPUs): lower "
            f"--{settings.section}.cpus or --{settings.section}.gpus."
        )
    remote = ray.remote(num_cpus=cpus, num_gpus=gpus, max_retries=-1)(_ray_work)
    here, path = str(Path.cwd()), [entry for entry in sys.path if entry]
    packed = pickle.dumps(job)  # unpacked where modules of the user's own are found
    waiting = [
        remote.remote(work, packed, here, path, max(1, int(cpus))) for _ in range(settings.workers)
    ]
    stopping, problem = False, None
    try:
        while waiting:
            done, waiting = ray.wait(waiting, timeout=PAUSE)
            look()
            for result in done:
                try:
                    problem = problem or ray.get(result)
                except ray.exceptions.LocalRayletDiedError:
                    raise UserError(
                        "the Ray cluster has ended; what is computed stays, and the same command "
                        "goes on from there."
                    ) from None
                except ray.exceptions.RayError as error:
                    if not stopping:
                        raise UserError(f"a worker failed: {error}") from error
            if (stop.requested or problem) and not stopping:
                stopping = True
                for task in waiting:
                    ray.cancel(task)
    finally:
        for task in waiting:
            ray.cancel(task, force=True)
    if problem:
        raise UserError(problem)


def _join_or_make_cluster(ray: ModuleType) -> None:
    """Connect to Ray, and keep the handler of SIGTERM, which Ray replaces.

    A cluster is joined that RAY_ADDRESS names or `ray start` began on this machine: those are there
    for everybody. Ray's "auto" would also find what another command has begun for itself alone,
    and ends with it.

    Raises:
        UserError: The cluster of RAY_ADDRESS cannot be reached.
    """
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    handler = signal.getsignal(signal.SIGTERM)
    named = os.environ.get("RAY_ADDRESS")
    try:
        if named or ray._private.utils.read_ray_address():
            try:
                ray.init(**quiet)
                return
            except ConnectionError as error:
                if named:
                    raise UserError(
                        f"RAY_ADDRESS {named} cannot be reached ({error}); start the cluster, or "
                        "unset RAY_ADDRESS."
                    ) from None
                # Else it was never ended by `ray stop`, and has left its address.
        # A cluster of this machine alone must not listen to others, who could run code in it.
        ray._private.ray_constants.ENABLE_RAY_CLUSTER = False
        ray.init("local", include_dashboard=False, _node_ip_address="127.0.0.1", **quiet)
    except SystemExit:  # its answer to a SIGTERM
        raise Interrupted(signal.SIGTERM) from None
    finally:
        signal.signal(signal.SIGTERM, handler)


def _ray_work(work: Work, packed: bytes, here: str, path: list[str], threads: int) -> str | None:
    prepare()
    sys.path[:] = list(dict.fromkeys(path + sys.path))
    if Path(here).is_dir():
        os.chdir(here)  # relative places mean the same as where the study was begun
    torch.set_num_threads(threads)
    try:
        work(pickle.loads(packed), Stop())
    except UserError as error:
        return str(error)
    return None
