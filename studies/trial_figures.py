"""Figures of the runs of a study that someone will open, and what draws the others."""

from __future__ import annotations

import json
import logging
import shlex
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from optuna.trial import Trial, create_trial

from studies.job import Job
from studies.record import cell_of, completed, feasible, maximized, rank
from studies.settings import storage_flag
from vlatent import checkpoints, recording
from vlatent.config import RunConfig, from_yaml, override
from vlatent.evaluation import Evaluation, Verdict
from vlatent.models import trained_model
from vlatent.pareto import front
from vlatent.preparation import corpus_for
from vlatent.shapes import UserError
from vlatent.tracking import Tracker

Last = tuple[int, Evaluation, Verdict]  # a trial's last evaluation, and its step

logger = logging.getLogger(__name__)


def trained_without(config: RunConfig) -> RunConfig:
    """The config with which a run of a study is trained: what it draws is known at its end."""
    drawn: RunConfig = override(config, {"tracking.figures": config.tracking.figures is True})
    return drawn


class TrialFigures:
    """The figures of a trial, where `tracking.figures` leaves it to the study who gets any.

    Args:
        trial: The trial.
        job: Its study.
        place: Its folder, in which its training keeps a checkpoint; without one nothing is drawn.
        tracker: Its run.
    """

    def __init__(self, trial: Trial, job: Job, place: Path, tracker: Tracker) -> None:
        self._trial, self._job, self._place, self._tracker = trial, job, place, tracker

    def of_complete(self, values: Sequence[float], last: Last) -> None:
        """Draw a trial that was trained to the end if someone will look at it."""
        if self._chosen and draws(self._trial, self._job, values, last[2]):
            self._draw()
        else:
            self._say_how(last)

    def of_pruned(self, last: Last | None) -> None:
        self._say_how(last)

    def of_failed(self) -> None:
        """Draw what it was at its last evaluation; what made it fail may prevent that."""
        try:
            if self._chosen:
                self._draw()
        except (UserError, RuntimeError, ValueError) as error:
            logger.warning("no figures of %s: %s", self._place.name, error)

    @property
    def _chosen(self) -> bool:
        finalists = self._job.config.tracking.figures == "finalists"
        return finalists and (self._place / checkpoints.NAME).is_file()

    def _draw(self) -> None:
        """Draw it from its checkpoint, as its own training would have."""
        state = checkpoints.load(self._place)
        config = override(from_yaml(state["config"]), {"tracking.figures": True})
        corpus = corpus_for(config)
        model = trained_model(state, corpus.vocabulary_size)
        history = [Evaluation(**evaluation) for evaluation in json.loads(state["history"])]
        log = json.loads(state["log"])
        recording.conclude(self._tracker, self._place, config, model, corpus, history, log)

    def _say_how(self, last: Last | None) -> None:
        """Add to the verdict in the run's description what draws its figures."""
        if not self._chosen or last is None:
            return
        command = replay_command(self._job, self._trial.number)
        self._tracker.note(
            f"{recording.summary(*last[1:])}\nIts figures were not drawn, as only those of "
            "finalists and of failures are (`--tracking.figures true` draws all). "
            f"`{command} --out figures` trains it again and draws them.\n"
        )


def draws(trial: Trial, job: Job, values: Sequence[float], verdict: Verdict) -> bool:
    """Whether a run that was trained to the end gets figures where only finalists have them.

    One of the search does when it is among the best so far, whose weights are kept, or on the
    front; of what is trained again it is the first seed of each.
    """
    study = trial.study
    if job.kind != "trial":
        number, seed = trial.params["trial"], trial.params["seed"]
        cells = (cell_of(other) for other in study.get_trials(deepcopy=False))
        return bool(seed == min(its for of, its in cells if of == number))
    maximize, others = maximized(study), completed(study)
    criteria = [asdict(line) for line in verdict.criteria]
    own = create_trial(values=list(values), user_attrs={"criteria": criteria})
    if len(maximize) > 1:
        passing = [other for other in others if feasible(other)]
        rivals = passing if feasible(own) else others
        unbeaten = front([*(other.values for other in rivals), own.values], maximize)
        return unbeaten[-1] and (feasible(own) or not passing)
    better = sum(rank(other, maximize[0]) < rank(own, maximize[0]) for other in others)
    return better < max(job.settings.confirm, 1)


def replay_command(job: Job, number: int) -> str:
    """The command that trains a trial again."""
    flag = storage_flag(job.settings.storage)
    return f"vlatent replay {shlex.quote(job.study_name)} {number}{flag}"
