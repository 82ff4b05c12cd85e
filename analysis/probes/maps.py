"""Sentences as points in two dimensions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

from analysis.probes.linear_probe import Rows
from analysis.probes.sentences import Asked

NEIGHBOURS = 30  # perplexity of t-SNE, and fewer where there are fewer than 90 sentences
BEFORE_TSNE = 50  # principal components that t-SNE sees

Method = Literal["PCA", "t-SNE"]


@dataclass(frozen=True, eq=False)
class Map:
    """One representation of one set of sentences.

    Attributes:
        method: How it was made.
        representation: What is projected.
        points: One row a sentence; None where all sentences have the same row.
        shares: Of the variance between sentences, what lies along each axis; () for t-SNE, whose
            axes have no meaning.
        answers: One answer a sentence by target.
    """

    method: Method
    representation: str
    points: Float[np.ndarray, "sentence 2"] | None
    shares: tuple[float, ...]
    answers: Mapping[str, Sequence[str]]


def maps(
    sets: Sequence[tuple[Asked, Mapping[str, Rows]]],
    representations: Sequence[str],
    tsne: bool,
    seed: int,
) -> tuple[Map, ...]:
    """The map of every representation of every set, by PCA and, when asked, by t-SNE."""
    methods: list[Method] = ["PCA", "t-SNE"] if tsne else ["PCA"]
    return tuple(
        _map(method, representation, rows[representation], asked, seed)
        for method in methods
        for representation in representations
        for asked, rows in sets
    )


def _map(method: Method, representation: str, rows: Rows, asked: Asked, seed: int) -> Map:
    if not np.ptp(rows, axis=0).any() or len(rows) < 3:
        return Map(method, representation, None, (), asked.answers)
    components = PCA(min(BEFORE_TSNE, *rows.shape), svd_solver="randomized", random_state=seed)
    projected = components.fit_transform(rows)
    if method == "PCA":
        shares = tuple(float(share) for share in components.explained_variance_ratio_[:2])
        return Map(method, representation, projected[:, :2], shares, asked.answers)
    perplexity = min(NEIGHBOURS, (len(rows) - 1) / 3)
    # In units of the first component: t-SNE begins with steps of a fixed size.
    points = TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(
        projected / projected[:, 0].std()
    )
    return Map(method, representation, points, (), asked.answers)
