"""The terms that see which sentences mean the same. A third is one file and one line here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from vlatent.terms.base import Representation, Term, Views, represent
from vlatent.terms.contrast import Contrast
from vlatent.terms.invariance import Invariance


@dataclass(frozen=True, kw_only=True)
class Terms:
    """Paraphrase contrast (phase 2) and jitter invariance (phase 3); off by default.

    Attributes:
        on: What of two latents is compared, in training and in judging: means over an 8 x 8 grid
            (coarse), every pixel (latent), or the pooled embedding, which can know the meaning
            while all latents look alike.
    """

    on: Representation = "coarse"
    contrast: Contrast = Contrast()
    invariance: Invariance = Invariance()

    def __iter__(self) -> Iterator[tuple[str, Term]]:
        """Every term with its name, which is its metric's, its file's and its ablation's."""
        yield "contrast", self.contrast
        yield "invariance", self.invariance

    def at(self, step: int) -> Terms:
        """The terms that count in a step."""
        if step >= self.invariance.start:
            return self
        return replace(self, invariance=replace(self.invariance, weight=0.0))

    @property
    def active(self) -> bool:
        """Whether training needs paraphrases."""
        return any(term.weight > 0 for _, term in self)

    @property
    def counterfactuals(self) -> int:
        """How many each sentence of a batch needs."""
        return self.contrast.counterfactuals if self.contrast.weight > 0 else 0

    @property
    def structure_first(self) -> bool:
        """Whether those that keep every block are drawn before others."""
        return self.counterfactuals > 0 and self.contrast.kinds == "structure_first"


__all__ = ["Contrast", "Invariance", "Representation", "Term", "Terms", "Views", "represent"]
