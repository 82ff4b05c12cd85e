"""What a study says while it runs: one line for every trial and every confirmation that ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import optuna
from optuna.trial import FrozenTrial, TrialState
from rich.text import Text

from studies.record import cell_of, counts, feasible, front, maximized, rank, standing, why_failed
from studies.spending import Limit, cost

COLUMNS = 120  # of a line


class Reporter:
    """The trials of a study that have ended, whoever trained them, and a line for each new one.

    Attributes:
        done: Number of trials that use up the budget.
    """

    def __init__(
        self,
        study: optuna.Study,
        objectives: Sequence[str],
        again: str | None = None,
        limit: Limit | None = None,
    ) -> None:
        """Begin to look; of what has ended before, nothing is said.

        Args:
            study: The trials.
            objectives: Names of what they return.
            again: What was done with trials of another study on new seeds, `confirmed` for
                instance; these do not compete.
            limit: Until when trials are begun, if there is such a limit.
        """
        ended = [trial for trial in study.get_trials(deepcopy=False) if _over(trial)]
        self.done = len(standing(ended))
        self._study = study
        self._objectives = objectives
        self._again = again
        self._limit = limit
        self._told = {trial.number for trial in ended}
        self._maximize = maximized(study)[0]
        complete = [trial for trial in ended if trial.state == TrialState.COMPLETE]
        self._best = min((rank(trial, self._maximize) for trial in complete), default=None)
        self._opened = self._first = datetime.now()
        self._since = 0  # trials that ended since then; the first of them began at `_first`

    def lines(self, of: Callable[[], int]) -> list[Text]:
        """A line for every trial that ended since the last look.

        Args:
            of: How many trials there are to be in all; asked when one has ended.
        """
        trials = self._study.get_trials(deepcopy=False)
        new = [trial for trial in trials if trial.number not in self._told and _over(trial)]
        new.sort(key=lambda trial: trial.datetime_complete or self._opened)
        lines = []
        for trial in new:
            self._told.add(trial.number)
            self.done = len(standing([each for each in trials if each.number in self._told]))
            lines.append(self._line(trial, of))
        return lines

    def _line(self, trial: FrozenTrial, of: Callable[[], int]) -> Text:
        if not counts(trial):
            return Text.assemble(f"{self._name(trial)}  ", _ending(trial, self._objectives))
        self._since += 1
        if self._since == 1 and trial.datetime_start:
            self._first = trial.datetime_start
        head = f"{self._name(trial)}  {self._clock(of())}  "
        place = self._place(trial)
        room = COLUMNS - len(head) - len(place)
        ending = _ending(trial, self._objectives, room, self._again is not None)
        return Text.assemble(head, ending, (place, "bold"))

    def _name(self, trial: FrozenTrial) -> str:
        if self._again is None:
            return f"trial {trial.number:3d}"
        number, seed = cell_of(trial)
        return f"{self._again} trial {number}, seed {seed}"

    def _clock(self, of: int) -> str:
        """`12/60`, what the trials have cost so far, and when the last one ends at this pace."""
        now = datetime.now()
        left = (now - self._first) / self._since * max(of - self.done, 0)
        if self._limit is not None:
            left = min(left, max(timedelta(hours=self._limit.left(self._study)), timedelta()))
        end = now + left
        day = "" if end.date() == now.date() else f"{end:%d %b} "
        ends = f"ends ~{day}{end:%H:%M}" if left else f"{'':11}"
        return f"{f'{self.done}/{of}':>{2 * len(str(of)) + 1}}  {cost(self._study).words}  {ends}"

    def _place(self, trial: FrozenTrial) -> str:
        """Whether no trial before it was better."""
        if trial.state != TrialState.COMPLETE or self._again is not None:
            return ""
        if len(self._study.directions) > 1:
            unbeaten = {member.number for member in front(self._study)}
            return "  on the front" if trial.number in unbeaten else ""
        place = rank(trial, self._maximize)
        if self._best is not None and place > self._best:
            return ""
        self._best = place
        return f"  {'best' if feasible(trial) else 'nearest'} so far"


def trial_line(trial: FrozenTrial, objectives: Sequence[str]) -> Text:
    """One line that says how a trial ended, with its value of every objective by name."""
    return Text.assemble(f"trial {trial.number:3d}  ", _ending(trial, objectives))


def _over(trial: FrozenTrial) -> bool:
    return counts(trial) or "returned" in trial.user_attrs


def _ending(
    trial: FrozenTrial, objectives: Sequence[str], columns: int = 1000, again: bool = False
) -> Text:
    """How a trial ended, its values, and what it violates, in so many columns."""
    attributes = trial.user_attrs
    if "returned" in attributes:
        return Text(f"returned  {attributes['returned']}; it keeps its place in the queue")
    if trial.state == TrialState.FAIL:
        return Text.assemble(("failed", "red"), f"    {why_failed(trial)}")
    state = "pruned    " if trial.state == TrialState.PRUNED else "complete  "
    values = dict(zip(objectives, trial.values or (), strict=False))
    if not values:  # it was pruned: by the score, whatever the objective
        reported = trial.intermediate_values[max(trial.intermediate_values)]
        values = {attributes.get("reported", "score"): reported}
    digits = ".3g" if len(values) > 1 or "reported" in attributes else ".3f"
    shown = "  ".join(f"{name} {value:{digits}}" for name, value in values.items())
    before = attributes.get("continues")
    continued = "" if before is None else f"  continues trial {before}"
    start = f"{'' if again else state}{shown}  {attributes['seconds']:4.1f} s  "
    broken = [line["name"] for line in attributes["criteria"] if line["margin"] > 0]
    room = columns - len(start) - len(continued)
    passes = ("passes every criterion", "green")
    return Text.assemble(start, _violates(broken, room) if broken else passes, continued)


def _violates(names: Sequence[str], columns: int) -> str:
    """As many names as fit, and how many more there are."""
    for count in range(len(names), 0, -1):
        more = f" +{len(names) - count}" if count < len(names) else ""
        said = f"violates {', '.join(names[:count])}{more}"
        if len(said) <= columns:
            break
    return said
