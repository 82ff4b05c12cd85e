"""One run of a problem of the user's own: what its function reports and returns, as a `Result`."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from rich.progress import Progress

from vlatent.config import flatten, to_yaml
from vlatent.evaluation import VIOLATED, Criterion, Evaluation, Verdict
from vlatent.problem import Problem, ProblemConfig
from vlatent.result import Result
from vlatent.step import Diverged
from vlatent.tracking import Tracker
from vlatent.training import Report


def run_problem(
    problem: Problem,
    config: ProblemConfig,
    tracker: Tracker,
    report: Report,
    progress: Progress | None = None,
) -> Result:
    """Call a problem's function with the weights and the seed of a config.

    Args:
        problem: The problem.
        config: All its weights, and the seed, with which PyTorch is seeded too.
        tracker: Where everything is recorded; the caller closes it.
        report: Called after whatever the function reports, and at its end; may raise.
        progress: A running display, to which this run adds a bar.

    Raises:
        Diverged: A statistic is absent or no finite number, or a step does not rise.
    """
    began, run = time.perf_counter(), _Run(problem, tracker, report, progress)
    tracker.params(flatten(config))
    tracker.text("config.yaml", to_yaml(config))
    tracker.tags({"seed": config.training.seed})
    torch.manual_seed(config.training.seed)
    try:
        run.end(problem.function(_Weights(config.weights), config.training.seed, run))
    finally:
        run.close()
    last, seconds = run.history[-1], time.perf_counter() - began
    passed_at = _steps_to_pass(run.history, run.verdicts)
    value = last.metrics[problem.optimized]
    return Result(run.history, run.verdicts[-1], value, passed_at, Path(), seconds)


def _steps_to_pass(history: Sequence[Evaluation], verdicts: Sequence[Verdict]) -> int | None:
    """Step of the first evaluation from which every limit is kept to the end; None if none is."""
    first = len(verdicts)
    while first and verdicts[first - 1].passed:
        first -= 1
    return history[first].step if first < len(history) else None


class _Weights(dict[str, float]):
    """The weights of a run; one that the problem does not have is named."""

    def __missing__(self, name: str) -> float:
        raise Diverged(f"there is no weight {name!r}; the problem has {', '.join(self)}")


class _Run:
    """What a problem's function calls: `report(step, statistics)`."""

    def __init__(
        self,
        problem: Problem,
        tracker: Tracker,
        report: Report,
        progress: Progress | None,
    ) -> None:
        self.history: list[Evaluation] = []
        self.verdicts: list[Verdict] = []
        self._problem, self._tracker, self._report = problem, tracker, report
        self._progress = progress
        if progress is not None:
            self._task = progress.add_task(problem.name, total=problem.steps)

    def __call__(self, step: int, statistics: object) -> None:
        """Take what the function reports; of the last step, what it returns counts."""
        last, steps = self.history[-1].step if self.history else 0, self._problem.steps
        if not last < step <= steps:
            raise Diverged(
                f"step {step} was reported after step {last} of {steps}: steps must rise up to "
                "the problem's own number of steps"
            )
        if step < steps:
            self._take(step, statistics, [self._problem.optimized])

    def end(self, statistics: object) -> None:
        """Take what the function returned."""
        needed = [self._problem.optimized, *self._problem.limits]
        self._take(self._problem.steps, statistics, needed)

    def close(self) -> None:
        if self._progress is not None:
            self._progress.remove_task(self._task)

    def _take(self, step: int, statistics: object, needed: Sequence[str]) -> None:
        values = _checked(step, statistics, needed)
        evaluation, verdict = Evaluation(step, values, {}), verdict_of(self._problem, values)
        self.history.append(evaluation)
        self.verdicts.append(verdict)
        self._tracker.metrics(_metrics(self._problem.optimized, evaluation, verdict), step)
        self._tracker.flush()
        if self._progress is not None:
            self._progress.update(self._task, completed=step)
        self._report(step, evaluation, verdict)


def _checked(step: int, statistics: object, needed: Sequence[str]) -> dict[str, float]:
    """The statistics as plain numbers.

    Raises:
        Diverged: One is no number, or one that is needed is absent or not finite.
    """
    if not isinstance(statistics, Mapping):
        raise Diverged(f"{statistics!r:.60} is given at step {step}, not statistics by name")
    values = {}
    for name, value in statistics.items():
        try:
            values[str(name)] = float(value)
        except (TypeError, ValueError):
            raise Diverged(f"statistic {name} is {value!r:.60} at step {step}, no number") from None
    for name in needed:
        if name not in values:
            has = ", ".join(values) or "none"
            raise Diverged(f"there is no statistic {name} at step {step}; there is {has}")
        if not math.isfinite(values[name]):
            raise Diverged(f"statistic {name} is {values[name]} at step {step}")
    return values


def verdict_of(problem: Problem, values: Mapping[str, float]) -> Verdict:
    """The limits of a problem as criteria.

    A margin is the distance to the nearest limit, positive beyond it, in units of half the width
    of the band or, where only one end is finite, of that end (of 1 where it is 0).
    """
    criteria = []
    for name, (low, high) in problem.limits.items():
        value = values.get(name, math.nan)
        ends = [abs(end) for end in (low, high) if math.isfinite(end)]
        unit = ((high - low) / 2 if len(ends) == 2 else sum(ends)) or 1.0
        margin = max((low - value) / unit, (value - high) / unit) if ends else -1.0
        known = math.isfinite(margin)
        criteria.append(
            Criterion(
                name,
                _wanted(low, high),
                f"{value:.4g}" if known else "none",
                margin if known else VIOLATED,
            )
        )
    return Verdict(tuple(criteria))


def _wanted(low: float, high: float) -> str:
    if math.isfinite(low) and math.isfinite(high):
        return f"{low:g} to {high:g}"
    return f"at most {high:g}" if math.isfinite(high) else f"at least {low:g}"


def _metrics(first: str, evaluation: Evaluation, verdict: Verdict) -> dict[str, float]:
    """What the tracker keeps of an evaluation: what matters most comes first."""
    metrics = {f"statistic/{first}": evaluation.metrics[first], "passed": float(verdict.passed)}
    if verdict.criteria:
        metrics["margin/worst"] = verdict.worst
    metrics |= {f"margin/{line.name}": line.margin for line in verdict.criteria}
    return metrics | {f"statistic/{name}": value for name, value in evaluation.metrics.items()}
