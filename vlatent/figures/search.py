"""The pictures of a study, from plain numbers of its trials. Numbers first, drawing second."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float, Int
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from vlatent.figures.drawing import BAD, COLORS
from vlatent.figures.page import GRAY, INK, LARGE, NORMAL, SMALL, Page, fitted, measured

Kind = Literal["feasible", "infeasible", "pruned", "failed"]
Range = tuple[float, float, bool]

FEWEST = 10  # complete trials below which importances are noise
ADVISED = 50  # Optuna advises at least 5 trials among the best 10 %
WIDTH = 720  # pixels: MLflow shows a picture about this wide, so nothing is scaled down
NOT_JUDGED, HELD, VIOLATED = 0, 1, 2  # levels of `Judgement`


@dataclass(frozen=True)
class TrialRow:
    """What the pictures need to know of one trial.

    Attributes:
        number: Its number in the study; trial 0 has the starting weights.
        state: How it ended.
        score: What is maximised; of a pruned trial the last one reported.
        feasible: Whether it is complete and violates nothing.
        params: Value of every searched parameter, as far as one was chosen.
        margins: Signed margin of every criterion, which holds at 0 or less.
    """

    number: int
    state: Literal["complete", "pruned", "failed"]
    score: float | None
    feasible: bool
    params: dict[str, float]
    margins: dict[str, float]

    @property
    def kind(self) -> Kind:
        """How the trial is marked; one without a finite score counts as failed."""
        if self.state == "failed" or self.score is None or not math.isfinite(self.score):
            return "failed"
        if self.state == "pruned":
            return "pruned"
        return "feasible" if self.feasible else "infeasible"


@dataclass(frozen=True)
class Axis:
    """A scale from low to high, even in the logarithm if `log`."""

    low: float
    high: float
    log: bool = False

    @classmethod
    def around(cls, given: Range, values: Sequence[float]) -> Axis:
        """The scale of a range, extended to the values outside it that it can show."""
        low, high, log = given
        shown = [value for value in values if math.isfinite(value) and (value > 0 or not log)]
        return cls(min([low, *shown]), max([high, *shown]), log)

    def position(self, value: float) -> float:
        """Place of the value, 0 at `low` and 1 at `high`; 0.5 where the scale is one value."""
        if self.low == self.high:
            return 0.5
        if not self.log:
            place = (value - self.low) / (self.high - self.low)
        elif value <= 0:
            return 0.0
        else:
            place = math.log(value / self.low) / math.log(self.high / self.low)
        return min(max(place, 0.0), 1.0)

    def ticks(self, gap: float) -> list[tuple[float, str]]:
        """Places and labels: both ends and the round values or decades between, `gap` apart."""
        if self.low == self.high:
            return [(0.5, digits(self.low))]
        if self.log:
            exponents = range(
                math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1
            )
            between = [10.0**exponent for exponent in exponents]
        else:
            between = list(map(float, _round_values(5).tick_values(self.low, self.high)))
        ticks = {self.low: 0.0, self.high: 1.0}
        for value in between:
            place = self.position(value)
            inside = self.low < value < self.high
            if inside and all(abs(place - other) >= gap for other in ticks.values()):
                ticks[value] = place
        return [(place, digits(value)) for value, place in sorted(ticks.items())]


@dataclass(frozen=True)
class Judgement:
    """Which criterion was violated in which trial, the one violated most often first.

    Attributes:
        criteria: Names, in rows.
        level: VIOLATED, HELD or, where the trial has no such margin, NOT_JUDGED.
        early: Whether the trial ended early, so that its margins are not final.
        violations: How many of the complete trials violate the criterion.
        complete: How many complete trials were judged at all.
    """

    criteria: list[str]
    level: Int[np.ndarray, "criterion trial"]
    early: Bool[np.ndarray, " trial"]
    violations: list[int]
    complete: int


def _round_values(count: int, **options: Any) -> MaxNLocator:
    return MaxNLocator(count, steps=[1, 2, 5, 10], **options)


def digits(value: float) -> str:
    """A number in three digits, as short as it goes: 0.05, 20, 1000, 1e-5."""
    if 1e3 <= abs(value) < 1e5:
        return f"{value:.0f}"
    return re.sub(r"e([+-])0*", lambda m: "e" + m[1].replace("+", ""), f"{value:.3g}")


def short_names(names: Sequence[str]) -> dict[str, str]:
    """Dotted names without the parts with which all of them begin and end.

    `priors.kurtosis.weight` beside `priors.wavelet.weight` is `kurtosis`; alone it stays whole.
    """
    if len(names) < 2:
        return {name: name for name in names}
    parts = [name.split(".") for name in names]

    def common(room: int) -> int:
        """With how many equal parts all names begin, leaving each at least one of its own."""
        same = (len(set(column)) == 1 for column in zip(*parts, strict=False))
        return next((at for at, equal in enumerate(same) if not equal or at == room), room)

    shortest = min(map(len, parts))
    begin = common(shortest - 1)
    parts = [part[::-1] for part in parts]
    end = common(shortest - begin - 1)
    return {
        name: ".".join(part[::-1][begin : len(part) - end])
        for name, part in zip(names, parts, strict=True)
    }


def chosen(trials: Sequence[TrialRow]) -> TrialRow | None:
    """The feasible trial with the highest score, else the complete one nearest to feasible."""
    passing = [trial for trial in trials if trial.kind == "feasible"]
    if passing:
        return max(passing, key=lambda trial: (trial.score, -trial.number))
    return min(
        (trial for trial in trials if trial.kind == "infeasible"),
        key=lambda trial: (max(trial.margins.values(), default=math.inf), trial.number),
        default=None,
    )


def best_so_far(trials: Sequence[TrialRow]) -> list[tuple[int, float]]:
    """Highest score of the feasible complete trials up to each trial, from the first such on."""
    line: list[tuple[int, float]] = []
    for trial in trials:
        best = line[-1][1] if line else -math.inf
        if trial.kind == "feasible" and trial.score is not None:
            best = max(best, trial.score)
        if math.isfinite(best):
            line.append((trial.number, best))
    return line


def judgement(trials: Sequence[TrialRow]) -> Judgement:
    """The criteria by trials; a margin that is no number is violated."""
    names = list(dict.fromkeys(name for trial in trials for name in trial.margins))
    early = np.array([trial.state != "complete" for trial in trials], dtype=bool)
    level = np.full((len(names), len(trials)), NOT_JUDGED)
    for column, trial in enumerate(trials):
        for row, name in enumerate(names):
            if name in trial.margins:
                level[row, column] = HELD if trial.margins[name] <= 0 else VIOLATED
    violated = level == VIOLATED
    count = (violated & ~early).sum(1)
    order = np.lexsort((-violated.sum(1), -count))
    return Judgement(
        criteria=[names[row] for row in order],
        level=level[order],
        early=early,
        violations=[int(count[row]) for row in order],
        complete=int((~early & (level != NOT_JUDGED).any(0)).sum()),
    )


def parallel_positions(
    trials: Sequence[TrialRow], axes: Mapping[str, Axis], score: Axis
) -> Float[np.ndarray, "trial axis"]:
    """Place of every trial on the axes of its parameters and, last, on that of its score."""
    rows = [
        [axis.position(trial.params[name]) for name, axis in axes.items()]
        + [score.position(trial.score or 0.0)]
        for trial in trials
    ]
    return np.array(rows, dtype=float).reshape(len(trials), len(axes) + 1)


def score_axis(trials: Sequence[TrialRow]) -> Axis:
    """The scale from the lowest to the highest score, or around the only one."""
    scores = [trial.score for trial in trials if trial.kind != "failed" and trial.score is not None]
    low, high = min(scores, default=0.0), max(scores, default=1.0)
    return Axis(low, high) if low < high else Axis(math.floor(low - 0.5), math.ceil(high + 0.5))


def search_figures(
    title: str,
    trials: Sequence[TrialRow],
    ranges: Mapping[str, Range],
    importances: Mapping[str, float] | None,
) -> dict[str, bytes]:
    """The pictures of a study as PNG: history, importances, parallel_coordinates, slices.

    Args:
        title: The study's question, written on every picture.
        trials: The trials that ended, in any number and order.
        ranges: Low and high end of every searched parameter, and whether it is logarithmic.
        importances: PED-ANOVA importance by parameter; None where nothing can be said.
    """
    trials = sorted(trials, key=lambda trial: trial.number)
    axes = {
        name: Axis.around(given, [t.params[name] for t in trials if name in t.params])
        for name, given in ranges.items()
    }
    pages = {
        "history": _history(title, trials),
        "importances": _importances(title, trials, importances),
        "parallel_coordinates": _parallel_coordinates(title, trials, axes),
        "slices": _slices(title, trials, axes),
    }
    return {name: page.png() for name, page in pages.items()}


Entry = tuple[str, Sequence[dict[str, Any]]]  # of a legend: words, and what is drawn before them

HANDLE, LINE, ROW = 30, 17, 20  # pixels: a legend's sample, a line of text, a line of a legend
FAINT = "#B4B4B4"
SHADES = (0.35, 1.0)  # of the color map: the lightest can be told from white and from gray
MARKS: dict[Kind, dict[str, Any]] = {
    "infeasible": {"marker": "o", "mfc": "none", "mec": "#8A6D3B", "ms": 5, "mew": 1.0},
    "pruned": {"marker": "x", "mec": "#8C8C8C", "ms": 5, "mew": 1.2},
    "feasible": {"marker": "o", "mfc": COLORS[0], "mec": "white", "ms": 6.5, "mew": 0.5},
    "failed": {"marker": "|", "mec": BAD, "ms": 9, "mew": 1.6},
}
STAR: dict[str, Any] = {"marker": "*", "mfc": COLORS[5], "mec": INK, "ms": 15, "mew": 0.9}
WINNING_LINE: dict[str, Any] = {"color": COLORS[1], "lw": 3.0}
START_LINE: dict[str, Any] = {"color": INK, "lw": 1.4, "ls": (0, (4, 2))}
START: dict[str, Any] = {"marker": "D", "mfc": "none", "mec": INK, "ms": 10, "mew": 1.3}


def _history(title: str, trials: Sequence[TrialRow]) -> Page:
    """Score by trial with the best so far; below it, which criteria each trial violated."""
    found, line = judgement(trials), best_so_far(trials)
    entries = _marks_legend(trials)
    if line:
        entries.append(("best feasible so far", [{"color": COLORS[0], "lw": 1.6}]))
    height, band = 300, max(len(found.criteria), 2) * 20
    words = "score of every trial, in the order in which they were tried"
    page, top = _sheet(title, "History", words, entries, height + 58 + band + 50)

    names = [fitted(name, 200, 1, SMALL) for name in found.criteria]
    left = max(70.0, *(measured(name, SMALL) + 22 for name in names), 0.0)
    width = WIDTH - left - 108
    numbers = [trial.number for trial in trials] or [0]
    first, last = numbers[0], numbers[-1]
    panel = page.axes(left, top, width, height)
    strip = page.axes(left, top + height + 58, width, band)
    for axes in (panel, strip):
        axes.set_xlim(first - 0.5, last + 0.5)
        axes.xaxis.set_major_locator(_round_values(10, integer=True, min_n_ticks=1))
    panel.tick_params(labelbottom=False)
    panel.set_ylabel("score", size=NORMAL)
    panel.yaxis.set_label_coords(-44 / width, 0.5)
    _score_limits(panel, trials)
    if line:
        panel.plot(
            [*(number for number, _ in line), last + 0.5],
            [*(best for _, best in line), line[-1][1]],
            drawstyle="steps-post",
            color=COLORS[0],
            lw=1.6,
        )
    _scatter(panel, trials, {trial.number: float(trial.number) for trial in trials})

    page.text(left, top + height + 14, "Violated criteria", weight="bold")
    if names:
        words = "dark: violated · light: held · in between: violated when it was stopped early"
        page.text(left, top + height + 33, words, size=SMALL, color=GRAY)
        words = "violated by\ncomplete trials"
        page.text(WIDTH - 12, top + height + 14, words, ha="right", size=SMALL)
    strip.set_xlabel("trial", size=NORMAL)
    strip.grid(False)
    _judgement(strip, found, numbers)
    strip.set_yticks(range(len(names)), names, parse_math=False)
    for row, count in enumerate(found.violations):
        middle = top + height + 58 + band * (row + 0.5) / len(names)
        words = f"{count} of {found.complete}"
        page.text(WIDTH - 12, middle, words, ha="right", va="center", size=SMALL)
    return page


def _judgement(strip: Axes, found: Judgement, numbers: Sequence[int]) -> None:
    """The criteria as rows of cells, one a trial; a column without a trial stays white."""
    if not found.criteria:
        strip.set_yticks([])
        _say(strip, "no trial was judged")
        return
    rows, columns = len(found.criteria), numbers[-1] - numbers[0] + 1
    cells = np.full((rows, columns, 3), 255, dtype=np.uint8)
    colors = {HELD: (224, 236, 244), VIOLATED: (157, 60, 20)}
    at = np.array(numbers) - numbers[0]
    for level, color in colors.items():
        row, column = np.nonzero(found.level == level)
        cells[row, at[column]] = color
    row, column = np.nonzero((found.level == VIOLATED) & found.early)
    cells[row, at[column]] = (226, 170, 142)
    extent = (numbers[0] - 0.5, numbers[-1] + 0.5, rows - 0.5, -0.5)
    crisp = "nearest" if columns <= strip.bbox.width else "auto"
    strip.imshow(cells.repeat(20, axis=0), aspect="auto", extent=extent, interpolation=crisp)
    strip.tick_params(axis="y", length=0)
    for line in range(1, rows):
        strip.axhline(line - 0.5, color="white", lw=2)
    if columns <= 100:
        for number in range(numbers[0] + 1, numbers[-1] + 1):
            strip.axvline(number - 0.5, color="white", lw=0.8)


def _importances(
    title: str, trials: Sequence[TrialRow], importances: Mapping[str, float] | None
) -> Page:
    """Horizontal bars, the longest on top, or why there are none."""
    complete = sum(trial.kind in ("feasible", "infeasible") for trial in trials)
    known = {name: value for name, value in (importances or {}).items() if math.isfinite(value)}
    if not known or complete < FEWEST:
        why = (
            f"Importances need at least {FEWEST} complete trials; this study has {complete}."
            if complete < FEWEST
            else "No importances were computed for this study."
        )
        return _instead(title, "Importances", why)
    short = short_names(list(known))
    names = sorted(known, key=lambda name: -known[name])
    labels = [_broken(short[name], 200, SMALL) for name in names]
    left = max(measured(line, SMALL) for label in labels for line in label.split("\n")) + 28
    rough = f" Rough below {ADVISED} trials." if complete < ADVISED else ""
    words = (
        "share of the variance of being among the best 10 % of scores that each parameter "
        f"explains; PED-ANOVA over {complete} complete trials, feasible or not.{rough}"
    )
    pitch = max(34, max(label.count("\n") + 1 for label in labels) * 15 + 8)
    page, top = _sheet(title, "Importances", words + _pattern(short), [], pitch * len(names) + 60)
    axes = page.axes(left, top, WIDTH - left - 20, pitch * len(names))
    axes.grid(False)  # the values are written at the bars
    places = range(len(names))
    values = [known[name] for name in names]
    axes.barh(places, values, height=0.62, color=COLORS[0])
    for place, value in zip(places, values, strict=True):
        axes.annotate(
            f"{value:.2f}",
            (value, place),
            (6, 0),
            textcoords="offset points",
            va="center",
            size=NORMAL,
            color=INK,
        )
    axes.set_yticks(places, labels, parse_math=False)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlim(0, max(*values, 1e-9) * 1.12)
    axes.xaxis.set_major_locator(_round_values(6))
    axes.set_xlabel("share", size=NORMAL)
    return page


def _parallel_coordinates(title: str, trials: Sequence[TrialRow], axes: Mapping[str, Axis]) -> Page:
    """One line a complete trial across the axes of its parameters to its score."""
    drawn = [
        trial
        for trial in trials
        if trial.kind in ("feasible", "infeasible") and axes.keys() <= trial.params.keys()
    ]
    if not drawn:
        return _instead(title, "Parallel coordinates", "No trial was trained to the end.")
    score = score_axis(drawn)
    places = parallel_positions(drawn, axes, score)
    good = np.array([trial.kind == "feasible" for trial in drawn], dtype=bool)
    scores = np.array([trial.score for trial in drawn if trial.kind == "feasible"], dtype=float)
    winner = chosen(drawn)
    short = short_names(list(axes))
    height = 360
    ticks = [axis.ticks(20 / height) for axis in (*axes.values(), score)]
    right = max(64.0, 20 + max(measured(label, SMALL) for _, label in ticks[-1]))
    pitch = (WIDTH - 72 - right) / max(len(axes), 1)
    parts = [part for name in short.values() for part in _parts(name)]
    levels = 2 if any(measured(part, NORMAL, "bold") > pitch - 10 for part in parts) else 1
    labels = [_broken(short[name], pitch * levels - 10, NORMAL) for name in axes] + ["score"]
    tall = [
        LINE * max((label.count("\n") + 1 for label in labels[level::levels]), default=0) + 6
        for level in range(levels)
    ]
    head = sum(tall) + 8
    words = (
        "one line a complete trial, from the values of its parameters to its score at the right; "
        "pruned and failed trials are left out."
    )
    page, top = _sheet(
        title,
        "Parallel coordinates",
        words + _pattern(short),
        _lines_legend(drawn),
        head + height + 28,
    )
    first = max(measured(line, NORMAL, "bold") for line in labels[0].split("\n"))
    left = max(24.0, 12 + first / 2)
    width = WIDTH - left - right
    panel = page.axes(left, top + head, width, height)
    panel.set(xlim=(0, len(axes)), ylim=(0, 1))
    panel.grid(False)
    panel.set_axis_off()
    across = np.arange(len(axes) + 1)
    backdrop = {"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 1}
    beside: dict[str, Any] = {"va": "center", "size": SMALL, "color": INK, "bbox": backdrop}

    def draw(rows: Float[np.ndarray, "row axis"], order: int, **style: Any) -> None:
        segments = [np.column_stack([across, row]) for row in rows]
        panel.add_collection(LineCollection(segments, zorder=order, clip_on=False, **style))

    few = len(drawn) < 100
    draw(places[~good], 1, colors=FAINT, linewidths=0.8 if few else 0.5)
    rising = np.argsort(scores)
    draw(places[good][rising], 2, colors=_shades(scores[rising]), linewidths=1.3 if few else 0.9)
    for trial, row in zip(drawn, places, strict=True):
        if trial is winner:
            panel.plot(across, row, marker="o", ms=6, clip_on=False, zorder=4, **WINNING_LINE)
        if trial.number == 0:
            if trial is not winner:  # between the dashes one would see the trial's own line
                panel.plot(across, row, color="white", lw=2, clip_on=False, zorder=4.5)
            panel.plot(across, row, clip_on=False, zorder=5, **START_LINE)
    panel.vlines(across, 0, 1, color=INK, lw=1.2, clip_on=False, zorder=6)
    crossings = [(index, place) for index, marks in enumerate(ticks) for place, _ in marks]
    panel.plot(*zip(*crossings, strict=True), "_", ms=7, color=INK, clip_on=False, zorder=6)
    for index, (marks, label) in enumerate(zip(ticks, labels, strict=True)):
        lift = tall[0] if index % levels else 0
        if lift:
            panel.plot([index] * 2, [1, 1 + lift / height], color=FAINT, lw=0.8, clip_on=False)
        at, below = left + width * index / max(len(axes), 1), top + head - 10 - lift
        page.text(at, below, label, ha="center", va="bottom", weight="bold")
        for place, value in marks:
            panel.text(index + 5 / pitch, place, value, zorder=7, **beside)
    return page


def _lines_legend(drawn: Sequence[TrialRow]) -> list[Entry]:
    """What the lines of the parallel coordinates mean, and how many there are of each."""
    scores = [trial.score or 0.0 for trial in drawn if trial.kind == "feasible"]
    entries: list[Entry] = []
    if scores:
        low, high = min(scores), max(scores)
        words = f"{digits(low)} (light) to {digits(high)} (dark)" if low < high else digits(low)
        ramp = _shades(np.linspace(low, high, 5))
        samples = [{"marker": "s", "ms": 5, "color": color} for color in ramp]
        entries.append((f"{len(scores)} feasible, score {words}", samples))
    if len(drawn) > len(scores):
        gray = {"color": FAINT, "lw": 1.0}
        entries.append((f"{len(drawn) - len(scores)} infeasible", [gray]))
    winner = chosen(drawn)
    if winner is not None:
        entries.append((_called(winner), [WINNING_LINE]))
    if any(trial.number == 0 for trial in drawn):
        entries.append(("trial 0: the starting weights", [START_LINE]))
    return entries


def _slices(title: str, trials: Sequence[TrialRow], axes: Mapping[str, Axis]) -> Page:
    """Score against every parameter, one panel each, all with the same scores."""
    short = short_names(list(axes))
    columns = min(len(axes), 3) or 1
    rows = math.ceil(len(axes) / columns)
    left, between, height = 66, 30, 200 if rows > 1 else 280
    width = (WIDTH - left - 18 - between * (columns - 1)) / columns
    labels = {name: _broken(label, width, NORMAL) for name, label in short.items()}
    lines = [label.count("\n") + 1 for label in labels.values()]
    heads = [max(lines[at : at + columns]) * LINE + 6 for at in range(0, len(axes), columns)]
    bottoms = np.cumsum([head + height + 38 for head in heads]).tolist()
    words = "score against the value of each parameter."
    body = bottoms[-1] if bottoms else 0
    page, top = _sheet(title, "Slices", words + _pattern(short), _marks_legend(trials), body)
    for index, (name, axis) in enumerate(axes.items()):
        row, column = divmod(index, columns)
        at = left + column * (width + between)
        down = top + bottoms[row] - height - 38
        page.text(at, down - 5, labels[name], weight="bold", va="bottom")
        panel = page.axes(at, down, width, height)
        margin = 10 / width  # on both sides of the range
        panel.set_xlim(-margin, 1 + margin)
        widths = [measured(label, SMALL) for _, label in axis.ticks(0)]
        meet = max(widths[0], widths[-1]) > between + 16  # then next panel's labels are in the way
        ticks = axis.ticks((max(widths) * (1.5 if meet else 1) + 10) / width)
        panel.set_xticks([place for place, _ in ticks], [label for _, label in ticks])
        if meet:
            outer = panel.get_xticklabels()
            outer[0].set_horizontalalignment("left")
            outer[-1].set_horizontalalignment("right")
        panel.tick_params(labelleft=column == 0)
        if column == 0:
            panel.set_ylabel("score", size=NORMAL)
            panel.yaxis.set_label_coords(-44 / width, 0.5)
        _score_limits(panel, trials)
        known = {t.number: axis.position(t.params[name]) for t in trials if name in t.params}
        _scatter(panel, trials, known)
    return page


def _sheet(
    title: str, subject: str, words: str, entries: Sequence[Entry], body: float
) -> tuple[Page, int]:
    """A page with its heading and legend, and where on it the body of this height begins."""
    head = [fitted(title, WIDTH - 24, 2, NORMAL), fitted(words, WIDTH - 24, 4, SMALL)]
    places, rows = _flow([measured(label, SMALL) for label, _ in entries])
    below = 40 + sum(LINE * (part.count("\n") + 1) + 3 for part in head if part)
    top = below + rows * ROW + 12
    page = Page(WIDTH, math.ceil(top + body))
    page.text(12, 10, subject, size=LARGE, weight="bold")
    page.text(12, 38, head[0], color=INK)
    page.text(12, 41 + LINE * (head[0].count("\n") + 1), head[1], size=SMALL, color=GRAY)
    for (label, samples), (left, row) in zip(entries, places, strict=True):
        middle = below + row * ROW + ROW / 2
        page.text(left + HANDLE + 4, middle, label, size=SMALL, va="center")
        _sample(page, left, middle, samples)
    return page, top


def _instead(title: str, subject: str, why: str) -> Page:
    """A page that says why there is no picture."""
    page, top = _sheet(title, subject, "", [], 130)
    page.text(WIDTH / 2, top + 40, why, ha="center", size=12.0)
    return page


def _flow(widths: Sequence[float]) -> tuple[list[tuple[float, int]], int]:
    """Left end and row of every entry of a legend, and the number of rows."""
    places, left, row = [], 12.0, 0
    for width in widths:
        if left > 12 and left + HANDLE + 4 + width > WIDTH - 12:
            left, row = 12.0, row + 1
        places.append((left, row))
        left += HANDLE + 4 + width + 18
    return places, row + 1 if places else 0


def _sample(page: Page, left: float, middle: float, samples: Sequence[dict[str, Any]]) -> None:
    """What a legend's words mean: a line if it has a width, else marks side by side."""
    y = 1 - middle / page.height
    step = HANDLE / len(samples)
    for index, style in enumerate(samples):
        x = [left + 2, left + HANDLE - 2] if "lw" in style else [left + step * (index + 0.5)]
        artist = Line2D(
            [place / page.width for place in x],
            [y] * len(x),
            transform=page.figure.transFigure,
            **style,
        )
        page.figure.add_artist(artist)


