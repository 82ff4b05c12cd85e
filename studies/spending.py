"""What a study has spent: steps and seconds of training, and the hours of its search."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import optuna
from optuna.trial import FrozenTrial, TrialState

from studies.record import continued, counted, is_foreign, is_ours
from studies.search_result import Cost
from vlatent.formatting import bounds, digits, duration

ENDED_BY_ITSELF = (TrialState.COMPLETE, TrialState.PRUNED)


def steps_of(trial: FrozenTrial) -> int:
    """Steps of the config's own batch size that were trained, from where it was resumed."""
    return max(_reached(trial) - int(trial.user_attrs.get("resumed_at", 0)), 0)


def seconds_of(trial: FrozenTrial) -> float:
    """Seconds for which a trial was trained; up to its last evaluation if its worker died."""
    return float(trial.user_attrs.get("seconds", 0.0))


def cost(study: optuna.Study, steps: int = 0) -> Cost:
    """What the trials of a study have cost: complete, pruned, failed and interrupted ones alike.

    Args:
        study: The trials.
        steps: Steps of a trial that is not pruned, by which pruning has saved some.
    """
    trials = _own(study)
    gone = continued(trials)  # of a revived trial only what continues it can have saved any
    pruned = [t for t in trials if t.state == TrialState.PRUNED and t.number not in gone]
    return Cost(
        steps=sum(map(steps_of, trials)),
        seconds=sum(map(seconds_of, trials)),
        saved=sum(max(steps - _reached(trial), 0) for trial in pruned),
    )


def searched(study: optuna.Study) -> float:
    """Seconds in which at least one trial was being trained, on whatever machine.

    Wall-clock time without the breaks between two commands. Of a trial whose worker died, and of
    one that is running, the time up to its last evaluation counts.
    """
    spans = sorted(span for trial in _own(study) if (span := _span(trial)) is not None)
    total, until = timedelta(), datetime.min
    for begin, end in spans:
        total += max(end - max(begin, until), timedelta())
        until = max(until, end)
    return total.total_seconds()


def _own(study: optuna.Study) -> list[FrozenTrial]:
    """All trials but those that another program put into a study of ours."""
    trials = study.get_trials(deepcopy=False)
    return [trial for trial in trials if not is_foreign(trial)] if is_ours(study) else trials


def _reached(trial: FrozenTrial) -> int:
    return int(trial.user_attrs.get("steps", max(trial.intermediate_values, default=0)))


def _span(trial: FrozenTrial) -> tuple[datetime, datetime] | None:
    """When a trial was begun, and when it ended or was last heard of."""
    begin, end = trial.datetime_start, trial.datetime_complete
    if begin is None:
        return None
    told = trial.state in ENDED_BY_ITSELF or trial.user_attrs.keys() & {"reason", "returned"}
    if end is None or not told:  # who finds a dead worker's trial ends it, maybe days later
        end = begin + timedelta(seconds=seconds_of(trial))
    return begin, end


@dataclass(frozen=True)
class Limit:
    """Until when a search begins trials.

    Attributes:
        hours: Wall-clock hours of search, confirmation and test together.
        again: Steps that confirmation and test will train at most.
    """

    hours: float
    again: int

    def needed(self, study: optuna.Study) -> float:
        """Hours of the search so far, and of confirmation and test at its pace.

        With t hours of search in which s steps were trained: t (1 + again / s).
        """
        hours, steps = searched(study) / 3600, cost(study).steps
        return hours * (1 + self.again / steps) if steps else hours

    def left(self, study: optuna.Study) -> float:
        """Hours for which the search may still begin trials; 0 or less: none."""
        return self.hours - self.needed(study)

    def ends(self, study: optuna.Study) -> bool:
        """Whether it ends the search, which still has trials to do."""
        done, budget = len(counted(study)), study.user_attrs.get("budget")
        return self.left(study) <= 0 and (budget is None or done < budget)

    def words(self, study: optuna.Study) -> str:
        """How much of the hours is spent, and how the search goes on when they have ended it."""
        hours, needed = searched(study) / 3600, self.needed(study)
        took, most = duration(3600 * hours), f"{digits(self.hours)} h"
        again = f"confirmation and test need {duration(3600 * (needed - hours))} at its pace"
        if not self.ends(study):
            return f"The search took {took} of {most}; {again}."
        above = bounds(needed, needed)[1]
        return (
            f"The search ended, as its {most} are spent: it took {took}, and {again}. The "
            f"same command goes on with --study.hours above {above}."
        )
