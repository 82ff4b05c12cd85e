"""What a study came to, as data: `result.json`, from which console, report, status and note say it.

`studies.outcome.study_result` makes it from Optuna's studies, also from those of earlier versions.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from vlatent.evaluation import Criterion, Evaluation
from vlatent.intervals import bracket, counted, interval
from vlatent.records import Record

FILE = "result.json"
Basis = Literal["confirmed", "knee", "search", "nearest", "none"]


@dataclass(frozen=True)
class Objective:
    """A number that a study makes as large, or as small, as it can.

    Attributes:
        name: In few letters, for the tracker and for legends.
        label: What it is, with its unit, for tables and axes.
        maximize: Whether more is better.
        scale: How its axis is divided; "symlog" is even near 0 and logarithmic beyond.
        limit: The value from which on, towards the better, the criteria behind it hold; None
            where there are none.
    """

    name: str
    label: str
    maximize: bool
    scale: Literal["linear", "log", "symlog"] = "linear"
    limit: float | None = None


@dataclass(frozen=True)
class Counts:
    """How many trials of the budget ended how; `feasible` ones are among the complete."""

    complete: int
    pruned: int
    failed: int
    feasible: int


@dataclass(frozen=True)
class TrialResult:
    """A trial that was trained to the end.

    Attributes:
        number: Its number in the search.
        params: The searched values.
        values: One number an objective.
        feasible: Whether it passes every criterion.
        criteria: The lines of its verdict.
        steps_to_pass: Step from which all criteria held, in its own steps; None if they did not.
        run_id: Its run in the tracker.
    """

    number: int
    params: dict[str, object]
    values: tuple[float, ...]
    feasible: bool
    criteria: tuple[Criterion, ...]
    steps_to_pass: int | None
    run_id: str | None


@dataclass(frozen=True)
class Confirmation:
    """A trial of the search, trained again on a seed that the search never saw.

    Attributes:
        trial: Number of the trial in the search.
        seed: The new seed.
        values: One number an objective; none if it failed.
        passed: Whether it passes every criterion.
        failure: Why it failed; None if it did not.
        run_id: Its run in the tracker.
    """

    trial: int
    seed: int
    values: tuple[float, ...]
    passed: bool
    failure: str | None
    run_id: str | None


@dataclass(frozen=True)
class Finalist:
    """A trial of the search and its confirmations, of which at least one ended well.

    Attributes:
        number: Number of the trial in the search.
        values: Its values in the search.
        confirmations: One a seed, the seeds rising.
    """

    number: int
    values: tuple[float, ...]
    confirmations: tuple[Confirmation, ...]

    @property
    def runs(self) -> list[Confirmation]:
        """The confirmations that were trained to the end."""
        return [run for run in self.confirmations if run.failure is None]

    @property
    def passed(self) -> int:
        """On how many seeds it passes every criterion."""
        return sum(run.passed for run in self.runs)

    @property
    def mean(self) -> float:
        """Mean of the first objective over seeds."""
        return fmean(run.values[0] for run in self.runs)

    def interval(self, objective: int = 0) -> tuple[float, float, float]:
        """Mean and 95 % interval over seeds of one objective; infinite if all are the same."""
        return interval([run.values[objective] for run in self.runs])


@dataclass(frozen=True)
class Optimism:
    """How much better the search measured its best trial than new seeds do: the winner's curse.

    Attributes:
        trial: The finalist whose first objective was best in the search.
        found: Its first objective in the search.
        confirmed: Its mean over new seeds.
        mean: The difference, found minus confirmed.
        low: Lower end of the 95 % interval of the difference.
        high: Upper end.
    """

    trial: int
    found: float
    confirmed: float
    mean: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class StudyResult(Record):
    """What a study came to.

    Attributes:
        version: Format of this record.
        name: Name of the study.
        question: Name of the question: the script is `vlatent study QUESTION`.
        text: The question in words.
        objectives: What it optimises.
        budget: Trials that it was to do; None where that was not written down.
        counts: How its trials ended.
        steps_trained: Steps trained in all, of the config's own batch size.
        steps_saved: Steps that pruning saved.
        ranking: Complete trials, the best first.
        front: Numbers of the trials on the front; only of several objectives.
        finalists: Confirmed trials, the best first.
        leader: The trial that everything names; None if no trial was trained to the end.
        basis: Why it leads: `confirmed` best, the `knee` of the front, best of the `search`,
            `nearest` to feasible as nothing is; `none` without a leader.
        undistinguished: Confirmed trials whose 95 % interval overlaps with the leader's.
        optimism: Optimism of the search; None if nothing was confirmed.
        evaluation: The last evaluation of the leader.
    """

    version: int = 1
    name: str
    question: str
    text: str
    objectives: tuple[Objective, ...]
    budget: int | None
    counts: Counts
    steps_trained: int
    steps_saved: int
    ranking: tuple[TrialResult, ...]
    front: tuple[int, ...]
    finalists: tuple[Finalist, ...]
    leader: int | None
    basis: Basis
    undistinguished: tuple[int, ...]
    optimism: Optimism | None
    evaluation: Evaluation | None

    @property
    def leading(self) -> TrialResult | None:
        return next((trial for trial in self.ranking if trial.number == self.leader), None)


def headline(result: StudyResult) -> str:
    """Which trial leads and why, in one or two sentences."""
    leader, name = result.leading, f"Trial {result.leader}"
    if leader is None:
        return "No trial was trained to the end yet."
    if result.basis == "knee":
        return f"{name} is the knee of the front: the best compromise."
    if result.basis == "confirmed":
        first, others = result.finalists[0], result.undistinguished
        mean, seeds = bracket(*first.interval()), len(first.runs)
        new = f"{seeds} new seed{'s' * (seeds > 1)}"
        said = (
            f"{name} leads after confirmation: {result.objectives[0].label} {mean} on {new}; it "
            f"passes on {passes(first)}."
        )
        if not others:
            return said
        listed = ", ".join(map(str, others[:-1])) + " and " * (len(others) > 1) + str(others[-1])
        few = f"Trials {listed} are" if len(others) > 1 else f"Trial {listed} is"
        return f"{said} {few} not distinguishable from it."
    if result.basis == "search":
        return f"{name} is the best that passes every criterion."
    violated = ", ".join(line.name for line in leader.criteria if not line.holds)
    return f"No trial passes every criterion. {name} is nearest; it violates {violated}."


def passes(finalist: Finalist) -> str:
    """On how many new seeds a finalist passes, with the exact interval of that share.

    `4 of 5 [28 %, 100 %]`, and how many of its runs failed, which may have failed to pass.
    """
    failed = len(finalist.confirmations) - len(finalist.runs)
    count = counted(finalist.passed, len(finalist.runs))
    return f"{count} ({failed} more failed)" if failed else count


def summary(result: StudyResult) -> str:
    """How the trials ended and what they cost, in two sentences."""
    counts, trained, saved = result.counts, result.steps_trained, result.steps_saved
    share = saved / max(trained + saved, 1)
    return (
        f"{counts.feasible} of {counts.complete} complete trials pass every criterion; "
        f"{counts.pruned} were pruned, {counts.failed} failed. {trained} steps trained, {saved} "
        f"saved by pruning ({share:.0%})."
    )
