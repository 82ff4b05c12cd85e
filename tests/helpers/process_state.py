"""What a process has changed for itself, read by tests/test_host_process.py in other processes."""

from __future__ import annotations

import ctypes
import os
import signal


def state() -> tuple[int, str | None, bool]:
    """Whether a large piece of memory is mapped, how threads wait, whether Ctrl-C is Python's.

    mallinfo2 counts the pieces that malloc has asked of the system instead of its own store.
    """

    class Info(ctypes.Structure):
        _fields_ = [(f"field{index}", ctypes.c_size_t) for index in range(10)]

    libc = ctypes.CDLL(None)
    libc.mallinfo2.restype = Info
    libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
    before = libc.mallinfo2().field3
    piece = libc.malloc(ctypes.c_size_t(64 << 20))
    mapped = libc.mallinfo2().field3 - before
    libc.free(piece)
    ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    return mapped, os.environ.get("OMP_WAIT_POLICY"), ours
