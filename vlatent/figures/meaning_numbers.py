"""The numbers behind the pictures of what pictures know. Nothing here draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from vlatent.evaluation import Evaluation

FARTHEST = 4  # pixels
BINS = 40
TRIPLES = 2  # of every split whose pictures are shown

Rows = Float[np.ndarray, "row feature"]
Curve = Float[np.ndarray, " _"]


@dataclass(frozen=True)
class Known:
    """The triples of one split: what is compared of each, as rows of length 1, and the pictures.

    Attributes:
        texts: Sentence, paraphrase and counterfactual, one triple a row.
        sentences: Rows of the sentences.
        paraphrases: Of their paraphrases.
        counterfactuals: Of their counterfactuals.
        shifted: Of the paraphrases moved by 0 to `FARTHEST` pixels in each of the eight directions.
        pictures: Of the first triples, [triple, 3, height, width, channel].
    """

    texts: Sequence[tuple[str, str, str]]
    sentences: Rows
    paraphrases: Rows
    counterfactuals: Rows
    shifted: Float[np.ndarray, "distance direction row feature"]
    pictures: Float[np.ndarray, "triple 3 height width channel"]


def ranks(queries: Rows, gallery: Rows) -> Curve:
    """The place of every query's own row in the gallery, the likest first; equals share theirs."""
    cosine = queries @ gallery.T
    own = np.diagonal(cosine)[:, None]
    return (cosine > own).sum(1) + ((cosine == own).sum(1) + 1) / 2


def recall_curve(found: Curve) -> Curve:
    """Share of ranks up to 1, 2, ..., as many as there are."""
    among = np.arange(1, len(found) + 1)
    return (found[:, None] <= among).mean(0)


def cosines(known: Known) -> dict[str, Curve]:
    """Of a sentence with its paraphrase, its counterfactual and all other sentences."""
    among = known.sentences @ known.sentences.T
    return {
        "paraphrase": (known.sentences * known.paraphrases).sum(1),
        "counterfactual": (known.sentences * known.counterfactuals).sum(1),
        "other sentence": among[~np.eye(len(among), dtype=bool)],
    }


def histogram(values: Curve) -> Curve:
    """Share of finite values in each of `BINS` equal parts of [-1, 1]."""
    counts = np.histogram(values[np.isfinite(values)], BINS, (-1, 1))[0]
    return counts / max(counts.sum(), 1)


def robustness(known: Known) -> tuple[Curve, Curve]:
    """By distance, means over the directions: cosine with the unmoved picture, and recall at 1."""
    cosine = (known.shifted * known.paraphrases).sum(-1).mean((1, 2))
    found = [
        np.mean([(ranks(rows, known.sentences) <= 1).mean() for rows in each])
        for each in known.shifted
    ]
    return cosine, np.array(found)


def plane(rows: Rows) -> tuple[Float[np.ndarray, "row 2"], Float[np.ndarray, 2]]:
    """The rows in the plane of their two largest principal components, and their shares.

    Signs are such that the largest entry of every component is positive; rows that are all equal
    lie in one point.
    """
    centred = np.nan_to_num(rows - rows.mean(0))
    left, singular, right = np.linalg.svd(centred, full_matrices=False)
    sign = np.sign(right[np.arange(len(right)), np.abs(right).argmax(1)])
    total = max(float((singular**2).sum()), 1e-30)
    places = np.zeros((len(rows), 2))
    places[:, : len(singular[:2])] = (left * singular * sign)[:, :2]
    shares = np.zeros(2)
    shares[: len(singular[:2])] = singular[:2] ** 2 / total
    return places, shares


def over_time(history: Sequence[Evaluation], metric: str) -> tuple[Curve, dict[str, Curve]]:
    """Steps, and one metric of every split at each of them."""
    asked = [each for each in history if f"meaning/random/{metric}" in each.metrics]
    names = [name.split("/") for name in asked[0].metrics] if asked else []
    splits = [name[1] for name in names if name[0] == "meaning" and name[-1] == metric]
    return np.array([each.step for each in asked], dtype=float), {
        split: np.array([each.metrics[f"meaning/{split}/{metric}"] for each in asked])
        for split in splits
    }
