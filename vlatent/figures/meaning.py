"""What pictures know of the sentence: retrieval, cosines, robustness, a map, and the pictures."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence

import numpy as np
import torch

from vlatent.dependence import first_fact
from vlatent.evaluation import MEANING, Evaluation
from vlatent.figures import numbers
from vlatent.figures.drawing import COLORS, draw_lines
from vlatent.figures.meaning_numbers import (
    BINS,
    FARTHEST,
    TRIPLES,
    Known,
    cosines,
    histogram,
    over_time,
    plane,
    ranks,
    recall_curve,
    robustness,
)
from vlatent.figures.montage import GAP, paint
from vlatent.figures.page import GRAY, INK, SMALL, Page, Panel, Scale, fitted

LIMITS = {metric: limit for _, metric, limit, _, _ in MEANING}
SHADES = {
    **{"red": "#d62728", "green": "#2ca02c", "blue": "#1f77b4", "yellow": "#ffd92f"},
    **{"purple": "#9467bd", "orange": "#ff7f0e", "black": "#111111", "white": "#ffffff"},
    "gray": "#999999",
}
UNKNOWN = "#dddddd"  # of a text that is not about colored blocks


def meaning(title: str, history: Sequence[Evaluation], splits: Mapping[str, Known]) -> Page:
    """Whether paraphrases are found, counterfactuals told apart, and shifts borne."""
    page = Page(1240, 880)
    hardest = "compositional" if "compositional" in splits else next(iter(splits))
    count = len(splits[hardest].sentences)
    page.header(
        title,
        "What the pictures know",
        f"{count} held-out sentences a split; dotted: what the criteria ask for · gray: chance",
    )
    colors = dict(zip(splits, COLORS, strict=False))
    _over_time(page, history, colors, 1 / count)
    _recall(page, splits, colors)
    _cosines(page, hardest, splits[hardest])
    _robustness(page, hardest, splits[hardest])
    _map(page, hardest, splits[hardest])
    return page


def triples(title: str, splits: Mapping[str, Known]) -> Page:
    """Sentences above their paraphrase and counterfactual, with the pictures of each."""
    shown = [(split, known, row) for split, known in splits.items() for row in range(TRIPLES)]
    shown = [each for each in shown if each[2] < len(each[1].pictures)]
    pictures = np.concatenate([known.pictures[row] for _, known, row in shown])
    image, down, across = paint(
        numbers.mosaic(torch.from_numpy(pictures)), list(range(len(pictures))), 72
    )
    label, top = 600, 100
    page = Page(label + image.shape[1] + 16, top + image.shape[0] + 24)
    page.header(
        title,
        "Sentence, paraphrase, counterfactual",
        "one color scale a channel, the same for all; cosine of what is compared with the sentence",
    )
    page.image(label, top, image)
    for channel in range(pictures.shape[-1]):
        centre = label + channel * across + (across - GAP) / 2
        page.text(centre, top - 18, f"{channel}", size=SMALL, ha="center")
    page.text(label - 14, top - 18, "channel", size=SMALL, color=GRAY, ha="right")
    for place, (split, known, row) in enumerate(shown):
        alike = float(known.sentences[row] @ known.paraphrases[row])
        unlike = float(known.sentences[row] @ known.counterfactuals[row])
        remarks = (split, f"paraphrase, cosine {alike:.2f}", f"counterfactual, cosine {unlike:.2f}")
        for kind, (text, remark) in enumerate(zip(known.texts[row], remarks, strict=True)):
            at = top + (3 * place + kind) * down
            page.text(12, at + 2, remark, size=SMALL, color=GRAY, weight="bold")
            words = text if kind == 0 else changed(known.texts[row][0], text)
            page.text(12, at + 19, fitted(words, label - 30, 3, SMALL), size=SMALL)
    return page


def changed(first: str, second: str) -> str:
    """The second sentence with [brackets] around the words that the first does not have there."""
    before, after = first.split(), second.split()
    words: list[str] = []
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    for tag, _, _, start, end in matcher.get_opcodes():
        if start < end:
            run = " ".join(after[start:end])
            words.append(run if tag == "equal" else f"[{run}]")
    return " ".join(words)


def _over_time(
    page: Page, history: Sequence[Evaluation], colors: Mapping[str, str], chance: float
) -> None:
    page.text(60, 76, "Paraphrases that find their sentence", weight="bold")
    steps, first = over_time(history, "recall_at_1")
    _, fifth = over_time(history, "recall_at_5")
    last = max(int(steps[-1]), 1) if len(steps) else 1
    x = Scale(-0.02 * last, 1.02 * last, label="training step", marks=None)
    panel = page.panel(60, 100, 230, 300, x, Scale(-0.02, 1.02, label="share"))
    for split, curve in fifth.items():
        panel.axes.plot(steps, curve, "--", color=colors[split], linewidth=1, alpha=0.7)
    draw_lines(panel, steps, first, colors)
    panel.text(0.96, 0.06, "— first   - - among five", size=SMALL, color=GRAY, ha="right")
    for name in ("recall_at_1", "recall_at_5"):
        panel.axes.axhline(LIMITS[name], color=INK, linestyle=":", linewidth=1)
    panel.axes.axhline(chance, color=GRAY, linewidth=1)


def _recall(page: Page, splits: Mapping[str, Known], colors: Mapping[str, str]) -> None:
    page.text(470, 76, "… among the k likest", weight="bold")
    longest = max(len(known.sentences) for known in splits.values())
    x = Scale(0.95, max(longest, 2), log=True, label="k", marks=(1, 2, 5, 10, 20, 50, 100, 200))
    panel = page.panel(470, 100, 250, 300, x, Scale(-0.02, 1.02, label="share"))
    for split, known in splits.items():
        curve = recall_curve(ranks(known.paraphrases, known.sentences))
        among = np.arange(1, len(curve) + 1)
        panel.axes.plot(among, curve, color=colors[split], linewidth=1.4)
        panel.axes.plot(among, among / len(among), color=GRAY, linewidth=1)
    for name, k in (("recall_at_1", 1), ("recall_at_5", 5)):
        panel.axes.plot([k], [LIMITS[name]], "_", color=INK, markersize=12, markeredgewidth=2)


def _cosines(page: Page, split: str, known: Known) -> None:
    page.text(830, 76, f"Cosine with the sentence, {split}", weight="bold")
    found = cosines(known)
    shares = {name: histogram(values) for name, values in found.items()}
    highest = max(float(share.max()) for share in shares.values()) or 1.0
    y = Scale(0, 1.08 * highest, label="share")
    panel = page.panel(830, 100, 370, 300, Scale(-1, 1, label="cosine"), y)
    edges = np.linspace(-1, 1, BINS + 1)
    for place, (name, share) in enumerate(shares.items()):
        color = (COLORS[0], COLORS[1], GRAY)[place]
        panel.axes.stairs(share, edges, fill=True, alpha=0.35, color=color)
        panel.axes.stairs(share, edges, color=color, linewidth=1.4)
        words = f"{name}: mean {found[name].mean():.2f}"
        panel.text(0.03, 0.97 - 0.07 * place, words, size=SMALL, color=color, weight="bold")


def _robustness(page: Page, split: str, known: Known) -> None:
    page.text(60, 490, f"Moved pictures, {split}", weight="bold")
    cosine, found = robustness(known)
    x = Scale(-0.1, FARTHEST + 0.1, label="shift (pixels)", marks=range(FARTHEST + 1))
    panel = page.panel(60, 514, 340, 300, x, Scale(-0.02, 1.02, label="cosine · share"))
    curves = {"cosine": cosine, "found first": found}
    colors = {"cosine": COLORS[0], "found first": COLORS[1]}
    draw_lines(panel, np.arange(FARTHEST + 1.0), curves, colors)
    limits = (LIMITS["jitter_cosine"], found[0] - LIMITS["jitter_fall"])
    for limit, color in zip(limits, colors.values(), strict=True):
        panel.axes.plot([2], [limit], "_", color=color, markersize=16, markeredgewidth=2)


def _map(page: Page, split: str, known: Known) -> None:
    page.text(560, 490, f"Sentences by what is compared, {split}", weight="bold")
    page.text(560, 508, "color: that of the alphabetically first block", size=SMALL, color=GRAY)
    places, shares = plane(known.sentences)
    reach = 1.08 * float(np.abs(places).max()) or 1.0
    scales = [
        Scale(-reach, reach, label=f"component {axis + 1} ({shares[axis]:.0%} of the variance)")
        for axis in range(2)
    ]
    panel = page.panel(560, 530, 500, 284, *scales)
    facts = [first_fact(sentence) for sentence, _, _ in known.texts]
    answers = [fact[0] if fact else "" for fact in facts]
    shades = [SHADES.get(answer, UNKNOWN) for answer in answers]
    panel.axes.scatter(
        places[:, 0], places[:, 1], s=22, c=shades, edgecolors=INK, linewidths=0.5, zorder=2
    )
    _legend(panel, answers)


def _legend(panel: Panel, answers: Sequence[str]) -> None:
    named = [color for color in SHADES if color in answers]
    for place, color in enumerate(named):
        up = 0.97 - 0.1 * place
        panel.text(1.05, up, color, size=SMALL)
        panel.axes.plot(
            *(1.025, up - 0.025, "o"),
            color=SHADES[color],
            markersize=6,
            markeredgecolor=INK,
            markeredgewidth=0.5,
            transform=panel.axes.transAxes,
            clip_on=False,
        )
