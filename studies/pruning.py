"""Pruning that knows the criteria: a trial is stopped when it is far from passing."""

from __future__ import annotations

from statistics import median

from optuna.pruners import BasePruner, MedianPruner
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

VIOLATIONS = "violations"  # attribute of a trial: how far from passing it was, by step


class CriteriaPruner(BasePruner):
    """Stops a trial whose violation is above the median of the trials that came as far.

    The violation of an evaluation is what its criteria exceed their limits by, in all
    (`Workload.violation`). The least that a trial has had so far is compared with the others' at
    its step, pruned ones among them. So a trial that keeps every limit is never stopped, whatever
    its score; where nothing is limited Optuna's median of the score decides.

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
        own = trial.user_attrs.get(VIOLATIONS)
        if not own:
            return self._by_score.prune(study, trial)
        step = trial.last_step
        if step is None or step < self._n_warmup_steps:
            return False
        ended = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
        courses = [other.user_attrs.get(VIOLATIONS, {}) for other in ended]
        others = [course[str(step)] for course in courses if str(step) in course]
        if len(ended) < self._n_startup_trials or len(others) < self._n_min_trials:
            return False
        return bool(min(own.values()) > median(others))
