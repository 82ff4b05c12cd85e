"""Locks that processes share: one holder at a time, none once it is dead, frozen or vanished."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import sqlalchemy
from filelock import FileLock, Timeout

from vlatent.runtime import databases
from vlatent.runtime.addresses import file_of
from vlatent.runtime.databases import connection_settings, patient
from vlatent.shapes import UserError


@contextlib.contextmanager
def alone(url: str) -> Iterator[None]:
    """One process at a time may make the tables of a database: two would both make each of them.

    Others wait, with a server wherever they run, with a file on the same machine.
    """
    if url.startswith("postgresql"):
        with DatabaseLock(url, "tables"):
            yield
    else:
        folder = os.open(file_of(url).parent, os.O_RDONLY)  # can be locked, leaves no file behind
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)


class Lock(Protocol):
    """Held by one process at a time, and by none once its holder is dead.

    Attributes:
        held: Whether it is still ours: a server takes it from a process that was frozen.
    """

    @property
    def held(self) -> bool: ...

    def acquire(self) -> object: ...

    def release(self) -> None: ...

    def __enter__(self) -> object: ...

    def __exit__(self, *_: Any) -> None: ...


class DatabaseLock:
    """A lock that a PostgreSQL server keeps for as long as its holder gives signs of life.

    It frees the lock at once when the holder's connection ends, and after LEASE seconds of silence
    when the holder was frozen or its machine has vanished. One that goes on later finds that the
    lock is no longer `held`.
    """

    def __init__(self, url: str, name: str, setting: str | None = None) -> None:
        """A lock that nobody holds yet.

        Args:
            url: The server.
            name: Name of the lock.
            setting: The key that names the server, which is waited for; None does not wait.
        """
        settings = connection_settings(url, idle_session_timeout=1000 * databases.LEASE)
        engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool, connect_args=settings)
        # The server counts silence only outside of transactions.
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:7])
        self._connection: sqlalchemy.Connection | None = None
        self._guard = threading.Lock()  # of the connection
        self._over = threading.Event()
        self._ask = patient(self._asked, setting) if setting else self._asked

    def acquire(self) -> None:
        self._keep(self._ask("pg_advisory_lock"))

    def try_acquire(self) -> bool:
        """Take it if it is free."""
        self._keep(self._ask("pg_try_advisory_lock"))
        return self._connection is not None

    def release(self) -> None:
        self._over.set()
        with self._guard:
            if self._connection is not None:
                _drop(self._connection)
            self._connection = None

    @property
    def held(self) -> bool:
        with self._guard:
            if self._connection is None:
                return False
            try:
                self._connection.execute(sqlalchemy.text("SELECT 1"))
            except sqlalchemy.exc.SQLAlchemyError:
                _drop(self._connection)  # else it would connect again, without the lock
                self._connection = None
            return self._connection is not None

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()

    def _keep(self, connection: sqlalchemy.Connection | None) -> None:
        """Give signs of life for as long as the lock is held."""
        self._connection = connection
        self._over = over = threading.Event()

        def give_signs() -> None:
            while not over.wait(databases.LEASE / 6) and self.held:
                pass

        if connection is not None:
            threading.Thread(target=give_signs, daemon=True).start()

    def _asked(self, function: str) -> sqlalchemy.Connection | None:
        connection = self._engine.connect()
        try:
            query = sqlalchemy.text(f"SELECT {function}({self._key})")
            held = connection.execute(query).scalar() is not False
        except BaseException:
            _drop(connection)
            raise
        if not held:
            connection.close()
        return connection if held else None


def _drop(connection: sqlalchemy.Connection) -> None:
    """End a connection, which may be broken; that is what unlocks."""
    connection.invalidate()
    connection.close()


class PlaceLock(FileLock):
    """A lock on a file, for processes that see the same disk."""

    @property
    def held(self) -> bool:
        return bool(self.is_locked)

    def acquire(self, *arguments: Any, **keywords: Any) -> Any:
        """Take it.

        Raises:
            UserError: Its file cannot be made or written.
        """
        try:
            return super().acquire(*arguments, **keywords)
        except Timeout:
            raise
        except OSError as error:
            room = error.errno == errno.ENOSPC
            way_out = "free some space" if room else "get the right to write there"
            raise UserError(
                f"the lock {self.lock_file} cannot be taken ({error.strerror}); {way_out}, or name "
                "a database in another folder."
            ) from error

    def try_acquire(self) -> bool:
        """Take it if it is free."""
        try:
            self.acquire(blocking=False)
        except Timeout:
            return False
        return True


def shared_lock(url: str, name: str, file: Path | None, setting: str) -> DatabaseLock | PlaceLock:
    """A lock for everybody who shares a database, which nobody holds yet.

    Args:
        url: The database.
        name: Name of the lock on a server, which keeps it itself.
        file: What is locked beside a database that is a file, on which nobody else relies.
        setting: The key that names the database.
    """
    return DatabaseLock(url, name, setting) if file is None else PlaceLock(file)
