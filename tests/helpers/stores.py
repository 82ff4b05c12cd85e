"""What the tests of the record share: its rows as they lie in the database, and other processes."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))


def rows(database: Path, run_id: str | None) -> list[tuple[str, float, int]]:
    """All metric rows of a run, read without MLflow."""
    with contextlib.closing(sqlite3.connect(database)) as connection:
        return connection.execute(
            "select key, value, step from metrics where run_uuid = ? order by step, key", [run_id]
        ).fetchall()


def python(code: str, *arguments: object, cwd: Path) -> subprocess.Popen[str]:
    """A process of its own that has the module at hand."""
    program = f"import sys; sys.path.insert(0, {str(Path(__file__).parents[2])!r})\n{code}"
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        cwd=cwd,
        env={k: v for k, v in os.environ.items() if k != "MLFLOW_TRACKING_URI"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
