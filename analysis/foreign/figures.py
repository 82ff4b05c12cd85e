"""Figures of a study of another program: its history, repeats, curves and front."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from statistics import fmean
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes

from analysis.foreign.repeats import ParameterSet
from analysis.foreign.result import Foreign, ForeignTrial, said
from vlatent.figures.drawing import BAD, COLORS
from vlatent.figures.page import GRAY, NORMAL, SMALL, Page, fitted, measured
from vlatent.figures.parameter_names import short_names
from vlatent.figures.sheet import FAINT, WIDTH, Entry, sheet
from vlatent.figures.ticks import round_values
from vlatent.intervals import interval
from vlatent.pareto import front

SETS = 15  # repeated sets in a figure, the best
CURVES = 5  # of them with a curve
BANDED = 3  # repeats: the band of two is six times as wide as they lie apart
PANELS = 6  # pairs of objectives
COMPLETE: dict[str, Any] = {"marker": "o", "mfc": COLORS[0], "mec": "white", "ms": 6, "mew": 0.5}
VIOLATING: dict[str, Any] = {"marker": "o", "mfc": "none", "mec": "#8A6D3B", "ms": 5}
PRUNED: dict[str, Any] = {"marker": "x", "mec": "#8C8C8C", "ms": 5, "mew": 1.2}
FAILED: dict[str, Any] = {"marker": "|", "mec": BAD, "ms": 9, "mew": 1.6}
SINGLE: dict[str, Any] = {"marker": "o", "mfc": FAINT, "mec": "white", "ms": 6, "mew": 0.5}
MEAN: dict[str, Any] = {"marker": "D", "mfc": COLORS[1], "mec": "white", "ms": 7, "mew": 0.5}
BEST: dict[str, Any] = {"color": COLORS[0], "lw": 1.6}


def figures(study: Foreign, sets: Sequence[ParameterSet], names: Sequence[str]) -> dict[str, bytes]:
    """PNG by name: `history`, and where the trials allow it `repeats`, `curves` and `front`.

    Args:
        study: The study.
        sets: Its sets of parameters.
        names: The parameters by whose values a set is called.
    """
    pages = {"history": history_page(study)}
    repeated = ordered(study, sets)
    if repeated:
        pages["repeats"] = repeats_page(study, repeated[:SETS], names)
    with_curves = [
        each for each in repeated if len(each.cells) >= BANDED and len(_bands(each)[0]) > 1
    ][:CURVES]
    if with_curves:
        pages["curves"] = curves_page(study, with_curves, names)
    if len(study.objectives) > 1:
        pages["front"] = front_page(study, sets)
    return {name: page.png() for name, page in pages.items()}


def ordered(study: Foreign, sets: Sequence[ParameterSet]) -> list[ParameterSet]:
    """The repeated sets, the best mean of the first objective first."""
    sign = -1 if study.objectives[0].maximize else 1
    return sorted(
        (each for each in sets if each.repeated), key=lambda each: sign * fmean(each.values())
    )


def history_page(study: Foreign) -> Page:
    """Every objective by trial, with the best so far."""
    height, between, left = 210, 26, 84
    marks = {
        "complete": (COMPLETE, [t for t in study.complete if study.feasible(t)]),
        "violate a constraint": (VIOLATING, [t for t in study.complete if not study.feasible(t)]),
        "pruned, its last value": (PRUNED, [t for t in study.trials if t.state == "pruned"]),
        "failed": (FAILED, [t for t in study.trials if t.state == "failed"]),
    }
    entries: list[Entry] = [
        (f"{len(trials)} {words}", [mark]) for words, (mark, trials) in marks.items() if trials
    ]
    entries.append(("best so far", [BEST]))
    words = "every trial, in the order in which the trials were begun"
    count = len(study.objectives)
    page, top = sheet(_title(study), "History", words, entries, count * (height + between) + 34)
    last = max(trial.number for trial in study.trials)
    for place, objective in enumerate(study.objectives):
        down = top + place * (height + between)
        axes = page.axes(left, down, WIDTH - left - 16, height)
        axes.set_xlim(-0.5, last + 0.5)
        axes.xaxis.set_major_locator(round_values(10, integer=True, min_n_ticks=1))
        axes.tick_params(labelbottom=place == count - 1)
        _limits(axes, [trial.values[place] for trial in study.complete])
        bottom = axes.get_ylim()[0]
        for mark, trials in marks.values():
            shown = [trial for trial in trials if len(trial.values) > place or mark is FAILED]
            heights = [t.values[place] if t.values else bottom for t in shown]
            axes.plot([t.number for t in shown], heights, ls="", zorder=3, **mark)
        _best_so_far(axes, marks["complete"][1], place, objective.maximize, last)
        _name(page, down, height, f"{objective.label} {_better(objective.maximize)}")
    page.text(left + (WIDTH - left) / 2, top + count * (height + between) + 4, "trial", ha="center")
    return page


def repeats_page(study: Foreign, sets: Sequence[ParameterSet], names: Sequence[str]) -> Page:
    """Every repeat of the best repeated sets, with means and 95 % intervals."""
    called = [_called(each, names) for each in sets]
    left, row = 22 + max(measured(name, SMALL) for name in called), 24
    width = (WIDTH - left - 16) / len(study.objectives) - 14
    entries: list[Entry] = [("one repeat", [SINGLE]), ("mean and 95 % interval", [MEAN])]
    words = (
        "trials with the same parameters; the best mean of the first "
        "objective above. The sets were chosen by these very values: see how sure that is."
    )
    page, top = sheet(_title(study), "Repeats", words, entries, len(sets) * row + 70)
    for place, objective in enumerate(study.objectives):
        axes = page.axes(left + place * (width + 14), top + 6, width, len(sets) * row)
        for at, each in enumerate(sets):
            values = each.values(place)
            mean, low, high = interval(values)
            axes.plot(values, [at] * len(values), ls="", zorder=3, **SINGLE)
            if math.isfinite(high - low):
                axes.plot([low, high], [at, at], color=COLORS[1], lw=1.6, zorder=4)
            axes.plot(mean, at, ls="", zorder=5, **MEAN)
        axes.set_ylim(len(sets) - 0.5, -0.5)
        shown = called if place == 0 else [""] * len(sets)
        axes.set_yticks(range(len(sets)), shown, parse_math=False)
        axes.tick_params(axis="y", length=0)
        axes.xaxis.set_major_locator(round_values(5))
        _limits(axes, [v for each in sets for v in each.values(place)], across=True)
        label = fitted(f"{objective.label} {_better(objective.maximize)}", width, 2, SMALL)
        page.text(left + place * (width + 14), top + len(sets) * row + 32, label, size=SMALL)
    return page


def curves_page(study: Foreign, sets: Sequence[ParameterSet], names: Sequence[str]) -> Page:
    """The first objective by step: mean over repeats with its 95 % band."""
    left, height = 84, 320
    entries: list[Entry] = [
        (_called(each, names), [{"color": COLORS[at], "lw": 2.0}]) for at, each in enumerate(sets)
    ]
    words = (
        f"mean over the repeats of the best sets with {BANDED} or more; shaded: pointwise 95 % "
        "interval of the mean, at the steps that all repeats have; thin: the repeats"
    )
    page, top = sheet(_title(study), "Curves over repeats", words, entries, height + 50)
    axes = page.axes(left, top, WIDTH - left - 16, height)
    everything = []
    for at, each in enumerate(sets):
        steps, values = _bands(each)
        ends = np.array([interval(column.tolist()) for column in values.T])
        everything += values.ravel().tolist()
        for curve in values:
            axes.plot(steps, curve, color=COLORS[at], lw=0.6, alpha=0.6)
        axes.plot(steps, ends[:, 0], color=COLORS[at], lw=2.0)
        axes.fill_between(steps, ends[:, 1], ends[:, 2], color=COLORS[at], alpha=0.18, lw=0)
    _limits(axes, everything)
    _name(page, top, height, study.objectives[0].label)
    page.text(left + (WIDTH - left) / 2, top + height + 24, "step", ha="center")
    return page


def front_page(study: Foreign, sets: Sequence[ParameterSet]) -> Page:
    """Every pair of objectives: trials, front, and means of repeated sets with intervals."""
    pairs = list(itertools.combinations(range(len(study.objectives)), 2))[:PANELS]
    left, height, between = 84, 330, 64
    numbers = on_front(study)
    trials = [trial for trial in study.complete if study.feasible(trial)] or study.complete
    repeated = [each for each in sets if each.repeated]
    entries: list[Entry] = [
        (f"{len(numbers)} on the front, by trial", [COMPLETE]),
        (f"{len(trials) - len(numbers)} dominated", [SINGLE]),
    ]
    if repeated:
        entries.append(("repeated set: mean and 95 % intervals", [MEAN]))
    words = "on the front: no other trial is as good in every objective and better in one"
    page, top = sheet(_title(study), "Front", words, entries, len(pairs) * (height + between) + 10)
    for index, (x, y) in enumerate(pairs):
        down = top + index * (height + between)
        axes = page.axes(left, down, WIDTH - left - 16, height)
        for trial in trials:
            mark = COMPLETE if trial.number in numbers else SINGLE
            axes.plot(trial.values[x], trial.values[y], ls="", zorder=3, **mark)
        for each in repeated:
            _cross(axes, each, x, y)
        _limits(axes, [trial.values[x] for trial in trials], across=True)
        _limits(axes, [trial.values[y] for trial in trials])
        across, upward = study.objectives[x], study.objectives[y]
        label = f"{across.label} {_better(across.maximize)}"
        page.text(left + (WIDTH - left) / 2, down + height + 24, label, ha="center")
        _name(page, down, height, f"{upward.label} {_better(upward.maximize)}")
    return page


def on_front(study: Foreign) -> set[int]:
    """Numbers of the trials on the front: of the feasible ones, or of all if none is."""
    trials = [trial for trial in study.complete if study.feasible(trial)] or study.complete
    ways = [objective.maximize for objective in study.objectives]
    good = front([trial.values for trial in trials], ways)
    return {trial.number for trial, best in zip(trials, good, strict=True) if best}


def _cross(axes: Axes, each: ParameterSet, x: int, y: int) -> None:
    """Mean and both intervals of a repeated set."""
    (across, left, right), (upward, low, high) = (interval(each.values(k)) for k in (x, y))
    style: dict[str, Any] = {"color": COLORS[1], "lw": 1.2, "zorder": 4}
    if math.isfinite(right - left):
        axes.plot([left, right], [upward, upward], **style)
    if math.isfinite(high - low):
        axes.plot([across, across], [low, high], **style)
    axes.plot(across, upward, ls="", zorder=5, **MEAN)


def _bands(each: ParameterSet) -> tuple[list[int], Float[np.ndarray, "cell step"]]:
    """Steps that a curve of every repeat has, and its values there; the first trial of a seed."""
    curves = [cell[0].curve for cell in each.cells]
    steps = sorted(set.intersection(*(set(curve) for curve in curves)))
    return steps, np.array([[curve[step] for step in steps] for curve in curves], dtype=float)


def _best_so_far(
    axes: Axes, trials: Sequence[ForeignTrial], place: int, maximize: bool, last: int
) -> None:
    if not trials:
        return
    values = np.array([trial.values[place] for trial in trials])
    best = np.maximum.accumulate(values) if maximize else np.minimum.accumulate(values)
    numbers = [trial.number for trial in trials]
    axes.plot([*numbers, last + 0.5], [*best, best[-1]], drawstyle="steps-post", **BEST)


def _limits(axes: Axes, values: Sequence[float], across: bool = False) -> None:
    """Room for all values, but not for intervals of two: these are wider than any page."""
    low, high = min(values), max(values)
    room = 0.12 * (high - low) or abs(high) * 0.1 or 1.0
    (axes.set_xlim if across else axes.set_ylim)(low - room, high + room)


def _name(page: Page, top: float, height: float, label: str) -> None:
    words = fitted(label, height, 1, NORMAL)
    page.text(12, top + height / 2, words, rotation=90, va="center", color=GRAY)


def _better(maximize: bool) -> str:
    return "(higher is better)" if maximize else "(lower is better)"


def _called(each: ParameterSet, names: Sequence[str]) -> str:
    """How often a set was repeated, and its values, as far as there is room."""
    short = short_names(names)
    values = [f"{short[n]} {said(each.first.params[n])}" for n in names if n in each.first.params]
    return fitted(f"{len(each.cells)} x {', '.join(values) or each.first.name}", 250, 1, SMALL)


def _title(study: Foreign) -> str:
    return f"{study.program} {study.kind} {study.name}"
