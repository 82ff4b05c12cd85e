"""A study as its workers see it: question, config, settings, and the study in Optuna's database."""

from __future__ import annotations

import contextlib
import json
import uuid
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field

import optuna

from studies.question import Params, Question, Space
from studies.questions import question_of
from studies.record import CONFIRMATION, MAKING, TEST, beside, kind_of, load_beside, ranked
from studies.settings import StudyConfig
from studies.storage import Abandoned, Storage, lock_of, open_storage
from studies.verified import Verified
from vlatent import own_questions
from vlatent.config import RunConfig, flatten
from vlatent.corpus import changed_parts, corpus_fingerprint
from vlatent.fingerprints import effective
from vlatent.names import OWNER, claim
from vlatent.runtime.addresses import place_of, shown
from vlatent.runtime.locks import Lock
from vlatent.shapes import UserError
from vlatent.tracking import View

# Raise it whenever the same trial would get another score: old and new ones cannot be compared.
OBJECTIVE_VERSION = 6
WARM_TRIALS = 5  # of another study, that are tried first


@dataclass(frozen=True, kw_only=True)
class Job:
    """One study, as it can be handed to another process.

    Attributes:
        question_name: Name of the question, a module of this package, or the path of one's own.
        name: Name of the study.
        config: Config of trial 0.
        settings: How the search is done.
        space: What is searched.
        corpus: Digests of all that is read, parts of the corpus and the user's own file, by name.
        sources: Digests of the files of the config's own priors and terms, by their dotted names.
        parent: Id of the study's own run in the tracker.
        uid: Id of the study: another storage may have one of the same name. None of older ones.
        divided: Whether confirmation and test have held-out sentences of their own.
        verified: Another config on which the values that were found are trained too.
        kind: What its trials are: `trial` of the search, or what trains these again.
    """

    question_name: str
    name: str
    config: RunConfig
    settings: StudyConfig
    space: Space
    corpus: Mapping[str, str]
    sources: Mapping[str, str] = field(default_factory=dict)
    parent: str | None = None
    uid: str | None = None
    divided: bool = False
    verified: Verified | None = None
    kind: str = "trial"

    @property
    def question(self) -> Question:
        return question_of(self.question_name)

    @property
    def study_name(self) -> str:
        """Name of the study, in Optuna's database, that holds trials of this kind."""
        return self.name if self.kind == "trial" else beside(self.name, self.kind)

    @property
    def kinds(self) -> list[str]:
        """Kinds of what is trained after the search, in this order."""
        kinds = []
        if self.settings.confirm:
            kinds += [CONFIRMATION, TEST] if self.settings.test else [CONFIRMATION]
        return kinds + ([self.verified.kind] if self.verified else [])

    @property
    def tags(self) -> dict[str, str]:
        """Labels of the study's runs in the tracker."""
        return {"study": self.name} | ({"uid": self.uid} if self.uid else {})

    @property
    def lock(self) -> Lock:
        return lock_of(self.settings.storage, self.name)

    @property
    def view(self) -> View:
        """The study's trials in the tracker, the best first, with what was searched."""
        workload, first = self.question.workload, self.question.objectives[0]
        ranked = [f"objective/{one.name}" for one in self.question.objectives]
        return View(
            f"Study {self.name}",
            {"study": self.name, "kind": "trial"},
            ranked[0],
            (*ranked, *workload.columns),
            tuple(name for name in self.space if name in flatten(self.config)),
            (workload.curve, "margin/worst"),
            ascending=not first.maximize,
        )

    def identity(self) -> dict[str, object]:
        """Everything that must be equal for a study to be continued, as JSON keeps it."""
        identity: dict[str, object] = {  # the corpus is identified by its content
            name: value
            for name, value in effective(self.config).items()
            if name not in self.space and not name.startswith("data.")
        }
        identity |= {f"space.{name}": asdict(values) for name, values in self.space.items()}
        identity |= {
            "question": self.question.name,
            "directions": [direction.name for direction in self.question.directions],
            "objective version": OBJECTIVE_VERSION,
            "corpus": corpus_fingerprint(self.corpus),
        }
        as_json: dict[str, object] = json.loads(json.dumps(identity))
        return as_json


def create_study(job: Job, screened: Sequence[Params] = ()) -> optuna.Study:
    """Create the study with its baseline waiting as trial 0, or continue the one of this name.

    Whatever can be refused is refused before anything is written. A new study is made under
    another name and then given its own, so that it is created atomically.

    Args:
        job: The study.
        screened: What a new study tries next.

    Raises:
        UserError: A study of this name has other settings, or is another program's; or the study
            that it is to begin from cannot be used.
    """
    storage = open_storage(job.settings.storage)
    folder = job.settings.folder / job.name
    with job.lock:
        studies = {study.study_name: study for study in storage.get_all_studies()}
        others = load_beside(job.name, storage)
        if job.name in studies:
            study = optuna.load_study(study_name=job.name, storage=storage)
            _refuse_changes(job, study)
            uid = study.user_attrs.get("uid")
            for other in others.values():
                if other.user_attrs.get("uid") != uid:
                    raise UserError(_foreign(job, other))
            claim(folder, uid, place_of(job.settings.storage), "study")
        else:
            for other in others.values():
                raise UserError(_foreign(job, other))
            waiting = _first_trials(job, screened)
            if any(folder.glob("trial-*")) and not (folder / OWNER).exists():
                raise UserError(
                    f"{folder} holds the trials of an older study of this name, which is not in "
                    f"{shown(job.settings.storage)}; give another --study.name or --study.folder, "
                    "or move that folder away"
                )
            uid = uuid.uuid4().hex
            claim(folder, uid, place_of(job.settings.storage), "study")
            with _made_aside(job, storage, job.name) as made:
                describe(made, job)
                for ordinal, (params, origin) in enumerate(waiting):  # counted in this order
                    labels = {"ordinal": ordinal, "origin": origin}
                    made.enqueue_trial(dict(params), user_attrs=labels)
                made.set_user_attr("uid", uid)
                made.set_user_attr("identity", job.identity())
                made.set_user_attr("corpus", dict(job.corpus))
            study = optuna.load_study(study_name=job.name, storage=storage)
        for kind in job.kinds:  # before workers start, which load it
            if kind in others:
                continue
            with _made_aside(job, storage, beside(job.name, kind)) as made:
                if uid is not None:
                    made.set_user_attr("uid", uid)
                if job.verified and kind == job.verified.kind:
                    made.set_user_attr("verifies", job.verified.name)
    return study


