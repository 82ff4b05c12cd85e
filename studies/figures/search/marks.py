"""The trials as marks at their scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes

from studies.figures.search.trials import Kind, TrialRow, chosen, score_axis
from vlatent.figures.drawing import BAD, COLORS
from vlatent.figures.page import INK
from vlatent.figures.sheet import Entry, say
from vlatent.figures.ticks import round_values
from vlatent.formatting import digits

MARKS: dict[Kind, dict[str, Any]] = {
    "infeasible": {"marker": "o", "mfc": "none", "mec": "#8A6D3B", "ms": 5, "mew": 1.0},
    "pruned": {"marker": "x", "mec": "#8C8C8C", "ms": 5, "mew": 1.2},
    "feasible": {"marker": "o", "mfc": COLORS[0], "mec": "white", "ms": 6.5, "mew": 0.5},
    "failed": {"marker": "|", "mec": BAD, "ms": 9, "mew": 1.6},
}
STAR: dict[str, Any] = {"marker": "*", "mfc": COLORS[5], "mec": INK, "ms": 15, "mew": 0.9}
START: dict[str, Any] = {"marker": "D", "mfc": "none", "mec": INK, "ms": 10, "mew": 1.3}


def marks_legend(trials: Sequence[TrialRow], label: str = "score") -> list[Entry]:
    """What the marks of `scatter` mean, and how many there are of each."""
    kinds = [trial.kind for trial in trials]
    explained: dict[Kind, str] = {
        "feasible": "feasible",
        "infeasible": "infeasible",
        "pruned": f"pruned (its last {label})",
        "failed": f"failed (no {label})",
    }
    entries: list[Entry] = [
        (f"{kinds.count(kind)} {words}", [MARKS[kind]])
        for kind, words in explained.items()
        if kind in kinds
    ]
    winner = chosen(trials)
    if winner is not None:
        entries.append((called(winner, label), [STAR]))
    if any(trial.number == 0 for trial in trials):
        entries.append(("trial 0: the starting values", [START]))
    return entries


def called(winner: TrialRow, label: str) -> str:
    """The trial in words, and why it is marked."""
    word = "best" if winner.kind == "feasible" else "nearest to feasible"
    return f"{word}: trial {winner.number}, {label} {digits(winner.score or 0.0)}"


def scatter(axes: Axes, trials: Sequence[TrialRow], places: Mapping[int, float]) -> None:
    """The trials' scores at these places by trial number; the failed ones at the bottom."""
    low, high = axes.get_ylim()
    bottom = low + 0.04 * (high - low)
    few = len(trials) <= 100
    winner = chosen(trials)
    for order, (kind, mark) in enumerate(MARKS.items(), start=3):
        shown = [trial for trial in trials if trial.kind == kind and trial.number in places]
        x = [places[trial.number] for trial in shown]
        y = [_height(trial, bottom) for trial in shown]
        size = mark["ms"] * (1 if few else 0.75)
        axes.plot(x, y, ls="", zorder=order, clip_on=False, **mark | {"ms": size})
    for trial in trials:
        if trial.number not in places:
            continue
        point = places[trial.number], _height(trial, bottom)
        if trial is winner:
            axes.plot(*point, ls="", zorder=8, clip_on=False, **STAR)
        if trial.number == 0:
            axes.plot(*point, ls="", zorder=9, clip_on=False, **START)
    if all(trial.kind == "failed" for trial in trials):
        axes.tick_params(left=False, labelleft=False)
        say(axes, "no trial has a score")


def _height(trial: TrialRow, bottom: float) -> float:
    return bottom if trial.kind == "failed" or trial.score is None else trial.score


def score_limits(axes: Axes, trials: Sequence[TrialRow]) -> None:
    """Room for every score, and below them for the failed ones."""
    score = score_axis(trials)
    span = score.high - score.low
    failed = any(trial.kind == "failed" for trial in trials)
    axes.yaxis.set_major_locator(round_values(5))
    axes.set_ylim(score.low - (0.14 if failed else 0.07) * span, score.high + 0.07 * span)
