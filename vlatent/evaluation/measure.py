"""Statistics of a latent, measured without any weight.

Nothing here sees the training loss, so runs with different weights can be compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from jsonargparse.typing import NonNegativeInt, PositiveInt
from torch import Tensor, nn

from vlatent.bounds import require_bounds
from vlatent.corpus import Corpus, HeldOut, Part, held_out
from vlatent.decoder import Decoder
from vlatent.dependence import dependence, encode, probe, retrieval
from vlatent.evaluation import likeness, unevenness
from vlatent.evaluation.photographs import photographs
from vlatent.evaluation.round_trip import round_trip
from vlatent.meaning import meaning
from vlatent.priors import Priors
from vlatent.priors.total_variation import TotalVariation
from vlatent.priors.wavelet import generalized_gaussian_shape
from vlatent.shapes import Latents, UserError
from vlatent.spectra import (
    RESIDUAL_LIMIT,
    all_frequency_slope,
    checkerboard,
    power_spectrum,
    radial_slope,
    residual,
    whittle_slope,
)
from vlatent.statistics import BAND, current_name
from vlatent.terms import Terms

CONSECUTIVE = 3  # evaluations in a row that the criteria look at


@dataclass(frozen=True, kw_only=True)
class EvaluationConfig:
    """How often and on how many sentences a run is judged.

    Attributes:
        count: Evaluations in a run, evenly spaced, beside the one before the first step.
        sentences: Held-out sentences that are judged, beside the 16 fixed ones.
        probed: Held-out sentences whose latents are probed after the last step for the sentence,
            its colors, shapes and relations; 0 omits that, as studies do.
        retrieved: Held-out sentences per split that paraphrases must retrieve at every evaluation,
            and that must differ from a counterfactual; 0 omits that.
        read: Held-out sentences per split that a decoder reads back at every evaluation, where
            terms.reconstruction trains one; 0 omits that.
        held_out: Which of three disjoint sets of held-out sentences judges: that of a study's
            `search`, as in every single run, or those that it keeps for `confirmation` and `test`,
            which have as many sentences, without the fixed ones.
        batch_size: Sentences encoded at once.
    """

    count: PositiveInt = 20
    sentences: PositiveInt = 64
    probed: NonNegativeInt = 200
    retrieved: NonNegativeInt = 0
    read: NonNegativeInt = 0
    held_out: Part = "search"
    batch_size: PositiveInt = 32

    def sentences_of(self, corpus: Corpus) -> HeldOut:
        """The sentences on which a run is judged.

        Raises:
            UserError: There are too few.
        """
        return held_out(corpus, self.held_out, self.sentences, self.retrieved)

    def __post_init__(self) -> None:
        require_bounds("evaluation", self, most={"count": 100_000, "batch_size": 10**6})
        if self.count < CONSECUTIVE:
            raise UserError(
                f"evaluation.count must be at least {CONSECUTIVE}, since the criteria look at "
                f"{CONSECUTIVE} evaluations in a row, but got {self.count}."
            )


@dataclass(frozen=True)
class Evaluation:
    """Every statistic of one evaluation, as plain numbers.

    Attributes:
        step: Training steps done.
        metrics: One number each, by its name in the tracker.
        channels: One number a channel each: the statistic of every prior by the prior's name
            (`spectrum` is the primary slope estimate), `residual`, `alpha_radial`,
            `alpha_all_frequencies`, `total_variation_normalized`, `alpha_deviation` (standard
            deviation over sentences), `checkerboard_largest` and `checkerboard_mean`, the features
            in `likeness.RANGES` and `correlation_within`.
        size: Height and width of the latents; None in records of earlier versions, whose likeness
            to photographs was not measured.
    """

    step: int
    metrics: dict[str, float]
    channels: dict[str, list[float]]
    size: Sequence[int] | None = None

    def __post_init__(self) -> None:
        if self.size is not None:  # a list where it was read from JSON
            object.__setattr__(self, "size", tuple(self.size))
        renamed = {current_name(name): value for name, value in self.metrics.items()}
        object.__setattr__(self, "metrics", renamed)  # of earlier versions


def encode_judged(
    model: nn.Module, corpus: Corpus, config: EvaluationConfig
) -> tuple[Latents, Float[Tensor, "fixed height width channel"]]:
    """Encode the sentences that are judged, and the fixed ones.

    Returns:
        Latents of those that are judged, and of the fixed ones: the search judges them too, the
        confirmation and the test as many others.
    """
    fixed = encode(model, corpus.fixed, config.batch_size)
    judged = config.sentences_of(corpus).judged
    if judged is None:
        return fixed, fixed
    latent = encode(model, judged, config.batch_size)
    return torch.cat([latent, fixed]) if config.held_out == "search" else latent, fixed


def evaluate(
    step: int,
    model: nn.Module,
    corpus: Corpus,
    config: EvaluationConfig,
    priors: Priors,
    terms: Terms,
    last: bool,
    decoder: Decoder | None = None,
) -> Evaluation:
    """Encode held-out and fixed sentences and measure their latents.

    Args:
        step: Training steps done.
        model: The encoder.
        corpus: The sentences.
        config: How many of them.
        priors: Whose statistics are measured.
        terms: What of two latents is compared.
        last: Whether the run ends: then dependence on the sentence is probed too, and the decoder
            shown controls.
        decoder: The decoder that learns beside the encoder, if there is one.
    """
    size = config.batch_size
    latent, _ = encode_judged(model, corpus, config)
    sentences = config.sentences_of(corpus)
    evaluation = measure(step, latent, priors)
    if config.retrieved:
        probed_on = corpus.validation if last else None
        evaluation.metrics.update(
            meaning(model, sentences.splits, terms.on, config.retrieved, size, probed_on)
        )
    if decoder is not None and config.read:
        splits = {split: triples.originals for split, triples in sentences.splits.items()}
        held_out = splits or {
            "random": corpus.fixed if sentences.judged is None else sentences.judged
        }
        evaluation.metrics.update(
            round_trip(model, decoder, corpus, held_out, terms, config.read, last)
        )
    if last and config.probed:
        probed = encode(model, sentences.probed, size, config.probed)
        evaluation.metrics.update(retrieval(model, sentences.probed, probed, size))
        evaluation.metrics.update(probe(probed, sentences.probed.texts[: len(probed)]))
    return evaluation


@torch.no_grad()
def measure(step: int, latent: Latents, priors: Priors) -> Evaluation:
    """Measure every statistic of the latents of held-out sentences."""
    power = power_spectrum(latent)
    mean_power = power.mean(0)
    alpha, left = whittle_slope(mean_power), residual(mean_power)
    sentence_alpha, sentence_left = whittle_slope(power), residual(power)
    stripes = checkerboard(power)
    per_channel = {name: prior.statistic(latent) for name, prior in priors} | {
        "alpha_radial": radial_slope(latent),
        "alpha_all_frequencies": all_frequency_slope(mean_power),
        "alpha_deviation": sentence_alpha.std(0, correction=0),
        "residual": left,
        "total_variation_normalized": TotalVariation().normalized(latent),
        "checkerboard_largest": stripes.largest,
        "checkerboard_mean": stripes.mean,
        "correlation_within": likeness.correlation_within(latent),
    }
    of, size = likeness.features(latent), (latent.shape[1], latent.shape[2])
    natural, reference = likeness.natural(of).mean(0), photographs(*size)
    for name in likeness.RANGES:
        per_channel[name] = natural[:, likeness.FEATURES.index(name)]
    channels = {name: [float(value) for value in values] for name, values in per_channel.items()}
    metrics = {
        "channels_in_band": float(in_band(alpha, left).sum()),
        "expected_in_band": float(in_band(sentence_alpha, sentence_left).sum(-1).double().mean()),
        "alpha_distance": float((alpha - 2).abs().mean()),
        "wavelet_shape": generalized_gaussian_shape(float(per_channel["wavelet"].mean())),
        "finite": float(torch.isfinite(latent).all()),
        "likeness": likeness.likeness(of, reference),
        "anisotropy": float(likeness.anisotropy(latent).mean()),
        "seams": float(unevenness.seams(latent).mean()),
        "weaker_half": float(unevenness.weaker_half(of).mean()),
        "share_alike": unevenness.share_alike(of, reference),
    }
    metrics |= dependence(latent)
    return Evaluation(step, metrics, channels, size)


def in_band(alpha: Tensor, left: Tensor) -> Tensor:
    """Tell which channels are image-like: alpha in the band of images, and a power law at all."""
    return (alpha >= BAND[0]) & (alpha <= BAND[1]) & (left < RESIDUAL_LIMIT)


def evaluation_steps(steps: int, count: int) -> list[int]:
    """Steps at which a run is evaluated: 0, then `count` evenly spaced ones up to the end.

    >>> evaluation_steps(10, 3)
    [0, 3, 7, 10]
    """
    return sorted({round(index * steps / count) for index in range(count + 1)})
