"""The figures of an ablation, drawn: forest, dose curves, the latents of every arm."""

# ruff: noqa: RUF001

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from ablations.figures.numbers import (
    ArmLatents,
    Dose,
    ForestRow,
    Interval,
    called,
    criterion,
    extent,
    in_figures,
    places,
)
from vlatent.effects import NULL, Effect
from vlatent.figures.drawing import BAD, BAND_COLOR, COLORS, GOOD
from vlatent.figures.montage import GAP, mosaic_image
from vlatent.figures.numbers import Mosaic, mosaic
from vlatent.figures.page import (
    GRAY,
    INK,
    NORMAL,
    SMALL,
    Page,
    Panel,
    Pixels,
    Scale,
    fitted,
    measured,
)
from vlatent.formatting import digits
from vlatent.intervals import interval

ROW, LINE = 20, 17  # pixels: a row of a forest, a line of text
LONGEST = 270  # pixels of a name
STRIPE = "#F3F3F3"
FEW = 12  # arms whose latents are shown at twice the size
HEADS = ("mean [95 % interval]", "n", "p")


def forest(title: str, seeds: int, looks: int, comparisons: Sequence[ForestRow]) -> Page:
    """A panel a statistic and a row an arm: mean difference, interval and figures."""
    arms = list(comparisons[0].effects)
    names = [fitted(arm, LONGEST, 1, SMALL) for arm in arms]
    label = 12 + max(measured(name, SMALL) for name in names) + 14
    every = [effect for comparison in comparisons for effect in comparison.effects.values()]
    said = [HEADS, *(in_figures(effect, seeds) for effect in every)]
    widths = [max(measured(word, SMALL) for word in words) for words in zip(*said, strict=True)]
    headings = [fitted(comparison.statistic, LONGEST, 2, NORMAL) for comparison in comparisons]
    lines = [line for heading in headings for line in heading.splitlines()]
    plot = max(210.0, *(measured(line, NORMAL, "bold") for line in lines))
    gap, between = 26, 14
    ends = [plot + sum(widths[: at + 1]) + between * (at + 1) for at in range(len(HEADS))]
    block = ends[-1]
    columns = min(len(comparisons), 2)
    width = max(720, math.ceil(label + columns * (block + gap)))
    meant = (
        "difference from the base, paired by seed"
        if comparisons[0].against == "base"
        else "Shapley value: the prior's share in the difference between all priors and none"
    )
    words = (
        f"{meant} · line and brackets: 95 % interval, with an arrow where it goes on · p: "
        f"sign-flip test, null hypothesis: {NULL}; after Holm's correction · filled: below 0.05"
    )
    if looks > 1:
        words += f" · look {looks}: p counts one look alone"
    if any(effect.skewed for effect in every):
        words += " · skewed: p may be due to the differences' asymmetry alone"
    if any(effect.n < seeds for effect in every):
        words += (
            " · red: a run that failed is left out together with its partner; red line: the 95 % "
            "interval wherever the missing pairs lie"
        )
    high = len(arms) * ROW
    pitch = high + 72
    body = math.ceil(len(comparisons) / columns) * pitch
    page, top = _sheet(width, "Effects", title, words, body)
    for index, comparison in enumerate(comparisons):
        row, column = divmod(index, columns)
        left, above = label + column * (block + gap), top + row * pitch + 26
        if column == 0:
            for place, name in enumerate(names):
                middle = above + (place + 0.5) * ROW
                page.text(label - 14, middle, name, size=SMALL, ha="right", va="center")
        begin = 6.0 if column == 0 else left - gap / 2
        for place in range(0, len(arms), 2):
            _stripe(page, begin, above + place * ROW, left + block + gap / 2 - begin)
        page.text(left, above - 6, headings[index], weight="bold", va="bottom")
        base = f"{comparison.against}: {digits(comparison.base)}"
        page.text(left + block, above + high + 5, base, size=SMALL, color=GRAY, ha="right")
        shown = list(comparison.effects.values())
        _forest_panel(page, (left, above, plot, high), shown)
        _write_effects(page, shown, seeds, above, [left + end for end in ends])
    return page


