"""What latents show of the sentence: retrieval, cosines, robustness, a map, and the latents."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch

from vlatent.dependence import first_fact
from vlatent.evaluation import Evaluation
from vlatent.figures import numbers
from vlatent.figures.drawing import COLORS, draw_lines
from vlatent.figures.meaning_numbers import (
    BINS,
    FARTHEST,
    TRIPLES,
    EncodedSplit,
    cosines,
    histogram,
    over_time,
    plane,
    recall,
    recall_of_bags,
)
from vlatent.figures.montage import GAP, mosaic_image
from vlatent.figures.page import GRAY, INK, SMALL, Page, Panel, Scale, fitted
from vlatent.meaning import SHIFT
from vlatent.statistics import MEANING

LIMITS = {
    name: next(filter(math.isfinite, statistic.accepted))
    for name, statistic in MEANING.items()
    if statistic.judged
}
SHADES = {
    **{"red": "#d62728", "green": "#2ca02c", "blue": "#1f77b4", "yellow": "#ffd92f"},
    **{"purple": "#9467bd", "orange": "#ff7f0e", "black": "#111111", "white": "#ffffff"},
    "gray": "#888888",
}
UNKNOWN = "#dddddd"  # of a text that is not about colored blocks
TILE, ROW = 64, 70  # pixels along a latent's longer side, and from one row to the next


def meaning(title: str, history: Sequence[Evaluation], splits: Mapping[str, EncodedSplit]) -> Page:
    """Whether paraphrases are matched, counterfactuals distinguished, and shifts survived."""
    page = Page(1180, 908)
    sizes = ", ".join(f"{len(encoded.sentences)} {split}" for split, encoded in splits.items())
    page.header(
        title,
        "What the latents show",
        "recall@k: share of paraphrases whose own sentence is among the k most similar · "
        f"held-out sentences: {sizes}",
    )
    colors = dict(zip(splits, COLORS, strict=False))
    looked_at = "compositional" if "compositional" in splits else next(iter(splits))
    encoded = splits[looked_at]
    _over_time(page, history, splits, colors)
    _recall(page, splits, colors)
    _cosines(page, looked_at, encoded)
    _robustness(page, looked_at, encoded, colors[looked_at])
    _map(page, looked_at, encoded)
    return page


def triples(title: str, splits: Mapping[str, EncodedSplit]) -> Page:
    """Sentences above their paraphrase and counterfactual, if any, with the latents of each."""
    count = max(TRIPLES // len(splits), 1)
    shown = [
        (split, encoded, place)
        for split, encoded in splits.items()
        for place in range(min(count, len(encoded.latents)))
    ]
    latents = np.concatenate([encoded.latents[place] for _, encoded, place in shown])
    each = len(latents) // len(shown)
    mosaic = numbers.mosaic(torch.from_numpy(latents))
    images = [mosaic_image(mosaic, [row], TILE) for row in range(len(latents))]
    (image, down, across), top = images[0], 108
    label, below = max(320, 1020 - image.shape[1]), max(down, ROW)
    page = Page(label + image.shape[1] + 16, top + len(images) * below + len(shown) * 3 * GAP)
    page.header(
        title,
        "Sentence, paraphrase, counterfactual" if each == 3 else "Sentence and paraphrase",
        "one color scale a channel · [other words than in the sentence] · cosine with the sentence",
    )
    page.text(label - 14, top - 22, "channel", size=SMALL, color=GRAY, ha="right")
    for channel in range(latents.shape[-1]):
        centre = label + channel * across + (across - GAP) / 2
        page.text(centre, top - 23, f"{channel}", weight="bold", ha="center")
    for row, (image, _, _) in enumerate(images):
        (split, encoded, place), kind = shown[row // each], row % each
        at = top + row * below + row // each * 3 * GAP
        page.image(label, at, image)
        text, remark = encoded.texts[place][kind], f"sentence, {split}"
        if kind:
            text = changed(encoded.texts[place][0], text)
            rows = encoded.paraphrases if kind == 1 else encoded.counterfactuals
            cosine = round(float(encoded.sentences[place] @ rows[place]), 2) + 0.0  # never -0.00
            remark = f"{('paraphrase', 'counterfactual')[kind - 1]}, cosine {cosine:.2f}"
        page.text(12, at, remark, size=SMALL, color=GRAY, weight="bold")
        page.text(12, at + 17, fitted(text, label - 30, 3, SMALL), size=SMALL)
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
    page: Page,
    history: Sequence[Evaluation],
    splits: Mapping[str, EncodedSplit],
    colors: Mapping[str, str],
) -> None:
    """Recall at 1 and at 5 on every split at every evaluation."""
    remark = "solid: recall@1 · dashed: @5 · dotted: wanted · gray: chance"
    _name(page, 70, 76, "Recall over training", remark)
    steps = np.array([evaluation.step for evaluation in history], dtype=float)
    room = 0.02 * max(float(steps[-1] - steps[0]), 1.0)
    x = Scale(steps[0] - room, steps[-1] + room, label="training step")
    panel = page.panel(70, 120, 230, 280, x, _shares())
    for split, encoded in splits.items():
        fifth = over_time(history, f"meaning/{split}/recall_at_5")
        panel.axes.plot(steps, fifth, "--", color=colors[split], linewidth=1)
        for k, style in ((1, "-"), (5, "--")):
            chance = min(k / len(encoded.sentences), 1)
            panel.axes.axhline(chance, color=GRAY, linestyle=style, linewidth=1)
    first = {split: over_time(history, f"meaning/{split}/recall_at_1") for split in splits}
    draw_lines(panel, steps, first, colors)
    for name in ("recall_at_1", "recall_at_5"):
        panel.axes.axhline(LIMITS[name], color=INK, linestyle=":", linewidth=1)


def _recall(page: Page, splits: Mapping[str, EncodedSplit], colors: Mapping[str, str]) -> None:
    """Recall at the end against how many of the most similar count, and that of bags of words."""
    _name(page, 480, 76, "Recall at the end", "dashed: bag of words · black: wanted · gray: chance")
    longest = max(2, *(len(encoded.sentences) for encoded in splits.values()))
    marks = [digit * 10.0**decade for decade in range(9) for digit in (1, 2, 5)]
    x = Scale(0.93, longest, log=True, label="k", marks=marks)
    panel = page.panel(480, 120, 230, 280, x, _shares())
    for place, (split, encoded) in enumerate(splits.items()):
        curve = recall(encoded.paraphrases, encoded.sentences)
        among = np.arange(1, len(curve) + 1)
        panel.axes.plot(among, among / len(among), color=GRAY, linewidth=1)
        panel.axes.plot(among, curve, color=colors[split], linewidth=1.4)
        bags = recall_of_bags(encoded.texts)
        panel.axes.plot(among, bags, "--", color=colors[split], linewidth=1)
        up = 0.98 - 0.06 * place
        panel.text(1.03, up, split, size=SMALL, color=colors[split], va="center")
    for name, k in (("recall_at_1", 1), ("recall_at_5", 5)):
        _wanted(panel, k, LIMITS[name], INK)


def _cosines(page: Page, split: str, encoded: EncodedSplit) -> None:
    """How alike a sentence is to what means the same, nearly the same and something else."""
    _name(page, 870, 76, f"Cosines, {split}", "of a sentence with its … · line: mean")
    shades = {"paraphrase": COLORS[3], "counterfactual": COLORS[5], "other sentences": GRAY}
    shown = cosines(encoded)
    for place, (name, values) in enumerate(shown.items()):
        color = shades[name]
        shares = histogram(values)
        x = Scale(-1, 1, label="cosine", named=place == len(shown) - 1)
        label = "share" if place == 1 else ""
        highest = float(shares.max()) or 1.0
        y = Scale(0, 1.5 * highest, label=label, marks=_few(highest))  # room for words above
        panel = page.panel(870, 120 + 97 * place, 280, 86, x, y)
        panel.axes.stairs(shares, np.linspace(-1, 1, BINS + 1), fill=True, alpha=0.5, color=color)
        mean = float(values.mean())
        panel.axes.plot([mean, mean], [0, 1.05 * highest], color=color, linewidth=1.4)
        words = f"{name}, mean {round(mean, 2) + 0.0:.2f}"
        panel.text(0.03, 0.95, words, size=SMALL, color=color, weight="bold")


def _robustness(page: Page, split: str, encoded: EncodedSplit, color: str) -> None:
    """What becomes of a paraphrase's latent that is shifted by some pixels."""
    _name(page, 70, 472, f"Shifted latents, {split}", "mean over eight directions · bars: wanted")
    x = Scale(-0.15, FARTHEST + 0.15, label="shift (pixels)", marks=range(FARTHEST + 1))
    marks = (0, 0.2, 0.4, 0.6, 0.8, LIMITS["jitter_cosine"], 1)
    lowest = min(0.0, float(np.min(encoded.moved, initial=0, where=np.isfinite(encoded.moved))))
    y = Scale(lowest - 0.02, 1.02, label="cosine with itself · recall@1", marks=marks)
    panel = page.panel(70, 516, 300, 340, x, y)
    colors = {"cosine with itself": COLORS[3], "recall@1": color}
    curves = dict(zip(colors, encoded.moved, strict=True))
    draw_lines(panel, np.arange(FARTHEST + 1.0), curves, colors)
    limits = (LIMITS["jitter_cosine"], encoded.moved[1, 0] - LIMITS["jitter_fall"])
    for limit, shade in zip(limits, colors.values(), strict=True):
        _wanted(panel, SHIFT, limit, shade)


