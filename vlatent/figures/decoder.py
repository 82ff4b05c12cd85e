"""The figure of a trained decoder: what it reads, beside ceiling, language model and controls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from vlatent.evaluation.reading import KINDS
from vlatent.evaluation.reading_criteria import FACT_F1, NORMALISED
from vlatent.figures.decoder_numbers import SMOOTHED, Scored, smoothed
from vlatent.figures.drawing import COLORS
from vlatent.figures.page import GRAY, INK, SMALL, Page, Panel, Scale
from vlatent.figures.scales import log_scale
from vlatent.figures.sheet import Entry, legend
from vlatent.intervals import proportion

MARKERS = ("o", "s", "^", "D", "v", "P")
WIDTH, TOP, SIDE = 1100, 150, 280  # pixels


def decoder_figure(
    title: str, scored: Sequence[Scored], losses: Mapping[str, Mapping[int, float]]
) -> bytes:
    """Accuracy and facts against noise, what is read by kind, and learning curves, as PNG.

    Args:
        title: Name of the run.
        scored: Of what is judged, and then of the controls.
        losses: By what is shown, cross-entropies at training steps, in nats a word; none where
            nothing was trained.
    """
    shown = list(dict.fromkeys(each.shown for each in scored))
    splits = list(dict.fromkeys(each.split for each in scored))
    colors = dict(zip(shown, COLORS, strict=False))
    page = Page(WIDTH, 2 * (TOP + SIDE) + 40)
    page.header(
        title,
        "What a decoder reads of latents",
        "language model: sees no latent · ceiling: knows the meaning · dotted: wanted",
    )
    _legend(page, colors, splits)
    for left, name, score, wanted, label in (
        (70, "Content words against noise", "normalised", NORMALISED, "accuracy, normalised"),
        (620, "Facts against noise", "fact_f1", FACT_F1, "fact F1"),
    ):
        panel = _against_noise(page, left, name, scored, score, label, colors, splits)
        panel.axes.axhline(wanted, color=INK, linestyle=":", linewidth=1)
        ends = {"ceiling": 1.0, "language model": 0.0} if score == "normalised" else {"all": 1.0}
        for words, value in ends.items():
            panel.axes.axhline(value, color=GRAY, linewidth=1.4)
            panel.text(1.015, panel.y.share(value), words, size=SMALL, color=GRAY, va="center")
    looked_at = "compositional" if "compositional" in splits else splits[0]
    _by_kind(page, [each for each in scored if each.split == looked_at and not each.noise], colors)
    _learning(page, losses, scored[0].scores, colors)
    return page.png()


def _legend(page: Page, colors: Mapping[str, str], splits: Sequence[str]) -> None:
    """What colors and markers mean."""
    entries: list[Entry] = [
        (name, [{"marker": marker, "color": color, "markersize": 6, "linestyle": ""}])
        for (name, color), marker in zip(colors.items(), MARKERS, strict=False)
    ]
    styles = zip(splits, ("-", "--", ":"), strict=False)
    entries += [(split, [{"color": INK, "linestyle": style, "lw": 1.4}]) for split, style in styles]
    legend(page, 78, entries)


def _against_noise(
    page: Page,
    left: int,
    name: str,
    scored: Sequence[Scored],
    score: str,
    label: str,
    colors: Mapping[str, str],
    splits: Sequence[str],
) -> Panel:
    """A score of everything that is shown, by split, over the noise on the latents."""
    page.text(left, TOP - 34, name, weight="bold")
    noises = sorted({each.noise for each in scored})
    room = 0.03 * (noises[-1] - noises[0]) or 0.1
    x = Scale(noises[0] - room, noises[-1] + room, label="noise (standard deviations of a latent)")
    found = [each.scores[score] for each in scored]
    y = Scale(min(-0.03, *found) - 0.02, max(1.03, *found) + 0.02, label=label)
    panel = page.panel(left, TOP, 330, SIDE, x, y)
    for (shown, color), marker in zip(colors.items(), MARKERS, strict=False):
        for split, style in zip(splits, ("-", "--", ":"), strict=False):
            points = sorted(
                (each.noise, each.scores[score])
                for each in scored
                if (each.shown, each.split) == (shown, split)
            )
            panel.axes.plot(
                *zip(*points, strict=True), linestyle=style, color=color, marker=marker,
                markersize=4, linewidth=1.4,
            )  # fmt: skip
    return panel


def _by_kind(page: Page, scored: Sequence[Scored], colors: Mapping[str, str]) -> None:
    """Shares read right, one row a kind, with exact intervals."""
    left, top = 120, 2 * TOP + SIDE - 10
    page.text(70, top - 34, f"Read right by kind, {scored[0].split}, without noise", weight="bold")
    remark = "bars: 95 % intervals of the shares · at the right: of how many"
    page.text(70, top - 17, remark, size=SMALL, color=GRAY)
    y = Scale(len(KINDS), 0, marks=range(len(KINDS) + 1), named=False)
    panel = page.panel(left, top, 280, SIDE, Scale(-0.02, 1.02, label="share"), y)
    for row, kind in enumerate(KINDS):
        middle = 1 - (row + 0.5) / len(KINDS)
        panel.text(-0.03, middle, kind, size=SMALL, ha="right", va="center")
        asked = [round(each.scores[f"{kind}_asked"]) for each in scored]
        panel.text(1.03, middle, " · ".join(map(str, asked)), size=SMALL, color=GRAY, va="center")
        for index, (each, total) in enumerate(zip(scored, asked, strict=True)):
            if not total:
                continue
            share, up = each.scores[kind], row + (index + 1) / (len(scored) + 1)
            color = colors[each.shown]
            panel.axes.plot(proportion(round(share * total), total), [up] * 2, color=color)
            panel.axes.plot([share], [up], MARKERS[index], color=color, markersize=4)


def _learning(
    page: Page,
    losses: Mapping[str, Mapping[int, float]],
    known: Mapping[str, float],
    colors: Mapping[str, str],
) -> None:
    """Cross-entropy over training, between the ceiling's and the language model's."""
    left, top = 620, 2 * TOP + SIDE - 10
    page.text(left, top - 34, "Learning curves", weight="bold")
    remark = f"training sentences, means of {SMOOTHED} steps"
    page.text(left, top - 17, remark, size=SMALL, color=GRAY)
    limits = {"ceiling": known["cross_entropy_ceiling"]}
    limits["language model"] = known["cross_entropy_floor"]
    curves = {name: smoothed(by_step) for name, by_step in losses.items() if by_step}
    values = [np.array(list(limits.values())), *(curve[1] for curve in curves.values())]
    last = max((curve[0][-1] for curve in curves.values()), default=1.0)
    y = log_scale(values, "cross-entropy (nats a word)")
    panel = page.panel(left, top, 330, SIDE, Scale(0, last * 1.02, label="training step"), y)
    for name, (steps, curve) in curves.items():
        panel.axes.plot(steps, curve, color=colors[name], linewidth=1.4)
    for words, value in limits.items():
        panel.axes.axhline(value, color=GRAY, linewidth=1.4)
        panel.text(1.015, panel.y.share(value), words, size=SMALL, color=GRAY, va="center")
    if not curves:
        panel.text(0.5, 0.5, "nothing was trained", ha="center", va="center")
