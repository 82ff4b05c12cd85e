"""Databases that many processes share: waiting while one is away, one clear line when one fails."""

from __future__ import annotations

import contextlib
import functools
import itertools
import logging
import os
import shlex
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn, ParamSpec, TypeVar

import sqlalchemy
from sqlalchemy import event
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_after_attempt,
    stop_after_delay,
    wait_fixed,
)

from vlatent.runtime.addresses import check_address, file_of, is_file, shown
from vlatent.shapes import UserError

logger = logging.getLogger(__name__)

PATIENCE = 900.0  # seconds for which a database may be away before a worker gives up
PAUSE = 0.5  # seconds between two attempts
ATTEMPTS = 10  # at making tables that another program makes at the same moment
LEASE = 60  # seconds without a sign of life after which a server frees what somebody holds

# How SQLAlchemy and the drivers call a connection that was cut off.
CUT_OFF = {
    "OperationalError",
    "InterfaceError",
    "PendingRollbackError",
    "IdleInTransactionSessionTimeout",  # of who was frozen in the middle of one
}

# What a PostgreSQL server refuses with FATAL although it will take the same later.
PASSING = ("starting", "shutting", "recovery", "accepting", "administrator", "too many", "slots")

P = ParamSpec("P")
R = TypeVar("R")


def patient(
    method: Callable[P, R],
    setting: str,
    done: Mapping[type[Exception], Any] | None = None,
    first: bool = False,
) -> Callable[P, R]:
    """Wrap a method so that it is tried again while its database does not answer.

    Args:
        method: The method.
        setting: The key that names the database, for the warning.
        done: Errors of a second attempt that mean that the first one had succeeded and only its
            answer was lost, and what it would have answered.
        first: Whether nothing has shown yet that the address is right: a wrong one is an error at
            once.

    Raises:
        UserError: The database was away for too long.
    """
    lost = dict(done or {})

    def worth_waiting(error: BaseException) -> bool:
        return away(error) and not (first and refused(error))

    def warn(state: RetryCallState) -> None:
        if state.attempt_number == 1:
            logger.warning(
                "%s does not answer (%s); waiting for it for up to %.0f minutes, Ctrl-C ends that",
                *(setting, reason(_error(state)), PATIENCE / 60),
            )

    def give_up(state: RetryCallState) -> NoReturn:
        raise UserError(
            f"{setting} did not answer for {PATIENCE / 60:.0f} minutes "
            f"({reason(_error(state))}); start its server, then run the same command again."
        ) from _error(state)

    @functools.wraps(method)
    def wait_for_it(*arguments: P.args, **keywords: P.kwargs) -> R:
        attempts = itertools.count(1)

        def attempt() -> R:
            number = next(attempts)
            try:
                return method(*arguments, **keywords)
            except tuple(lost) as error:
                if number == 1:
                    raise
                return lost[type(error)]

        retrying = Retrying(
            retry=retry_if_exception(worth_waiting),
            wait=wait_fixed(PAUSE),
            stop=stop_after_delay(PATIENCE),
            before_sleep=warn,
            retry_error_callback=give_up,
        )
        return retrying(attempt)

    return wait_for_it


def _error(state: RetryCallState) -> BaseException:
    error = state.outcome.exception() if state.outcome else None
    assert error is not None
    return error


def opened(setting: str, url: str, opening: Callable[[], R]) -> R:
    """Open a database, waiting for its server if that is away.

    It is opened again when another program, which knows none of our locks, made its tables
    meanwhile.

    Args:
        setting: The key that names the database.
        url: Address of the database.
        opening: Opens it, and makes its tables where there are none.

    Raises:
        UserError: The address is wrong, or the database cannot be used.
    """
    check_address(setting, url)
    making = Retrying(
        retry=retry_if_exception(made_meanwhile),
        wait=wait_fixed(PAUSE),
        stop=stop_after_attempt(ATTEMPTS),
        reraise=True,
    )
    try:
        with explained(setting, url):
            return patient(functools.partial(making, opening), setting, first=True)()
    except UserError:
        raise
    except Exception as error:  # SQLAlchemy, drivers and the system each raise their own
        missing = isinstance(error, ModuleNotFoundError)
        way_out = "pip install 'vlatent[postgresql]', and " if missing else ""
        raise UserError(
            f"{setting} {shown(url)} cannot be used ({reason(error)}); {way_out}write "
            "postgresql+psycopg://user@host/database for a server, sqlite:///FILE.db for a file."
        ) from None


def made_meanwhile(error: BaseException) -> bool:
    """Whether a table or its first row was there by the time at which it was to be made."""
    if not isinstance(error, sqlalchemy.exc.DBAPIError):
        return False
    exists = getattr(error.orig, "sqlstate", None) in EXISTS or "already exists" in str(error.orig)
    return exists or isinstance(error, sqlalchemy.exc.IntegrityError)