def _marks_legend(trials: Sequence[TrialRow]) -> list[Entry]:
    """What the marks of `_scatter` mean, and how many there are of each."""
    kinds = [trial.kind for trial in trials]
    explained: dict[Kind, str] = {
        "feasible": "feasible",
        "infeasible": "infeasible",
        "pruned": "pruned (its last score)",
        "failed": "failed (no score)",
    }
    entries: list[Entry] = [
        (f"{kinds.count(kind)} {words}", [MARKS[kind]])
        for kind, words in explained.items()
        if kind in kinds
    ]
    winner = chosen(trials)
    if winner is not None:
        entries.append((_called(winner), [STAR]))
    if any(trial.number == 0 for trial in trials):
        entries.append(("trial 0: the starting weights", [START]))
    return entries


def _scatter(axes: Axes, trials: Sequence[TrialRow], places: Mapping[int, float]) -> None:
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
        _say(axes, "no trial has a score")


def _height(trial: TrialRow, bottom: float) -> float:
    return bottom if trial.kind == "failed" or trial.score is None else trial.score


def _score_limits(axes: Axes, trials: Sequence[TrialRow]) -> None:
    """Room for every score, and below them for the failed ones."""
    score = score_axis(trials)
    span = score.high - score.low
    failed = any(trial.kind == "failed" for trial in trials)
    axes.yaxis.set_major_locator(_round_values(5))
    axes.set_ylim(score.low - (0.14 if failed else 0.07) * span, score.high + 0.07 * span)


