"""The trials of a study as plain numbers, read from Optuna's database and never written to it."""

from __future__ import annotations

import difflib
import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import optuna
import sqlalchemy
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.storages import RDBStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from vlatent.evaluation import Criterion, Evaluation
from vlatent.runtime.addresses import is_file, shown
from vlatent.runtime.databases import engine_arguments, reason
from vlatent.search_space import Axis
from vlatent.shapes import UserError

State = Literal["complete", "pruned", "failed"]
STATES: dict[TrialState, State] = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
}
STORAGE = "sqlite:///studies.db"  # where studies keep their trials unless told otherwise
MAKING = "/making"  # ends the name of a study that is not whole yet
CONFIRMATION = "/confirmation"  # ends the name of the study that confirms another one's best


@dataclass(frozen=True)
class Objective:
    """One number that a study makes as large, or as small, as it can."""

    name: str
    label: str
    direction: Literal["maximize", "minimize"]


@dataclass(frozen=True)
class Trial:
    """One trial that ended.

    Attributes:
        number: Its number in the study; trial 0 has the starting values.
        label: Study and number.
        origin: Where its values come from, if not from the sampler: `config`, or another study's
            name and trial.
        state: How it ended.
        params: Value of every searched parameter.
        values: One number an objective; of a pruned trial what it reported last; none of one that
            never reported.
        feasible: Whether it was trained to the end and passes every criterion.
        criteria: The verdict's lines at its last evaluation.
        evaluation: Its last evaluation; None if it had none.
        steps_to_pass: Step of the first evaluation from which all criteria held to the end, in
            steps of the study's own batch size; None if they did not.
        config: Its whole config as YAML; empty if it failed before it was known.
        seconds: How long it was trained.
        run_id: Its run in the tracker.
    """

    number: int
    label: str
    origin: str | None
    state: State
    params: dict[str, float]
    values: tuple[float, ...]
    feasible: bool
    criteria: tuple[Criterion, ...]
    evaluation: Evaluation | None
    steps_to_pass: float | None
    config: str
    seconds: float | None
    run_id: str | None


@dataclass(frozen=True)
class Confirmed:
    """One trial of the search, trained again on seeds that the search never saw.

    Attributes:
        number: Of the trial in the search.
        seeds: The new seeds, rising.
        trials: What came of it, one a seed.
    """

    number: int
    seeds: tuple[int, ...]
    trials: tuple[Trial, ...]

    @property
    def values(self) -> tuple[tuple[float, ...], ...]:
        """One row a seed, one number an objective."""
        return tuple(trial.values for trial in self.trials)

    @property
    def passed(self) -> int:
        """On how many of the seeds every criterion holds."""
        return sum(trial.feasible for trial in self.trials)


@dataclass(frozen=True)
class Study:
    """A study and what came of it.

    Attributes:
        name: Its name.
        question: What it asks.
        objectives: What it optimises.
        space: Range or choices of every parameter that is searched.
        trials: The trials that ended, in the order in which they were first begun. One that was
            begun again after its worker died is there once.
        confirmed: What was trained again on new seeds, by the trial's number.
        attributes: Whatever else the study's own record holds.
    """

    name: str
    question: str
    objectives: tuple[Objective, ...]
    space: dict[str, Axis]
    trials: tuple[Trial, ...]
    confirmed: tuple[Confirmed, ...]
    attributes: dict[str, Any]


def read_study(storage: str, name: str) -> Study:
    """A study of Optuna's database, a file (`sqlite:///studies.db`) or a PostgreSQL server.

    Raises:
        UserError: There is no such database or study, or none of its trials has ended.
    """
    with _opened(storage) as database:
        known = [each.study_name for each in database.get_all_studies()]
        if name not in known:
            raise UserError(f"there is no study {name} in {shown(storage)}; {_offer(name, known)}")
        study = optuna.load_study(study_name=name, storage=database)
        trials = _ended(study)
        again = name + CONFIRMATION
        confirmations = (
            _ended(optuna.load_study(study_name=again, storage=database)) if again in known else []
        )
        attributes = study.user_attrs
        directions = study.directions
    if not trials:
        raise UserError(
            f"study {name} in {shown(storage)} has no trial that ended; look again when "
            f"`python -m studies status {name}` shows one."
        )
    asks = attributes.get("identity", {}).get("question", name)
    return Study(
        name=name,
        question=attributes.get("question", asks),
        objectives=_objectives(directions, attributes.get("objectives")),
        space=_space(name, trials),
        trials=tuple(_trial(name, trial) for trial in trials),
        confirmed=_confirmed(name, confirmations),
        attributes=attributes,
    )


def study_names(storage: str) -> list[str]:
    """The studies of Optuna's database, without those that only confirm another one.

    Raises:
        UserError: There is no such database.
    """
    with _opened(storage) as database:
        names = [study.study_name for study in database.get_all_studies()]
    return sorted(name for name in names if not name.endswith((CONFIRMATION, MAKING)))


