"""Optuna's database: shared by many processes, patient while it is away."""

from __future__ import annotations

import functools
import hashlib
import logging
import sqlite3
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import optuna
import sqlalchemy
from filelock import FileLock
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial
from sqlalchemy import event

from vlatent.shapes import UserError

logger = logging.getLogger(__name__)

PATIENCE = 900.0  # seconds for which a database may be away before a worker gives up
PAUSE = 0.5  # seconds between two attempts
SILENT_BEATS = 4  # heartbeats that may be missing before a trial counts as abandoned

# How SQLAlchemy and the drivers call a connection that was cut off.
CUT_OFF = {"OperationalError", "InterfaceError", "PendingRollbackError"}

Abandoned = Callable[[optuna.Study, FrozenTrial], None]


class Storage(RDBStorage):
    """Optuna's storage that waits for a database that is away, and that trusts no first look.

    A trial is abandoned only when it was found silent twice, a heartbeat apart: after an outage
    all are silent until their workers have found the database again. A trial whose worker died
    before its first heartbeat, which Optuna never notices, is abandoned after the same time.
    """

    _silent_since: dict[int, float]

    def _get_stale_trial_ids(self, study_id: int) -> list[int]:
        assert self.heartbeat_interval is not None
        silent = set(super()._get_stale_trial_ids(study_id))
        query = sqlalchemy.text(
            "SELECT trial_id FROM trials WHERE study_id = :study AND state = 'RUNNING'"
            " AND trial_id NOT IN (SELECT trial_id FROM trial_heartbeats)"
        )
        with self.engine.connect() as connection:
            mute = set(connection.execute(query, {"study": study_id}).scalars())
        now, beat = time.monotonic(), self.heartbeat_interval
        known = self.__dict__.setdefault("_silent_since", {})
        self._silent_since = {trial: known.get(trial, now) for trial in silent | mute}
        return [
            trial
            for trial, since in self._silent_since.items()
            if now - since >= (beat if trial in silent else SILENT_BEATS * beat)
        ]


def _patient(method: Callable[..., Any]) -> Callable[..., Any]:
    """The method, tried again while the database does not answer."""

    @functools.wraps(method)
    def wait_for_it(*arguments: Any, **keywords: Any) -> Any:
        end = None
        while True:
            try:
                return method(*arguments, **keywords)
            except UpdateFinishedTrialError:
                if end is None:
                    raise
                return True  # an attempt whose answer was lost had done it
            except Exception as error:
                if not _away(error) or (end is not None and time.monotonic() > end):
                    raise
                if end is None:
                    end = time.monotonic() + PATIENCE
                    logger.warning("study.storage does not answer (%s); waiting", reason(error))
                time.sleep(PAUSE)

    return wait_for_it


for _name in (
    *("create_new_study", "delete_study", "set_study_user_attr", "set_study_system_attr"),
    *("get_study_id_from_name", "get_study_name_from_id", "get_study_directions"),
    *("get_study_user_attrs", "get_study_system_attrs", "get_all_studies"),
    *("_create_new_trial", "_set_trial_param", "set_trial_state_values", "get_trial"),
    *("set_trial_intermediate_value", "set_trial_user_attr", "set_trial_system_attr"),
    *("get_trial_id_from_study_id_trial_number", "get_all_trials", "_get_trials"),
    *("record_heartbeat", "_get_stale_trial_ids"),
):
    setattr(Storage, _name, _patient(getattr(Storage, _name)))


def _away(error: BaseException) -> bool:
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
    """The first line of what lies at the root of an error."""
    while error.__cause__ is not None:
        error = error.__cause__
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def open_storage(
    url: str, heartbeat: int | None = None, abandoned: Abandoned | None = None
) -> Storage:
    """Optuna's database, in which no two processes can take the same trial.

    SQLite begins a transaction only at the first write, so two workers could both read a waiting
    trial as free; BEGIN IMMEDIATE takes the lock before reading. Every process must build its
    storage here: the listener does not survive pickling.

    Args:
        url: A file or a server.
        heartbeat: Seconds between signs of life of a running trial; None for readers.
        abandoned: What is done with a trial whose worker is gone.

    Raises:
        UserError: It cannot be used.
    """
    sqlite = is_file(url)
    engine: dict[str, Any] = {"connect_args": {"timeout": 60, "isolation_level": None}}
    if not sqlite:
        engine = {"pool_pre_ping": True, "connect_args": {"connect_timeout": 5}}
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        if not sqlite and not url.startswith("postgresql"):
            raise ValueError("it is neither a SQLite file nor a PostgreSQL server")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            storage = Storage(
                url,
                engine_kwargs=engine,
                heartbeat_interval=heartbeat,
                grace_period=heartbeat and SILENT_BEATS * heartbeat,
                heartbeat_stale_trial_callback=abandoned,
            )
    except Exception as error:  # SQLAlchemy, drivers and the system each raise their own
        missing = isinstance(error, ModuleNotFoundError)
        way_out = "pip install 'vlatent[postgresql]', and " if missing else ""
        raise UserError(
            f"study.storage {shown(url)} cannot be used ({reason(error)}); {way_out}write "
            "postgresql+psycopg://user@host/database for a server, sqlite:///studies.db for a file."
        ) from None
    if sqlite:
        event.listen(
            storage.engine,
            "begin",
            lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"),
        )
    return storage


class Lock(Protocol):
    """Held by one process at a time, and by none once its holder is dead."""

    def acquire(self) -> object: ...

    def release(self) -> None: ...

    def __enter__(self) -> object: ...

    def __exit__(self, *_: Any) -> None: ...


class DatabaseLock:
    """A lock that a PostgreSQL server keeps for as long as its holder is connected."""

    def __init__(self, url: str, name: str) -> None:
        self._engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
        self._key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:7])
        self._connection: sqlalchemy.Connection | None = None

    def acquire(self) -> None:
        self._connection = _patient(self._locked)()

    def release(self) -> None:
        if self._connection is not None:
            self._connection.invalidate()  # closing it is what unlocks; it may be broken
            self._connection.close()
        self._connection = None

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()

    def _locked(self) -> sqlalchemy.Connection:
        connection = self._engine.connect()
        try:
            connection.execute(sqlalchemy.text(f"SELECT pg_advisory_lock({self._key})"))
        except BaseException:
            connection.invalidate()
            connection.close()
            raise
        return connection


def lock_of(url: str, name: str) -> Lock:
    """The lock under which trials of a study are begun, one at a time."""
    if not is_file(url):
        return DatabaseLock(url, name)
    _, _, file = url.partition(":///")
    return FileLock(Path(file).absolute().with_name(f"{Path(file).name}.lock"))


def shown(url: str) -> str:
    """The address without its password."""
    try:
        return sqlalchemy.make_url(url).render_as_string(hide_password=True)
    except sqlalchemy.exc.ArgumentError:
        return url


def is_file(url: str) -> bool:
    return url.startswith("sqlite")
