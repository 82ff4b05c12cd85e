"""The round trip: what a decoder says of the latents of held-out sentences, beside the sentences.

A good one says the same facts in other words, and what it says has the latent of the sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from vlatent.corpus import Corpus, Sentences
from vlatent.decoder import Decoder
from vlatent.decoding import sampled
from vlatent.dependence import encode
from vlatent.evaluation.reading import KINDS, fact_f1, reading_scores, rouge_l
from vlatent.meaning import compared
from vlatent.noise import leading, noisy, permuted
from vlatent.own_encoder import embed_of
from vlatent.scenes import about_blocks, parse
from vlatent.shapes import Latents
from vlatent.terms import Terms
from vlatent.terms.base import Embed

SPLITS = ("random", "compositional")
TOGETHER = 50  # sentences that are read at once
TOP_P = 0.9  # of the two readings that are drawn of each latent


@torch.no_grad()
def round_trip(
    model: nn.Module,
    decoder: Decoder,
    corpus: Corpus,
    held_out: Mapping[str, Sentences],
    terms: Terms,
    count: int,
    controls: bool,
) -> dict[str, float]:
    """Encode held-out sentences, read them back, and encode what was read.

    Args:
        model: The encoder.
        decoder: What reads its latents.
        corpus: Makes tokens of texts, and texts of tokens.
        held_out: Sentences by their split.
        terms: What of two latents is compared; how strong the noise is.
        count: Sentences per split, at most.
        controls: Whether the decoder is also shown the latents of other sentences, and the own ones
            with their pixels in another order.

    Returns:
        `reading/SPLIT/` and: `scores`; cosine: mean between the latents of a sentence and of what
        was read of it. The same as `reading/SPLIT_leading/`, of the latents' leading components,
        as `reading/SPLIT_noise/`, of latents with noise, and of controls as
        `reading/SPLIT_another/` and `reading/SPLIT_shuffled/`.
    """
    metrics: dict[str, float] = {}
    embed, decode = embed_of(model), corpus.tokenizer.decode
    for split in (name for name in SPLITS if name in held_out):
        texts = held_out[split].texts[:count]
        sentences = corpus.encoded(texts)
        latent, longest = encode(model, sentences, TOGETHER), 2 * int(sentences.lengths.max())
        views = {"": latent, "_leading": leading(latent)}
        noise = terms.reconstruction.noise
        if noise:
            views["_noise"] = noisy(latent, noise, (count,))
        if controls:
            views |= {"_another": latent.roll(1, 0), "_shuffled": permuted(latent, 1)}
        for name, seen in views.items():
            generator = torch.Generator(next(decoder.parameters()).device).manual_seed(0)
            read, *drawn = (
                texts_read(decoder, embed, seen, longest, decode, top_p, generator)
                for top_p in (0.0, TOP_P, TOP_P)
            )
            found = scores(texts, read, *drawn) | {
                "cosine": _cosine(model, corpus, latent, read, terms)
            }
            metrics |= {f"reading/{split}{name}/{key}": value for key, value in found.items()}
    return metrics


def texts_read(
    decoder: Decoder,
    embed: Embed,
    latents: Latents,
    longest: int,
    decode: Callable[[list[int]], str],
    top_p: float = 0.0,
    generator: torch.Generator | None = None,
) -> list[str]:
    """What a decoder says of latents alone: the likeliest words, or words drawn by `top_p`."""
    said: list[list[int]] = []
    for part in latents.to(next(decoder.parameters()).device).split(TOGETHER):
        state = decoder.begin(part, embed(part))
        said += sampled(decoder, state, longest, top_p, generator)
    return [decode(ids) for ids in said]


def scores(
    told: Sequence[str], read: Sequence[str], drawn: Sequence[str], again: Sequence[str]
) -> dict[str, float]:
    """Score readings beside the sentences.

    Args:
        told: The sentences.
        read: The likeliest reading of each.
        drawn: A reading of each that was drawn.
        again: Another one, drawn like it.

    Returns:
        fact_f1, exact, readable and kinds: see `reading_scores`. rouge_l: mean weighted by fact F1,
        so that only what says the facts counts as other words; none where no fact was read.
        diversity: share of sentences of which both drawn readings have the meaning, and are not
        the same words. Of texts that are not about blocks, whose facts are not known: rouge_l, the
        mean, alone.
    """
    words = np.array([rouge_l(*pair) for pair in zip(read, told, strict=True)])
    if not all(map(about_blocks, told)):
        return {"rouge_l": float(words.mean())}
    differ = np.array([rouge_l(*pair) < 1 for pair in zip(drawn, again, strict=True)])
    facts = np.array([fact_f1(*pair) for pair in zip(read, told, strict=True)])
    both = np.array(
        [
            _means(text, one) and _means(text, two)
            for text, one, two in zip(told, drawn, again, strict=True)
        ]
    )
    found = reading_scores(read, told)
    kept = {name: found[name] for name in ("fact_f1", "exact", "readable", *KINDS)}
    known = {name: value for name, value in kept.items() if np.isfinite(value)}
    if facts.any():
        known["rouge_l"] = float(facts @ words / facts.sum())
    return known | {"diversity": float((both & differ).mean())}


def _means(told: str, read: str) -> bool:
    """Whether a reading has the meaning of a sentence about blocks."""
    return about_blocks(read) and parse(read) == parse(told)


def _cosine(
    model: nn.Module, corpus: Corpus, latent: Latents, read: Sequence[str], terms: Terms
) -> float:
    """Mean cosine of latents with those of readings; one that says nothing has 0."""
    said = [place for place, text in enumerate(read) if text.strip()]
    if not said:
        return 0.0
    again = encode(model, corpus.encoded([read[place] for place in said]), TOGETHER)
    own, same = (compared(model, part, terms.on) for part in (latent[said], again))
    total: Tensor = (own * same).sum()
    return float(total) / len(read)
