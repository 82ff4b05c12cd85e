"""Cycle: what a decoder says of a latent has the latent of the sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from vlatent.annotations import NonNegativeFloat, NonNegativeInt
from vlatent.shapes import PerBatch
from vlatent.terms.base import Term, Views, score_function


@dataclass(frozen=True, kw_only=True)
class Cycle(Term):
    """1 - cosine between the latent of a sentence and those of what a decoder says of it.

    What is said is drawn word by word, so no gradient runs through it: that of the log probability
    of what was said stands in its place, weighed by how much better it is than the other draws
    (`score_function`). In 60 steps of a small decoder that moved 1 - cosine from .305 to .124; a
    straight-through estimate through the best of four draws moved it to .292
    (tests/test_draws.py). The latents of what was said get no gradient themselves: wrong readings
    would be taught to look like the sentence. Calibration: 0 where the latents are the same, 1
    where they have nothing in common.

    Attributes:
        weight: Factor of the penalty in the training loss.
        start: The first step in which it counts: before a decoder can say a sentence, its draws
            cost time and teach nothing.
    """

    weight: NonNegativeFloat = 0.0
    start: NonNegativeInt = 0

    search: ClassVar[tuple[float, float]] = (2e-2, 2.0)
    later: ClassVar[bool] = True

    @property
    def compares(self) -> bool:
        """Whether it needs paraphrases."""
        return False

    def penalty(self, views: Views) -> PerBatch:
        """Mean over the batch and the draws of 1 - cosine(z(said), z(sentence))."""
        assert views.said is not None, "a decoder is made wherever this has a weight"
        said = views.said()
        return score_function(1 - said.cosine, said.log_probability)
