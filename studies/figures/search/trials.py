"""The trials of a study as plain numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from vlatent.search_space import Axis

Kind = Literal["feasible", "infeasible", "pruned", "failed"]


@dataclass(frozen=True)
class TrialRow:
    """What the figures need of one trial.

    Attributes:
        number: Its number in the study; trial 0 has the starting values.
        state: How it ended.
        score: What is maximised; of a pruned trial the last one reported.
        feasible: Whether it is complete and violates nothing.
        params: Value of every searched parameter, as far as one was chosen.
        margins: Signed margin of every criterion, which holds at 0 or less.
    """

    number: int
    state: Literal["complete", "pruned", "failed"]
    score: float | None
    feasible: bool
    params: Mapping[str, float]
    margins: Mapping[str, float]

    @property
    def kind(self) -> Kind:
        """How the trial is marked; one without a finite score counts as failed."""
        if self.state == "failed" or self.score is None or not math.isfinite(self.score):
            return "failed"
        if self.state == "pruned":
            return "pruned"
        return "feasible" if self.feasible else "infeasible"


def complete(trials: Sequence[TrialRow]) -> list[TrialRow]:
    """The trials that were trained to the end and have a score, feasible or not."""
    return [trial for trial in trials if trial.kind in ("feasible", "infeasible")]


def chosen(trials: Sequence[TrialRow]) -> TrialRow | None:
    """The feasible trial with the highest score, else the complete one nearest to feasible."""
    passing = [trial for trial in trials if trial.kind == "feasible"]
    if passing:
        return max(passing, key=lambda trial: (trial.score, -trial.number))
    return min(
        complete(trials),
        key=lambda trial: (max(trial.margins.values(), default=math.inf), trial.number),
        default=None,
    )


def score_axis(trials: Sequence[TrialRow]) -> Axis:
    """The scale from the lowest to the highest score, or around the only one."""
    scores = [trial.score for trial in trials if trial.kind != "failed" and trial.score is not None]
    low, high = min(scores, default=0.0), max(scores, default=1.0)
    return Axis(low, high) if low < high else Axis(math.floor(low - 0.5), math.ceil(high + 0.5))
