"""The numbers of a comparison: configs, statistics, and differences over seeds and sentences."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache

import torch
from rich.progress import Progress

from analysis.compare.result import (
    Comparison,
    EncodedCheckpoint,
    Over,
    SampleMean,
    Subject,
    by_label,
    compared,
    statistics_of,
)
from vlatent import checkpoints
from vlatent.config import flatten
from vlatent.console import tracked
from vlatent.corpus import load
from vlatent.dependence import encode
from vlatent.effects import Effect, family, paired
from vlatent.fingerprints import effective
from vlatent.intervals import interval
from vlatent.models import require_same_corpus, trained_model
from vlatent.priors import Priors
from vlatent.shapes import Latents, UserError
from vlatent.spectra import checkerboard, power_spectrum, residual, whittle_slope
from vlatent.statistics import STATISTICS as REGISTRY
from vlatent.statistics import Limits, Statistic, of_own_priors

CHUNK = 32  # sentences encoded at once

corpus_of = lru_cache(maxsize=2)(load)  # most things that are compared read the same sentences


def compare(
    subjects: Sequence[Subject], sentences: int, progress: Progress | None = None
) -> Comparison:
    """Put subjects side by side.

    Args:
        subjects: At least two, with labels of which no two are equal.
        sentences: Largest number of held-out sentences to encode.
        progress: Where to show how far it is.
    """
    encoded: dict[str, EncodedCheckpoint] = {}
    unencoded: dict[str, str] = {}
    for subject in tracked(subjects, "encoding", progress):
        try:
            encoded[subject.label] = encode_sentences(subject, sentences)
        except UserError as error:
            unencoded[subject.label] = str(error)
    priors, statistics = subjects[0].config.priors, compared(subjects)
    by_sentence = {
        label: of_sentences(checkpoint.held_out, priors) for label, checkpoint in encoded.items()
    }
    return Comparison(
        tuple(subjects),
        config_differences(subjects),
        {s.label: by_label(statistics_of(s.evaluation, s.verdict), statistics) for s in subjects},
        over_seeds(subjects),
        _over_sentences(subjects[0].label, encoded, by_sentence, statistics),
        encoded,
        unencoded,
    )


def config_differences(subjects: Sequence[Subject]) -> dict[str, tuple[object, ...]]:
    """Dotted names that can change what is computed and differ, with every subject's value."""
    configs = [flatten(subject.config) for subject in subjects]
    names = dict.fromkeys(name for subject in subjects for name in effective(subject.config))
    return {
        name: values
        for name in names
        if len(set(map(repr, values := tuple(flat.get(name) for flat in configs)))) > 1
    }


def over_seeds(subjects: Sequence[Subject]) -> Over:
    """Means over seeds, and differences from the first on the seeds that both were trained on."""
    statistics = compared(subjects)
    values = {
        subject.label: {
            seed: by_label(metrics, statistics) for seed, metrics in subject.seeds.items()
        }
        for subject in subjects
        if len(subject.seeds) > 1
    }
    channels = max(subject.size[2] for subject in subjects)
    estimates = {
        label: {
            statistic.label: estimate(
                [measured[statistic.label] for measured in by_seed.values()],
                statistic.limits(channels, criteria=0),
            )
            for statistic in statistics
        }
        for label, by_seed in values.items()
    }
    first = subjects[0].label
    unpaired, pairs = {}, {}
    for label in (subject.label for subject in subjects[1:]):
        alone = next((name for name in (first, label) if name not in values), None)
        if alone is not None:
            unpaired[label] = f"{alone} is a single run"
            continue
        common = values[first].keys() & values[label].keys()
        if len(common) < 2:
            unpaired[label] = f"{first} and {label} share {len(common) or 'no'} seed"
            unpaired[label] += ", so they cannot be paired"
            continue
        pairs[label] = {
            s.label: [
                (values[first][seed][s.label], values[label][seed][s.label])
                for seed in sorted(common)
            ]
            for s in statistics
        }
    return Over("seeds", estimates, _effects(pairs, _limits(statistics, channels)), unpaired)


def _limits(statistics: Sequence[Statistic], channels: int) -> dict[str, Limits]:
    """Lowest and highest value of every statistic of latents with these channels, by label."""
    return {each.label: each.limits(channels, criteria=0) for each in statistics}


