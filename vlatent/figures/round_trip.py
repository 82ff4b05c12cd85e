"""What falling cross-entropy buys, in a run whose decoder learns beside the encoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vlatent.evaluation import Evaluation
from vlatent.evaluation.round_trip import SPLITS
from vlatent.evaluation.round_trip_criteria import ASKED, Asked, judged
from vlatent.figures.drawing import BAND_COLOR, COLORS
from vlatent.figures.meaning_numbers import Curve, over_time
from vlatent.figures.page import INK, SMALL, Page, Panel, Scale
from vlatent.figures.round_trip_numbers import cross_entropies
from vlatent.figures.sheet import Entry, legend

Curves = Mapping[str, Curve]  # by view: a split, clean or under noise
LABELS = {
    **{"fact_f1": "fact F1", "rouge_l": "ROUGE-L", "cosine": "cosine"},
    **{"readable": "share of readings", "diversity": "share of pairs"},
}
MARKERS = dict(zip(SPLITS, ("o", "s"), strict=True))
SHADES = dict(zip(SPLITS, COLORS, strict=False))
CLEAN: dict[str, Any] = {"linestyle": "-", "lw": 1.4}
NOISY: dict[str, Any] = {"linestyle": "--", "lw": 0.9, "markerfacecolor": "white"}
RING: dict[str, Any] = {
    **{"marker": "o", "linestyle": "", "markersize": 10, "zorder": 5},
    **{"markerfacecolor": "none", "markeredgecolor": INK, "markeredgewidth": 1.4},
}
LEFT, TOP, ACROSS, DOWN = 66, 146, 378, 370  # pixels: the first panel, and from one to the next
WIDTH, HEIGHT = 264, 280
FAR = 9.0  # beyond every scale


def round_trip(
    title: str, history: Sequence[Evaluation], log: Sequence[Mapping[str, float]]
) -> Page:
    """What is judged of readings over the cross-entropy in training, and facts over copied words.

    Args:
        title: Name of the run.
        history: Its evaluations; in the last one facts were read.
        log: Its training rows.
    """
    views = judged(history[-1].metrics)
    losses = cross_entropies(history, log)
    found = {
        asked.statistic: {
            view: over_time(history, f"reading/{view}/{asked.statistic}") for view in views
        }
        for asked in ASKED
    }
    page = Page(LEFT + 3 * ACROSS, TOP + 2 * DOWN - 20)
    page.header(
        title,
        "What falling cross-entropy buys",
        "its mean over the training steps recorded since the evaluation before · lines join the "
        "evaluations in their order",
    )
    _legend(page, views)
    lowest, highest = _ends(losses)
    x = Scale(highest, lowest, label="cross-entropy (nats a token), falling")
    for place, asked in zip((0, 1, 3, 4, 5), ASKED, strict=True):  # 2: facts over words
        curves = found[asked.statistic]
        panel = _panel(page, place, asked.name, x, _scale(asked, curves))
        beyond = FAR if asked.least else -FAR
        panel.axes.axhspan(asked.limit, beyond, color=BAND_COLOR, linewidth=0, zorder=0)
        panel.axes.axhline(asked.limit, color=INK, linestyle=":", linewidth=1.2)
        panel.text(1.015, panel.y.share(asked.limit), _limit(asked), size=SMALL, va="center")
        _trails(panel, dict.fromkeys(views, losses), curves)
    _facts_over_words(page, ASKED[0], ASKED[1], found["fact_f1"], found["rouge_l"])
    return page


def _facts_over_words(
    page: Page, facts: Asked, words: Asked, across: Curves, upward: Curves
) -> None:
    """Where facts and copied words lie together; the corner that is wanted."""
    x, y = _scale(facts, across), _scale(words, upward)
    panel = _panel(page, 2, "facts and words together", x, y)
    panel.axes.fill_between([facts.limit, FAR], -FAR, words.limit, color=BAND_COLOR, zorder=0)
    panel.axes.axvline(facts.limit, color=INK, linestyle=":", linewidth=1.2)
    panel.axes.axhline(words.limit, color=INK, linestyle=":", linewidth=1.2)
    panel.text(x.share(facts.limit), 1.02, _limit(facts), size=SMALL, ha="center", va="bottom")
    panel.text(1.015, y.share(words.limit), _limit(words), size=SMALL, va="center")
    _trails(panel, across, upward)


def _legend(page: Page, views: Sequence[str]) -> None:
    """What colors, markers and lines mean."""
    entries: list[Entry] = [
        (split, [{"marker": MARKERS[split], "color": SHADES[split], "linestyle": ""}])
        for split in dict.fromkeys(map(_split, views))
    ]
    if any(view != _split(view) for view in views):
        for name, style in (("clean, filled", CLEAN), ("under noise, hollow", NOISY)):
            entries.append((name, [{"color": INK} | style]))
    entries.append(("last evaluation", [RING]))
    entries.append(("wanted", [{"color": INK, "linestyle": ":", "lw": 1.2}]))
    legend(page, 78, entries)


def _panel(page: Page, place: int, name: str, x: Scale, y: Scale) -> Panel:
    """A panel in its place, three a row, with its name."""
    row, column = divmod(place, 3)
    panel = page.panel(LEFT + column * ACROSS, TOP + row * DOWN, WIDTH, HEIGHT, x, y)
    panel.text(0, 1.02, name, weight="bold", va="bottom")
    return panel


def _trails(panel: Panel, across: Curves, upward: Curves) -> None:
    """A line a view through its evaluations, with a ring around the last one."""
    drawn = False
    for view, ys in upward.items():
        split, xs = _split(view), across[view]
        finite = np.isfinite(xs) & np.isfinite(ys)
        style = CLEAN if view == split else NOISY
        marks = style | {"marker": MARKERS[split], "markersize": 5, "color": SHADES[split]}
        panel.axes.plot(xs[finite], ys[finite], **marks)
        panel.axes.plot(xs[-1:], ys[-1:], **RING)
        drawn |= bool(finite.any())
    if not drawn:
        panel.text(0.5, 0.5, "nothing to show: no finite value", ha="center", va="center")


def _split(view: str) -> str:
    return view.removesuffix("_noise")


def _limit(asked: Asked) -> str:
    return f"{'≥' if asked.least else '≤'} {asked.limit:g}"


def _scale(asked: Asked, curves: Curves) -> Scale:
    """A scale on which the curves and their limit are."""
    ends = _ends(np.concatenate([[asked.limit], *curves.values()]))
    return Scale(*ends, label=LABELS[asked.statistic])


def _ends(values: Curve) -> tuple[float, float]:
    """The lowest and the highest finite value, with a little room."""
    finite = values[np.isfinite(values)]
    room = 0.06 * float(np.ptp(finite)) or 0.05
    return float(finite.min()) - room, float(finite.max()) + room