# PostgreSQL, whose words depend on its language: duplicate table, duplicate type.
EXISTS = {"42P07", "42710"}


def away(error: BaseException) -> bool:
    """Whether the database could not be reached; one that refuses a query is not away."""
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


def refused(error: BaseException) -> bool:
    """Whether an address is wrong, and stays wrong: its host, its database or its password."""
    said = reason(error)
    if "failed to resolve" in said or "could not translate" in said:
        return "Temporary" not in said
    return "FATAL" in said and not any(word in said for word in PASSING)


@contextlib.contextmanager
def explained(setting: str, url: str) -> Iterator[None]:
    """Turn the error of a database that is there, but cannot do its work, into one line.

    Raises:
        UserError: It is damaged, its disk is full, or it may be read but not written.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        wrong = ailment(error, url)
        if wrong is None:
            raise
        raise UserError(f"{setting} {shown(url)} {wrong}") from error


def ailment(error: BaseException, url: str) -> str | None:
    """The fault of a database and its remedy; None for errors of another kind."""
    while cause := error.__cause__ or error.__context__:
        error = cause
    said = reason(error)
    if isinstance(error, sqlite3.Error):
        name = getattr(error, "sqlite_errorname", "")  # none where the driver itself complains
    else:
        name = CODES.get(getattr(error, "sqlstate", None) or "", "")
    if name.startswith(("SQLITE_FULL", "SQLITE_IOERR")):
        return f"cannot be written ({said}); free some space, then run the same command again."
    if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")):
        what = "the file and its folder" if is_file(url) else "its tables"
        return f"cannot be written ({said}); get the right to write {what}, or name another."
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        backup = f"is damaged ({said}); put its backup back"
        if not is_file(url):
            return f"{backup}."
        file = str(file_of(url))
        return f"{backup}, or begin anew after: {shlex.join(['mv', file, f'{file}.damaged'])}"
    return None


# The same in PostgreSQL: disk full, read-only transaction, insufficient privilege, data corrupted.
CODES = {
    "53100": "SQLITE_FULL",
    "25006": "SQLITE_READONLY",
    "42501": "SQLITE_PERM",
    "XX001": "SQLITE_CORRUPT",
}


def reason(error: BaseException) -> str:
    """The first line of what lies at the root of an error, without passwords."""
    while error.__cause__ is not None:
        error = error.__cause__
    return shown((str(error).strip() or type(error).__name__).splitlines()[0])


def engine_arguments(url: str) -> dict[str, Any]:
    """SQLAlchemy's arguments for an engine of this kind of database; for SQLite see `immediate`."""
    if is_file(url):
        return {"connect_args": {"timeout": 60, "isolation_level": None}}
    return {"pool_pre_ping": True, "connect_args": connection_settings(url)}


def connection_settings(url: str, **more: int) -> dict[str, str]:
    """Timeouts of both ends of a connection to PostgreSQL, so that neither waits for hours.

    By itself either end would notice only after two hours that the other's machine has vanished.
    A transaction that its process leaves open, as it was frozen, is ended: it locks rows.

    Args:
        url: The address; options that it has itself stay.
        more: Settings of the server for this connection, in milliseconds.
    """
    idle, pause, count = LEASE // 2, max(LEASE // 6, 1), 3
    of_server = {
        "tcp_keepalives_idle": idle,
        "tcp_keepalives_interval": pause,
        "tcp_keepalives_count": count,
        "tcp_user_timeout": 1000 * LEASE,
        "idle_in_transaction_session_timeout": 1000 * LEASE,
    }
    given = sqlalchemy.make_url(url).query.get("options", "")
    options = [f"-c {name}={value}" for name, value in (of_server | more).items()]
    return {
        "connect_timeout": "5",
        "keepalives": "1",
        "keepalives_idle": str(idle),
        "keepalives_interval": str(pause),
        "keepalives_count": str(count),
        "tcp_user_timeout": str(1000 * LEASE),
        "options": " ".join([*options, *([given] if isinstance(given, str) else given)]).strip(),
    }


def immediate(engine: sqlalchemy.Engine) -> None:
    """Let SQLite take its lock before it reads, so that no two processes take the same thing.

    It begins a transaction only at the first write, so two workers could both read a thing as
    free. Every process must do this by itself: the listener does not survive pickling. A file
    that cannot be written can still be read.
    """
    file = engine.url.database or ""

    def begin(connection: sqlalchemy.Connection) -> None:
        how = "IMMEDIATE" if os.access(file, os.W_OK) else "DEFERRED"
        connection.exec_driver_sql(f"BEGIN {how}")

    event.listen(engine, "begin", begin)
