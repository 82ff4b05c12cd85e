"""Which process writes a run, and whether it still lives."""

from __future__ import annotations

import os
import socket
from pathlib import Path

PROCESS = "vlatent.process"  # the label of a run


def this_process() -> str:
    """This process, as one of another time or place can ask for it: host, machine and so on."""
    began = _began(os.getpid()) or "?"
    return " ".join((*_place(), *_session(), str(os.getpid()), began))


def own_label() -> dict[str, str]:
    """The label of a run that this process writes, or goes on with."""
    return {PROCESS: this_process()}


def host_of(process: str | None) -> str:
    """The host of a process, as its label says."""
    return process.split()[0] if process else "unknown"


def is_gone(process: str | None) -> bool | None:
    """Whether a process has ended; None where that cannot be known from here.

    Of another machine, or from within another container, nothing can be known.
    """
    parts = (process or "").split()
    if len(parts) != 6 or tuple(parts[:2]) != _place():
        return None
    boot, space = _session()
    if parts[2] != boot:
        return True  # the machine was started again since
    if parts[3] != space:
        return None
    return _began(int(parts[4])) not in (parts[5], "?")


def lives(pid: int) -> bool:
    """Whether this machine has a process of this number."""
    return _began(pid) is not None


def _place() -> tuple[str, str]:
    return socket.gethostname(), _read("/etc/machine-id")


def _session() -> tuple[str, str]:
    """The machine's last start, and the room in which process numbers are counted."""
    try:
        space = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        space = "?"
    return _read("/proc/sys/kernel/random/boot_id"), space


def _began(pid: int) -> str | None:
    """When a process began, in ticks of this machine; None when it is gone, or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return None
        except PermissionError:
            pass
        return "?"  # it is hidden from us
    return None if fields[0] == "Z" else fields[19]


def _read(file: str) -> str:
    try:
        return Path(file).read_text().strip()[:8] or "?"
    except OSError:
        return "?"
