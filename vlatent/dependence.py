"""Latents of sentences, and how much they depend on the sentence."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from vlatent.corpus import Sentences
from vlatent.formatting import percent
from vlatent.scenes import parse
from vlatent.shapes import Latents, UserError

TARGETS = ("color", "shape", "relation")
NOISE = 1.0  # added to a latent that is probed, in its standard deviations


@torch.no_grad()
def encode(
    model: nn.Module,
    sentences: Sentences,
    batch_size: int,
    limit: int | None = None,
    dropout: bool = False,
) -> Latents:
    """Latents of the first `limit` sentences, in their order, in fp32 on the CPU."""
    device = next(model.parameters()).device
    count = len(sentences) if limit is None else min(limit, len(sentences))
    training = model.training
    model.train(dropout)
    latents = []
    for start in range(0, count, batch_size):
        batch = sentences.batch(torch.arange(start, min(start + batch_size, count)))
        latents.append(model(batch.ids.to(device), batch.mask.to(device)).float().cpu())
    model.train(training)
    return torch.cat(latents)


def dependence(latent: Latents) -> dict[str, float]:
    """Measure how much latents depend on their sentence.

    Returns:
        between_share: share of the variance that lies between sentences; 0 when all latents are
        the same, near 1 when they have nothing in common. It is the sum of between_share_means,
        the variance of whole channels' means, which no image prior sees, and between_share_shapes.
        cosine: mean cosine between the latents of two sentences. effective_rank and
        effective_rank_centred: exp(entropy of the normalised singular values) of the latents, as
        they are and without their mean (Roy and Vetterli 2007); the centred one sees structure in
        the tiniest differences, so read it only beside between_share.

    >>> round(dependence(torch.ones(4, 2, 2, 1))["dependence/between_share"], 6)
    0.0
    """
    pixels = latent.double().flatten(1, 2)
    total = pixels.var((0, 1), correction=0).sum().clamp(min=1e-30)
    between = pixels.var(0, correction=0).mean(0).sum()
    means = pixels.mean(1).var(0, correction=0).sum()
    flat = pixels.flatten(1)
    count = len(flat)
    unit = flat / flat.norm(dim=1, keepdim=True).clamp(min=1e-30)
    cosine = (unit.sum(0).square().sum() - count) / max(count * (count - 1), 1)
    return {
        "dependence/between_share": float(between / total),
        "dependence/between_share_means": float(means / total),
        "dependence/between_share_shapes": float((between - means).clamp(min=0) / total),
        "dependence/cosine": float(cosine),
        "dependence/effective_rank": effective_rank(flat),
        "dependence/effective_rank_centred": effective_rank(flat - flat.mean(0)),
    }


@torch.no_grad()
def retrieval(
    model: nn.Module, sentences: Sentences, held_out: Latents, batch_size: int
) -> dict[str, float]:
    """Share of latents with dropout that are matched to their own sentence, beside chance.

    The match is the nearest latent (Euclidean) without dropout; measured only with dropout > 0,
    since equal latents match even when nothing of the sentence is left in them.
    """
    if not _drops(model):
        return {}
    running = [buffer.clone() for buffer in model.buffers()]  # a batch norm's would move
    with torch.random.fork_rng():
        torch.manual_seed(0)
        again = encode(model, sentences, batch_size, len(held_out), dropout=True)
    for buffer, before in zip(model.buffers(), running, strict=True):
        buffer.copy_(before)
    distance = torch.cdist(again.flatten(1).double(), held_out.flatten(1).double())
    matched = (distance.argmin(1) == torch.arange(len(held_out))).double().mean()
    return {
        "dependence/retrieval": float(matched),
        "dependence/retrieval_chance": 1 / len(held_out),
    }


def _drops(model: nn.Module) -> bool:
    """Whether a model in training drops activations at random."""
    training = model.training
    model.train()
    parts = [part for part in model.modules() if isinstance(part, nn.modules.dropout._DropoutNd)]
    drops = any(part.training and part.p > 0 for part in parts)
    model.train(training)
    return drops


def probe(held_out: Latents, texts: Sequence[str]) -> dict[str, float]:
    """Probe every second latent by linear probes trained on the others."""
    areas = probe_texts(held_out[::2], texts[::2], held_out[1::2], texts[1::2])
    return {f"dependence/{name}": value for name, value in areas.items()}


def probe_texts(
    trained: Latents,
    trained_texts: Sequence[str],
    tested: Float[Tensor, "tested height width channel"],
    texts: Sequence[str],
) -> dict[str, float]:
    """Probe latents linearly for the colors, shapes and relations of their sentences.

    Noise as strong as the latent is added: without it a linear probe finds nearly everything in an
    untrained encoder's latents, whose differences no one could see.

    Args:
        trained: Latents on which the probes are trained.
        trained_texts: Their sentences.
        tested: Latents on which they are tested.
        texts: Their sentences.

    Returns:
        color_auc, shape_auc, relation_auc: ROC AUC of ridge regressions that tell whether the
        sentence names a color, shape or relation, mean over all that some tested sentences name
        and others do not; 0.5 is chance, 1 always right. {} for texts that are not about colored
        blocks and for latents that are not finite.
    """
    named_by = [_named(text) for text in trained_texts], [_named(text) for text in texts]
    kept = [[place for place, names in enumerate(named) if names] for named in named_by]
    if min(map(len, kept)) < 20 or not torch.isfinite(torch.cat([trained, tested])).all():
        return {}
    # Loaded here: it takes as long as torch, and a study's workers never ask.
    from sklearn.linear_model import Ridge
    from sklearn.metrics import roc_auc_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    scale = trained.std((0, 1, 2)).clamp(min=1e-30)
    noise = torch.Generator().manual_seed(0)
    rows, tested_rows = (
        (latent / scale + NOISE * torch.randn(latent.shape, generator=noise)).flatten(1).numpy()
        for latent in (trained[kept[0]], tested[kept[1]])
    )
    metrics: dict[str, float] = {}
    for target in TARGETS:
        trained_names, tested_names = (
            [named[place][target] for place in places]
            for named, places in zip(named_by, kept, strict=True)
        )
        values = sorted(set().union(*trained_names, *tested_names))
        targets, truth = _marks(trained_names, values), _marks(tested_names, values)
        differ = (np.ptp(targets, 0) > 0) & (np.ptp(truth, 0) > 0)
        if differ.any():
            probe = make_pipeline(StandardScaler(), Ridge(alpha=100.0))
            predicted = probe.fit(rows, targets).predict(tested_rows)
            areas = map(roc_auc_score, truth.T[differ], predicted.T[differ])
            metrics[f"{target}_auc"] = float(np.mean(list(areas)))
    return metrics


def _named(text: str) -> dict[str, set[str]]:
    """Colors, shapes and relations that a sentence names; {} if it is not about blocks."""
    try:
        facts = parse(text)
    except UserError:
        return {}
    blocks = [block for fact in facts for block in (fact.subject, fact.object)]
    return {
        "color": {block.color for block in blocks},
        "shape": {block.shape for block in blocks},
        "relation": {fact.relation for fact in facts},
    }


def _marks(names: Sequence[set[str]], values: Sequence[str]) -> Float[np.ndarray, "text value"]:
    return np.array([[float(value in named) for value in values] for named in names])


def first_fact(text: str) -> tuple[str, str, str] | None:
    """Color and shape of the subject and the relation of the alphabetically first fact."""
    try:
        fact = min(parse(text))
    except UserError:
        return None
    return fact.subject.color, fact.subject.shape, fact.relation


def effective_rank(rows: Float[Tensor, "row column"]) -> float:
    """exp(entropy) of the singular values divided by their sum; 1 for equal rows.

    >>> round(effective_rank(torch.eye(3, dtype=torch.float64)), 6)
    3.0
    """
    if not torch.isfinite(rows).all():
        return math.nan
    singular = torch.linalg.eigvalsh(rows @ rows.T).clamp(min=0).sqrt()
    share = singular / singular.sum().clamp(min=1e-300)
    return float(torch.special.entr(share).sum().exp())


def in_words(metrics: dict[str, float]) -> str:
    """Describe the dependence on the text in one sentence."""
    share = metrics["dependence/between_share"]
    if not math.isfinite(share):
        return "The latent is not finite: nothing can be said about its dependence on the text."
    shapes = metrics["dependence/between_share_shapes"]
    if share < 0.001:
        words = "The latent hardly depends on the sentence"
    elif share < 0.1:
        words = "The latent depends little on the sentence"
    elif shapes < 0.1 * share:
        words = "The latent depends on the sentence mostly in the means of its channels"
    else:
        words = "The latent depends on the sentence"
    return f"{words} ({percent(share)} of its variance; {percent(shapes)} ignoring channel means)."
