"""Importance of a study's parameters, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from analysis.trials import Trial
from vlatent.search_space import Axis

Inputs = Float[np.ndarray, "trial parameter"]
Column = Float[np.ndarray, " trial"]
Among = Literal["complete", "feasible", "complete and pruned"]
Better = Literal["higher", "lower"]


@dataclass(frozen=True)
class Estimate:
    """A number and its 95 % interval over trials."""

    value: float
    low: float
    high: float

    @property
    def above_zero(self) -> bool:
        return self.low > 0

    def within(self, low: float, high: float) -> Estimate:
        """Clip value and interval to the possible range."""
        return Estimate(
            *(min(max(number, low), high) for number in (self.value, self.low, self.high))
        )


@dataclass(frozen=True)
class Curves:
    """Partial dependence: the target on average, for every value of one parameter (Friedman 2001).

    Attributes:
        positions: Places on the parameter's scale, 0 its lowest and 1 its highest value.
        middle: The target there, in its own unit, one row a parameter: the value whose rank is
            the mean rank that the forest predicts.
        low: Lower end of the 95 % interval over trials.
        high: Upper end of the interval.
    """

    positions: tuple[Float[np.ndarray, " step"], ...]
    middle: tuple[Float[np.ndarray, " step"], ...]
    low: tuple[Float[np.ndarray, " step"], ...]
    high: tuple[Float[np.ndarray, " step"], ...]


@dataclass(frozen=True)
class Interactions:
    """Interactions: effects of two parameters together beyond those of each alone.

    Attributes:
        shares: Of the variance of what the forest predicts, one number a pair, symmetric:
            Var(F_jk - F_j - F_k) / Var(F), the numerator of Friedman and Popescu's H^2 (2008).
            Over Var(F) and not over Var(F_jk), so that two parameters without effect are near 0.
        chance: What is no evidence of an interaction: the largest share of any pair that data
            without one shows in 19 of 20 cases, and at least the 2 % that ranks make of a sum.
    """

    shares: Float[np.ndarray, "parameter parameter"]
    chance: float


@dataclass(frozen=True)
class Target:
    """Number of a trial that parameters may explain.

    Attributes:
        name: Name in files.
        label: Name in tables and figures.
        better: Which values are better.
        among: Which trials are looked at.
        trials: Those of them that have the number.
        values: The number, one a trial.
    """

    name: str
    label: str
    better: Better
    among: Among
    trials: tuple[Trial, ...]
    values: Column


@dataclass(frozen=True)
class Finding:
    """Result for one target.

    Attributes:
        target: The target.
        silent: Why nothing can be said about the parameters; empty if something can.
        r2: Share of the variance of the ranks that the forest predicts in trials it has not
            seen; None below ten trials or when all trials are the same.
        forest: Share of that variance lost without each parameter.
        fanova: Share of the variance that Optuna's fANOVA gives to each parameter, of all shares.
        ped_anova: Share that PED-ANOVA gives it in being among the best.
        curves: Partial dependence on every parameter.
        interactions: Which pairs act together.
    """

    target: Target
    silent: str
    r2: Estimate | None = None
    forest: tuple[Estimate, ...] = ()
    fanova: tuple[Estimate, ...] = ()
    ped_anova: tuple[Estimate, ...] = ()
    curves: Curves | None = None
    interactions: Interactions | None = None


@dataclass(frozen=True)
class Importance:
    """Importance of the parameters of a study.

    Attributes:
        study: Name of the study.
        question: What it asks.
        space: Scale of every parameter, in the order of all rows and columns.
        states: How many trials ended complete, pruned and failed, and how many are feasible.
        findings: One a target and group of trials.
    """

    study: str
    question: str
    space: dict[str, Axis]
    states: dict[str, int]
    findings: tuple[Finding, ...]

    @property
    def heard(self) -> tuple[Finding, ...]:
        """The findings with enough signal."""
        return tuple(finding for finding in self.findings if not finding.silent)
