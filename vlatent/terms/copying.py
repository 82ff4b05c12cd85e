"""Copying: what a decoder says of a latent repeats no long pieces of the sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch

from vlatent.annotations import NonNegativeFloat, NonNegativeInt, PositiveInt
from vlatent.shapes import PerBatch
from vlatent.terms.base import Term, Views, score_function


@dataclass(frozen=True, kw_only=True)
class Copying(Term):
    """Share of the pieces of what a decoder says that the sentence has too.

    A piece is `length` tokens in a row. What is said is drawn, so the gradient is that of its log
    probability, as in the term cycle. Calibration: 1 for the sentence itself, 0 where no piece is
    in common; pieces of 4 tokens are longer than the name of a block, which any wording needs.

    Attributes:
        weight: Factor of the penalty in the training loss.
        length: Tokens in a piece.
        start: The first step in which it counts.
    """

    weight: NonNegativeFloat = 0.0
    length: PositiveInt = 4
    start: NonNegativeInt = 0

    search: ClassVar[tuple[float, float]] = (1e-2, 1.0)
    most: ClassVar = {"length": 100}
    later: ClassVar[bool] = True

    @property
    def compares(self) -> bool:
        """Whether it needs paraphrases."""
        return False

    def penalty(self, views: Views) -> PerBatch:
        """Mean over the batch and the draws of the share of pieces that were copied."""
        assert views.said is not None, "a decoder is made wherever this has a weight"
        said = views.said()
        shares = [
            [copied(ids, told, self.length) for ids in draws]
            for draws, told in zip(said.ids, said.told, strict=True)
        ]
        cost = torch.tensor(shares, device=said.log_probability.device)
        return score_function(cost, said.log_probability)


def copied(said: Sequence[int], told: Sequence[int], length: int) -> float:
    """Share of the pieces of so many tokens that are in both; 0 of what is shorter.

    >>> copied([1, 2, 3, 4, 9], [0, 1, 2, 3, 4], length=4)
    0.5
    """
    pieces, known = (
        [tuple(ids[at : at + length]) for at in range(len(ids) - length + 1)]
        for ids in (said, told)
    )
    return sum(piece in known for piece in pieces) / max(len(pieces), 1)
