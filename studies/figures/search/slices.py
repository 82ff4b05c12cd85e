"""Scores against one parameter at a time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from studies.figures.search.marks import marks_legend, scatter, score_limits
from studies.figures.search.trials import TrialRow
from vlatent.figures.page import NORMAL, SMALL, Page, measured
from vlatent.figures.parameter_names import broken, pattern, short_names
from vlatent.figures.sheet import LINE, WIDTH, sheet
from vlatent.figures.ticks import axis_ticks
from vlatent.search_space import Axis


def slices_page(
    title: str, trials: Sequence[TrialRow], axes: Mapping[str, Axis], label: str = "score"
) -> Page:
    """Score against every parameter, one panel each, all with the same scores."""
    short = short_names(list(axes))
    columns = min(len(axes), 3) or 1
    rows = math.ceil(len(axes) / columns)
    left, between, height = 66, 30, 200 if rows > 1 else 280
    width = (WIDTH - left - 18 - between * (columns - 1)) / columns
    labels = {name: broken(short[name], width, NORMAL) for name in short}
    lines = [text.count("\n") + 1 for text in labels.values()]
    heads = [max(lines[at : at + columns]) * LINE + 6 for at in range(0, len(axes), columns)]
    bottoms = np.cumsum([head + height + 38 for head in heads]).tolist()
    words = f"{label} against the value of each parameter."
    body = bottoms[-1] if bottoms else 0
    page, top = sheet(title, "Slices", words + pattern(short), marks_legend(trials, label), body)
    for index, (name, axis) in enumerate(axes.items()):
        row, column = divmod(index, columns)
        at = left + column * (width + between)
        down = top + bottoms[row] - height - 38
        page.text(at, down - 5, labels[name], weight="bold", va="bottom")
        panel = page.axes(at, down, width, height)
        margin = 10 / width  # on both sides of the range
        panel.set_xlim(-margin, 1 + margin)
        widths = [measured(text, SMALL) for _, text in axis_ticks(axis, 0)]
        meet = max(widths[0], widths[-1]) > between + 16  # then next panel's labels are in the way
        ticks = axis_ticks(axis, (max(widths) * (1.5 if meet else 1) + 10) / width)
        panel.set_xticks([place for place, _ in ticks], [text for _, text in ticks])
        if meet:
            outer = panel.get_xticklabels()
            outer[0].set_horizontalalignment("left")
            outer[-1].set_horizontalalignment("right")
        panel.tick_params(labelleft=column == 0)
        if column == 0:
            panel.set_ylabel(label, size=NORMAL, parse_math=False)
            panel.yaxis.set_label_coords(-44 / width, 0.5)
        score_limits(panel, trials)
        positions = {t.number: axis.position(t.params[name]) for t in trials if name in t.params}
        scatter(panel, trials, positions)
    return page
