"""Latents of a checkpoint for the sentences of the probes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from rich.progress import Progress
from torch import Tensor, nn

from analysis.probes.sentences import Asked, argument_pairs, held_out, scenes
from vlatent import checkpoints
from vlatent.config import from_yaml
from vlatent.console import console, tracked
from vlatent.corpus import Corpus, Sentences, load
from vlatent.corpus.files import read
from vlatent.dependence import encode
from vlatent.models import require_same_corpus, trained_model
from vlatent.own_encoder import embed_of
from vlatent.scenes import about_blocks
from vlatent.shapes import Latents, UserError

MOST_PAIRS = 400  # of blocks
CHUNK = 32  # sentences encoded at once


@dataclass(frozen=True, eq=False)
class EncodedSentences:
    """Sentences and what an encoder makes of them.

    Attributes:
        asked: The sentences, and what is to be read from each.
        latent: Their latents.
        embedding: Their pooled embeddings.
    """

    asked: Asked
    latent: Latents
    embedding: Float[Tensor, "batch embedding"]


def open_checkpoint(
    place: Path, sentences: Path | None, count: int, progress: Progress | None = None
) -> tuple[EncodedSentences, EncodedSentences | None]:
    """Latents of held-out sentences and of pairs, by a checkpoint's averaged weights.

    Args:
        place: A checkpoint, or the folder of a run.
        sentences: A file of sentences; None takes the run's own validation sentences.
        count: How many of them at most, beside their paraphrases, and how many pairs at most: the
            first, or, where they have labels, some that are chosen by content.
        progress: Where to show how far it is.

    Raises:
        UserError: The checkpoint or a file cannot be used, or nothing was held out.
    """
    state = checkpoints.load(place)
    config = from_yaml(state["config"])
    corpus = load(config.data)
    require_same_corpus(state, corpus.digests(variants=False, splits=False), place)
    encoder = trained_model(state, corpus.vocabulary_size)
    lines = (
        held_out(config.data)
        if sentences is None
        else read(sentences, config.data.key, config.data.split)
    )
    trained_on = set(corpus.train.texts)
    new = [line for line in lines if trained_on.isdisjoint((line.text, *line.paraphrases))]
    if len(new) < len(lines):
        console.print(
            f"{len(lines) - len(new)} of {len(lines)} sentences are left out: the encoder of "
            f"{place} was trained on them."
        )
    if not new:
        raise UserError(
            f"{place} was trained on every sentence of {sentences or 'its validation file'}: give "
            "others with --sentences."
        )
    if any(line.labels for line in new):  # by which a file is often sorted
        new.sort(key=lambda line: hashlib.sha256(line.text.encode()).digest())
    asked = [scenes(new[:count])]
    if any(map(about_blocks, asked[0].texts)):
        asked.append(argument_pairs(min(count, MOST_PAIRS), trained_on))
    made = [encoded(encoder, corpus, config.data.max_length, part, progress) for part in asked]
    return made[0], made[1] if len(made) > 1 else None


def encoded(
    encoder: nn.Module, corpus: Corpus, max_length: int, asked: Asked, progress: Progress | None
) -> EncodedSentences:
    """Encode the sentences.

    Raises:
        UserError: A latent is not finite.
    """
    latents = []
    for start in tracked(range(0, len(asked.texts), CHUNK), "encoding", progress):
        texts = list(asked.texts[start : start + CHUNK])
        tokens = [ids[:max_length] for ids in corpus.tokenizer.encode(texts)]
        flat = torch.tensor([token for ids in tokens for token in ids], dtype=torch.int32)
        offsets = torch.tensor([0, *map(len, tokens)]).cumsum(0)
        latents.append(encode(encoder, Sentences(texts, flat, offsets, truncated=0), CHUNK))
    latent = torch.cat(latents)
    if not torch.isfinite(latent).all():
        raise UserError(
            "the encoder produces values that are not finite: there is nothing to probe."
        )
    with torch.no_grad():
        return EncodedSentences(asked, latent, embed_of(encoder)(latent))
