"""What every worker of a study has to know."""

from __future__ import annotations

import importlib
import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import optuna

from studies.ledger import ranked
from studies.question import Params, Question, Space
from studies.settings import StudyConfig
from studies.storage import Abandoned, lock_of, open_storage
from vlatent.config import Config, effective, flatten
from vlatent.databases import Lock, shown
from vlatent.shapes import UserError
from vlatent.tracking import View

# Raise it whenever the same trial would get another score: old and new ones cannot be compared.
OBJECTIVE_VERSION = 5
WARM_TRIALS = 5  # of another study, that are tried first


@dataclass(frozen=True, kw_only=True)
class Job:
    """One study, as it can be handed to another process.

    Attributes:
        asks: Name of the question, which is a module of this package.
        name: Name of the study.
        config: Of trial 0.
        settings: How the search is done.
        space: What is searched.
        corpus: Fingerprint of the sentences.
        parent: Id of the study's own run in the tracker.
    """

    asks: str
    name: str
    config: Config
    settings: StudyConfig
    space: Space
    corpus: str
    parent: str | None = None
    kind: Literal["trial", "confirmation"] = "trial"

    @property
    def question(self) -> Question:
        return question_of(self.asks)

    @property
    def lock(self) -> Lock:
        return lock_of(self.settings.storage, self.name)

    @property
    def view(self) -> View:
        """The study's trials in the tracker, the best first, with what was searched."""
        ranked = [f"objective/{objective.name}" for objective in self.question.objectives]
        return View(
            f"Study {self.name}",
            {"study": self.name, "kind": "trial"},
            ranked[0],
            (*ranked, "channels_in_band", "passed", "margin/worst", "steps_to_pass"),
            tuple(name for name in self.space if name in flatten(self.config)),
            ("score", "margin/worst"),
        )

    def identity(self) -> dict[str, object]:
        """What makes two studies the same, as JSON keeps it."""
        identity: dict[str, object] = {  # the corpus is known by its content, wherever it lies
            name: value
            for name, value in effective(self.config).items()
            if name not in self.space and not name.startswith("data.")
        }
        identity |= {f"space.{name}": asdict(values) for name, values in self.space.items()}
        identity |= {
            "question": self.asks,
            "directions": [direction.name for direction in self.question.directions],
            "objective version": OBJECTIVE_VERSION,
            "corpus": self.corpus,
        }
        known: dict[str, object] = json.loads(json.dumps(identity))
        return known


def question_of(name: str) -> Question:
    """The question that a module of this package asks."""
    question: Question = importlib.import_module(f"studies.{name}").QUESTION
    return question


def create_study(job: Job, rehearsed: Sequence[Params] = ()) -> optuna.Study:
    """Create the study with its baseline waiting as trial 0, or continue the one of this name.

    Args:
        job: The study.
        rehearsed: What a new study tries next.

    Raises:
        UserError: A study of this name asks something else; says what changed.
    """
    storage = open_storage(job.settings.storage)
    with job.lock:
        study = optuna.create_study(
            study_name=job.name,
            storage=storage,
            directions=job.question.directions,
            load_if_exists=True,
        )
        identity, known = job.identity(), study.user_attrs.get("identity")
        if known is None:
            study.set_user_attr("question", job.question.text)
            named = [{"name": each.name, "label": each.label} for each in job.question.objectives]
            study.set_user_attr("objectives", named)
            with warnings.catch_warnings(action="ignore"):  # it is experimental
                study.set_metric_names([each.label for each in job.question.objectives])
            study.set_user_attr("identity", identity)
            start = job.question.start(job.config, job.space)
            _enqueue(study, start, "config")
            if job.settings.warm_start is not None:
                _warm_start(study, job)
            for params in rehearsed:
                _enqueue(study, start | dict(params), "rehearsal")
        elif known != identity:
            raise UserError(_what_changed(job, known, identity))
    return study


def load_study(
    name: str, url: str, heartbeat: int | None = None, abandoned: Abandoned | None = None
) -> optuna.Study:
    """A study that exists.

    Raises:
        UserError: It does not; names those that do.
    """
    storage = open_storage(url, heartbeat, abandoned)
    try:
        return optuna.load_study(study_name=name, storage=storage)
    except KeyError:
        known = ", ".join(sorted(each.study_name for each in storage.get_all_studies()))
        raise UserError(
            f"there is no study {name} in {shown(url)}; there is {known or 'none at all'}."
        ) from None


def _warm_start(study: optuna.Study, job: Job) -> None:
    """Queue the best trials of another study, as far as they lie in this one's space."""
    assert job.settings.warm_start is not None
    other = load_study(job.settings.warm_start, job.settings.storage)
    start = job.question.start(job.config, job.space)
    queued = 0
    for trial in ranked(other):
        known = {name: value for name, value in trial.params.items() if name in job.space}
        if known and all(job.space[name].holds(value) for name, value in known.items()):
            queued += 1
            _enqueue(study, start | known, f"{other.study_name} {trial.number}")
        if queued == WARM_TRIALS:
            break
    if not queued:
        raise UserError(
            f"study.warm_start {other.study_name} has no complete trial whose values lie in this "
            f"study's space ({', '.join(job.space)})."
        )


def _enqueue(study: optuna.Study, params: Params, origin: str) -> None:
    """Let a new study try these values; trials are counted by the order in which they wait."""
    waiting = len(study.get_trials(deepcopy=False))
    study.enqueue_trial(dict(params), user_attrs={"ordinal": waiting, "origin": origin})


def _what_changed(job: Job, known: Mapping[str, object], identity: Mapping[str, object]) -> str:
    changed = [key for key in dict(known) | dict(identity) if known.get(key) != identity.get(key)]
    was = ", ".join(f"{k} was {known.get(k)}, is {identity.get(k)}" for k in changed[:4])
    more = f" and {len(changed) - 4} more" if len(changed) > 4 else ""
    return (
        f"study {job.name} in {shown(job.settings.storage)} was begun with other settings "
        f"({was}{more}); give the new one its own name, --study.name {job.name}-2."
    )
