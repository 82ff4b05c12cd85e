"""What a study asks: a question, the values that are searched and what counts as better."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import optuna
from optuna.study import StudyDirection
from optuna.trial import Trial
from rich.progress import Progress

from studies.result import Objective
from vlatent.config import RunConfig, flatten, override
from vlatent.result import Result
from vlatent.shapes import UserError
from vlatent.tracking import Tracker
from vlatent.training import Report
from vlatent.workload import ENCODER, Workload

Params = Mapping[str, float]


@dataclass(frozen=True)
class Range:
    """Values that are tried, between low and high, evenly in the logarithm if `log`."""

    low: float
    high: float
    log: bool = True

    def suggest(self, trial: Trial, name: str) -> float:
        return trial.suggest_float(name, self.low, self.high, log=self.log)

    def holds(self, value: float) -> bool:
        return self.low <= value <= self.high

    def narrowed(self, name: str, wanted: Sequence[float]) -> Range:
        if len(wanted) != 2 or wanted[0] >= wanted[1] or (self.log and wanted[0] <= 0):
            least = "0 < " if self.log else ""
            raise UserError(
                f"study.space.{name} must be [low, high] with {least}low < high, but got "
                f"{list(wanted)}."
            )
        return Range(wanted[0], wanted[1], self.log)


@dataclass(frozen=True)
class Choice:
    """A few values, without a scale between them; words are numbered, and `apply` translates."""

    values: tuple[int, ...]

    def __post_init__(self) -> None:
        values: tuple[object, ...] = self.values
        if words := [value for value in values if not isinstance(value, int | float)]:
            raise UserError(
                f"a Choice must be of numbers, but got {words[0]!r}: number the words, and let the "
                "question's apply translate them."
            )

    def suggest(self, trial: Trial, name: str) -> float:
        return trial.suggest_categorical(name, self.values)

    def holds(self, value: float) -> bool:
        return value in self.values

    def narrowed(self, name: str, wanted: Sequence[float]) -> Choice:
        if not wanted or not set(wanted) <= set(self.values):
            raise UserError(
                f"study.space.{name} must name some of {list(self.values)}, but got {list(wanted)}."
            )
        return Choice(tuple(value for value in self.values if value in wanted))


Space = Mapping[str, Range | Choice]


@dataclass(frozen=True)
class ObjectiveFunction:
    """An objective and the function that computes it from a finished run; fields as of those."""

    name: str
    label: str
    value: Callable[[Result], float]
    maximize: bool = True
    scale: Literal["linear", "log", "symlog"] = "linear"
    limit: float | None = None

    @property
    def described(self) -> Objective:
        return Objective(self.name, self.label, self.maximize, self.scale, self.limit)


SCORE = ObjectiveFunction("score", "score", lambda result: result.score)


def from_config(config: RunConfig, space: Space) -> dict[str, float]:
    """The config's own values of what is searched: trial 0."""
    values = flatten(config)
    return {name: float(str(values[name])) for name in space}


@dataclass(frozen=True)
class Question:
    """What a study asks.

    Attributes:
        name: Name of the study and of its file.
        text: The question in words.
        space: The names that are searched and their values.
        apply: The config with searched values in their places.
        start: The values that the config itself has: those of trial 0.
        objectives: What is optimised; more than one makes a front.
        constrained: Whether a trial that violates a criterion is worth less than one that does not.
        train: The user's own training of a config, which records with a tracker, calls
            `report(step, evaluation, verdict)` after every evaluation, lets pass what that raises,
            and returns a `Result`; None takes `vlatent.train`.
        workload: What is trained: our encoder, or a problem of the user's own.
    """

    name: str
    text: str
    space: Callable[[Any], dict[str, Range | Choice]]
    apply: Callable[[Any, Params], Any] = override
    start: Callable[[Any, Space], dict[str, float]] = from_config
    objectives: tuple[ObjectiveFunction, ...] = (SCORE,)
    constrained: bool = True
    train: Callable[[Any, Tracker, Report], Result] | None = None
    workload: Workload = ENCODER

    @property
    def directions(self) -> list[StudyDirection]:
        return [
            StudyDirection.MAXIMIZE if objective.maximize else StudyDirection.MINIMIZE
            for objective in self.objectives
        ]

    def run(
        self, config: Any, tracker: Tracker, report: Report, progress: Progress | None = None
    ) -> Result:
        """The result of a config, trained by the question's own function if it has one."""
        if self.train is None:
            return self.workload.train(config, tracker, report, progress)
        return self.train(config, tracker, report)

    def narrowed(self, config: RunConfig, wanted: Mapping[str, Sequence[float]]) -> Space:
        """The question's space, as far as the settings want it searched.

        Raises:
            UserError: There is no such name or value, or the config's own value is left out.
        """
        space = self.space(config)
        for name, values in wanted.items():
            if name not in space:
                raise UserError(
                    f"study.space has no {name}; this study searches {', '.join(space)}."
                )
            space[name] = space[name].narrowed(name, values)
        start = self.start(config, space)
        outside = [name for name, values in space.items() if not values.holds(start[name])]
        if outside:
            raise UserError(
                f"study.space leaves out the starting value of {', '.join(outside)}, which trial 0 "
                "is to have: widen the range, or set the key itself to a value inside."
            )
        return space


def distributions(space: Space) -> dict[str, optuna.distributions.BaseDistribution]:
    """The space in Optuna's own words."""
    return {
        name: optuna.distributions.FloatDistribution(values.low, values.high, log=values.log)
        if isinstance(values, Range)
        else optuna.distributions.CategoricalDistribution(values.values)
        for name, values in space.items()
    }
