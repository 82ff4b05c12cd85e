"""Meaning of latents: retrieval of paraphrases, distinction of counterfactuals, invariance."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor, nn

from vlatent.corpus import Sentences, Triples
from vlatent.dependence import encode, probe_texts
from vlatent.jitter import shifted
from vlatent.own_encoder import embed_of
from vlatent.scenes import COUNTERFACTUALS, parse
from vlatent.shapes import Latents, UserError
from vlatent.terms import Representation, represent

SHIFT = 2  # pixels by which latents are shifted to see whether they keep their meaning
DIRECTIONS = tuple(
    (down, across) for down in (-1, 0, 1) for across in (-1, 0, 1) if (down, across) != (0, 0)
)

BY_KIND = ("gap", "triplet_accuracy")  # statistics of counterfactuals that are judged
BAG = "bag_of_words"  # ends the names of what it reaches
Rows = Float[Tensor, "row feature"]


@dataclass(frozen=True, eq=False)
class EncodedTriples:
    """Latents of the triples of a split, row by row; of no counterfactuals where there are none."""

    originals: Latents
    paraphrases: Latents
    counterfactuals: Float[Tensor, "counterfactual height width channel"]


def encode_triples(
    model: nn.Module, triples: Triples, batch_size: int, count: int
) -> EncodedTriples:
    """Encode a split's triples, `count` at most."""
    own, same = (
        encode(model, part, batch_size, count) for part in (triples.originals, triples.paraphrases)
    )
    if not len(triples.counterfactuals):
        return EncodedTriples(own, same, own[:0])
    return EncodedTriples(own, same, encode(model, triples.counterfactuals, batch_size, count))


@torch.no_grad()
def compared(model: nn.Module, latent: Latents, on: Representation) -> Rows:
    """Represent latents as the rows of length 1 that are compared, on the CPU."""
    device = next(model.parameters()).device
    return represent(latent.to(device), on, embed_of(model)).double().cpu()


def recall(queries: Rows, gallery: Rows, among: int) -> float:
    """Share of queries whose own row is among the most similar; ties have equal chances.

    A row that is not finite is never matched.

    Args:
        queries: Rows of length 1.
        gallery: Rows of length 1; that of the same index is a query's own.
        among: How many of the most similar count.

    >>> rows = torch.eye(3)
    >>> recall(rows, rows, 1), recall(rows, rows.roll(1, 0), 1)
    (1.0, 0.0)
    """
    cosine = queries @ gallery.T
    own = cosine.diagonal()[:, None]
    before, ties = (cosine > own).sum(1), (cosine == own).sum(1)
    chance = ((among - before) / ties.clamp(min=1)).clamp(0, 1)
    return float(torch.where(ties > 0, chance, 0.0).mean())


def meaning(
    model: nn.Module,
    splits: Mapping[str, Triples],
    on: Representation,
    count: int,
    batch_size: int,
    probed: Sentences | None = None,
) -> dict[str, float]:
    """Measure retrieval, cosines and robustness on every split.

    Args:
        model: The encoder.
        splits: Held-out sentences with a paraphrase and a counterfactual each, by split.
        on: What of two latents is compared.
        count: Sentences per split, at most.
        batch_size: Sentences encoded at once.
        probed: Sentences on whose latents linear probes are trained; None omits the probes.

    Returns:
        Per split, `meaning/SPLIT/` and: recall_at_1, recall_at_5: share of paraphrases whose own
        sentence is the most similar, or among the five most similar; chance: one in so many.
        cosine_paraphrase, cosine_counterfactual: mean cosine with the own sentence; gap: their
        difference. triplet_accuracy: share of sentences that are more similar to their paraphrase
        than to their counterfactual; chance is 0.5. cosine_swap, gap_swap, triplet_accuracy_swap
        and the like: of sentences in whose counterfactual that was changed. What compares with
        counterfactuals is not measured where there are none.
        recall_at_1_bag_of_words, recall_at_5_bag_of_words: see `bags_of_words`. jitter_cosine: mean
        cosine between a paraphrase's latent and itself shifted by 2 pixels, over eight directions;
        jitter_fall: by how much recall_at_1 falls then. color_auc, shape_auc, relation_auc: see
        `probe_texts`.
    """
    metrics: dict[str, float] = {}
    probes = probed is not None and len(splits) > 1
    trained = encode(model, probed, batch_size) if probes and probed is not None else None
    for split, triples in splits.items():
        encoded = encode_triples(model, triples, batch_size, count)
        metrics_of_split = measured(model, encoded, on, triples.kinds[:count])
        metrics_of_split |= _recall_of_bags(triples, count)
        if trained is not None and probed is not None and split != "random":
            texts = triples.originals.texts[:count]
            metrics_of_split |= probe_texts(trained, probed.texts, encoded.originals, texts)
        metrics |= {f"meaning/{split}/{name}": value for name, value in metrics_of_split.items()}
    return metrics


