"""Databases that many processes share: patience while one is away, and locks."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import logging
import os
import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ParamSpec, Protocol, TypeVar
from urllib.parse import unquote

import sqlalchemy
from filelock import FileLock, Timeout
from sqlalchemy import event

from vlatent.shapes import UserError

logger = logging.getLogger(__name__)

PATIENCE = 900.0  # seconds for which a database may be away before a worker gives up
PAUSE = 0.5  # seconds between two attempts

# How SQLAlchemy and the drivers call a connection that was cut off.
CUT_OFF = {"OperationalError", "InterfaceError", "PendingRollbackError"}

# User and password of an address: to the last @, as a password may hold one that is not escaped.
PASSWORD = re.compile(r"(?<=://)([^\s/:@]*):(\S*)@")
QUERY = re.compile(r"([?&]\w*(?:password|passwd|secret|token)\w*=)[^&\s]*", re.IGNORECASE)

P = ParamSpec("P")
R = TypeVar("R")


def patient(
    method: Callable[P, R], setting: str, done: dict[type[Exception], Any] | None = None
) -> Callable[P, R]:
    """The method, tried again while its database does not answer.

    Args:
        method: What is tried.
        setting: The key that names the database, for the warning.
        done: Errors that mean, at another attempt, that one whose answer was lost had done it,
            and what it would have answered.
    """
    done = done or {}

    @functools.wraps(method)
    def wait_for_it(*arguments: P.args, **keywords: P.kwargs) -> R:
        end = None
        while True:
            try:
                return method(*arguments, **keywords)
            except Exception as error:
                if type(error) in done and end is not None:
                    return done[type(error)]
                if not away(error) or (end is not None and time.monotonic() > end):
                    raise
                if end is None:
                    end = time.monotonic() + PATIENCE
                    logger.warning("%s does not answer (%s); waiting", setting, reason(error))
                time.sleep(PAUSE)

    return wait_for_it


def away(error: BaseException) -> bool:
    """Whether the database could not be reached, rather than refused what it was told."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, sqlite3.OperationalError):  # also what it says of a full disk
            return "locked" in str(cause)
        names = {kind.__name__ for kind in type(cause).__mro__}
        of_sqlite = isinstance(getattr(cause, "orig", None), sqlite3.Error)
        if names & CUT_OFF and not of_sqlite:
            return True
        cause = cause.__cause__
    return False


def reason(error: BaseException) -> str:
    """The first line of what lies at the root of an error, without passwords."""
    while error.__cause__ is not None:
        error = error.__cause__
    return shown((str(error).strip() or type(error).__name__).splitlines()[0])


def engine_arguments(url: str) -> dict[str, Any]:
    """What SQLAlchemy has to know of this kind of database; for SQLite see `immediate`."""
    if is_file(url):
        return {"connect_args": {"timeout": 60, "isolation_level": None}}
    return {"pool_pre_ping": True, "connect_args": {"connect_timeout": 5}}


def immediate(engine: sqlalchemy.Engine) -> None:
    """Let SQLite take its lock before it reads, so that no two processes take the same thing.

    It begins a transaction only at the first write, so two workers could both read a thing as
    free. Every process must do this by itself: the listener does not survive pickling.
    """
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))


@contextlib.contextmanager
def alone(url: str) -> Iterator[None]:
    """One process at a time may make the tables of a database: two would both make each of them.

    Others wait, with a server wherever they run, with a file on the same machine.
    """
    if url.startswith("postgresql"):
        engine = sqlalchemy.create_engine(
            url, poolclass=sqlalchemy.NullPool, **engine_arguments(url)
        )
        with engine.begin() as connection:
            connection.execute(sqlalchemy.text("SELECT pg_advisory_xact_lock(20261)"))
            yield
    else:
        folder = os.open(file_of(url).parent, os.O_RDONLY)  # can be locked, leaves no file behind
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)


class Lock(Protocol):
    """Held by one process at a time, and by none once its holder is dead."""

    def acquire(self) -> object: ...

    def release(self) -> None: ...

    def __enter__(self) -> object: ...

    def __exit__(self, *_: Any) -> None: ...


