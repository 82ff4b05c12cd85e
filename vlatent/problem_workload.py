"""A problem of the user's own, as studies and ablations run it, and how it is found by its path."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from rich.progress import Progress

from vlatent import own_questions
from vlatent.config import override
from vlatent.corpus import Part
from vlatent.evaluation import Criterion, Evaluation, Verdict
from vlatent.problem import Problem, ProblemConfig, config_of
from vlatent.problem_run import run_problem, verdict_of
from vlatent.result import Result
from vlatent.shapes import UserError
from vlatent.tracking import Tracker
from vlatent.training import Report
from vlatent.workload import Workload, exceeded


@dataclass(frozen=True, kw_only=True)
class ProblemWorkload(Workload):
    """A problem of the user's own.

    Attributes:
        problem: Its function, weights and limits.
    """

    problem: Problem

    kind = "problem"
    config_type = ProblemConfig
    columns = ("passed", "margin/worst")

    @property
    def curve(self) -> str:
        return f"statistic/{self.problem.optimized}"

    def completed(self, config: ProblemConfig) -> ProblemConfig:
        return config_of(self.problem, config)

    def corpus(self, config: ProblemConfig) -> None:
        return None

    def placed(self, config: ProblemConfig, folder: Path, resume: Path | None) -> ProblemConfig:
        return config  # it writes nothing, and cannot be resumed: it begins again

    def judged_on(self, config: ProblemConfig, seed: int, part: Part) -> ProblemConfig:
        return override(config, {"training.seed": seed})

    def reported(self, evaluation: Evaluation, verdict: Verdict) -> float:
        return evaluation.metrics[self.problem.optimized]

    def violation(self, verdict: Verdict) -> float | None:
        return exceeded(verdict.criteria) if verdict.criteria else None

    def made_up(
        self, config: ProblemConfig, draw: np.random.Generator
    ) -> tuple[Evaluation, tuple[Criterion, ...]]:
        names = dict.fromkeys((self.problem.optimized, *self.problem.limits))
        values = dict(zip(names, draw.uniform(size=len(names)).tolist(), strict=True))
        return Evaluation(self.problem.steps, values, {}), verdict_of(self.problem, values).criteria

    def train(
        self,
        config: ProblemConfig,
        tracker: Tracker,
        report: Report,
        progress: Progress | None = None,
    ) -> Result:
        return run_problem(self.problem, config, tracker, report, progress)

    def _own(self) -> object:
        return self.problem


Asked = TypeVar("Asked")  # a question of a study, or an ablation: it has a workload


def asked_at(
    path: str, command: str, kind: type[Asked], about: Callable[[Problem, str], Asked]
) -> Asked:
    """What a command asks by a path of the user's own: his question, or the one about his problem.

    Args:
        path: Where it is: file.py:NAME or package.module.NAME.
        command: For messages.
        kind: What the command takes beside a Problem.
        about: Makes one of a problem and its path.

    Raises:
        UserError: There is no such thing, or it is neither.
    """
    thing: Any = own_questions.found(path, command)
    if isinstance(thing, Problem):
        return about(thing, path)
    if not isinstance(thing, kind):
        raise UserError(
            f"{command}: {own_questions.shown(path)} is of type {type(thing).__name__}, not "
            f"Problem or {kind.__name__}."
        )
    asked: Any = thing
    placed: Asked = replace(asked, workload=replace(asked.workload, source=path))
    return placed
