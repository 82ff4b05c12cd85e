"""The figure of a trained decoder: what is drawn are the scores, and its words are whole."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from drawn import check_whole, noted
from matplotlib.lines import Line2D

from vlatent.evaluation.reading import KINDS
from vlatent.figures.decoder import decoder_figure
from vlatent.figures.decoder_numbers import SMOOTHED, Scored, smoothed
from vlatent.figures.page import Page
from vlatent.intervals import proportion

SHOWN = ("its latents", "another sentence's latent", "untrained encoder", "pixels permuted")
Losses = Mapping[str, Mapping[int, float]]


def scored(
    shown: Sequence[str] = SHOWN,
    splits: Sequence[str] = ("random", "compositional"),
    noises: Sequence[float] = (0, 0.3),
    **changes: float,
) -> list[Scored]:
    generator = np.random.default_rng(0)
    limits = {"cross_entropy_ceiling": 0.13, "cross_entropy_floor": 1.2}
    return [
        Scored(
            name,
            split,
            noise,
            {
                kind: round(float(share) * 50) / 50
                for kind, share in zip(KINDS, generator.random(6), strict=True)
            }
            | {f"{kind}_asked": 50.0 for kind in KINDS}
            | {"normalised": generator.uniform(-0.4, 0.9), "fact_f1": generator.random()}
            | limits
            | changes,
        )
        for name in shown
        for split in splits
        for noise in noises
    ]


LOSSES: Losses = {name: {step: 4 / step + 0.4 for step in range(1, 101)} for name in SHOWN[::2]}
CASES: dict[str, tuple[list[Scored], Losses]] = {
    "everything": (scored(noises=(0, 0.1, 0.3, 1)), LOSSES),
    "one noise, one split": (scored(splits=["random"], noises=[0]), LOSSES),
    "nothing trained": (scored(), {}),
    "nothing read": (scored(fact_f1=0, order=math.nan, order_asked=0), LOSSES),
    "below the language model": (scored(normalised=-7.0), {SHOWN[0]: {1: 12.0}}),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", CASES)
def test_words_are_whole_and_beside_each_other(name: str) -> None:
    ((png, words),) = noted(lambda: decoder_figure("study_1 $x$ trial", *CASES[name]))
    said = [text for text, _ in words]
    assert {"study_1 $x$ trial", "ceiling", "language model", *SHOWN, *KINDS} <= set(said)
    assert ("nothing was trained" in said) == (name == "nothing trained")
    check_whole(png, words)


def lines(
    monkeypatch: pytest.MonkeyPatch, given: list[Scored], losses: Losses
) -> list[list[Line2D]]:
    """The lines of each panel."""
    panels: list[list[Line2D]] = []

    def png(page: Page) -> bytes:
        panels.extend(list(axes.lines) for axes in page.figure.axes)
        return b""

    monkeypatch.setattr(Page, "png", png)
    decoder_figure("run", given, losses)
    return panels


def points(line: Line2D) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in line.get_xydata()]  # type: ignore[union-attr]


def test_what_is_drawn_are_the_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    given = scored(noises=(0.3, 0, 1))
    accuracy, facts, kinds, learning = lines(monkeypatch, given, LOSSES)
    for panel, score in ((accuracy, "normalised"), (facts, "fact_f1")):
        curves = [points(line) for line in panel if line.get_marker() != "None"]
        expected = [
            sorted((each.noise, each.scores[score]) for each in given if each[:2] == (name, split))
            for name in SHOWN
            for split in ("random", "compositional")
        ]
        assert curves == expected
    shown = [each for each in given if each.split == "compositional" and not each.noise]
    dots = [points(line)[0] for line in kinds if len(points(line)) == 1]
    bars = [points(line) for line in kinds if len(points(line)) == 2]
    shares = [each.scores[kind] for kind in KINDS for each in shown]
    assert [share for share, _ in dots] == shares
    for (low, high), share in zip(bars, shares, strict=True):
        assert (low[0], high[0]) == proportion(round(50 * share), 50)
    assert [int(up) for _, up in dots] == [row for row in range(6) for _ in shown]
    assert len(learning) == 2 + 2  # the curves, then ceiling and language model
    assert [line.get_ydata()[0] for line in learning[2:]] == [0.13, 1.2]  # type: ignore[index]


def test_learning_curves_are_means_of_steps() -> None:
    by_step = {step: float(step % 2) for step in range(101, 161)}
    steps, means = smoothed(by_step)
    assert steps.tolist() == [120, 140, 160]  # parts of equal size, none larger than SMOOTHED
    assert means.tolist() == [0.5] * 3
    assert SMOOTHED == 25
