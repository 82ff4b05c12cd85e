"""How much of the score each parameter explains."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from studies.figures.search.trials import TrialRow, complete
from vlatent.figures.drawing import COLORS
from vlatent.figures.page import INK, NORMAL, SMALL, Page, measured
from vlatent.figures.parameter_names import broken, pattern, short_names
from vlatent.figures.sheet import WIDTH, instead, sheet
from vlatent.figures.ticks import round_values

FEWEST = 10  # complete trials below which importances are noise
ADVISED = 50  # Optuna advises at least 5 trials among the best 10 %


def importances_page(
    title: str, trials: Sequence[TrialRow], importances: Mapping[str, float] | None
) -> Page:
    """Horizontal bars, the longest on top, or why there are none."""
    count = len(complete(trials))
    finite = {name: value for name, value in (importances or {}).items() if math.isfinite(value)}
    if not finite or count < FEWEST:
        why = (
            f"Importances need at least {FEWEST} complete trials; this study has {count}."
            if count < FEWEST
            else "No importances were computed for this study."
        )
        return instead(title, "Importances", why)
    short = short_names(list(finite))
    names = sorted(finite, key=lambda name: -finite[name])
    labels = [broken(short[name], 200, SMALL) for name in names]
    left = max(measured(line, SMALL) for label in labels for line in label.split("\n")) + 28
    rough = f" Rough below {ADVISED} trials." if count < ADVISED else ""
    words = (
        "share of the variance of being among the best 10 % of scores that each parameter "
        f"explains; PED-ANOVA over {count} complete trials, feasible or not.{rough}"
    )
    pitch = max(34, max(label.count("\n") + 1 for label in labels) * 15 + 8)
    page, top = sheet(title, "Importances", words + pattern(short), [], pitch * len(names) + 60)
    axes = page.axes(left, top, WIDTH - left - 20, pitch * len(names))
    axes.grid(False)  # the values are written at the bars
    places = range(len(names))
    values = [finite[name] for name in names]
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
    axes.xaxis.set_major_locator(round_values(6))
    axes.set_xlabel("share", size=NORMAL)
    return page
