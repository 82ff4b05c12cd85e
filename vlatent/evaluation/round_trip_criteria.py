"""Criteria of the round trip: the same facts, in other words, shown by the same latent."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from vlatent.evaluation.measure import Evaluation
from vlatent.evaluation.round_trip import SPLITS
from vlatent.noise import LEADING


class Asked(NamedTuple):
    """What is asked of a statistic of reading.

    Attributes:
        name: Of the criterion.
        statistic: Of `vlatent.evaluation.round_trip`.
        what: What is asked, in words.
        limit: The least that is accepted, or the most.
        least: Whether it is the least.
    """

    name: str
    statistic: str
    what: str
    limit: float
    least: bool = True


# Two draws of two equally likely wordings, always rightly read, differ in 1/2 of sentences: half of
# that.
ASKED = (
    Asked("fact F1", "fact_f1", "mean F1 of whole facts read back", 0.85),
    Asked("other words", "rouge_l", "ROUGE-L of what says the facts", 0.55, least=False),
    Asked("round trip", "cosine", "cosine of its latent with the sentence's", 0.9),
    Asked("grammar", "readable", "share of readings that can be parsed", 0.98),
    Asked("diversity", "diversity",
          "share of pairs drawn that both mean it, in two wordings", 0.25),
)  # fmt: skip
# Of a latent's leading components alone: one picture with a small message in it is no picture of
# the sentence, however well the message is read. A decoder that is shown the scene has .64 to .76.
SHOWN = Asked(
    *("leading components", "fact_f1"),
    f"mean F1 of whole facts read from {LEADING:.0%} of the variance",
    limit=0.5,
)


def judged(metrics: Mapping[str, float]) -> list[str]:
    """What was read, each split clean and under noise, where facts are known.

    Where they are not, nothing is judged: an encoder that makes one latent of all sentences has a
    cosine of 1, and a decoder that draws words at random says nothing twice.

    Args:
        metrics: Of an evaluation.
    """
    return _views(metrics, "", "_noise")


def _views(metrics: Mapping[str, float], *ways: str) -> list[str]:
    views = [f"{split}{way}" for split in SPLITS for way in ways]
    return [view for view in views if f"reading/{view}/fact_f1" in metrics]


def of_round_trip(last: Evaluation) -> Iterator[tuple[str, str, str, float]]:
    """Judge what was read, clean, under noise and of leading components, where it is worst.

    Facts that nobody read have no words: where all readings are wrong, `other words` is violated,
    since an unrelated sentence is said in other words too. What was not measured is not judged.

    Args:
        last: The last evaluation of a run.

    Yields:
        Name, what is wanted, what was found and signed margin of every criterion.
    """
    views = judged(last.metrics)
    asked_of = [*((asked, views) for asked in ASKED), (SHOWN, _views(last.metrics, "_leading"))]
    for (name, statistic, what, limit, least), views in asked_of:
        if not views:
            continue
        sign = -1 if least else 1
        found = []
        for view in views:
            value = last.metrics.get(f"reading/{view}/{statistic}", math.nan)
            said = "none" if math.isnan(value) else f"{value:.2f}"
            found.append((sign * (value - limit) / limit, f"{view.replace('_', ', ')} {said}"))
        # The worst first; Python's min and max can lose a NaN.
        found.sort(key=lambda each: (math.isnan(each[0]), each[0]), reverse=True)
        words = ", ".join(said for _, said in found)
        wanted = f"{what} {'>=' if least else '<='} {limit:g}"
        yield name, wanted, words, found[0][0]
