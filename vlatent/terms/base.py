"""What every term has: a weight, a range worth searching, and a penalty of views."""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple

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


class Said(NamedTuple):
    """What a decoder drew, word by word, of the latents of sentences: several of each.

    Attributes:
        ids: Tokens of every draw, by sentence.
        told: Tokens of the sentences.
        cosine: Of what is compared of the latents, a draw's with its sentence's; no gradient.
        log_probability: Of every draw, the sum over its tokens.
    """

    ids: list[list[list[int]]]
    told: list[list[int]]
    cosine: Float[Tensor, "batch draw"]
    log_probability: Float[Tensor, "batch draw"]


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
        said: Lets it say them freely, once however often it is called.
    """

    sentences: Latent
    paraphrases: Latent
    counterfactuals: Float[Tensor, "counterfactual height width channel"]
    same: Bool[Tensor, "batch batch"]
    on: Representation
    embed: Embed
    reading: Callable[[Latent], PerBatch] | None = None
    said: Callable[[], Said] | None = None

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
    least: ClassVar[Mapping[str, float]] = {}  # smallest and largest values that make sense
    most: ClassVar[Mapping[str, float]] = {}
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
        require_bounds(f"terms.{name}", self, {"weight": 0, **self.least}, self.most)

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


def score_function(
    cost: Float[Tensor, "batch draw"], log_probability: Float[Tensor, "batch draw"]
) -> PerBatch:
    """Mean cost of what was drawn, with an estimate of the gradient of its expectation.

    Mean of (cost - mean cost of the sentence's other draws) x gradient of the log probability
    (Williams 1992; Kool et al. 2019). What is subtracted changes no expectation, and takes most of
    the variance.
    """
    others = (cost.sum(1, keepdim=True) - cost) / (cost.shape[1] - 1)
    surrogate = ((cost - others) * log_probability).mean()
    return cost.mean() + surrogate - surrogate.detach()
