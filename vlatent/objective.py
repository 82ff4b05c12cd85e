"""The training loss: penalties by name and their weighted sum."""

from __future__ import annotations

from dataclasses import dataclass

from vlatent.priors import Priors
from vlatent.shapes import Latent, PerBatch
from vlatent.terms import Terms, Views


@dataclass(frozen=True)
class Loss:
    """The loss of one batch and its terms.

    Attributes:
        total: Sum of weight x penalty, what is minimised.
        penalties: Every term's penalty before its weight.
        weighted: Every term's share of the total.
    """

    total: PerBatch
    penalties: dict[str, PerBatch]
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
    return Loss(total, penalties, weighted)
