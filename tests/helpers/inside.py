"""A command run in this process: what it prints and its status, without the seconds of a start."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from vlatent.command_line import run


def inside(
    folder: Path, main: Callable[[Sequence[str]], int | None], *arguments: str
) -> subprocess.CompletedProcess[str]:
    """The same as a process begun in that folder, as far as a test can tell."""
    out, err, here = io.StringIO(), io.StringIO(), Path.cwd()
    status: object = None
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        os.chdir(folder)
        try:
            run(lambda _: main(arguments))
        except SystemExit as end:
            status = end.code
        finally:
            os.chdir(here)
    return subprocess.CompletedProcess(
        arguments, status if isinstance(status, int) else 0, out.getvalue(), err.getvalue()
    )
