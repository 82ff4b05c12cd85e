"""Criteria of reading: what a decoder must say of a latent, from scores alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from vlatent.evaluation.criteria import Criterion, Verdict
from vlatent.evaluation.round_trip_criteria import SHOWN

Scores = Mapping[str, float]  # of `vlatent.reading_run.judged`

NORMALISED = 0.9  # of the way from the language model to the ceiling
FACT_F1 = 0.85
SHUFFLED = 0.3  # share by which the cross-entropy rises, and of the distance that place closes


def judge_reading(views: Mapping[str, Scores]) -> Verdict:
    """Judge a decoder on several views, each criterion on the view where it is worst.

    Accuracy counts between a language model and what a reader of the meaning could guess, since
    which wording was drawn is not in the meaning. Facts count as wholes, since a sentence in which
    two blocks are exchanged has all words of the other. And place must matter: with the pixels of
    the latents in another order the cross-entropy rises, and the right order closes as large a
    share of what then separates it from the ceiling. And facts must be in the leading components:
    a small message, in pictures of something else, is read as well as what they show.

    Args:
        views: Scores by the name of what was read: a split, clean or under noise.
    """
    return Verdict(
        (
            _least(views, "accuracy", "of the way from the language model to the ceiling",
                   NORMALISED, lambda scores: scores["normalised"]),
            _least(views, "fact F1", "mean F1 of whole facts, greedy reading",
                   FACT_F1, lambda scores: scores["fact_f1"]),
            _least(views, "shuffled pixels", "rise of the cross-entropy, as a share of it",
                   SHUFFLED, _rise),
            _least(views, "place", "of what separates shuffled pixels from the ceiling, closed",
                   SHUFFLED, _closed),
            _least(views, SHOWN.name, SHOWN.what, SHOWN.limit, lambda scores: scores["leading_f1"]),
        )
    )  # fmt: skip


def _least(
    views: Mapping[str, Scores],
    name: str,
    what: str,
    limit: float,
    measure: Callable[[Scores], float],
) -> Criterion:
    """More is better; the worst view first, of which NaN is the worst of all."""
    found = [(measure(scores), view) for view, scores in views.items()]
    found.sort(key=lambda each: (not math.isnan(each[0]), each[0]))
    worst = found[0][0]
    margin = math.inf if math.isnan(worst) else (limit - worst) / limit
    said = ", ".join(f"{view} {value:.2f}" for value, view in found)
    return Criterion(name, f"{what}, >= {limit:g}", said, margin)


def _rise(scores: Scores) -> float:
    return scores["cross_entropy_shuffled"] / scores["cross_entropy"] - 1


def _closed(scores: Scores) -> float:
    shuffled, own = scores["cross_entropy_shuffled"], scores["cross_entropy"]
    return (shuffled - own) / (shuffled - scores["cross_entropy_ceiling"])
