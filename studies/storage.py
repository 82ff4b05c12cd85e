"""Optuna's database: shared by many processes, waited for while it is away."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Container
from contextlib import suppress
from typing import Any, TypeVar

import optuna
import sqlalchemy
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage, RDBStorage, get_storage
from optuna.storages._heartbeat import BaseHeartbeat
from optuna.trial import FrozenTrial, TrialState

from vlatent.runtime.addresses import beside, is_file
from vlatent.runtime.databases import engine_arguments, explained, immediate, opened, patient
from vlatent.runtime.locks import Lock, alone, shared_lock
from vlatent.shapes import UserError

SETTING = "study.storage"
MISSED_BEATS = 4  # heartbeats that may be missing before a trial counts as abandoned
# The end of a trial that was written already, although the answer was lost.
DONE: dict[type[Exception], bool] = {UpdateFinishedTrialError: True}

Abandoned = Callable[[optuna.Study, FrozenTrial], None]
R = TypeVar("R")


def _delegated(name: str) -> Any:
    """A method of Optuna's interface, asked of the database with patience."""

    def ask(storage: Storage, *arguments: Any, **keywords: Any) -> Any:
        return storage.ask(getattr(storage.cached, name), *arguments, **keywords)

    return ask


class Storage(BaseStorage, BaseHeartbeat):
    """Optuna's public interface around its own storage: waits for a database that is away.

    A trial is abandoned only when it had no heartbeat at two looks, one beat apart: after an outage
    no trial has one until its worker has reached the database again. A trial whose worker died
    before its first heartbeat, which Optuna never notices, is abandoned after the same time.
    """

    def __init__(self, database: RDBStorage) -> None:
        self.database = database
        self.cached = get_storage(database)
        self._missing_since: dict[int, float] = {}

    @property
    def engine(self) -> sqlalchemy.Engine:
        return self.database.engine

    def ask(self, method: Callable[..., R], *arguments: Any, **keywords: Any) -> R:
        """Call a method of the database.

        Raises:
            UserError: The database was away for too long, or cannot do its work.
        """
        with explained(SETTING, self.database.url):
            return patient(method, SETTING, DONE)(*arguments, **keywords)

    create_new_study = _delegated("create_new_study")
    delete_study = _delegated("delete_study")
    set_study_user_attr = _delegated("set_study_user_attr")
    set_study_system_attr = _delegated("set_study_system_attr")
    get_study_id_from_name = _delegated("get_study_id_from_name")
    get_study_name_from_id = _delegated("get_study_name_from_id")
    get_study_directions = _delegated("get_study_directions")
    get_study_user_attrs = _delegated("get_study_user_attrs")
    get_study_system_attrs = _delegated("get_study_system_attrs")
    get_all_studies = _delegated("get_all_studies")
    create_new_trial = _delegated("create_new_trial")
    set_trial_param = _delegated("set_trial_param")
    set_trial_state_values = _delegated("set_trial_state_values")
    set_trial_intermediate_value = _delegated("set_trial_intermediate_value")
    set_trial_user_attr = _delegated("set_trial_user_attr")
    set_trial_system_attr = _delegated("set_trial_system_attr")
    get_trial = _delegated("get_trial")
    get_best_trial = _delegated("get_best_trial")
    get_trial_id_from_study_id_trial_number = _delegated("get_trial_id_from_study_id_trial_number")

    def get_all_trials(
        self,
        study_id: int,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
    ) -> list[FrozenTrial]:
        """The trials of a study; those that wait by their place, as Optuna begins the first.

        So an interrupted trial goes on before one that was queued behind it.
        """
        trials = self.ask(self.cached.get_all_trials, study_id, deepcopy, states)
        if states == (TrialState.WAITING,):
            trials.sort(key=lambda trial: trial.user_attrs.get("ordinal", math.inf))
        return trials

    def get_heartbeat_interval(self) -> int | None:
        """Seconds between two heartbeats; None where this process only reads."""
        return self.database.get_heartbeat_interval()

    def get_heartbeat_stale_trial_callback(self) -> Abandoned | None:
        """What is done with an abandoned trial."""
        return self.database.get_heartbeat_stale_trial_callback()

    def record_heartbeat(self, trial_id: int) -> None:
        """Record a heartbeat, from a thread of its own: errors are those of the trial to report."""
        with suppress(UserError):
            self.ask(self.database.record_heartbeat, trial_id)

    def _get_stale_trial_ids(self, study_id: int) -> list[int]:
        """The abandoned trials of a study."""
        beat = self.database.heartbeat_interval
        assert beat is not None
        stale = set(self.ask(self.database._get_stale_trial_ids, study_id))
        running = stale | self.ask(self._without_heartbeat, study_id)
        now = time.monotonic()
        self._missing_since = {trial: self._missing_since.get(trial, now) for trial in running}
        return [
            trial
            for trial, since in self._missing_since.items()
            if now - since >= (beat if trial in stale else MISSED_BEATS * beat)
        ]

    def _without_heartbeat(self, study_id: int) -> set[int]:
        """Running trials that never had a heartbeat."""
        query = sqlalchemy.text(
            "SELECT trial_id FROM trials WHERE study_id = :study AND state = 'RUNNING'"
            " AND trial_id NOT IN (SELECT trial_id FROM trial_heartbeats)"
        )
        with self.engine.connect() as connection:
            return set(connection.execute(query, {"study": study_id}).scalars())

    def rename_study(self, study_id: int, name: str) -> None:
        """Give a study another name, atomically.

        Raises:
            UserError: Another study has taken the name meanwhile.
        """
        query = sqlalchemy.text("UPDATE studies SET study_name = :name WHERE study_id = :study")

        def rename() -> None:
            with self.engine.begin() as connection:
                connection.execute(query, {"name": name, "study": study_id})

        try:
            self.ask(rename)
        except sqlalchemy.exc.IntegrityError:
            raise UserError(
                f"another program has just made a study {name} in {SETTING}; run the command again"
            ) from None


def open_storage(
    url: str, heartbeat: int | None = None, abandoned: Abandoned | None = None
) -> Storage:
    """Open Optuna's database so that no two processes can take the same trial.

    Every process must build its storage here: what makes SQLite do so does not survive pickling.

    Args:
        url: A file or a server.
        heartbeat: Seconds between two heartbeats of a running trial; None for readers.
        abandoned: What is done with a trial whose worker is gone.

    Raises:
        UserError: It cannot be used.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)

    def opening() -> RDBStorage:
        with alone(url), warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return RDBStorage(
                url,
                # Readers may look often: no connection stays open after a look.
                engine_kwargs=engine_arguments(url)
                | ({} if heartbeat else {"poolclass": sqlalchemy.NullPool}),
                heartbeat_interval=heartbeat,
                grace_period=heartbeat and MISSED_BEATS * heartbeat,
                heartbeat_stale_trial_callback=abandoned,
            )

    database = opened(SETTING, url, opening)
    if is_file(url):
        immediate(database.engine)
    return Storage(database)


def lock_of(url: str, name: str) -> Lock:
    """The lock under which trials of a study are begun, one at a time."""
    file = beside(url, "lock") if is_file(url) else None
    return shared_lock(url, name, file, SETTING)
