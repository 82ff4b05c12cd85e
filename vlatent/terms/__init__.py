"""The terms that see the text. Another is one file and one line here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar

from vlatent.parts import Parts
from vlatent.shapes import UserError
from vlatent.terms.base import Representation, Term, Views, represent
from vlatent.terms.contrast import Contrast
from vlatent.terms.copying import Copying
from vlatent.terms.cycle import Cycle
from vlatent.terms.invariance import Invariance
from vlatent.terms.reconstruction import Reconstruction


@dataclass(frozen=True, kw_only=True)
class Terms(Parts):
    """Contrast (phase 2), jitter invariance (3), a decoder's round trip (5); off by default.

    Attributes:
        on: What of two latents is compared, in training and in judging: means over an 8 x 8 grid
            (coarse), every pixel (latent), or the pooled embedding, which can know the meaning
            while all latents look alike.
    """

    kind: ClassVar[type] = Term

    on: Representation = "coarse"
    contrast: Contrast = Contrast()
    invariance: Invariance = Invariance()
    reconstruction: Reconstruction = Reconstruction()
    cycle: Cycle = Cycle()
    copying: Copying = Copying()

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("cycle", "copying"):
            if getattr(self, name).weight > 0 and self.reconstruction.weight == 0:
                raise UserError(
                    f"terms.{name}.weight is above 0, but there is no decoder: set "
                    "terms.reconstruction.weight too."
                )

    def __iter__(self) -> Iterator[tuple[str, Term]]:
        """Every term with its name, which is its metric's, its file's and its ablation's."""
        parts = ((field.name, getattr(self, field.name)) for field in fields(self))
        return ((name, part) for name, part in parts if isinstance(part, Term))

    def at(self, step: int) -> Terms:
        """The terms that count in a step."""
        early: dict[str, Any] = {
            name: replace(term, weight=0.0)
            for name, term in self
            if term.weight > 0 and getattr(term, "start", 0) > step
        }
        return replace(self, **early) if early else self

    @property
    def active(self) -> bool:
        """Whether training sees more than latents."""
        return any(term.weight > 0 for _, term in self)

    @property
    def compared(self) -> bool:
        """Whether training needs paraphrases."""
        return any(term.weight > 0 and term.compares for _, term in self)

    @property
    def counterfactuals(self) -> int:
        """How many each sentence of a batch needs: as many as the term that wants most."""
        wanted = [getattr(term, "counterfactuals", 0) for _, term in self if term.weight > 0]
        return max(wanted, default=0)

    @property
    def structure_first(self) -> bool:
        """Whether those that keep every block are drawn before others."""
        contrasted = self.contrast.weight > 0 and self.contrast.counterfactuals > 0
        return contrasted and self.contrast.kinds == "structure_first"


__all__ = [
    "Contrast",
    "Copying",
    "Cycle",
    "Invariance",
    "Reconstruction",
    "Representation",
    "Term",
    "Terms",
    "Views",
    "represent",
]
