"""What every term has: a weight, a range worth searching, and a penalty of views."""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor
from torch.nn import functional

from vlatent.annotations import Bool, Float, NonNegativeFloat
from vlatent.bounds import require_bounds
from vlatent.parts import part_name
from vlatent.shapes import Latent, PerBatch

# What of a latent is compared with another: the pooled embedding, means over the cells of an
# 8 x 8 grid, or every pixel.
Representation = Literal["embedding", "coarse", "latent"]
COARSE = 8

Rows = Float[Tensor, "row feature"]
Embed = Callable[[Latent], Rows]


@dataclass(frozen=True, eq=False)
class Views:
    """A batch of sentences, encoded together with what says the same and what does not.

    Attributes:
        sentences: Their latents.
        paraphrases: One of each; the sentences themselves where no term compares them.
        counterfactuals: The same number of each, those of a sentence in a row; possibly none.
        same: Which two sentences of the batch mean the same.
        on: What of the latents is compared.
        embed: The encoder's pooled embedding.
        reading: The cross-entropy of the sentences' tokens, as a decoder reads latents of them;
            None where no decoder is trained.
    """

    sentences: Latent
    paraphrases: Latent
    counterfactuals: Float[Tensor, "counterfactual height width channel"]
    same: Bool[Tensor, "batch batch"]
    on: Representation
    embed: Embed
    reading: Callable[[Latent], PerBatch] | None = None

    def represent(self, latent: Latent) -> Rows:
        """Rows of length 1, whose products are cosines."""
        return represent(latent, self.on, self.embed)


@dataclass(frozen=True, kw_only=True)
class Term(metaclass=ABCMeta):
    """Something of the training loss that sees which sentences mean the same.

    Attributes:
        weight: Factor of the penalty in the training loss; 0 leaves it out.
    """

    weight: NonNegativeFloat

    search: ClassVar[tuple[float, float]]  # weights that a study tries, log-uniformly
    most: ClassVar[Mapping[str, float]] = {}  # largest values that make sense
    later: ClassVar[bool] = False  # than records that must keep what identifies them

    @property
    def unused(self) -> bool:
        """Whether it is off and came later: no result depends on it, and none recorded names it."""
        return self.later and self.weight == 0

    @property
    def compares(self) -> bool:
        """Whether it needs paraphrases."""
        return True

    def __post_init__(self) -> None:
        name = part_name(type(self))
        require_bounds(f"terms.{name}", self, {"weight": 0}, self.most)

    @abstractmethod
    def penalty(self, views: Views) -> PerBatch:
        """What is trained: one number for the whole batch, 0 or more."""


def represent(latent: Latent, on: Representation, embed: Embed) -> Rows:
    """What of the latents is compared, as rows of length 1."""
    if on == "embedding":
        rows = embed(latent)
    elif on == "coarse":
        rows = functional.adaptive_avg_pool2d(latent.movedim(-1, -3), COARSE).flatten(1)
    else:
        rows = latent.flatten(1)
    return functional.normalize(rows, dim=-1)
