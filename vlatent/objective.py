"""The training loss: penalties by name and their weighted sum."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from vlatent.priors import Priors
from vlatent.shapes import Latent, PerBatch
from vlatent.terms import Terms, Views

Method = Literal[
    "fixed",
    "uncertainty",
    "dwa",
    "random",
    "pcgrad",
    "mgda",
    "cagrad",
    "imtl_g",
    "nash_mtl",
    "upgrad",
    "gradnorm",
]


@dataclass(frozen=True, kw_only=True)
class ObjectiveConfig:
    """How the penalties become the one loss that is minimised.

    Attributes:
        balance: Who sets the weights. `fixed`: those of the config, all along. Each other is a
            method that sets them anew in every step, see docs/balancing.md: by the losses
            `uncertainty`, `dwa`, `random`, by their gradients `pcgrad`, `mgda`, `cagrad`, `imtl_g`,
            `nash_mtl`, `upgrad`, `gradnorm`. All but gradnorm need the extra vlatent[balance].
    """

    balance: Method = "fixed"


@dataclass(frozen=True)
class Loss:
    """The loss of one batch and its terms.

    Attributes:
        total: Sum of weight x penalty, what is minimised.
        penalties: Every term's penalty before its weight.
        weights: Every term's weight that is in force.
        weighted: Every term's share of the total.
    """

    total: PerBatch
    penalties: dict[str, PerBatch]
    weights: Mapping[str, float | Tensor]
    weighted: dict[str, PerBatch]


def loss(
    priors: Priors, latent: Latent, terms: Terms | None = None, views: Views | None = None
) -> Loss:
    """Sum of weight x penalty over the priors, and the terms on views, whose weight is not zero.

    What has weight 0 is not evaluated: it costs nothing and cannot make the loss NaN.
    """
    active = {name: prior for name, prior in priors if prior.weight > 0}
    penalties = {name: prior.penalty(latent) for name, prior in active.items()}
    weights = {name: prior.weight for name, prior in active.items()}
    if terms is not None and views is not None:
        seeing = {name: term for name, term in terms if term.weight > 0}
        penalties |= {name: term.penalty(views) for name, term in seeing.items()}
        weights |= {name: term.weight for name, term in seeing.items()}
    weighted = {name: weights[name] * penalty for name, penalty in penalties.items()}
    total = sum(weighted.values(), start=0 * latent.sum((-4, -3, -2, -1)))
    return Loss(total, penalties, weights, weighted)
