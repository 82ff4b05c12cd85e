"""Patience with databases that are away, without any server: who waits, how long, and for what."""

from __future__ import annotations

import logging
import sqlite3
from pathlib import Path

import optuna
import pytest
import sqlalchemy
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.trial import TrialState

from ablations.settings import AblationConfig
from studies.settings import StudyConfig
from studies.storage import Storage, open_storage
from vlatent.runtime import databases
from vlatent.runtime.databases import patient
from vlatent.runtime.settings import WorkSettings
from vlatent.shapes import UserError


def outage(said: str = "server closed") -> Exception:
    """What SQLAlchemy raises when a driver has lost its connection."""
    cause = ConnectionError(said)
    error = sqlalchemy.exc.OperationalError("SELECT 1", {}, cause)
    error.__cause__ = cause
    return error


class Flaky:
    """A method that raises these errors, one a call, before it answers."""

    def __init__(self, *errors: Exception) -> None:
        self.errors, self.calls = list(errors), 0

    def __call__(self, number: int) -> int:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return number


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(databases, "PAUSE", 0.0)


def test_an_outage_is_waited_for_and_warned_of_once(caplog: pytest.LogCaptureFixture) -> None:
    method = Flaky(outage(), outage(), outage())
    with caplog.at_level(logging.WARNING):
        assert patient(method, "study.storage")(7) == 7
    assert method.calls == 4
    [warning] = [record.getMessage() for record in caplog.records]
    assert warning.startswith("study.storage does not answer (server closed); waiting for it")


@pytest.mark.parametrize(
    "error", [ValueError("of ours"), sqlite3.OperationalError("disk I/O error"), KeyError("x")]
)
def test_other_errors_are_raised_at_once(error: Exception) -> None:
    method = Flaky(error)
    with pytest.raises(type(error)) as raised:
        patient(method, "study.storage")(7)
    assert raised.value is error
    assert method.calls == 1


def test_a_wrong_password_is_waited_for_only_where_it_was_right_before() -> None:
    fatal = "FATAL: password authentication failed"
    with pytest.raises(sqlalchemy.exc.OperationalError):
        patient(Flaky(outage(fatal)), "study.storage", first=True)(7)
    assert patient(Flaky(outage(fatal)), "study.storage")(7) == 7
    starting = outage("FATAL: the database system is starting up")
    assert patient(Flaky(starting), "study.storage", first=True)(7) == 7


def test_it_is_given_up_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(databases, "PATIENCE", 0.0)
    method = Flaky(outage(), outage())
    with pytest.raises(UserError, match=r"study\.storage did not answer for 0 minutes") as error:
        patient(method, "study.storage")(7)
    assert method.calls == 1
    assert "server closed" in str(error.value)


def test_only_a_lost_answer_may_be_taken_as_given() -> None:
    done = {UpdateFinishedTrialError: 1}
    lost = Flaky(outage(), UpdateFinishedTrialError())
    assert patient(lost, "study.storage", done)(7) == 1
    with pytest.raises(UpdateFinishedTrialError):  # another process has ended the trial
        patient(Flaky(UpdateFinishedTrialError()), "study.storage", done)(7)


def test_every_question_of_optuna_outlasts_an_outage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever Optuna's interface has is asked of a database that is away at every first call."""
    storage = open_storage(f"sqlite:///{tmp_path / 'studies.db'}")
    asked: set[str] = set()
    for name in BaseStorage.__abstractmethods__ | {"get_trial_id_from_study_id_trial_number"}:

        def flaky(*given: object, _name: str = name, **named: object) -> object:
            if _name not in asked:
                asked.add(_name)
                raise outage()
            return None

        monkeypatch.setattr(storage.cached, name, flaky)
        given = (0,) if name == "get_all_trials" else ()
        assert getattr(storage, name)(*given) is None, name
    assert len(asked) >= 18


def test_a_study_looks_the_same_through_the_patient_storage(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'studies.db'}"
    study = optuna.create_study(study_name="same", storage=open_storage(url))
    for value in (1.0, 3.0, 2.0):
        study.enqueue_trial({"x": value})
    study.optimize(lambda trial: trial.suggest_float("x", 0, 5), n_trials=3)
    plain = optuna.load_study(study_name="same", storage=url)
    assert isinstance(study._storage, Storage)
    assert study.trials == plain.trials
    assert study.best_trial == plain.best_trial
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE] * 3


@pytest.mark.parametrize(
    ("kind", "section"), [(StudyConfig, "study"), (AblationConfig, "ablation")]
)
def test_what_studies_and_ablations_share_is_bounded_alike(
    kind: type[WorkSettings], section: str
) -> None:
    for name, value in {"workers": 1001, "cpus": 1e5, "gpus": 1e5, "retries": 1001}.items():
        with pytest.raises(UserError, match=rf"{section}\.{name} must be at most"):
            kind(**{name: value})  # type: ignore[arg-type]
    with pytest.raises(UserError, match=rf"{section}\.name"):
        kind(name="/etc")  # type: ignore[call-arg]
    params = kind(storage="postgresql://me:secret@host/db").params()
    assert params[f"{section}.storage"] == "postgresql://me:***@host/db"
    assert params[f"{section}.workers"] == 1
