"""Criteria of the round trip: the same facts, in other words, with the same latent."""

from __future__ import annotations

import math
from collections.abc import Iterator

from vlatent.evaluation.measure import Evaluation
from vlatent.evaluation.round_trip import SPLITS

# Name of the criterion, its statistic, what is asked in words, lowest and highest value. Two draws
# of two equally likely wordings, always rightly read, differ in 1/2 of sentences: half of that.
ASKED = (
    ("fact F1", "fact_f1", "mean F1 of whole facts read back >= {limit}", 0.85, math.inf),
    ("other words", "rouge_l", "ROUGE-L of what says the facts <= {limit}", -math.inf, 0.55),
    ("round trip", "cosine", "cosine of its latent with the sentence's >= {limit}", 0.9, math.inf),
    ("grammar", "readable", "share of readings that can be parsed >= {limit}", 0.98, math.inf),
    ("diversity", "diversity", "share of pairs drawn that both mean it, in two wordings >= {limit}",
     0.25, math.inf),
)  # fmt: skip


def of_round_trip(last: Evaluation) -> Iterator[tuple[str, str, str, float]]:
    """Judge what was read, clean and under noise, on the split where it is worst.

    Facts that nobody read have no words: where all readings are wrong, `other words` is violated,
    since an unrelated sentence is said in other words too. What was not measured is not judged.

    Args:
        last: The last evaluation of a run.

    Yields:
        Name, what is wanted, what was found and signed margin of every criterion.
    """
    views = [
        f"{split}{view}"
        for split in SPLITS
        for view in ("", "_noise")
        if f"reading/{split}{view}/cosine" in last.metrics
    ]
    facts = any(f"reading/{view}/fact_f1" in last.metrics for view in views)
    for name, statistic, wanted, low, high in ASKED if views else ():
        if not facts and statistic in ("fact_f1", "rouge_l", "readable"):
            continue  # of texts whose facts are not known
        limit, sign = (low, -1) if math.isfinite(low) else (high, 1)
        found = []
        for view in views:
            value = last.metrics.get(f"reading/{view}/{statistic}", math.nan)
            said = "none" if math.isnan(value) else f"{value:.2f}"
            found.append((sign * (value - limit) / limit, f"{view.replace('_', ', ')} {said}"))
        # The worst first; Python's min and max can lose a NaN.
        found.sort(key=lambda each: (math.isnan(each[0]), each[0]), reverse=True)
        words = ", ".join(said for _, said in found)
        yield name, wanted.format(limit=f"{limit:g}"), words, found[0][0]