def _shades(scores: Float[np.ndarray, " trial"]) -> Float[np.ndarray, "trial 4"]:
    """A color for every score, darker for higher; all dark if they are all the same."""
    span = np.ptp(scores) if scores.size else 0.0
    level = (scores - scores.min()) / span if span > 0 else np.ones_like(scores)
    return np.asarray(colormaps["Blues"](SHADES[0] + level * (SHADES[1] - SHADES[0])))


def _called(winner: TrialRow) -> str:
    word = "best" if winner.kind == "feasible" else "nearest to feasible"
    return f"{word}: trial {winner.number}, score {digits(winner.score or 0.0)}"


def _pattern(short: Mapping[str, str]) -> str:
    """Where in the config the short names stand, if they are shorter."""
    for name, label in short.items():
        if name != label:
            begin, end = name.split(label, 1) if name.count(label) == 1 else ("", "")
            return f" Names: {begin}*{end}." if begin or end else ""
    return ""


def _parts(name: str) -> list[str]:
    return re.findall(r"[^._]+[._]*|[._]+", name)


def _broken(name: str, width: float, size: float) -> str:
    """The whole name in lines of this many pixels if bold, broken at dots and underscores first."""
    lines = [""]
    for part in _parts(name):
        if lines[-1] and measured(lines[-1] + part, size, "bold") > width:
            lines.append("")
        for character in part:
            if lines[-1] and measured(lines[-1] + character, size, "bold") > width:
                lines.append("")
            lines[-1] += character
    return "\n".join(lines)


def _say(axes: Axes, words: str) -> None:
    """Words in the middle of an otherwise empty panel."""
    axes.text(0.5, 0.5, words, transform=axes.transAxes, ha="center", va="center", size=12)
