"""The numbers behind the figure of a decoder that learns beside its encoder. Nothing here draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from vlatent.evaluation import Evaluation


def cross_entropies(
    history: Sequence[Evaluation], log: Sequence[Mapping[str, float]]
) -> Float[np.ndarray, " evaluation"]:
    """Cross-entropy in training, nats a token, at every evaluation.

    The mean over the steps that were recorded since the evaluation before; NaN where none was, as
    at the first.
    """
    steps = np.array([row["step"] for row in log])
    losses = np.array([row.get("penalty/reconstruction", np.nan) for row in log])
    ends = [evaluation.step for evaluation in history]
    since = zip([0, *ends[:-1]], ends, strict=True)
    parts = [losses[(steps >= before) & (steps < end)] for before, end in since]
    return np.array([part.mean() if part.size else np.nan for part in parts])
