"""The figure of a round trip: its points are what was measured, and its words are whole."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from drawn import check_whole, noted
from matplotlib.lines import Line2D

from vlatent.evaluation import Evaluation
from vlatent.evaluation.round_trip_criteria import ASKED
from vlatent.figures import round_trip_figures
from vlatent.figures.drawing import COLORS
from vlatent.figures.page import Page
from vlatent.figures.round_trip_numbers import cross_entropies

VIEWS = ("random", "random_noise", "compositional", "compositional_noise")
STEPS = (0, 50, 100, 150)
LOG = [
    {"step": step, "penalty/reconstruction": 2 / (1 + step / 40)} | {"loss": 9.0}
    for step in range(0, 150, 10)
]


def history(
    views: Sequence[str] = VIEWS, without: Sequence[str] = (), **changes: float
) -> list[Evaluation]:
    """Evaluations with made-up readings."""
    draw = np.random.default_rng(0)
    return [
        Evaluation(
            step,
            {
                f"reading/{view}/{asked.statistic}": changes.get(asked.statistic, draw.uniform())
                for view in views
                for asked in ASKED
                if asked.statistic not in without
            },
            {},
        )
        for step in STEPS
    ]


CASES = {
    "everything": history(),
    "one split, no noise": history(["random"]),
    "nothing read": history(without=["rouge_l"], fact_f1=0.0, cosine=-0.8),
    "no longer finite": [*history()[:3], *history(fact_f1=math.nan, cosine=math.inf)[3:]],
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", CASES)
def test_words_are_whole_and_beside_each_other(name: str) -> None:
    ((png, words),) = noted(lambda: round_trip_figures("study_1 $x$ trial", CASES[name], LOG))
    said = [text for text, _ in words]
    assert {"study_1 $x$ trial", "random", "last evaluation", "wanted", "diversity"} <= set(said)
    assert said.count("cross-entropy (nats a token), falling") == 5
    assert ("under noise, hollow" in said) == ("no noise" not in name)
    assert {"≥ 0.85", "≤ 0.55", "ROUGE-L"} <= set(said)
    assert said.count("nothing to show: no finite value") == 2 * (name == "nothing read")
    check_whole(png, words)


def test_a_text_of_ones_own_has_no_figure() -> None:
    own = history(without=["fact_f1", "readable", "diversity"])
    assert round_trip_figures("run", own, LOG) == {}


def test_points_are_what_was_measured_and_the_last_one_has_a_ring(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    panels: list[list[Line2D]] = []

    def png(page: Page) -> bytes:
        panels.extend(list(axes.lines) for axes in page.figure.axes)
        return b""

    monkeypatch.setattr(Page, "png", png)
    given = history()
    round_trip_figures("run", given, LOG)
    found = {
        asked.statistic: [
            [each.metrics[f"reading/{view}/{asked.statistic}"] for each in given] for view in VIEWS
        ]
        for asked in ASKED
    }
    # By hand: the steps between an evaluation and the one before, of which the first has none.
    recorded = {row["step"]: row["penalty/reconstruction"] for row in LOG}
    parts = [(0, 10, 20, 30, 40), (50, 60, 70, 80, 90), (100, 110, 120, 130, 140)]
    losses = [math.nan] + [sum(recorded[step] for step in part) / len(part) for part in parts]
    np.testing.assert_allclose(cross_entropies(given, LOG), losses)
    expected = [([losses] * 4, found[asked.statistic]) for asked in ASKED]
    expected.append((found["fact_f1"], found["rouge_l"]))
    looks = set()
    for lines, (across, upward) in zip(panels, expected, strict=True):
        curves = [line for line in lines if line.get_marker() in ("o", "s")]
        trails, rings = curves[0::2], curves[1::2]
        for trail, ring, xs, ys in zip(trails, rings, across, upward, strict=True):
            points = [point for point in zip(xs, ys, strict=True) if not math.isnan(point[0])]
            np.testing.assert_allclose(trail.get_xydata(), points)
            np.testing.assert_allclose(ring.get_xydata(), [[xs[-1], ys[-1]]])
            looks.add((trail.get_marker(), trail.get_linestyle(), trail.get_color()))
        limits = [line.get_ydata()[0] for line in lines if line.get_linestyle() == ":"]  # type: ignore[index]
        assert limits[-1] in [asked.limit for asked in ASKED]
    assert looks == {
        (marker, style, color)
        for marker, color in (("o", COLORS[0]), ("s", COLORS[1]))
        for style in ("-", "--")
    }


def test_only_a_run_with_a_decoder_that_reads_has_one() -> None:
    assert round_trip_figures("run", [Evaluation(0, {"likeness": 1.0}, {})], LOG) == {}
    assert round_trip_figures("run", history(), []) == {}
    assert round_trip_figures("run", history()[:1], LOG) == {}
    assert round_trip_figures("run", history(), [{"step": 0, "loss": 1.0}]) == {}
