"""Standard output and errors that never cost a run, whoever reads them."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

GONE = (errno.EPIPE, errno.EIO)  # the reader of a pipe had enough, a terminal was closed


class _Outlet(io.FileIO):
    """Takes whatever is written; what cannot be written is dropped."""

    warned = False

    def write(self, content: ReadableBuffer, /) -> int:
        try:
            return super().write(content)
        except OSError as error:
            if error.errno not in GONE and not _Outlet.warned:
                _Outlet.warned = True
                warning = f"warning: what is printed is lost ({error.strerror}); the work goes on\n"
                with contextlib.suppress(OSError):
                    os.write(2, warning.encode())
            return memoryview(content).nbytes


def outlast_readers() -> None:
    """Let work go on when what it prints is read no more, or has letters that cannot be shown.

    Only the process's own streams are changed, not what a caller has put in their place.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper) and stream is getattr(sys, f"__{name}__"):
            stream.flush()
            lasting = io.TextIOWrapper(
                io.BufferedWriter(_Outlet(stream.fileno(), "w", closefd=False)),
                encoding=stream.encoding,
                errors="backslashreplace",
                line_buffering=stream.line_buffering or stream.write_through,
            )
            setattr(sys, name, lasting)