@contextmanager
def _opened(url: str) -> Iterator[RDBStorage]:
    """Optuna's database for reading: nothing is created in it, and no worker has to wait."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    database = None
    try:
        _refuse_a_stranger(url)
        database = RDBStorage(url, _reading(url), skip_table_creation=True)
    except UserError:
        raise
    except Exception as error:  # SQLAlchemy, drivers and the system each raise their own
        raise UserError(
            f"storage {shown(url)} cannot be read ({reason(error)}); write sqlite:///studies.db "
            "for a file, postgresql+psycopg://user@host/database for a server."
        ) from None
    try:
        yield database
    finally:
        database.remove_session()
        database.engine.dispose()


def _refuse_a_stranger(url: str) -> None:
    """A file that is not there, or a database that belongs to something else."""
    if not is_file(url) and not url.startswith("postgresql"):
        raise ValueError("it is neither a SQLite file nor a PostgreSQL server")
    file = sqlalchemy.make_url(url).database or ""
    if is_file(url) and not Path(file).is_file():
        raise UserError(
            f"there is no file {file} for storage {shown(url)}; run the command where the study "
            "was run, or name its database with --storage."
        )
    engine = sqlalchemy.create_engine(url, **_reading(url))
    try:
        tables = set(sqlalchemy.inspect(engine).get_table_names())
    finally:
        engine.dispose()
    if not {"studies", "trials", "alembic_version"} <= tables:  # the last is also made last
        raise UserError(
            f"storage {shown(url)} holds no studies of Optuna; name the database that "
            "--study.storage named when the study was run."
        )


def _reading(url: str) -> dict[str, Any]:
    """What SQLAlchemy has to know; SQLite opens the file for reading alone."""
    if not is_file(url):
        return engine_arguments(url)
    file = Path(sqlalchemy.make_url(url).database or "").absolute()
    address = f"{file.as_uri()}?mode=ro"
    return {
        "creator": lambda: sqlite3.connect(
            address, uri=True, timeout=60, isolation_level=None, check_same_thread=False
        )
    }


def _offer(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    if near:
        return f"did you mean {near[0]}?"
    return f"there is {', '.join(sorted(known)) or 'none at all'}."


def _ended(study: optuna.Study) -> list[FrozenTrial]:
    """The trials that ended by themselves, well or not, in the order in which they were begun.

    Not those that another trial continues: they were given back, or their worker died. The last
    attempt is there however it ended.
    """

    def ended(trial: FrozenTrial) -> bool:
        if trial.state == TrialState.FAIL:
            attributes = trial.user_attrs
            last = "reason" in attributes or attributes.get("last_attempt", False)
            return last and "returned" not in attributes
        return trial.state in STATES

    trials = [trial for trial in study.get_trials(deepcopy=False) if ended(trial)]
    if study.user_attrs.keys() & {"identity", "uid"}:  # one of ours, to which others may have added
        ours = {"ordinal", "worker", "criteria"}
        trials = [trial for trial in trials if trial.user_attrs.keys() & ours]
    return sorted(trials, key=lambda trial: (trial.user_attrs.get("ordinal", 0), trial.number))


def _trial(study: str, trial: FrozenTrial) -> Trial:
    attributes = trial.user_attrs
    reported = trial.intermediate_values
    last = [reported[max(reported)]] if reported else []
    criteria = tuple(Criterion(**line) for line in attributes.get("criteria", ()))
    complete = trial.state == TrialState.COMPLETE
    passed_at = attributes.get("steps_to_pass")
    evaluation = attributes.get("evaluation")
    return Trial(
        number=trial.number,
        label=f"{study} {trial.number}",
        origin=attributes.get("origin"),
        state=STATES[trial.state],
        params=dict(trial.params),
        values=tuple(trial.values or last),
        feasible=complete and bool(criteria) and all(line.holds for line in criteria),
        criteria=criteria,
        evaluation=None if evaluation is None else Evaluation(**evaluation),
        steps_to_pass=None if passed_at is None else passed_at * attributes.get("stretch", 1.0),
        config=attributes.get("config", ""),
        seconds=attributes.get("seconds"),
        run_id=attributes.get("run_id"),
    )


def _confirmed(name: str, trials: Sequence[FrozenTrial]) -> tuple[Confirmed, ...]:
    seeds: dict[int, dict[int, Trial]] = defaultdict(dict)
    for trial in trials:
        if trial.state == TrialState.COMPLETE:
            made = _trial(name + CONFIRMATION, trial)
            seeds[int(trial.params["trial"])][int(trial.params["seed"])] = made
    return tuple(
        Confirmed(number, tuple(sorted(each)), tuple(each[seed] for seed in sorted(each)))
        for number, each in sorted(seeds.items())
    )


def _objectives(
    directions: Sequence[StudyDirection], known: Sequence[Mapping[str, str]] | None
) -> tuple[Objective, ...]:
    """Names and labels as the study wrote them down, else numbers."""
    if known is None:
        alone = len(directions) == 1
        numbers = [f"objective {n}" for n in range(1, len(directions) + 1)]
        labels = ["objective"] if alone else numbers
        known = [{"name": label.replace(" ", "_"), "label": label} for label in labels]
    return tuple(
        Objective(
            words["name"],
            words["label"],
            "maximize" if direction == StudyDirection.MAXIMIZE else "minimize",
        )
        for words, direction in zip(known, directions, strict=True)
    )


def _space(study: str, trials: Sequence[FrozenTrial]) -> dict[str, Axis]:
    """Range or choices of every parameter, as its trials knew them."""
    known: dict[str, BaseDistribution] = {}
    for trial in trials:
        known |= trial.distributions
    return {name: _axis(study, name, distribution) for name, distribution in known.items()}


def _axis(study: str, name: str, distribution: BaseDistribution) -> Axis:
    if not isinstance(distribution, CategoricalDistribution):
        return Axis(distribution.low, distribution.high, distribution.log)  # type: ignore[attr-defined]
    numbers = [choice for choice in distribution.choices if isinstance(choice, int | float)]
    if len(numbers) < len(distribution.choices):
        raise UserError(
            f"study {study} searches {name} among {list(distribution.choices)}; only numbers can "
            "be put on a scale."
        )
    return Axis.choices(numbers)
