"""A weighted sum of losses of the user's own: its weights, what is optimised, what is required.

Nothing here knows the encoder: a problem is a function of weights and a seed that measures
statistics, whatever it trains on the way.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Literal

from jsonargparse.typing import NonNegativeInt, PositiveInt

from vlatent.bounds import require_bounds
from vlatent.names import checked_name
from vlatent.shapes import UserError
from vlatent.tracking import TrackingConfig

Statistics = Mapping[str, float]
ReportStatistics = Callable[[int, Statistics], None]
Function = Callable[[Mapping[str, float], int, ReportStatistics], Statistics]
Limits = tuple[float, float]


@dataclass(frozen=True)
class Weight:
    """A weight of the sum.

    Attributes:
        default: Its value in trial 0.
        low: Lowest value that a study tries, above 0: the range is even in the logarithm.
        high: Highest value that a study tries.
    """

    default: float
    low: float
    high: float

    def __post_init__(self) -> None:
        if not 0 < self.low <= self.default <= self.high < math.inf or self.low == self.high:
            raise UserError(
                "a Weight needs 0 < low <= default <= high and low < high, but got "
                f"default {self.default}, low {self.low}, high {self.high}."
            )


@dataclass(frozen=True)
class Problem:
    """A question about weights of one's own, for `vlatent study` and `vlatent ablate`.

    `function(weights, seed, report)` returns statistics by name, `{"error": 0.02}`. It may call
    `report(step, statistics)` on its way, at rising steps, with what it returns at the end: that
    makes curves, and lets a study stop it, so let pass what `report` raises. PyTorch's global
    generator is seeded with `seed` before the call.

    >>> Problem(
    ...     "parabola",
    ...     "Which weight is best?",
    ...     lambda weights, seed, report: {"error": (weights["x"] - 2) ** 2},
    ...     {"x": Weight(1.0, 0.1, 10.0)},
    ...     minimize="error",
    ... ).optimized
    'error'

    Attributes:
        name: Name of the study, of its folder and of its runs.
        text: The question in words.
        function: What is computed for given weights and a seed.
        weights: The weights by name: defaults and ranges.
        minimize: Name of the statistic that is made as small as possible; or else
        maximize: name of the one that is made as large as possible.
        label: What that statistic is, with its unit, for tables and axes.
        scale: How its axis is divided.
        limits: Lowest and highest value of statistics (-inf or inf for none) that a run must keep
            to be feasible: the study's constraints.
        steps: The last step that the function reports; 1 if it reports none.
    """

    name: str
    text: str
    function: Function
    weights: Mapping[str, Weight]
    _: KW_ONLY
    minimize: str | None = None
    maximize: str | None = None
    label: str = ""
    scale: Literal["linear", "log"] = "linear"
    limits: Mapping[str, Limits] = field(default_factory=dict)
    steps: int = 1

    def __post_init__(self) -> None:
        checked_name("a Problem's name", self.name)
        if (self.minimize is None) == (self.maximize is None):
            raise UserError(f"problem {self.name} must have either minimize or maximize.")
        if not self.weights:
            raise UserError(f"problem {self.name} has no weights.")
        for name in (*self.weights, self.optimized, *self.limits):
            if not re.fullmatch(r"[A-Za-z][\w ]*", name):
                raise UserError(
                    f"problem {self.name}: {name!r} cannot be the name of a weight or a "
                    "statistic; give letters, digits, spaces and _, a letter first."
                )
        for name, (low, high) in self.limits.items():
            if not low <= high:
                raise UserError(
                    f"problem {self.name}: limits of {name} must be (low, high) with low <= high, "
                    f"but got {(low, high)}."
                )
        if self.steps < 1:
            raise UserError(f"problem {self.name}: steps must be 1 or more, but got {self.steps}.")

    @property
    def optimized(self) -> str:
        """Name of the statistic that is optimised."""
        return self.minimize or self.maximize or ""


@dataclass(frozen=True, kw_only=True)
class ProblemTraining:
    """One run of a problem.

    Attributes:
        steps: The problem's own number of steps; another one is refused.
        seed: Seed that the problem's function is called with.
    """

    steps: PositiveInt = 1
    seed: NonNegativeInt = 0

    def __post_init__(self) -> None:
        require_bounds("training", self)


@dataclass(frozen=True, kw_only=True)
class ProblemConfig:
    """Everything that a run of a problem is made of, beside the problem.

    Attributes:
        weights: The weights by name; those that are not given have their defaults.
        training: Steps and seed.
        tracking: Where it is recorded.
    """

    weights: dict[str, float] = field(default_factory=dict)
    training: ProblemTraining = ProblemTraining()
    tracking: TrackingConfig = TrackingConfig()

    def __post_init__(self) -> None:
        for name, value in self.weights.items():
            if not 0 <= value < math.inf:
                raise UserError(f"weights.{name} must be 0 or more and finite, but got {value}.")


def config_of(problem: Problem, given: ProblemConfig | None = None) -> ProblemConfig:
    """The config of a problem: its defaults, and what was given in their place.

    Raises:
        UserError: A weight that the problem does not have, or another number of steps.
    """
    given = given or ProblemConfig(training=ProblemTraining(steps=problem.steps))
    for name in given.weights:
        if name not in problem.weights:
            raise UserError(
                f"problem {problem.name} has no weight {name}; it has {', '.join(problem.weights)}."
            )
    if given.training.steps not in (1, problem.steps):
        raise UserError(
            f"training.steps is {given.training.steps}, but problem {problem.name} has its own "
            f"number of steps, {problem.steps}: change it in its file."
        )
    defaults = {name: weight.default for name, weight in problem.weights.items()}
    return ProblemConfig(
        weights=defaults | given.weights,
        training=ProblemTraining(steps=problem.steps, seed=given.training.seed),
        tracking=given.tracking,
    )
