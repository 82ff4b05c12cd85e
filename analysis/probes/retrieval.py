"""Is a sentence found again by its paraphrase, from rows of numbers alone?"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.spatial.distance import cdist

from analysis.probes.linear_probe import SHUFFLES, Groups, Reading, Rows, compared, resampled

RECALLS = {"recall@1": 1, "recall@5": 5}
MEDIAN_RANK = "median rank"


def find(
    rows: Rows, groups: Groups, paraphrase: Bool[np.ndarray, " row"], seed: int = 0
) -> dict[str, Reading]:
    """Recall at 1 and 5 and median rank of a paraphrase's own group among all groups.

    Groups are ranked by the Euclidean distance of their nearest row that is no paraphrase. Ties
    share their ranks: of equal rows each is first as often as the others, so they are found at
    chance. In the control every group is taken for another one.

    Args:
        rows: One a sentence.
        groups: One a row: sentences that mean the same, among them one that is no paraphrase.
        paraphrase: Which rows search; the others are searched. At least one of each.
        seed: Seed of shuffles and resamples.
    """
    queries, originals = np.flatnonzero(paraphrase), np.flatnonzero(~paraphrase)
    names, place = np.unique(groups[originals], return_inverse=True)
    own = np.searchsorted(names, groups[queries])
    assert np.array_equal(names[own], groups[queries]), "a paraphrase of nothing"
    every = cdist(rows[queries], rows[originals])
    distance = np.full((len(queries), len(names)), np.inf)
    for column, group in enumerate(place):
        distance[:, group] = np.minimum(distance[:, group], every[:, column])
    before = np.stack([(distance < row[:, None]).sum(1) for row in distance.T], axis=1)
    ties = np.stack([(distance == row[:, None]).sum(1) for row in distance.T], axis=1)

    generator = np.random.default_rng(seed)
    taken = np.stack([generator.permutation(len(names)) for _ in range(SHUFFLES)])[:, own]
    readings = {}
    for name, k in RECALLS.items():
        chance = np.clip((k - before) / ties, 0, 1)  # of being among the first k
        readings[name] = _reading(chance, own, taken, "mean", min(k / len(names), 1), 1.0, seed)
    rank = before + (ties + 1) / 2
    readings[MEDIAN_RANK] = _reading(rank, own, taken, "median", (len(names) + 1) / 2, 1.0, seed)
    return readings


def _reading(
    table: Float[np.ndarray, "query group"],
    own: Int[np.ndarray, " query"],
    taken: Int[np.ndarray, "shuffle query"],
    average: str,
    trivial: float,
    best: float,
    seed: int,
) -> Reading:
    """The mean or median of each query's own entry, beside those of the groups it is given."""
    reduce = np.mean if average == "mean" else np.median
    row = np.arange(len(own))
    mine = table[row, own]
    value = resampled(lambda kept: float(reduce(mine[kept])), own, seed)
    controls = reduce(table[row, taken], axis=1)
    return compared(value, controls, trivial, best, len(np.unique(own)), len(own))