class DatabaseLock:
    """A lock that a PostgreSQL server keeps for as long as its holder is connected."""

    def __init__(self, url: str, name: str, setting: str) -> None:
        self._engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
        self._key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:7])
        self._connection: sqlalchemy.Connection | None = None
        self._ask = patient(self._asked, setting)

    def acquire(self) -> None:
        self._connection = self._ask("pg_advisory_lock")

    def try_acquire(self) -> bool:
        """Take it if it is free."""
        self._connection = self._ask("pg_try_advisory_lock")
        return self._connection is not None

    def release(self) -> None:
        if self._connection is not None:
            self._connection.invalidate()  # closing it is what unlocks; it may be broken
            self._connection.close()
        self._connection = None

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()

    def _asked(self, function: str) -> sqlalchemy.Connection | None:
        connection = self._engine.connect()
        try:
            query = sqlalchemy.text(f"SELECT {function}({self._key})")
            held = connection.execute(query).scalar() is not False
        except BaseException:
            connection.invalidate()
            connection.close()
            raise
        if not held:
            connection.close()
        return connection if held else None


class PlaceLock(FileLock):
    """A lock on a file, for processes that see the same disk."""

    def try_acquire(self) -> bool:
        """Take it if it is free."""
        try:
            self.acquire(blocking=False)
        except Timeout:
            return False
        return True


def shown(text: str) -> str:
    """An address, or words with addresses in them, with *** for every password."""
    return QUERY.sub(r"\1***", PASSWORD.sub(r"\1:***@", text))


def without_password(url: str) -> str:
    """The address to write down: whoever uses it takes the password from elsewhere.

    PostgreSQL's clients from ~/.pgpass or PGPASSWORD, MLflow's from MLFLOW_TRACKING_PASSWORD.
    """
    place, mark, query = PASSWORD.sub(r"\1@", url).partition("?")
    kept = "&".join(part for part in query.split("&") if not QUERY.match(f"?{part}"))
    return f"{place}{mark}{kept}" if kept else place


def credentials(url: str) -> dict[str, str]:
    """Environment in which another process finds the password that its command does not show."""
    found = PASSWORD.search(url)
    if found is None:
        return {}
    user, password = unquote(found[1]), unquote(found[2])
    if url.startswith("postgresql"):
        return {"PGPASSWORD": password}
    return {"MLFLOW_TRACKING_USERNAME": user, "MLFLOW_TRACKING_PASSWORD": password}


def check_address(setting: str, url: str) -> None:
    """Refuse what is no address of a database that processes can share.

    Raises:
        UserError: It cannot be read, is neither SQLite nor PostgreSQL, or lies in memory.
    """
    way_out = (
        "write sqlite:///FILE.db for a file, postgresql+psycopg://user@host/database for a server"
    )
    try:
        made = sqlalchemy.make_url(url)
    except (sqlalchemy.exc.ArgumentError, ValueError):  # of a port that is no number
        raise UserError(f"{setting} {shown(url)} is no address of a database; {way_out}") from None
    if not url.startswith(("sqlite", "postgresql")):
        raise UserError(
            f"{setting} {shown(url)} cannot be used: it is neither a SQLite file nor a PostgreSQL "
            f"server; {way_out}"
        )
    password = PASSWORD.search(url)
    if password and re.search(r"[@/?#]", password[2]):  # part of it would be read as the host
        raise UserError(
            f"{setting} {shown(url)} has a password with @, /, ? or # in it: write %40, %2F, %3F "
            "or %23, or leave the password to PGPASSWORD or ~/.pgpass"
        )
    in_memory = made.database in (None, "", ":memory:") or "memory" in made.query.values()
    if is_file(url) and in_memory:
        raise UserError(
            f"{setting} {shown(url)} lies in memory, where no other process sees it; {way_out}"
        )


def place_of(url: str) -> str:
    """The database's address, the same in whichever directory it is named, without password."""
    return str(file_of(url)) if is_file(url) else without_password(url)


def is_file(url: str) -> bool:
    return url.startswith("sqlite")


def file_of(url: str) -> Path:
    """The file of a SQLite database."""
    return Path(sqlalchemy.make_url(url).database or "").absolute()


def file_url(file: Path) -> str:
    """The address of a SQLite file; a ? or a % in its name is part of no query and no escape."""
    return sqlalchemy.URL.create("sqlite", database=str(file.absolute())).render_as_string()


def beside(url: str, ending: str) -> Path:
    """The file beside a SQLite database that has its name and this ending."""
    file = file_of(url)
    return file.with_name(f"{file.name}.{ending}")