def dose(title: str, seeds: int, prior: str, doses: Sequence[Dose]) -> Page:
    """A panel a statistic: mean and interval over seeds against the factor of the weight."""
    columns = min(len(doses), 3)
    headings = [fitted(curve.statistic, LONGEST, 2, NORMAL) for curve in doses]
    widest = max(
        measured(line, NORMAL, "bold") + measured(criterion(curve.wanted), SMALL) + 10
        for heading, curve in zip(headings, doses, strict=True)
        for line in heading.splitlines()
    )
    wide, high, gap = max(250 if columns == 3 else 330, math.ceil(widest)), 180, 76
    lost = any(len(values) < seeds for curve in doses for values in curve.values.values())
    words = (
        f"large: mean over {seeds} seeds and 95 % interval · small: each seed · "
        "shaded: where the criterion holds · dotted: the base's weight"
    )
    words += " · red: seeds that are left, the others failed" if lost else ""
    pitch = high + 80 + 14 * lost
    width = max(720, columns * (wide + gap) + 20)
    rows = math.ceil(len(doses) / columns)
    page, top = _sheet(width, f"Dose of {prior}", title, words, rows * pitch)
    for index, curve in enumerate(doses):
        row, column = divmod(index, columns)
        place = (gap - 4 + column * (wide + gap), top + row * pitch + 22)
        at = places(list(curve.values))
        around = [interval(curve.values[factor], curve.possible) for factor in at]
        room = 0.5 if len(at) > 1 else 1.0
        across = Scale(min(at.values()) - room, max(at.values()) + room, marks=(), named=False)
        panel = page.panel(*place, wide, high, across, _dose_scale(curve, around))
        panel.text(0, 1.03, headings[index], weight="bold", va="bottom")
        panel.text(
            1, 1.03, criterion(curve.wanted), size=SMALL, color=GOOD, ha="right", va="bottom"
        )
        _dose_panel(panel, curve, at, around)
        for factor, position in at.items():
            share, n = across.share(position), len(curve.values[factor])
            panel.text(share, -5 / high, called(factor), size=SMALL, ha="center")
            if n < seeds:
                panel.text(share, -20 / high, f"n {n}", size=SMALL, color=BAD, ha="center")
        panel.text(0.5, -(36 if lost else 22) / high, "× weight", ha="center")
    return page


def latents_by_arm(title: str, latents: Sequence[ArmLatents], texts: Sequence[str]) -> Page:
    """The latents of the same sentences under every arm: a row an arm and a column a sentence."""
    few = len(latents) <= FEW
    cells = {one.arm: _cells(mosaic(one.latent), few) for one in latents if one.latent is not None}
    wide = max([image.shape[1] for row in cells.values() for image in row], default=204)
    high = max([image.shape[0] for row in cells.values() for image in row], default=2 * LINE)
    names = {one.arm: fitted(one.arm, LONGEST, 1, SMALL) for one in latents}
    label = 12 + max([measured("sd 0.000", SMALL), *(measured(n, SMALL) for n in names.values())])
    label = math.ceil(label) + 14
    pitch, step = high + (14 if few else 10), wide + 18
    captions = [fitted(text, wide, 5, SMALL) for text in texts]
    head = max(caption.count("\n") + 1 for caption in captions) * 15 + 12
    width = max(720, label + len(texts) * step)
    words = (
        "the same sentences under every arm, one seed · in each cell every channel, on a color "
        "scale of its arm and channel · sd: standard deviation within a channel of a latent"
    )
    page, top = _sheet(width, "Latents", title, words, head + len(latents) * pitch)
    for column, caption in enumerate(captions):
        page.text(label + column * step, top + head - 8, caption, size=SMALL, va="bottom")
    for row, one in enumerate(latents):
        above = top + head + row * pitch
        name, middle = names[one.arm], above + high / 2
        page.text(label - 14, middle - 2, name, size=SMALL, ha="right", va="bottom")
        if one.latent is None:
            page.text(label, middle - 2, "failed: no latent", size=SMALL, color=BAD, va="bottom")
            continue
        deviation = float(one.latent.var((1, 2), correction=0).mean().sqrt())
        said = f"sd {digits(deviation)}"
        page.text(label - 14, middle + 2, said, size=SMALL, color=GRAY, ha="right")
        for column, image in enumerate(cells[one.arm]):
            page.image(label + column * step, above, image)
    return page


def _sheet(width: int, subject: str, title: str, words: str, body: float) -> tuple[Page, int]:
    """A page with its heading, and where on it the body of this height begins."""
    explained = fitted(words, width - 24, 4, NORMAL)
    top = 42 + LINE * (explained.count("\n") + 1) + 14
    page = Page(width, math.ceil(top + body + 8))
    page.header(title, subject, "")
    page.text(12, 42, explained, color=GRAY)
    return page, top


def _stripe(page: Page, left: float, top: float, width: float) -> None:
    """The background of every other row."""
    corner = (left / page.width, 1 - (top + ROW) / page.height)
    size = (width / page.width, ROW / page.height)
    where = page.figure.transFigure
    page.figure.add_artist(Rectangle(corner, *size, color=STRIPE, lw=0, transform=where, zorder=-1))


