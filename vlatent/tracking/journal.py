"""What waits on disk until the store is back."""

from __future__ import annotations

import fcntl
import itertools
import json
import os
from collections.abc import Iterator
from pathlib import Path

from vlatent.tracking.calls import Call


class Journal:
    """The calls that the store has not taken yet, a line of JSON each, in their order.

    It is only ever appended to or removed as a whole: as calls may be delivered twice without
    harm, a process that is killed at any moment leaves at most one unfinished line. Whoever writes
    or delivers it holds its lock.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.delivered = 0
        self._lock: int | None = None

    def exists(self) -> bool:
        return self._lock is not None

    def adopt(self) -> bool:
        """Take over what an ended process has left; False when it has left nothing.

        Raises:
            BlockingIOError: The process still lives.
        """
        if not self.path.is_file():
            return False
        self._open()
        content = self.path.read_bytes()
        os.truncate(self.path, content.rfind(b"\n") + 1)
        return True

    def append(self, *calls: Call) -> None:
        if self._lock is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._open()
        size = self.path.stat().st_size
        try:
            with self.path.open("ab") as file:
                file.writelines(json.dumps(call).encode() + b"\n" for call in calls)
                file.flush()
                os.fsync(file.fileno())
        except OSError:  # a full disk must not leave half a line for the next call to go on with
            os.truncate(self.path, size)
            if size == 0:
                self.remove()
            raise

    def waiting(self) -> Iterator[Call]:
        with self.path.open("rb") as file:
            for line in itertools.islice(file, self.delivered, None):
                yield json.loads(line)

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)
        self.release()

    def release(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
        self._lock, self.delivered = None, 0

    def _open(self) -> None:
        lock = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            raise
        self._lock = lock


def journal_of(folder: Path, key: str) -> Journal:
    """The journal of the run that has this key."""
    return Journal(folder.absolute() / f"tracking-{key}.jsonl")


def journals(folder: Path, left: bool = False) -> list[Path]:
    """What waits on disk below a folder; if `left`, only what no living process will deliver."""
    files = sorted(folder.rglob("tracking-*.jsonl"))
    return [path for path in files if _is_left(path)] if left else files


def _is_left(path: Path) -> bool:
    journal = Journal(path)
    try:
        journal._open()
    except OSError:
        return False
    journal.release()
    return True
