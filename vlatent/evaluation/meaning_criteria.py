"""What a latent must show of its sentence: criteria of meaning, from evaluations alone."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from vlatent.dependence import TARGETS
from vlatent.evaluation.measure import Evaluation
from vlatent.formatting import percent
from vlatent.meaning import BAG, SHIFT, kinds_of
from vlatent.statistics import MEANING

# Per split: name of the criterion, its statistic, and what is asked of it in words.
_ASKED = (
    ("recall@1", "recall_at_1", "{percent} % of paraphrases find their sentence first"),
    ("recall@5", "recall_at_5", "{percent} % find it among five"),
    ("gap", "gap", "cosine of paraphrase less that of counterfactual >= {limit}, worst kind"),
    (
        *("triplet accuracy", "triplet_accuracy"),
        "{percent} % are closer to their paraphrase than to the counterfactual, worst kind",
    ),
    *(
        (f"{target} AUC", f"{target}_auc", f"linear probes name {target}s, ROC AUC >= {{limit}}")
        for target in TARGETS
    ),
    ("jitter", "jitter_cosine", f"cosine with itself, moved by {SHIFT} pixels, >= {{limit}}"),
    ("jitter recall", "jitter_fall", "recall@1 falls by at most {percent} points then"),
)


def of_meaning(first: Evaluation, last: Evaluation) -> list[tuple[str, str, str, float]]:
    """Judge retrieval, distinction, probes and invariance, each on the split where it is worst.

    What counterfactuals distinguish is judged on the worst kind of change: an average hides a kind
    that cannot be seen. Probes are judged where they were trained, at the end of a run. What was
    not measured, as in records of earlier versions, is not judged.

    Args:
        first: The run's first evaluation, before its first step.
        last: Its last one.

    Returns:
        Name, what is wanted, what was found and signed margin of every criterion.
    """
    splits = [name.split("/")[1] for name in last.metrics if name.endswith("/recall_at_1")]
    lines = []
    for name, metric, asked in _ASKED:
        statistic = MEANING[metric]
        low, high = statistic.accepted
        limit, sign = (low, -1) if math.isfinite(low) else (high, 1)
        scale = 1 - limit if metric == "jitter_cosine" else limit
        measured = [
            (sign * (value - limit) / scale, f"{split} {kind}{value:{statistic.form}}", split)
            for split in splits
            for kind, value in _worst_kind(last.metrics, split, metric)
        ]
        if not measured:
            continue
        # The worst first; Python's min and max can lose a NaN.
        measured.sort(key=lambda each: (math.isnan(each[0]), each[0]), reverse=True)
        said = [words for _, words, _ in measured]
        said[0] += _baselines(first, last, measured[0][2], metric)
        wanted = asked.format(limit=f"{limit:g}", percent=f"{100 * limit:g}")
        lines.append((name, wanted, ", ".join(said), measured[0][0]))
    return lines


def _worst_kind(
    metrics: Mapping[str, float], split: str, metric: str
) -> Iterator[tuple[str, float]]:
    """A statistic of a split, if it was measured: that of its worst kind where kinds are known."""
    name = MEANING[metric].of_split(split).name
    by_kind = {
        f"{kind} ": metrics[f"{name}_{kind}"]
        for kind in kinds_of(metrics, split, metric)
        if f"{name}_{kind}" in metrics
    }
    if by_kind:
        yield min(by_kind.items(), key=lambda item: (not math.isnan(item[1]), item[1]))
    elif name in metrics:
        yield "", metrics[name]


def _baselines(first: Evaluation, last: Evaluation, split: str, metric: str) -> str:
    """What a bag of words, the encoder before its first step and chance recall."""
    if not metric.startswith("recall"):
        return ""
    name, metrics = MEANING[metric].of_split(split).name, last.metrics
    beside = {"bag of words": metrics.get(f"{name}_{BAG}", math.nan)}
    if first.step == 0 < last.step:
        before = "before" if "from_run" in first.metrics else "untrained"
        beside[before] = first.metrics.get(name, math.nan)
    among = int(metric.rpartition("_")[2])
    beside["chance"] = min(among * metrics.get(f"meaning/{split}/chance", math.nan), 1.0)
    known = [f"{what} {percent(value)}" for what, value in beside.items() if math.isfinite(value)]
    return f" ({', '.join(known)})" if known else ""