def describe(study: optuna.Study, job: Job) -> None:
    """Write into a new study what it asks, for those who read it."""
    study.set_user_attr("question", job.question.text)
    if job.question.workload.kind != "encoder" or job.question.workload.source:
        study.set_user_attr("script", own_questions.shown(job.question_name))
        study.set_user_attr("workload", job.question.workload.kind)
    objectives = job.question.objectives
    named = [{"name": one.name, "label": one.label} for one in objectives]
    study.set_user_attr("objectives", named)
    with warnings.catch_warnings(action="ignore"):  # it is experimental
        study.set_metric_names([one.label for one in objectives])


@contextlib.contextmanager
def _made_aside(job: Job, storage: Storage, name: str) -> Iterator[optuna.Study]:
    """A new study that gets its name when it is whole: who is killed meanwhile leaves none."""
    aside = name + MAKING
    if aside in {study.study_name for study in storage.get_all_studies()}:
        optuna.delete_study(study_name=aside, storage=storage)
    made = optuna.create_study(
        study_name=aside, storage=storage, directions=job.question.directions
    )
    yield made
    storage.rename_study(made._study_id, name)


def require_own(job: Job) -> None:
    """Look, before anything is written, whether the name is free or this study's own.

    Raises:
        UserError: A study of this name has other settings, or is another program's.
    """
    storage = open_storage(job.settings.storage)
    if job.name in {study.study_name for study in storage.get_all_studies()}:
        _refuse_changes(job, optuna.load_study(study_name=job.name, storage=storage))


def _refuse_changes(job: Job, study: optuna.Study) -> None:
    """Continue what is the same study, and nothing else."""
    identity, recorded = job.identity(), study.user_attrs.get("identity")
    if recorded is None:
        raise UserError(_foreign(job, study))
    if recorded != identity:
        raise UserError(_what_changed(job, study, recorded, identity))


def _foreign(job: Job, study: optuna.Study) -> str:
    """Why a study that was not made by this command is left as it is."""
    ways = ", ".join(direction.name.lower() for direction in study.directions)
    return (
        f"study {study.study_name} in {shown(job.settings.storage)} was made by another program "
        f"({ways}; {len(study.trials)} trials), or for a study that was deleted; it is left as it "
        f"is: begin one of another name, --study.name {job.name}-2"
    )


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
        names = sorted(study.study_name for study in storage.get_all_studies())
        listed = [n for n in names if kind_of(n)[1] == "trial" and not n.endswith(MAKING)]
        raise UserError(
            f"there is no study {name} in {shown(url)}; there is "
            f"{', '.join(listed) or 'none at all'}."
        ) from None


def _first_trials(job: Job, screened: Sequence[Params]) -> list[tuple[Params, str]]:
    """What a new study tries first, and where it comes from."""
    start = job.question.start(job.config, job.space)
    first: list[tuple[Params, str]] = [(start, "config")]
    if job.settings.warm_start is not None:
        first += _warm_start(job, job.settings.warm_start, start)
    return first + [(start | dict(params), "screening") for params in screened]


def _warm_start(job: Job, name: str, start: Params) -> list[tuple[Params, str]]:
    """The best trials of another study, as far as they lie in this one's space."""
    other = load_study(name, job.settings.storage)
    first: list[tuple[Params, str]] = []
    for trial in ranked(other):
        shared = {key: value for key, value in trial.params.items() if key in job.space}
        if shared and all(job.space[key].holds(value) for key, value in shared.items()):
            first.append(({**start, **shared}, f"{other.study_name} {trial.number}"))
    if not first:
        raise UserError(
            f"study.warm_start {other.study_name} has no complete trial whose values lie in this "
            f"study's space ({', '.join(job.space)})."
        )
    return first[:WARM_TRIALS]


def _what_changed(
    job: Job, study: optuna.Study, old: Mapping[str, object], new: Mapping[str, object]
) -> str:
    keys = [key for key in dict(old) | dict(new) if old.get(key) != new.get(key)]
    parts = changed_parts(study.user_attrs.get("corpus", {}), job.corpus)
    named = {"corpus": f"corpus ({', '.join(parts)})"} if parts else {}
    was = ", ".join(
        f"{named.get(key, key)} was {old.get(key, 'absent')}, is {new.get(key, 'absent')}"
        for key in keys[:4]
    )
    more = f" and {len(keys) - 4} more" if len(keys) > 4 else ""
    return (
        f"study {job.name} in {shown(job.settings.storage)} was begun with other settings "
        f"({was}{more}); give the new one its own name, --study.name {job.name}-2."
    )
