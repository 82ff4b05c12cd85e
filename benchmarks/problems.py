"""Outside problems for searches: tables of results, noisy and constrained functions, curves.

- `tables`: the twelve of `benchmarks/tables.py`, every trial on the same seed, as in a study;
- `noisy`: bbob-noisy, f101 to f130 in 5 dimensions (Hansen et al. 2009);
- `constrained`: bbob-constrained, every third of f1 to f54 in 5 dimensions (Dufosse et al. 2022);
- made-up learning curves, for pruners (`Curves`).
"""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from statistics import median
from typing import Any

import numpy as np

from benchmarks.tables import NAMES, load

DIMENSIONS = 5
AGAIN = 15  # evaluations of what a search names, on a noisy function
EVALUATIONS = 20  # of a learning curve

Values = Mapping[str, float]


@dataclass(frozen=True)
class Parameter:
    """What is searched of one value.

    Attributes:
        low: Lowest value; of choices, the first index.
        high: Highest value; of choices, the last index.
        kind: A number, one of choices in their order, or one of choices without an order.
    """

    low: float
    high: float
    kind: str = "number"  # or "ordered", "choice"


Space = Mapping[str, Parameter]


class Problem(metaclass=ABCMeta):
    """Something to be minimised."""

    space: Space

    @abstractmethod
    def observe(self, values: Values) -> tuple[float, list[float]]:
        """What a trial sees: its loss, and constraints that hold when they are at most 0."""

    @abstractmethod
    def truth(self, values: Values) -> tuple[float, float]:
        """By how much the constraints are violated, and the loss without noise: what is ranked."""


class TableProblem(Problem):
    """A table, all of whose trials are trained on one of its seeds."""

    def __init__(self, name: str, seed: int) -> None:
        self.table = _table(name)
        self.space = {
            parameter: Parameter(
                0, len(choices) - 1, "choice" if isinstance(choices[0], str) else "ordered"
            )
            for parameter, choices in self.table.choices.items()
        }
        self.seed = seed % self.table.scores.shape[1]

    def row(self, values: Values) -> int:
        place = tuple(int(values[name]) for name in self.space)
        return int(np.ravel_multi_index(place, self.table.shape))

    def observe(self, values: Values) -> tuple[float, list[float]]:
        return -float(self.table.scores[self.row(values), self.seed]), []

    def truth(self, values: Values) -> tuple[float, float]:
        return 0.0, -float(self.table.truth[self.row(values)])


@lru_cache(maxsize=1)
def _table(name: str) -> Any:
    return load(name)


class CocoProblem(Problem):
    """A function of the COCO suites; the seed is its instance."""

    def __init__(self, suite: str, name: str, seed: int) -> None:
        import cocoex

        chosen = f"dimensions:{DIMENSIONS} function_indices:{name} instance_indices:{seed}"
        self.suite = cocoex.Suite(suite, "", chosen)  # frees its problems when it goes
        self.function = self.suite.get_problem(0)
        self.noisy = suite == "bbob-noisy"
        self.space = {
            f"x{index}": Parameter(float(low), float(high))
            for index, (low, high) in enumerate(
                zip(self.function.lower_bounds, self.function.upper_bounds, strict=True)
            )
        }

    def observe(self, values: Values) -> tuple[float, list[float]]:
        point = np.array([values[name] for name in self.space])
        limits = self.function.constraint(point) if self.function.number_of_constraints else []
        return float(self.function(point)), [float(limit) for limit in limits]

    def truth(self, values: Values) -> tuple[float, float]:
        _, limits = self.observe(values)
        losses = [self.observe(values)[0] for _ in range(AGAIN if self.noisy else 1)]
        return sum(max(limit, 0.0) for limit in limits), median(losses)


@dataclass(frozen=True)
class Curves:
    """Made-up learning curves: score(t) = final - drop ((t / 20)^-rate - 1) + noise, t = 1 to 20.

    final = 1 - mean of (x - optimum)^2 over three values - slow * rate, so that with `slow` above 0
    the curves cross: who rises fast ends worse. Values are drawn evenly: x and the optimum from 0
    to 1, drop from 0.1 to 0.4, rate from 0.1 to 0.8.

    Attributes:
        slow: By how much a unit of the rate lowers the end.
        noise: Standard deviation of every evaluation.
    """

    slow: float
    noise: float

    def final(self, values: Values, optimum: Values) -> float:
        apart = [(values[name] - best) ** 2 for name, best in optimum.items()]
        return 1 - sum(apart) / len(apart) - self.slow * values["rate"]

    def score(self, values: Values, optimum: Values, evaluation: int) -> float:
        """Without noise."""
        rise = (evaluation / EVALUATIONS) ** -values["rate"] - 1
        return self.final(values, optimum) - values["drop"] * rise


CURVES = {
    "parallel curves": Curves(slow=0.0, noise=0.02),
    "crossing curves": Curves(slow=0.5, noise=0.02),
    "noisy curves": Curves(slow=0.0, noise=0.2),
}
SUITES: dict[str, tuple[str, ...]] = {
    "tables": NAMES,
    "noisy": tuple(map(str, range(1, 31))),
    "constrained": tuple(map(str, range(1, 55, 3))),
    **{kind: tuple(map(str, range(1, 21))) for kind in CURVES},
}


def problem(suite: str, name: str, seed: int) -> Problem:
    """A problem of the suites that are searched; seeds begin with 1."""
    if suite == "tables":
        return TableProblem(name, seed)
    return CocoProblem(f"bbob-{suite}", name, seed)
