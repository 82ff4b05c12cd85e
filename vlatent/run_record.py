"""What a run leaves behind as data: `evaluations.json`, in its folder and in the tracker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from vlatent.evaluation import Criterion, Evaluation, Verdict, judge, score, steps_to_pass
from vlatent.priors import Priors
from vlatent.records import Record

FILE = "evaluations.json"


@dataclass(frozen=True, kw_only=True)
class RunRecord(Record):
    """The evaluations of a run, and the verdict at the last one.

    Attributes:
        version: Format of this record.
        steps: Training steps that the run was to do; one that was stopped has done fewer.
        history: Every evaluation, the first before the first step.
        criteria: The lines of the verdict at the last evaluation.
        score: The score at the last evaluation.
        steps_to_pass: Step from which all criteria held to the end; None if they did not, or if
            the run was stopped.
        corpus: Digests of the parts of the corpus that were read, by the part's name; {} in
            records of before they were kept.
    """

    version: int = 1
    steps: int
    history: tuple[Evaluation, ...]
    criteria: tuple[Criterion, ...]
    score: float
    steps_to_pass: int | None
    corpus: Mapping[str, str] = field(default_factory=dict)

    @property
    def verdict(self) -> Verdict:
        return Verdict(self.criteria)


def run_record(
    history: Sequence[Evaluation], steps: int, priors: Priors, corpus: Mapping[str, str]
) -> RunRecord:
    """The record of a run with these evaluations."""
    verdict, ended = judge(history, steps, priors), history[-1].step == steps
    return RunRecord(
        steps=steps,
        history=tuple(history),
        criteria=verdict.criteria,
        score=score(history[-1], verdict),
        steps_to_pass=steps_to_pass(history, steps, priors) if ended else None,
        corpus=corpus,
    )