def _forest_panel(
    page: Page, box: tuple[float, float, float, float], effects: Sequence[Effect]
) -> None:
    """Means and intervals, one below the other, and the line of no difference."""
    low, high = extent([(effect.mean, effect.low, effect.high) for effect in effects], [0.0])
    x = Scale(low, high, marks=_round_values(low, high))
    rows = Scale(len(effects) - 0.5, -0.5, marks=(), named=False)
    axes = page.panel(*box, x, rows).axes
    axes.axvline(0, color=INK, linewidth=1)
    for row, effect in enumerate(effects):
        if effect.n == 0:
            continue
        color = COLORS[0] if effect.established else GRAY
        if effect.worst is not None:
            ends = np.clip(effect.worst, low, high)
            axes.plot(ends, [row + 0.3] * 2, color=BAD, linewidth=0.8)
        if effect.n > 1:
            ends = np.clip([effect.low, effect.high], low, high)
            axes.plot(ends, [row, row], color=color, linewidth=1.6)
            for end, edge, arrow in ((effect.low, low, "<"), (effect.high, high, ">")):
                if not low <= end <= high:
                    axes.plot(edge, row, arrow, color=color, markersize=6, clip_on=False)
        inside = color if effect.established else "white"
        axes.plot(effect.mean, row, "o", mfc=inside, mec=color, mew=1.3, markersize=6.5)


def _write_effects(
    page: Page, effects: Sequence[Effect], seeds: int, top: float, ends: Sequence[float]
) -> None:
    """The figures of every row, in columns with these right ends."""
    for end, head in zip(ends, HEADS, strict=True):
        page.text(end, top - 7, head, size=SMALL, color=GRAY, ha="right", va="bottom")
    for row, effect in enumerate(effects):
        usual = INK if effect.established else GRAY
        colors = (usual if effect.n else BAD, usual if effect.n >= seeds else BAD, usual)
        for end, said, color in zip(ends, in_figures(effect, seeds), colors, strict=True):
            middle = top + (row + 0.5) * ROW
            page.text(end, middle, said, size=SMALL, color=color, ha="right", va="center")


def _dose_scale(curve: Dose, around: Sequence[Interval]) -> Scale:
    """The scale of a statistic, with the ends of its criterion where they are near."""
    seen = [value for values in curve.values.values() for value in values]
    low, high = extent(around, seen)
    near = [end for end in curve.wanted or () if 2 * low - high <= end <= 2 * high - low]
    low, high = extent(around, seen + near)
    return Scale(low, high, marks=_round_values(low, high))


def _dose_panel(
    panel: Panel, curve: Dose, at: Mapping[float, float], around: Sequence[Interval]
) -> None:
    axes, y = panel.axes, panel.y
    if curve.wanted is not None:
        low, high = (min(max(end, y.low), y.high) for end in curve.wanted)
        axes.axhspan(low, high, color=BAND_COLOR, linewidth=0, zorder=0)
        for end in curve.wanted:
            if y.low < end < y.high:
                axes.axhline(end, color=GOOD, linewidth=1, linestyle="--")
    if 1 in at:
        axes.axvline(at[1], color=GRAY, linewidth=1, linestyle=":")
    for factor, position in at.items():
        seen = list(curve.values[factor])
        axes.plot([position + 0.15] * len(seen), seen, "o", color=COLORS[4], markersize=2.6)
    finite = [
        (factor, place, *ends)
        for (factor, place), ends in zip(at.items(), around, strict=True)
        if math.isfinite(ends[0])
    ]
    for (factor, place, mean, *_), (_, beside, after, *_) in pairwise(finite):
        style = ":" if factor == 0 else "-"  # no doubling leads from 0 to anything
        axes.plot([place, beside], [mean, after], style, color=COLORS[0], linewidth=1.4)
    for _, place, mean, low, high in finite:
        if math.isfinite(low) or math.isfinite(high):
            ends = np.clip([low, high], y.low, y.high)
            axes.plot([place, place], ends, color=COLORS[0], linewidth=1.6)
        axes.plot(place, mean, "o", color=COLORS[0], markersize=6)


def _cells(colored: Mosaic, few: bool) -> list[Pixels]:
    """The latent of every sentence: its channels in two rows, or small in one."""
    cells = []
    sentences, channels = colored.level.shape[:2]
    for sentence in range(sentences):
        image, _, across = mosaic_image(colored, [sentence], 64 if few else 32)
        if few and channels % 2 == 0:
            half = channels // 2 * across
            rows = np.pad(image, ((0, GAP), (0, GAP), (0, 0)), constant_values=255)
            image = np.concatenate([rows[:, :half], rows[:, half:]])[:-GAP, :-GAP]
        cells.append(image)
    return cells


def _round_values(low: float, high: float) -> list[float]:
    ticks = MaxNLocator(4, steps=[1, 2, 5, 10]).tick_values(low, high)
    return [float(tick) for tick in ticks]
