"""The pictures of sentences, and how much they depend on the sentence."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from vlatent.corpus import Sentences
from vlatent.encoder import Encoder
from vlatent.scenes import parse
from vlatent.shapes import UserError

TARGETS = ("color", "shape", "relation")
NOISE = 1.0  # over a picture that is read, in its standard deviations

Pictures = Float[Tensor, "batch height width channel"]


@torch.no_grad()
def paint(
    model: Encoder,
    sentences: Sentences,
    batch_size: int,
    limit: int | None = None,
    dropout: bool = False,
) -> Pictures:
    """Latents of the first `limit` sentences, in their order, in fp32 on the CPU."""
    device = next(model.parameters()).device
    count = len(sentences) if limit is None else min(limit, len(sentences))
    training = model.training
    model.train(dropout)
    pictures = []
    for start in range(0, count, batch_size):
        batch = sentences.batch(torch.arange(start, min(start + batch_size, count)))
        pictures.append(model(batch.ids.to(device), batch.mask.to(device)).float().cpu())
    model.train(training)
    return torch.cat(pictures)


def dependence(latent: Pictures) -> dict[str, float]:
    """How much the pictures depend on the sentence.

    between_share: share of the variance that lies between sentences; 0 when all pictures are the
    same, near 1 when they have nothing in common. It is the sum of between_share_means, what lies
    in the means of whole channels, which no image prior sees, and between_share_shapes. cosine:
    mean cosine between the pictures of two sentences. effective_rank and effective_rank_centred:
    exp(entropy of the normalised singular values) of the sentences' pictures, as they are and
    without their mean (Roy and Vetterli 2007); the centred one sees structure in the tiniest
    differences, so read it only beside between_share.
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
    model: Encoder, sentences: Sentences, held_out: Pictures, batch_size: int
) -> dict[str, float]:
    """Share of sentences found again by their picture under dropout, beside its chance level.

    The nearest picture (Euclidean) among those without dropout; only with dropout > 0, since
    equal pictures find each other even when nothing of the sentence is left in them.
    """
    if model.config.dropout == 0:
        return {}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        again = paint(model, sentences, batch_size, len(held_out), dropout=True)
    distance = torch.cdist(again.flatten(1).double(), held_out.flatten(1).double())
    found = (distance.argmin(1) == torch.arange(len(held_out))).double().mean()
    return {"dependence/retrieval": float(found), "dependence/retrieval_chance": 1 / len(held_out)}


def probe(held_out: Pictures, texts: Sequence[str]) -> dict[str, float]:
    """What can be seen in every second picture by readers that learned from the others."""
    found = read_off(held_out[::2], texts[::2], held_out[1::2], texts[1::2])
    return {f"dependence/{name}": value for name, value in found.items()}


def read_off(
    learned: Pictures,
    learned_texts: Sequence[str],
    asked: Float[Tensor, "asked height width channel"],
    texts: Sequence[str],
) -> dict[str, float]:
    """Which colors, shapes and relations of a sentence can be seen in its picture?

    named_color, named_shape, named_relation: area under the ROC curve of linear readers that learn
    from some pictures, and say of others, whether the sentence names a color, a shape or a
    relation; the mean over all that some asked sentences name and others do not. 0.5 is chance,
    1 is always right. Noise as strong as the picture lies over it: a linear reader
    of pictures without noise finds nearly everything in an untrained encoder's, whose differences
    no one could see. {} for texts not about colored blocks and for pictures that are no
    numbers.
    """
    said = [_named(text) for text in learned_texts], [_named(text) for text in texts]
    kept = [[place for place, names in enumerate(some) if names] for some in said]
    if min(map(len, kept)) < 20 or not torch.isfinite(torch.cat([learned, asked])).all():
        return {}
    # Loaded here: it takes as long as torch, and a study's workers never ask.
    from sklearn.linear_model import Ridge
    from sklearn.metrics import roc_auc_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    scale = learned.std((0, 1, 2)).clamp(min=1e-30)
    noise = torch.Generator().manual_seed(0)
    rows, asked_rows = (
        (seen / scale + NOISE * torch.randn(seen.shape, generator=noise)).flatten(1).numpy()
        for seen in (learned[kept[0]], asked[kept[1]])
    )
    metrics: dict[str, float] = {}
    for target in TARGETS:
        known, wanted = (
            [some[place][target] for place in places]
            for some, places in zip(said, kept, strict=True)
        )
        values = sorted(set().union(*known, *wanted))
        taught, truth = _marks(known, values), _marks(wanted, values)
        differ = (np.ptp(taught, 0) > 0) & (np.ptp(truth, 0) > 0)
        if differ.any():
            reader = make_pipeline(StandardScaler(), Ridge(alpha=100.0))
            sure = reader.fit(rows, taught).predict(asked_rows)
            areas = map(roc_auc_score, truth.T[differ], sure.T[differ])
            metrics[f"named_{target}"] = float(np.mean(list(areas)))
    return metrics


def _named(text: str) -> dict[str, set[str]]:
    """The colors, shapes and relations that a sentence names; {} if it is not about blocks."""
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
    """exp(entropy) of the singular values divided by their sum; 1 for equal rows."""
    if not torch.isfinite(rows).all():
        return math.nan
    singular = torch.linalg.eigvalsh(rows @ rows.T).clamp(min=0).sqrt()
    share = singular / singular.sum().clamp(min=1e-300)
    return float(torch.special.entr(share).sum().exp())


def in_words(metrics: dict[str, float]) -> str:
    """Dependence on the text in plain words."""
    share = metrics["dependence/between_share"]
    if not math.isfinite(share):
        return "The latent is not finite: nothing can be said about its dependence on the text."
    shapes = metrics["dependence/between_share_shapes"]
    if share < 0.001:
        words = "This latent is the same for every sentence"
    elif share < 0.1:
        words = "This latent is nearly the same for every sentence"
    elif shapes < 0.1 * share:
        words = "This latent differs between sentences in little but the means of its channels"
    else:
        words = "This latent depends on the sentence"
    return (
        f"{words}: {share:.2g} of its variance lies between sentences, {shapes:.2g} in what is "
        "drawn."
    )
