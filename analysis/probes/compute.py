"""Computation of probes: properties of a sentence predicted from its latent, beside chance.

Two sets of sentences are encoded: held-out ones with a paraphrase each, and pairs of blocks said in
four ways. From their latents linear probes predict color, shape, relation and argument order, and a
sentence is searched by its paraphrase.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from rich.progress import Progress
from scipy import stats
from sklearn.feature_extraction.text import CountVectorizer
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from analysis.probes.encoding import EncodedSentences
from analysis.probes.linear_probe import (
    Fold,
    Groups,
    Reading,
    Rows,
    Span,
    read,
    split,
    without_rounding,
)
from analysis.probes.maps import maps
from analysis.probes.result import Probes, Structure
from analysis.probes.retrieval import find
from analysis.probes.sentences import Asked
from vlatent.console import tracked
from vlatent.dependence import dependence
from vlatent.effects import holm
from vlatent.intervals import ALPHA, ANYTHING, alike, interval, within
from vlatent.shapes import Latents

REPRESENTATIONS = ("latent", "shapes only", "embedding")
WORDS = "words"  # of the sentence, counted: what a probe finds where only the order is missing
# What a measure is at least; shares lie from 0 to 1, no rank is above the number of latents.
LEAST = {"cosine": -1.0, "effective_rank": 1.0, "effective_rank_centred": 1.0}
BLOCKS = 20  # of scenes, of which one at a time is left out


def probe(
    name: str,
    held_out: EncodedSentences,
    pairs: EncodedSentences | None = None,
    tsne: bool = False,
    seed: int = 0,
    progress: Progress | None = None,
) -> Probes:
    """Read everything that is asked from everything that was encoded.

    Args:
        name: Name of the run, written on every page.
        held_out: Held-out sentences.
        pairs: Pairs of blocks in four sentences each; None for a corpus of something else.
        tsne: Whether to make a t-SNE map too.
        seed: Seed of splits, shuffles and resamples; the same seed gives the same numbers.
        progress: Where to show how far it is.
    """
    sets = [held_out] if pairs is None else [held_out, pairs]
    # Hundreds of small matrices: threads would spend their time waiting for each other.
    with threadpool_limits(1):
        return _probe(name, sets, tsne, seed, progress)


def _probe(
    name: str, sets: Sequence[EncodedSentences], tsne: bool, seed: int, progress: Progress | None
) -> Probes:
    shown = [(encoded.asked, representations(encoded)) for encoded in sets]
    every = [(asked, *named) for asked, of_asked in shown for named in of_asked.items()]
    readings = {
        (target, representation): reading
        for asked, representation, rows in tracked(every, "reading", progress)
        for target, reading in _readings(asked, rows, seed)
    }
    first = sets[0].asked
    own = ~first.paraphrase
    return Probes(
        name=name,
        sentences=len(first.texts),
        scenes=len(np.unique(first.groups)),
        pairs=sum(len(np.unique(other.asked.groups)) for other in sets[1:]),
        readings=_adjusted(readings),
        structure=structure(sets[0].latent[own], first.groups[own]),
        labels=first.labels,
        maps=maps(shown, REPRESENTATIONS[:2], tsne, seed),
    )


def representations(encoded: EncodedSentences) -> dict[str, Rows]:
    """One row a sentence: the latent, its shapes, the embedding, and the sentence's own words.

    Shapes are the latent without the mean of every channel, which no image prior sees.
    """
    latent = encoded.latent.double()
    size = float(latent.square().mean().sqrt())
    shapes = latent - latent.mean((1, 2), keepdim=True)
    words = CountVectorizer(token_pattern=r"\w+").fit_transform(encoded.asked.texts).toarray()
    return {
        "latent": without_rounding(latent.flatten(1).numpy(), size),
        "shapes only": without_rounding(shapes.flatten(1).numpy(), size),
        "embedding": without_rounding(encoded.embedding.double().numpy()),
        WORDS: words.astype(float),
    }


def structure(latent: Latents, groups: Groups) -> dict[str, Structure]:
    """The measures of `vlatent.dependence` with a jackknife interval over scenes.

    The bootstrap would draw scenes twice, and a rank counts different ones.
    """
    noise = torch.randn(latent.shape, generator=torch.Generator().manual_seed(0))
    same, unrelated = dependence(latent[:1].expand_as(latent)), dependence(noise)
    values = dependence(latent)
    block = np.unique(groups, return_inverse=True)[1] % BLOCKS
    left = [torch.from_numpy(np.flatnonzero(block != part)) for part in np.unique(block)]
    again = [dependence(latent[kept]) for kept in left if len(kept)]
    made = {}
    for key, value in values.items():
        name = key.removeprefix("dependence/")
        most = len(latent) if "rank" in name else 1.0
        possible = LEAST.get(name, 0.0), float(most)
        span = jackknife(value, np.array([part[key] for part in again]), possible)
        made[name] = Structure(span, same[key], unrelated[key])
    return made


def jackknife(
    value: float,
    again: Float[np.ndarray, " block"],
    possible: tuple[float, float] = ANYTHING,
) -> Span:
    """A statistic with a 95 % t interval from its values without one block each (Tukey 1958).

    Of a mean it is the t interval of the blocks' means. Infinitely wide below two blocks. Where no
    block makes a difference, it is the interval of as many equal values, from what is `possible`.
    """
    count = len(again)
    if count < 2:
        return Span(value, *within(possible, value, -np.inf, np.inf))
    if alike(again.tolist()):
        return Span(*interval([value] * count, possible))
    half = float(stats.t.ppf(1 - ALPHA / 2, count - 1) * np.sqrt((count - 1) * again.var()))
    return Span(value, *within(possible, value, value - half, value + half))


def _readings(asked: Asked, rows: Rows, seed: int) -> Iterator[tuple[str, Reading]]:
    """Readings of all targets from these rows, and of paraphrases if there are any."""
    ready: dict[bytes, tuple[Fold, ...]] = {}  # by which sentences have an answer
    for target, answers in asked.answers.items():
        answered = np.array([answer != "" for answer in answers])
        groups, strata = asked.groups[answered], asked.strata[answered]
        if answered.tobytes() not in ready:
            ready[answered.tobytes()] = split(rows[answered], groups, seed)
        given = [answer for answer in answers if answer]
        yield target, read(ready[answered.tobytes()], given, groups, strata, seed)
    if asked.paraphrase.any():
        yield from find(rows, asked.groups, asked.paraphrase, seed).items()


def _adjusted(
    readings: Mapping[tuple[str, str], Reading],
) -> dict[tuple[str, str], Reading]:
    """The readings with p adjusted over all that is read from what was encoded."""
    family = [key for key in readings if key[1] != WORDS]
    adjusted = dict(zip(family, holm([readings[key].p for key in family]), strict=True))
    return {
        key: replace(reading, adjusted=adjusted.get(key, reading.p))
        for key, reading in readings.items()
    }