def measured(
    model: nn.Module, encoded: EncodedTriples, on: Representation, kinds: Sequence[str] = ()
) -> dict[str, float]:
    """Measure one split: the numbers of `meaning` but for the probes."""
    own, same, other = (
        compared(model, latents, on)
        for latents in (encoded.originals, encoded.paraphrases, encoded.counterfactuals)
    )
    retrieved = retrieval(own, same, other, kinds)
    moved = [
        compared(model, shifted(encoded.paraphrases, SHIFT * down, SHIFT * across), on)
        for down, across in DIRECTIONS
    ]
    first = retrieved["recall_at_1"]
    return retrieved | {
        "jitter_cosine": float(
            torch.stack([(same * latents).sum(1).mean() for latents in moved]).mean()
        ),
        "jitter_fall": first - sum(recall(latents, own, 1) for latents in moved) / len(moved),
    }


def retrieval(
    own: Rows, same: Rows, other: Float[Tensor, "counterfactual feature"], kinds: Sequence[str]
) -> dict[str, float]:
    """Recall, cosines, gap and triplet accuracy of rows, also by kind of counterfactual.

    Args:
        own: Rows of the sentences, of length 1.
        same: Of their paraphrases.
        other: Of their counterfactuals; no rows where there are none.
        kinds: What was changed in each counterfactual; empty where that is not known.
    """
    alike = (own * same).sum(1)
    found = {
        "recall_at_1": recall(same, own, 1),
        "recall_at_5": recall(same, own, 5),
        "chance": 1 / len(own),
        "cosine_paraphrase": float(alike.mean()),
    }
    if not len(other):
        return found
    unlike = (own * other).sum(1)
    of_sentences = {
        "cosine": unlike,
        "gap": alike - unlike,
        "triplet_accuracy": (1 + (alike - unlike).sign()) / 2,
    }
    by_kind = {
        f"{name}_{kind}": float(values[[each == kind for each in kinds]].mean())
        for kind in sorted(set(kinds) - {""})
        for name, values in of_sentences.items()
    }
    return (
        by_kind
        | found
        | {
            "cosine_counterfactual": float(unlike.mean()),
            "gap": float(of_sentences["gap"].mean()),
            "triplet_accuracy": float(of_sentences["triplet_accuracy"].mean()),
        }
    )


def kinds_of(metrics: Mapping[str, float], split: str, statistic: str = "gap") -> list[str]:
    """Kinds of counterfactual of which a split has a statistic: ours first, then a file's own.

    >>> kinds_of({"meaning/random/gap_tense": 0.1, "meaning/random/gap_swap": 0.2}, "random")
    ['swap', 'tense']
    """
    if statistic not in BY_KIND:
        return []
    ours, before = list(COUNTERFACTUALS), f"meaning/{split}/{statistic}_"
    kinds = sorted(name.removeprefix(before) for name in metrics if name.startswith(before))
    return sorted(kinds, key=lambda kind: ours.index(kind) if kind in ours else len(ours))


def bags_of_words(*groups: Sequence[str]) -> tuple[Rows, ...]:
    """Represent texts by how often they have each word: what retrieval reaches without learning.

    Of sentences about blocks, colors, shapes, numbers, relations and negations are counted as
    `parse` reads them, so that synonyms, voice and order of the clauses make no difference, and
    neither does who stands on whom; of other texts, their words in lower case.

    >>> texts = "A red cube is on a gray cone.", "A gray cone is on a red cube."
    >>> (rows,) = bags_of_words(texts)
    >>> round(float(rows[0] @ rows[1]), 6)
    1.0

    Args:
        groups: Texts that are compared with each other.

    Returns:
        Rows of length 1 for every group.
    """
    counted = [Counter(_words(text)) for texts in groups for text in texts]
    known = sorted(set().union(*counted))
    rows = torch.tensor([[count[word] for word in known] for count in counted]).double()
    unit = torch.nn.functional.normalize(rows, dim=1)
    return tuple(unit.split([len(texts) for texts in groups]))


def _words(text: str) -> list[str]:
    try:
        facts = parse(text)
    except UserError:
        return re.findall(r"\w+", text.lower())
    words: list[str] = []
    for subject, relation, object, holds in facts:
        words += [relation] if holds else [relation, "not"]
        for color, shape, number in (subject, object):
            words += [color, shape] if number == 1 else [color, shape, str(number)]
    return words


@lru_cache(maxsize=16)
def _recall_of_bags(triples: Triples, count: int) -> dict[str, float]:
    """What a bag of words retrieves of a split; the same at every evaluation."""
    own, same = bags_of_words(triples.originals.texts[:count], triples.paraphrases.texts[:count])
    return {f"recall_at_{among}_{BAG}": recall(same, own, among) for among in (1, 5)}
