"""Pruning that knows the criteria: a trial is stopped when it is far from passing."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from optuna.pruners import BasePruner, MedianPruner
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from studies.record import continued

VIOLATIONS = "violations"  # attribute of a trial: how far from passing it was, by step
ENDED = (TrialState.COMPLETE, TrialState.PRUNED)


class CriteriaPruner(BasePruner):
    """Stops a trial whose violation is above the median of the trials that came as far.

    The violation of an evaluation is what its criteria exceed their limits by, in all
    (`Workload.violation`). The least that a trial has had so far is compared with the others' at
    its step, pruned ones among them. So a trial that keeps every limit is never stopped, whatever
    its score; where nothing is limited Optuna's median of the score decides.

    A stopped trial that would not be stopped now, as the others turned out worse, is `promising`:
    it is revived from its checkpoint. It stands among the others until what continues it has ended,
    which then takes its place. So a trial has the same others when it is stopped and right after,
    and is not revived before one of them has ended.

    Args:
        n_startup_trials: Trials that must have ended before any is stopped.
        n_warmup_steps: Steps of a trial before which it is not stopped.
        n_min_trials: Trials that must have come as far.
    """

    def __init__(
        self, n_startup_trials: int = 4, n_warmup_steps: int = 0, n_min_trials: int = 3
    ) -> None:
        self._by_score = MedianPruner(
            n_startup_trials=n_startup_trials,
            n_warmup_steps=n_warmup_steps,
            n_min_trials=n_min_trials,
        )
        self._n_startup_trials, self._n_min_trials = n_startup_trials, n_min_trials
        self._n_warmup_steps = n_warmup_steps

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        if not trial.user_attrs.get(VIOLATIONS):
            return self._by_score.prune(study, trial)
        behind = self._behind(study.get_trials(deepcopy=False), trial)
        return behind is not None and behind > 0

    def promising(self, study: Study) -> list[FrozenTrial]:
        """Pruned trials that it would not stop now, those of the least violation first."""
        trials = study.get_trials(deepcopy=False)
        gone, found = continued(trials), []
        for trial in trials:
            if trial.state == TrialState.PRUNED and trial.number not in gone:
                behind = self._behind(trials, trial)
                if behind is not None and behind <= 0:
                    found.append(trial)
        return sorted(found, key=_least)

    def _behind(self, trials: Sequence[FrozenTrial], trial: FrozenTrial) -> float | None:
        """How far its least violation is above the median of the others; None: no judgement yet."""
        step = trial.last_step
        if not trial.user_attrs.get(VIOLATIONS) or step is None or step < self._n_warmup_steps:
            return None
        ended = {_place(each): each for each in trials if each.state in ENDED}
        ended.pop(_place(trial), None)
        courses = [other.user_attrs.get(VIOLATIONS, {}) for other in ended.values()]
        others = [course[str(step)] for course in courses if str(step) in course]
        if len(ended) < self._n_startup_trials or len(others) < self._n_min_trials:
            return None
        return _least(trial) - float(median(others))


def _place(trial: FrozenTrial) -> int | str:
    """What a revived trial shares with the one that continues it."""
    place: int | str = trial.user_attrs.get("ordinal", f"trial {trial.number}")
    return place


def _least(trial: FrozenTrial) -> float:
    return float(min(trial.user_attrs[VIOLATIONS].values()))
