"""What pictures know of the sentence: paraphrases found again, counterfactuals told apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from vlatent.corpus import Sentences, Triples
from vlatent.dependence import Pictures, paint, read_off
from vlatent.encoder import Encoder
from vlatent.jitter import shifted
from vlatent.terms import Representation, represent

SHIFT = 2  # pixels by which pictures are moved to see whether they keep their meaning
DIRECTIONS = tuple(
    (down, across) for down in (-1, 0, 1) for across in (-1, 0, 1) if (down, across) != (0, 0)
)

Rows = Float[Tensor, "row feature"]


@dataclass(frozen=True, eq=False)
class Painted:
    """The triples of a split as pictures, row by row."""

    originals: Pictures
    paraphrases: Pictures
    counterfactuals: Pictures


def paint_triples(model: Encoder, triples: Triples, batch_size: int, count: int) -> Painted:
    parts = (triples.originals, triples.paraphrases, triples.counterfactuals)
    return Painted(*(paint(model, part, batch_size, count) for part in parts))


@torch.no_grad()
def compared(model: Encoder, latent: Pictures, on: Representation) -> Rows:
    """What of the pictures is compared, as rows of length 1, on the CPU."""
    device = next(model.parameters()).device
    return represent(latent.to(device), on, model.embed).double().cpu()


def recall(queries: Rows, gallery: Rows, among: int) -> float:
    """Share of queries whose own row is among the likest; equals have equal chances.

    A row that is no number finds nothing.
    """
    cosine = queries @ gallery.T
    own = cosine.diagonal()[:, None]
    before, ties = (cosine > own).sum(1), (cosine == own).sum(1)
    chance = ((among - before) / ties.clamp(min=1)).clamp(0, 1)
    return float(torch.where(ties > 0, chance, 0.0).mean())


def meaning(
    model: Encoder,
    splits: Mapping[str, Triples],
    on: Representation,
    count: int,
    batch_size: int,
    known: Sentences | None = None,
) -> dict[str, float]:
    """Retrieval, cosines and robustness on every split.

    recall_at_1, recall_at_5: share of paraphrases whose own sentence is the likest of all, or
    among the five likest, and chance: one in so many sentences. cosine_paraphrase,
    cosine_counterfactual: mean cosine with the own sentence, and gap, their difference;
    cosine_swap and the like: of the counterfactuals in which that was changed.
    told_apart: share of sentences that are more like their paraphrase than like their
    counterfactual; chance is one half. jitter_cosine: mean cosine between a paraphrase's picture
    and itself moved by 2 pixels, in all eight directions; jitter_fall: by how much recall_at_1
    falls. named_color, named_shape, named_relation: what linear readers, who have learned from the
    pictures of `known` sentences, see in those of the split; left out without them.
    """
    metrics: dict[str, float] = {}
    asked = known is not None and len(splits) > 1
    learned = paint(model, known, batch_size) if asked and known is not None else None
    for split, triples in splits.items():
        painted = paint_triples(model, triples, batch_size, count)
        found = measured(model, painted, on, triples.kinds[:count])
        if learned is not None and known is not None and split != "random":
            texts = triples.originals.texts[:count]
            found |= read_off(learned, known.texts, painted.originals, texts)
        metrics |= {f"meaning/{split}/{name}": value for name, value in found.items()}
    return metrics


def measured(
    model: Encoder, painted: Painted, on: Representation, kinds: Sequence[str] = ()
) -> dict[str, float]:
    """The numbers of one split."""
    own, same, other = (
        compared(model, each, on)
        for each in (painted.originals, painted.paraphrases, painted.counterfactuals)
    )
    alike, unlike = (own * same).sum(1), (own * other).sum(1)
    closer = (alike - unlike).sign()
    first = recall(same, own, 1)
    moved = [
        compared(model, shifted(painted.paraphrases, SHIFT * down, SHIFT * across), on)
        for down, across in DIRECTIONS
    ]
    changed = {
        f"cosine_{kind}": float(unlike[[each == kind for each in kinds]].mean())
        for kind in sorted(set(kinds) - {""})
    }
    return changed | {
        "recall_at_1": first,
        "recall_at_5": recall(same, own, 5),
        "chance": 1 / len(own),
        "cosine_paraphrase": float(alike.mean()),
        "cosine_counterfactual": float(unlike.mean()),
        "gap": float((alike - unlike).mean()),
        "told_apart": float((1 + closer).mean()) / 2,
        "jitter_cosine": float(torch.stack([(same * each).sum(1).mean() for each in moved]).mean()),
        "jitter_fall": first - sum(recall(each, own, 1) for each in moved) / len(moved),
    }