def _map(page: Page, split: str, encoded: EncodedSplit) -> None:
    """The sentences in the plane in which they differ most."""
    _name(page, 620, 472, f"Map of the sentences, {split}", "principal components")
    places, shares = plane(encoded.sentences)
    finite = np.isfinite(places).all(1)
    reach = 1.08 * max(float(np.abs(places[finite]).max(initial=0)), 1e-6)
    scales = [
        Scale(-reach, reach, label=f"component {axis + 1} ({shares[axis]:.0%} of the variance)")
        for axis in range(2)
    ]
    panel = page.panel(620, 516, 340, 340, *scales)
    if not finite.any():
        panel.text(0.5, 0.5, "nothing to show: no finite value", ha="center", va="center")
        return
    facts = [first_fact(sentence) for sentence, *_ in encoded.texts]
    answers = [fact[0] if fact else "" for fact in facts]
    shades = [SHADES.get(answer, UNKNOWN) for answer in answers]
    across, upward = places.T
    panel.axes.scatter(across, upward, 22, shades, edgecolors=INK, linewidths=0.5, zorder=2)
    _legend(panel, answers)


def _legend(panel: Panel, answers: Sequence[str]) -> None:
    """The colors in the map beside it."""
    panel.text(1.04, 1, "color of the block that\ncomes first in the alphabet", size=SMALL)
    named = {name: shade for name, shade in SHADES.items() if name in answers}
    if "" in answers:
        named["not about blocks"] = UNKNOWN
    for place, (name, shade) in enumerate(named.items()):
        up = 0.86 - 0.065 * place
        panel.text(1.08, up, name, size=SMALL, va="center")
        panel.axes.scatter(
            1.055,
            up,
            40,
            shade,
            edgecolors=INK,
            linewidths=0.5,
            transform=panel.axes.transAxes,
            clip_on=False,
        )


def _name(page: Page, left: float, top: float, name: str, remark: str) -> None:
    """A panel's name, and below it how to read it."""
    page.text(left, top, name, weight="bold")
    page.text(left, top + 20, remark, size=SMALL, color=GRAY)


def _shares() -> Scale:
    """From none to all, marked where the criteria of recall are."""
    wanted = (LIMITS["recall_at_1"], LIMITS["recall_at_5"])
    return Scale(-0.02, 1.02, label="recall", marks=(0, 0.2, 0.4, *wanted, 1))


def _few(highest: float) -> list[float]:
    """Nothing, and the largest round value up to the highest."""
    digit = 10.0 ** np.floor(np.log10(highest))
    return [0.0, float(np.floor(highest / digit) * digit)]


def _wanted(panel: Panel, x: float, y: float, color: str) -> None:
    """A bar where a criterion lies."""
    panel.axes.plot([x], [y], "_", color=color, markersize=14, markeredgewidth=2, zorder=3)
