"""Invariance: a latent means the same when it is shifted, blurred or cut a little."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from vlatent.annotations import ClosedUnitInterval, NonNegativeFloat, NonNegativeInt
from vlatent.jitter import jittered
from vlatent.shapes import PerBatch
from vlatent.terms.base import Term, Views


@dataclass(frozen=True, kw_only=True)
class Invariance(Term):
    """Squared distance between a sentence's jittered latent and its paraphrase's.

    Of rows of length 1, so 2 - 2 x cosine. Calibration: 0 for equal rows, 2 for rows that have
    nothing in common, 4 for opposite ones.

    Attributes:
        weight: Factor of the penalty in the training loss.
        shift: Farthest shift in whole pixels, in either direction and axis.
        blur: Standard deviation of the Gaussian blur, in pixels.
        probability: Probability of each of shift, blur and cutout.
        start: The first step in which it counts. Latents that are still alike are invariant
            already, and while they are held to that, contrast may never part them.
    """

    weight: NonNegativeFloat = 0.0
    shift: NonNegativeInt = 2
    blur: NonNegativeFloat = 0.5
    probability: ClosedUnitInterval = 0.5
    start: NonNegativeInt = 0

    search: ClassVar[tuple[float, float]] = (2e-2, 20.0)
    most: ClassVar = {"shift": 1_000, "blur": 32}

    def penalty(self, views: Views) -> PerBatch:
        """Mean over the batch of |z(jittered sentence) - z(paraphrase)|^2."""
        jitter = jittered(views.sentences, self.shift, self.blur, self.probability)
        apart = views.represent(jitter) - views.represent(views.paraphrases)
        return apart.square().sum(-1).mean()
