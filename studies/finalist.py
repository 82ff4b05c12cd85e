"""Trials of a search that were trained again on seeds that it never saw, as data."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from vlatent.corpus import Part
from vlatent.evaluation import Criterion
from vlatent.intervals import interval


@dataclass(frozen=True)
class Confirmation:
    """A trial of the search, trained again on a seed that the search never saw, whatever for.

    Attributes:
        trial: Number of the trial in the search.
        seed: The new seed.
        values: One number an objective; none if it failed.
        passed: Whether it passes every criterion.
        failure: Why it failed; None if it did not.
        run_id: Its run in the tracker.
        held_out: The set of held-out sentences on which it was judged; None where there are none.
        criteria: The lines of its verdict; none if it failed.
    """

    trial: int
    seed: int
    values: tuple[float, ...]
    passed: bool
    failure: str | None
    run_id: str | None
    held_out: Part | None = "search"
    criteria: tuple[Criterion, ...] = ()


@dataclass(frozen=True)
class Finalist:
    """A trial of the search, and the same on other seeds: to confirm, to test or to verify it.

    Attributes:
        number: Number of the trial in the search.
        values: Its values in the search; none if it failed there.
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

    def on(self, seeds: Collection[int]) -> Finalist:
        """The same on these seeds alone."""
        kept = tuple(run for run in self.confirmations if run.seed in seeds)
        return replace(self, confirmations=kept)

    @property
    def mean(self) -> float:
        """Mean of the first objective over seeds."""
        return fmean(run.values[0] for run in self.runs)

    def interval(
        self, objective: int = 0, beside: Sequence[Finalist] = ()
    ) -> tuple[float, float, float]:
        """Mean and 95 % interval over seeds of one objective; infinite if all are the same.

        Args:
            objective: Its place.
            beside: Others whose spread over seeds is taken to be the same.
        """
        values, *others = ([run.values[objective] for run in each.runs] for each in (self, *beside))
        return interval(values, beside=others)
