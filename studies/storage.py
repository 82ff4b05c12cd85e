"""Optuna's database: shared by many processes, patient while it is away."""

from __future__ import annotations

import functools
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import optuna
import sqlalchemy
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial

from vlatent.runtime.addresses import beside, check_address, is_file, shown
from vlatent.runtime.databases import engine_arguments, explained, immediate, patient, reason
from vlatent.runtime.locks import DatabaseLock, Lock, PlaceLock, alone
from vlatent.shapes import UserError

SETTING = "study.storage"
SILENT_BEATS = 4  # heartbeats that may be missing before a trial counts as abandoned

Abandoned = Callable[[optuna.Study, FrozenTrial], None]


class Storage(RDBStorage):
    """Optuna's storage that waits for a database that is away, and that trusts no first look.

    A trial is abandoned only when it was found silent twice, a heartbeat apart: after an outage
    all are silent until their workers have found the database again. A trial whose worker died
    before its first heartbeat, which Optuna never notices, is abandoned after the same time.
    """

    _silent_since: dict[int, float]

    def rename_study(self, study_id: int, name: str) -> None:
        """Give a study another name, at one stroke.

        Raises:
            UserError: Another one has it by now.
        """
        query = sqlalchemy.text("UPDATE studies SET study_name = :name WHERE study_id = :study")
        try:
            with self.engine.begin() as connection:
                connection.execute(query, {"name": name, "study": study_id})
        except sqlalchemy.exc.IntegrityError:
            raise UserError(
                f"another program has just made a study {name} in {SETTING}; run the command again"
            ) from None

    def record_heartbeat(self, trial_id: int) -> None:
        """Give a sign of life, from a thread of its own: the trial itself says what goes wrong."""
        with suppress(UserError):
            self._record_heartbeat(trial_id)

    def _record_heartbeat(self, trial_id: int) -> None:
        super().record_heartbeat(trial_id)

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


def _asked(method: Callable[..., Any]) -> Callable[..., Any]:
    """A question to the database that waits while it is away and says in one line what it lacks."""
    waiting = patient(method, SETTING, {UpdateFinishedTrialError: True})

    @functools.wraps(method)
    def ask(storage: Storage, *arguments: Any, **keywords: Any) -> Any:
        with explained(SETTING, storage.url):
            return waiting(storage, *arguments, **keywords)

    return ask


for _name in (
    *("create_new_study", "delete_study", "set_study_user_attr", "set_study_system_attr"),
    *("get_study_id_from_name", "get_study_name_from_id", "get_study_directions"),
    *("get_study_user_attrs", "get_study_system_attrs", "get_all_studies"),
    *("_create_new_trial", "_set_trial_param", "set_trial_state_values", "get_trial"),
    *("set_trial_intermediate_value", "set_trial_user_attr", "set_trial_system_attr"),
    *("get_trial_id_from_study_id_trial_number", "get_all_trials", "_get_trials"),
    *("_record_heartbeat", "_get_stale_trial_ids", "rename_study"),
):
    setattr(Storage, _name, _asked(getattr(Storage, _name)))


def open_storage(
    url: str, heartbeat: int | None = None, abandoned: Abandoned | None = None
) -> Storage:
    """Optuna's database, in which no two processes can take the same trial.

    Every process must build its storage here: what makes SQLite do so does not survive pickling.

    Args:
        url: A file or a server.
        heartbeat: Seconds between signs of life of a running trial; None for readers.
        abandoned: What is done with a trial whose worker is gone.

    Raises:
        UserError: It cannot be used.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    check_address(SETTING, url)

    def opened() -> Storage:
        with alone(url), warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return Storage(
                url,
                # Who only looks may look often: no connection stays open for each look.
                engine_kwargs=engine_arguments(url)
                | ({} if heartbeat else {"poolclass": sqlalchemy.NullPool}),
                heartbeat_interval=heartbeat,
                grace_period=heartbeat and SILENT_BEATS * heartbeat,
                heartbeat_stale_trial_callback=abandoned,
            )

    try:
        if not is_file(url) and not url.startswith("postgresql"):
            raise ValueError("it is neither a SQLite file nor a PostgreSQL server")
        with explained(SETTING, url):
            storage = patient(opened, SETTING, first=True)()
    except UserError:
        raise
    except Exception as error:  # SQLAlchemy, drivers and the system each raise their own
        missing = isinstance(error, ModuleNotFoundError)
        way_out = "pip install 'vlatent[postgresql]', and " if missing else ""
        raise UserError(
            f"study.storage {shown(url)} cannot be used ({reason(error)}); {way_out}write "
            "postgresql+psycopg://user@host/database for a server, sqlite:///studies.db for a file."
        ) from None
    if is_file(url):
        immediate(storage.engine)
    return storage


def lock_of(url: str, name: str) -> Lock:
    """The lock under which trials of a study are begun, one at a time."""
    return PlaceLock(beside(url, "lock")) if is_file(url) else DatabaseLock(url, name, SETTING)