def estimate(values: Sequence[float], possible: Limits) -> SampleMean:
    """Mean and interval of the finite values, none of which can be beyond what is possible."""
    finite = [value for value in values if math.isfinite(value)]
    return SampleMean(*interval(finite, possible), len(finite))


def encode_sentences(subject: Subject, count: int) -> EncodedCheckpoint:
    """Latents of the subject's checkpoint for its held-out and for the fixed sentences.

    Raises:
        UserError: It has no checkpoint, or its sentences are not there; says how to get them.
    """
    if subject.checkpoint is None:
        raise UserError("no checkpoint")
    state = checkpoints.load(subject.checkpoint)
    corpus = corpus_of(subject.config.data)
    digests = corpus.digests(variants=False, splits=False)
    require_same_corpus(state, digests, subject.checkpoint)
    model = trained_model(state, corpus.vocabulary_size)
    held_out = encode(model, corpus.validation, CHUNK, count)
    fixed = encode(model, corpus.fixed, CHUNK)
    if not (torch.isfinite(held_out).all() and torch.isfinite(fixed).all()):
        raise UserError("it produces values that are not finite")
    texts = tuple(corpus.validation.texts[: len(held_out)])
    return EncodedCheckpoint(texts, held_out, tuple(corpus.fixed.texts), fixed)


@torch.no_grad()
def of_sentences(latent: Latents, priors: Priors) -> dict[str, list[float]]:
    """Statistics of every single latent, the mean over its channels, by label.

    A single latent's correlation between channels and residual are larger than those of many
    sentences together, and its channels in band fewer: they are means over single latents.
    """
    power = power_spectrum(latent)
    slope = whittle_slope(power)
    values = {
        "statistic/spectrum": slope,
        "alpha_distance": (slope - 2).abs(),
        "statistic/residual": residual(power),
        "statistic/checkerboard_largest": checkerboard(power[:, None]).largest,
    }
    for name, prior in priors:
        if name != "spectrum":
            values[f"statistic/{name}"] = prior.statistic(latent[:, None])  # batches of one
    registry = {**REGISTRY, **{own.name: own for own in of_own_priors(priors)}}
    return {
        registry[name].label: channels.double().mean(-1).tolist()
        for name, channels in values.items()
    }


def _over_sentences(
    first: str,
    encoded: Mapping[str, EncodedCheckpoint],
    values: Mapping[str, Mapping[str, Sequence[float]]],
    compared: Sequence[Statistic],
) -> Over:
    """Means over sentences, and differences from the first where both encoded the same ones."""
    channels = max((latents.held_out.shape[-1] for latents in encoded.values()), default=0)
    limits = _limits(compared, channels)
    estimates = {
        label: {name: estimate(numbers, limits[name]) for name, numbers in statistics.items()}
        for label, statistics in values.items()
    }
    unpaired, pairs = {}, {}
    for label in (other for other in encoded if other != first):
        if first not in encoded:
            unpaired[label] = f"{first} has no latents"
        elif encoded[first].texts != encoded[label].texts:
            unpaired[label] = (
                f"{first} and {label} hold other sentences out, so they are not paired"
            )
        elif encoded[first].same and encoded[label].same:
            count = len(encoded[label].texts)
            unpaired[label] = (
                f"each encodes every sentence to one latent, so {count} sentences are one case, "
                f"not {count}"
            )
        else:
            pairs[label] = {
                name: list(zip(values[first][name], numbers, strict=True))
                for name, numbers in values[label].items()
            }
    return Over("sentences", estimates, _effects(pairs, limits), unpaired)


def _effects(
    pairs: Mapping[str, Mapping[str, Sequence[tuple[float, float]]]], limits: Mapping[str, Limits]
) -> dict[str, dict[str, Effect]]:
    """The paired difference of every statistic; the subjects on one statistic are a family."""
    names = list(dict.fromkeys(name for statistics in pairs.values() for name in statistics))
    effects: dict[str, dict[str, Effect]] = {label: {} for label in pairs}
    for name in names:
        low, high = limits[name]
        alone = {
            label: paired(
                [b - a for a, b in each[name] if math.isfinite(a) and math.isfinite(b)],
                (low - high, high - low),
            )
            for label, each in pairs.items()
        }
        for label, effect in family(alone).items():
            effects[label][name] = effect
    return effects
