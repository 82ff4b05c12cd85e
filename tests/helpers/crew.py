"""What the workers of tests/test_workers.py do; a module, since other processes import it."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import torch
from process_state import state

from vlatent.command_line import run
from vlatent.runtime.interruption import Stop, gentle_interruption
from vlatent.runtime.ray_tasks import run_ray
from vlatent.runtime.settings import WorkSettings
from vlatent.runtime.workers import run_processes
from vlatent.shapes import UserError


class Settings(WorkSettings):
    section = "crew"


def until_stopped(folder: Path, stop: Stop) -> None:
    """Leave a file that says who works with how many threads; end in good order when asked."""
    (folder / f"began-{os.getpid()}").write_text(str(torch.get_num_threads()))
    while not stop.requested:
        if (folder / "enough").exists():
            return
        time.sleep(0.05)
    (folder / f"ended-{os.getpid()}").touch()


def says_its_state(folder: Path, stop: Stop) -> None:
    (folder / f"began-{os.getpid()}").write_text(json.dumps(state()))


def complains(folder: Path, stop: Stop) -> None:
    raise UserError("the disk is full")


def dies_at_once(folder: Path, stop: Stop) -> None:
    (folder / f"began-{os.getpid()}").touch()
    os._exit(3)


def never_ends(folder: Path, stop: Stop) -> None:
    (folder / f"began-{os.getpid()}").touch()
    time.sleep(1000)


def main() -> None:
    """What a command with two workers does: python crew.py WORK FOLDER; or with one, on Ray."""
    stop, work, folder = Stop(), globals()[sys.argv[1]], Path(sys.argv[2])

    def look() -> None:
        with (folder / "looks").open("a") as looks:
            looks.write(".")

    with gentle_interruption(stop, "Ending."):
        if sys.argv[3:]:
            settings = Settings(storage="", retries=0, cpus=0.5)
            run_ray(work, folder, settings, stop, look)
        else:
            run_processes(work, folder, 2, stop, look)
    print("all workers are done", flush=True)


if __name__ == "__main__":
    import crew

    run(lambda _: crew.main())
