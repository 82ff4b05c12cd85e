"""Scores of what was read from a latent beside the sentence that it was made of."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float

from vlatent.intervals import ROUNDING
from vlatent.scenes import Block, Fact, Meaning, parse
from vlatent.scenes.words import RELATIONS
from vlatent.shapes import UserError

Kind = Literal["color", "shape", "number", "relation", "order", "negation"]
KINDS: tuple[Kind, ...] = ("color", "shape", "number", "relation", "order", "negation")


class Share(NamedTuple):
    """How many things were read right, of how many."""

    right: int
    asked: int

    def __float__(self) -> float:
        return self.right / self.asked if self.asked else math.nan


def fact_f1(read: str, told: str) -> float:
    """How much of a sentence about blocks was read: F1 = 2 |R and T| / (|R| + |T|) over its facts.

    A fact is a relation with both blocks, their numbers and whether it holds, and is read as a
    whole or not at all: a sentence of one clause in which two blocks are exchanged has 0, although
    all its words are there.

    Args:
        read: What was read; a text that `parse` cannot read has 0.
        told: The sentence.

    Raises:
        UserError: The sentence is not about blocks.

    >>> fact_f1("A blue sphere supports a red cube.", "A red cube is on a blue sphere.")
    1.0
    >>> fact_f1("A blue sphere is on a red cube.", "A red cube is on a blue sphere.")
    0.0
    """
    facts, expected = facts_of(read), parse(told)
    return 2 * len(facts & expected) / (len(facts) + len(expected))


def kinds_read(read: str, told: str) -> dict[Kind, Share]:
    """What of a sentence about blocks was read right, by kind.

    color, shape: of its blocks, how many have a partner of that color (shape) in what was read.
    number: of its blocks that were read, by color and shape, how many with the right number.
    relation: of its pairs of blocks that are related in what was read, how many so.
    order: of these, if subject and object can be exchanged, how many the right way round.
    negation: of the related pairs, how many are said to hold, or not to hold, as they are.

    Raises:
        UserError: The sentence is not about blocks.
    """
    facts, expected = facts_of(read), parse(told)
    known, asked = blocks_of(facts), blocks_of(expected)
    found: dict[Kind, Share] = {
        "color": _shared([b.color for b in known], [b.color for b in asked]),
        "shape": _shared([b.shape for b in known], [b.shape for b in asked]),
    }
    numbers = {_look(block): block.number for block in known}
    same = [numbers[_look(b)] == b.number for b in asked if _look(b) in numbers]
    found["number"] = Share(sum(same), len(same))
    pairs = {_pair(fact): fact for fact in sorted(facts)}
    both = [(pairs[_pair(fact)], fact) for fact in expected if _pair(fact) in pairs]
    related = [(own, fact) for own, fact in both if own.relation == fact.relation]
    ways = [_look(own.subject) == _look(fact.subject) for own, fact in related]
    held = [own.holds == fact.holds for own, fact in both]
    return found | {
        "relation": Share(len(related), len(both)),
        "order": Share(sum(ways), len(ways)),
        "negation": Share(sum(held), len(held)),
    }


def order_read(read: str, told: str) -> Share:
    """Of the facts of a sentence in which subject and object differ in role, how many were read so.

    A recall: such a fact counts where what was read says the same relation of the same blocks, by
    color and shape, the same way round. Numbers, and whether it holds, are left aside.

    Raises:
        UserError: The sentence is not about blocks.

    >>> order_read("A red cube is on a blue sphere.", "A red cube is on a blue sphere.").right
    1
    >>> order_read("A blue sphere is on a red cube.", "A red cube is on a blue sphere.").right
    0
    """
    ways = {_way(fact) for fact in facts_of(read)}
    asked = [_way(fact) for fact in parse(told) if not RELATIONS[fact.relation].symmetric]
    return Share(sum(way in ways for way in asked), len(asked))


def reading_scores(read: Sequence[str], told: Sequence[str]) -> dict[str, float]:
    """Score many readings of sentences about blocks.

    Returns:
        fact_f1: mean F1 over whole facts; exact: share with exactly the meaning; readable: share
        that `parse` can read; rouge_l: mean, see there; order_recall: share over all sentences, see
        `order_read`; color, shape, number, relation, order, negation: likewise, see `kinds_read`;
        color_asked and so on: of how many.
    """
    pairs = list(zip(read, told, strict=True))
    by_kind = [kinds_read(*pair) for pair in pairs]
    totals = {
        kind: Share(*map(sum, zip(*(shares[kind] for shares in by_kind), strict=True)))
        for kind in KINDS
    }
    f1 = [fact_f1(*pair) for pair in pairs]
    ordered = Share(*map(sum, zip(*(order_read(*pair) for pair in pairs), strict=True)))
    return {
        "fact_f1": float(np.mean(f1)),
        "exact": float(np.mean([score == 1 for score in f1])),
        "readable": float(np.mean([bool(facts_of(text)) for text in read])),
        "rouge_l": float(np.mean([rouge_l(*pair) for pair in pairs])),
        "order_recall": float(ordered),
        **{kind: float(share) for kind, share in totals.items()},
        **{f"{kind}_asked": float(share.asked) for kind, share in totals.items()},
    }


def rouge_l(read: str, told: str) -> float:
    """F1 of the longest common subsequence of words (ROUGE-L, Lin 2004): 2 LCS / (m + n).

    Words are letters and digits in lower case, without stemming.

    Calibration: 1 for the same words, 0 for no word in common; of generated sentences beside
    others that have nothing to do with them about 0.4.

    >>> rouge_l("the mat sat the cat on", "the cat sat on the mat")
    0.5
    """
    first, second = (re.findall(r"[^\W_]+", text.lower()) for text in (read, told))
    lengths = [0] * (len(second) + 1)
    for word in first:
        before = lengths.copy()
        for place, other in enumerate(second):
            best = max(before[place + 1], lengths[place])
            lengths[place + 1] = before[place] + 1 if word == other else best
    return 2 * lengths[-1] / max(len(first) + len(second), 1)


def morans_i(grid: Float[np.ndarray, "*more height width"]) -> Float[np.ndarray, "*more"]:
    """Spatial autocorrelation of maps: Moran's I with the four neighbours (Moran 1950).

    I = n / w * sum(z_i z_j over pairs of neighbours) / sum(z_i^2), with deviations z from the mean
    of the n cells, and w pairs.

    Calibration: -1 for a checkerboard, -1 / (n - 1) expected where values have no place, 2 / 3 for
    two halves of 4 x 4 cells, near 1 for smooth maps. NaN where all cells are equal, to rounding.
    """
    height, width = grid.shape[-2:]
    mean = grid.mean((-2, -1), dtype=np.float64, keepdims=True)
    z = grid - mean
    down, across = z[..., 1:, :] * z[..., :-1, :], z[..., 1:] * z[..., :-1]
    pairs = (height - 1) * width + height * (width - 1)
    square = (z**2).mean((-2, -1))
    spread = np.where(square > (ROUNDING * mean[..., 0, 0]) ** 2, square, np.nan)
    return np.asarray((down.sum((-2, -1)) + across.sum((-2, -1))) / pairs / spread)


def facts_of(text: str) -> Meaning:
    """What a text says, or nothing if it is no sentence about blocks."""
    try:
        return parse(text)
    except UserError:
        return frozenset()


def blocks_of(facts: Iterable[Fact]) -> list[Block]:
    """The blocks of facts, in the same order in every process."""
    return sorted({block for fact in facts for block in (fact.subject, fact.object)})


def _look(block: Block) -> tuple[str, str]:
    return block.color, block.shape


def _way(fact: Fact) -> tuple[tuple[str, str], str, tuple[str, str]]:
    return _look(fact.subject), fact.relation, _look(fact.object)


def _pair(fact: Fact) -> frozenset[tuple[str, str]]:
    return frozenset(map(_look, (fact.subject, fact.object)))


def _shared(read: list[str], asked: list[str]) -> Share:
    return Share((Counter(read) & Counter(asked)).total(), len(asked))
