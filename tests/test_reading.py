"""Scores of readings, worked by hand, and beside the kinds of counterfactuals."""

from __future__ import annotations

import math
from itertools import permutations

import numpy as np
import pytest

from vlatent.evaluation import reading
from vlatent.evaluation.reading import (
    KINDS,
    fact_f1,
    kinds_read,
    morans_i,
    order_read,
    reading_scores,
    rouge_l,
)
from vlatent.scenes import generate, parse
from vlatent.shapes import UserError

TOLD = "A red cube is on a blue sphere, and the blue sphere is left of a green cylinder."
# What a counterfactual changes -> the kind that reads it wrong.
CHANGED = {
    "color": "color",
    "object": "shape",
    "count": "number",
    "relation": "relation",
    "swap": "order",
    "negation": "negation",
}


@pytest.mark.parametrize(
    ("read", "f1"),
    [
        (TOLD, 1),
        ("The green cylinder is right of the blue ball, which carries a red cube.", 1),
        ("A red cube is on a blue sphere.", 2 / 3),  # 1 of 1 read, 1 of 2 told
        ("A blue sphere is on a red cube, and the blue sphere is left of a green cylinder.", 1 / 2),
        (TOLD.replace("cylinder", "cube"), 1 / 2),
        (TOLD.replace("blue", "green"), 0),  # in both facts
        ("A red cube is on a blue.", 0),
        ("", 0),
    ],
)
def test_whole_facts_count(read: str, f1: float) -> None:
    assert fact_f1(read, TOLD) == pytest.approx(f1)
    assert fact_f1(read, TOLD) == (fact_f1(TOLD, read) if f1 else 0)


def test_a_sentence_that_is_not_about_blocks_cannot_be_scored() -> None:
    with pytest.raises(UserError, match="no sentence about colored blocks"):
        fact_f1(TOLD, "Call me Ishmael.")


def test_counterfactuals_are_wrong_in_their_own_kind() -> None:
    """And in no other; whole facts give them far less than their words are alike."""
    scored, seen = [], set()
    for example in generate(120, wording="varied"):
        for kind, text in example.counterfactuals():
            shares = kinds_read(text, example.text)
            assert {own for own in KINDS if shares[own].right < shares[own].asked} == {
                CHANGED[kind]
            }
            seen.add(kind)
            scored.append((fact_f1(text, example.text), rouge_l(text, example.text)))
        for _, text in example.paraphrases():
            assert all(
                share.right == share.asked for share in kinds_read(text, example.text).values()
            )
            assert fact_f1(text, example.text) == 1
    assert seen == set(CHANGED)
    facts, words = np.mean(scored, axis=0)
    assert facts < 0.6 < 0.85 < words


def test_kinds_worked_by_hand() -> None:
    read = "Two blue spheres are under a red cube, and the red cube is not left of a green cone."
    assert {kind: tuple(share) for kind, share in kinds_read(read, TOLD).items()} == {
        "color": (3, 3),
        "shape": (2, 3),
        "number": (1, 2),
        "relation": (1, 1),
        "order": (1, 1),
        "negation": (1, 1),
    }
    unread = kinds_read("a red red", TOLD)
    assert tuple(unread["color"]) == (0, 3)
    assert math.isnan(float(unread["order"]))


def test_what_is_read_twice_counts_alike_in_every_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """A set of facts has another order in each; two of them may relate the same blocks."""
    said = "A red cube is on a blue sphere, and the red cube is not left of the blue sphere."
    found = []
    for facts in permutations(parse(said)):
        monkeypatch.setattr(reading, "facts_of", lambda _, facts=facts: facts)
        found.append(kinds_read(said, TOLD))
    assert len(found) == 2
    assert found[0] == found[1]


def test_order_worked_by_hand() -> None:
    """Of the facts told that have a direction; the relation beside it counts for nothing."""
    told = "A red cube is on a blue sphere, and the blue sphere is next to a green cylinder."
    for read, right in (
        (told, 1),
        ("Two blue spheres do not support a red cube.", 1),  # numbers and negation aside
        ("A blue sphere is on a red cube, and the blue sphere is next to a green cylinder.", 0),
        ("A red cube is left of a blue sphere.", 0),
        ("A red cube is on.", 0),
    ):
        assert tuple(order_read(read, told)) == (right, 1), read
    assert tuple(order_read(told, TOLD)) == (1, 2)
    assert math.isnan(float(order_read(TOLD, "A red cube is next to a blue sphere.")))


def test_scores_of_several() -> None:
    read = [TOLD, "A red cube is on a blue sphere.", "A red a red."]
    scores = reading_scores(read, [TOLD, TOLD, TOLD])
    assert scores["fact_f1"] == pytest.approx((1 + 2 / 3 + 0) / 3)
    assert scores["exact"] == pytest.approx(1 / 3)
    assert scores["readable"] == pytest.approx(2 / 3)
    assert scores["color"] == pytest.approx((3 + 2 + 0) / 9)
    assert scores["relation"] == 1
    assert scores["order_recall"] == pytest.approx((2 + 1 + 0) / 6)
    assert (scores["color_asked"], scores["relation_asked"]) == (9, 3)
    assert scores["rouge_l"] == pytest.approx(np.mean([rouge_l(text, TOLD) for text in read]))


@pytest.mark.parametrize(
    ("read", "told", "value"),
    [  # printed by rouge_score 0.1.2, RougeScorer(["rougeL"])
        ("A red cube is on a blue sphere.", "A blue sphere supports a red cube.", 0.4),
        ("A red cube is on a blue sphere.", "A red cube is on a blue sphere.", 1.0),
        ("A red cube.", "The orb carries one red cube; it's 2 o'clock.", 2 * 2 / (3 + 11)),
        ("the cat sat on the mat", "the mat sat the cat on", 0.5),
        ("a b c d e f", "b d f a c e g", 0.46153846),
        ("a b", "", 0.0),
        ("", "", 0.0),
    ],
)
def test_rouge_l(read: str, told: str, value: float) -> None:
    assert rouge_l(read, told) == pytest.approx(value)
    assert rouge_l(told, read) == pytest.approx(value)


def test_morans_i_worked_by_hand() -> None:
    row, column = np.indices((4, 6))
    assert morans_i((row + column) % 2 * 3.0) == pytest.approx(-1)
    # 4 of 24 pairs of neighbours differ, 20 are alike, and every z is 1/2 or -1/2.
    halves = np.repeat([[0.0, 0.0, 1.0, 1.0]], 4, axis=0)
    assert morans_i(halves) == pytest.approx((20 - 4) / 24)
    assert morans_i(2 - 5 * halves.T) == pytest.approx(2 / 3)
    # One of 9 cells: z = 8/9 in the middle, -1/9 elsewhere; 4 pairs with it, 8 without.
    peak = np.zeros((3, 3))
    peak[1, 1] = 1
    assert morans_i(peak) == pytest.approx((4 * -8 / 81 + 8 / 81) / 12 / ((64 + 8) / 81 / 9))
    noise = np.random.default_rng(0).normal(size=(200, 200))
    assert abs(morans_i(noise)) < 0.02
    assert math.isnan(morans_i(np.ones((3, 3))))
