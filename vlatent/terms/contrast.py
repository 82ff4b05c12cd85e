"""Contrast: a sentence's latent is like its paraphrase's and unlike those of other meanings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import functional

from vlatent.annotations import Bool, Float, NonNegativeFloat, NonNegativeInt, PositiveFloat
from vlatent.shapes import PerBatch
from vlatent.terms.base import Rows, Term, Views

# VICReg's hinge: standard deviations above this are wide enough; and what keeps the root's slope.
WIDE, FLOOR = 1.0, 1e-4


@dataclass(frozen=True, kw_only=True)
class Contrast(Term):
    """InfoNCE between sentences and paraphrases, both ways (van den Oord et al. 2018).

    Every sentence finds its paraphrase, and the paraphrase its sentence, among those of the batch
    and the sentence's own counterfactuals. Others of the same meaning are not held against it.
    Calibration, with N candidates: log N when all are equally like it, 0 when only the right one
    is (at temperature 0.07 and cosines of 1 and -1, below 1e-9).

    Attributes:
        weight: Factor of the penalty in the training loss.
        temperature: What cosines are divided by: smaller looks at the most similar alone.
        counterfactuals: Changed meanings that every sentence is contrasted with.
        kinds: Which ones: alike draws all of a sentence's kinds equally often; structure_first
            draws swap and relation, which leave every block as it is, before the others.
        spread: Weight, within the penalty, of the variance and covariance of the pooled embedding
            (VICReg, Bardes et al. 2022), against its collapse.
    """

    weight: NonNegativeFloat = 0.0
    temperature: PositiveFloat = 0.07
    counterfactuals: NonNegativeInt = 2
    kinds: Literal["alike", "structure_first"] = "alike"
    spread: NonNegativeFloat = 0.0

    search: ClassVar[tuple[float, float]] = (1e-1, 1e1)
    most: ClassVar = {"counterfactuals": 100}

    def penalty(self, views: Views) -> PerBatch:
        """Mean over both ways of -log softmax(cosine / temperature) at the right candidate."""
        rows, again = views.represent(views.sentences), views.represent(views.paraphrases)
        others = rows.new_empty(len(rows), 0, rows.shape[1])
        if len(views.counterfactuals):
            others = views.represent(views.counterfactuals).unflatten(0, (len(rows), -1))
        forth = info_nce(rows, again, others, views.same, self.temperature)
        back = info_nce(again, rows, others, views.same, self.temperature)
        penalty = (forth + back) / 2
        if self.spread:
            embeddings = torch.cat([views.embed(views.sentences), views.embed(views.paraphrases)])
            penalty = penalty + self.spread * spread(embeddings)
        return penalty


def info_nce(
    queries: Rows,
    positives: Rows,
    negatives: Float[Tensor, "row negative feature"],
    same: Bool[Tensor, "row row"],
    temperature: float,
) -> PerBatch:
    """Mean of -log(e^(q.p / t) / sum of e^(q.c / t) over the candidates c), rows of length 1.

    Candidates of a query are all positives but those that mean the same as its own, and its own
    negatives.
    """
    own = torch.eye(len(queries), dtype=torch.bool, device=queries.device)
    among = (queries @ positives.T).masked_fill(same & ~own, float("-inf"))
    against = torch.einsum("rf,rnf->rn", queries, negatives)
    right = torch.arange(len(queries), device=queries.device)
    return functional.cross_entropy(torch.cat([among, against], dim=1) / temperature, right)


def spread(embeddings: Rows) -> PerBatch:
    """VICReg's hinge on standard deviations below 1, plus squared covariances over the features."""
    centred = embeddings - embeddings.mean(0)
    deviation = (centred.square().sum(0) / (len(centred) - 1) + FLOOR).sqrt()
    covariance = centred.T @ centred / (len(centred) - 1)
    others = covariance.square().sum() - covariance.diagonal().square().sum()
    return functional.relu(WIDE - deviation).mean() + others / len(covariance)
