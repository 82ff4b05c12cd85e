"""Settings of a process that trains: how threads wait, what malloc keeps, what Ctrl-C does.

Commands and workers make them; importing the library changes nothing in its host process.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from types import FrameType

# Threads of one step wait for each other many times. Where cores are shared with others, waiting
# by spinning makes single steps many times as long, and sleeping costs next to nothing.
_WAITING = {"OMP_WAIT_POLICY": "passive"}

# Every step asks for the same large pieces of memory. glibc returns each to the system, which fills
# its pages with zeros for the next step; here it keeps what it has. Other systems have no mallopt.
_KEEP = {-4: 0, -1: 2**31 - 1}  # M_MMAP_MAX, M_TRIM_THRESHOLD of malloc.h


def environment() -> dict[str, str]:
    """Variables that a process must have before PyTorch is loaded; the user's own stand."""
    return {name: os.environ.get(name, value) for name, value in _WAITING.items()}


def prepare() -> None:
    """Set this process up for training; how threads wait is read when PyTorch is loaded."""
    os.environ.update(environment())
    if os.name == "posix" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        for option, value in _KEEP.items():
            libc.mallopt(option, value)


def prepare_command() -> None:
    """Prepare a command, which Ctrl-C ends at once until it has its own handler.

    A command imports for seconds first. Nothing is to be repaired by then, so it ends with one line
    instead of a traceback of its imports.
    """
    prepare()
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)


def prepare_module(package: str) -> None:
    """Prepare it where `python -m` runs the package or a module of it, and nothing elsewhere.

    `-m` stands in the place of the module's name until that is found.
    """
    if sys.argv[:1] == ["-m"]:
        module = sys.orig_argv[-len(sys.argv)].removeprefix("-m")
        if f"{module}.".startswith(f"{package}."):
            prepare_command()


def _end(number: int, _: FrameType | None) -> None:
    os.write(2, b"interrupted\n")
    os._exit(128 + number)
