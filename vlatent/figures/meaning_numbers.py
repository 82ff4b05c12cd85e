"""The numbers behind the figures of what latents show. Nothing here draws."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from vlatent.evaluation import Evaluation
from vlatent.meaning import bags_of_words

FARTHEST = 4  # pixels
BINS = 40
TRIPLES = 6  # whose latents are shown, of all splits together
NO_VARIANCE = 1e-12  # of rows of length 1: what single precision leaves of equal ones

Rows = Float[np.ndarray, "row feature"]
Curve = Float[np.ndarray, " _"]


@dataclass(frozen=True)
class EncodedSplit:
    """The triples of one split: what is compared of each, as rows of length 1, and the latents.

    Attributes:
        texts: Sentence, paraphrase and counterfactual, one triple a row; pairs where a file has
            no counterfactuals.
        sentences: Rows of the sentences.
        paraphrases: Rows of their paraphrases.
        counterfactuals: Rows of their counterfactuals; none where there are none.
        moved: Cosine and recall at 1 of the paraphrases moved by 0 to `FARTHEST` pixels, as
            `robustness` finds them.
        latents: Latents of the first triples.
    """

    texts: Sequence[tuple[str, ...]]
    sentences: Rows
    paraphrases: Rows
    counterfactuals: Float[np.ndarray, "counterfactual _"]
    moved: Float[np.ndarray, "2 distance"]
    latents: Float[np.ndarray, "triple each height width channel"]


def recall(queries: Rows, gallery: Rows) -> Curve:
    """Share of queries whose own row is among the k most similar, for k from 1 to all of them.

    Equals have equal chances, as in `vlatent.meaning.recall`; what is not finite finds nothing.
    """
    cosine = queries @ gallery.T
    own = np.diagonal(cosine)[:, None]
    before, ties = (cosine > own).sum(1), (cosine == own).sum(1)
    among = np.arange(1, len(cosine) + 1)[:, None]
    chance = ((among - before) / np.maximum(ties, 1)).clip(0, 1)
    return np.where(ties > 0, chance, 0.0).mean(1)


def recall_of_bags(texts: Sequence[tuple[str, ...]]) -> Curve:
    """What bags of words, which learn nothing, retrieve of triples; see `bags_of_words`."""
    sentences, paraphrases, *_ = zip(*texts, strict=True)
    own, same = bags_of_words(sentences, paraphrases)
    return recall(same.numpy(), own.numpy())


def over_time(history: Sequence[Evaluation], name: str) -> Curve:
    """One metric at every evaluation; NaN where it was not measured."""
    return np.array([evaluation.metrics.get(name, np.nan) for evaluation in history])


def cosines(encoded: EncodedSplit) -> dict[str, Curve]:
    """Cosines of a sentence with its paraphrase, its counterfactual if any, and all others."""
    among = encoded.sentences @ encoded.sentences.T
    found = {"paraphrase": (encoded.sentences * encoded.paraphrases).sum(1)}
    if len(encoded.counterfactuals):
        found["counterfactual"] = (encoded.sentences * encoded.counterfactuals).sum(1)
    return found | {"other sentences": among[~np.eye(len(among), dtype=bool)]}


def histogram(values: Curve) -> Curve:
    """Share of the finite values in each of `BINS` equal parts of [-1, 1], rounding forgiven."""
    finite = values[np.isfinite(values)].clip(-1, 1)
    return np.histogram(finite, BINS, (-1, 1))[0] / max(len(finite), 1)


def robustness(
    unmoved: Rows, gallery: Rows, moved: Iterable[Iterable[Rows]]
) -> Float[np.ndarray, "2 distance"]:
    """Mean cosine with the unmoved rows, and recall at 1, by distance.

    Args:
        unmoved: Rows of the latents in their place.
        gallery: Rows among which each is to find its own.
        moved: By distance, the rows of the shifted latents for every direction; the result is the
            mean over the directions.
    """
    curves = [
        np.mean(
            [((rows * unmoved).sum(1).mean(), recall(rows, gallery)[0]) for rows in directions], 0
        )
        for directions in moved
    ]
    return np.array(curves).T


def plane(rows: Rows) -> tuple[Float[np.ndarray, "row 2"], Float[np.ndarray, 2]]:
    """The rows in the plane of their two largest principal components, and their shares.

    The largest entry of every component is positive. Rows that are not finite have no place, NaN,
    and rows that are all equal lie in one point and have no variance to share.
    """
    places, shares = np.full((len(rows), 2), np.nan), np.zeros(2)
    finite = np.isfinite(rows).all(1)
    if not finite.any():
        return places, shares
    centred = rows[finite] - rows[finite].mean(0)
    left, singular, right = np.linalg.svd(centred, full_matrices=False)
    sign = np.sign(right[np.arange(len(right)), np.abs(right).argmax(1)])
    count = min(len(singular), 2)
    places[finite] = 0
    places[finite, :count] = (left * singular * sign)[:, :count]
    total = (singular**2).sum()
    if total > NO_VARIANCE * finite.sum():
        shares[:count] = singular[:count] ** 2 / total
    return places, shares
