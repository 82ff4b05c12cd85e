"""What a latent is like, measured without any weight: statistics, criteria, verdict, score.

Nothing here sees the training loss, so results of runs with different weights can be compared.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import torch
from jaxtyping import Float
from jsonargparse.typing import NonNegativeInt, PositiveInt
from torch import Tensor

from vlatent.bounds import require_bounds
from vlatent.corpus import Corpus
from vlatent.dependence import Pictures, dependence, paint, probe, retrieval
from vlatent.encoder import Encoder
from vlatent.meaning import meaning
from vlatent.priors import Priors
from vlatent.priors.total_variation import TotalVariation
from vlatent.priors.wavelet import generalized_gaussian_shape
from vlatent.shapes import UserError
from vlatent.spectra import (
    RESIDUAL_LIMIT,
    all_frequency_slope,
    checkerboard,
    power_spectrum,
    radial_slope,
    residual,
    whittle_slope,
)
from vlatent.terms import Terms

# Band and limits: what `python -m analysis.natural_images` finds in photographs and in artefacts.
BAND = (1.5, 2.5)
CHANNELS_NEEDED = 4
CONSECUTIVE = 3  # evaluations in a row that must be in band, and over which TV must not move
PLATEAU = 0.05  # largest relative change of the total variation over them
APART = 0.05  # they lie at least this share of the run apart
CHECKERBOARD_LIMITS = (40.0, 2.0)  # of the largest and the mean excess of the finest stripes
RECALL = 0.6  # share of paraphrases that find their own sentence first
# Of phases 2 and 3, on every split: name, metric, limit, how it is written, in words.
MEANING = (
    ("recall@1", "recall_at_1", RECALL, ".0%", "60 % of paraphrases find their sentence first"),
    ("recall@5", "recall_at_5", 0.85, ".0%", "85 % find it among five"),
    ("gap", "gap", 0.25, ".2f", "cosine of paraphrase less that of counterfactual >= 0.25"),
    ("jitter", "jitter_cosine", 0.9, ".2f", "cosine with itself, moved by 2 pixels, >= 0.9"),
    ("jitter recall", "jitter_fall", 0.02, ".1%", "recall@1 falls by at most 2 points then"),
)
VIOLATED = 1e3  # margin of a criterion whose statistic is not finite or not there yet


@dataclass(frozen=True, kw_only=True)
class EvaluationConfig:
    """How often and on how many sentences a run is judged.

    Attributes:
        count: Evaluations in a run, evenly spaced, beside the one before the first step.
        sentences: Held-out sentences that are judged, beside the 16 fixed ones.
        probed: Held-out sentences from whose pictures, after the last step, the sentence, its
            colors, shapes and relations are to be told; 0 leaves that out, as studies do.
        retrieved: Held-out sentences of every split that are to be found again by a paraphrase, at
            every evaluation, and told apart from a counterfactual; 0 leaves that out.
        batch_size: Sentences painted at once.
    """

    count: PositiveInt = 20
    sentences: PositiveInt = 64
    probed: NonNegativeInt = 200
    retrieved: NonNegativeInt = 0
    batch_size: PositiveInt = 32

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
            (`spectrum` is the alpha of record), `residual`, `alpha_radial`,
            `alpha_all_frequencies`, `total_variation_normalized`, `alpha_deviation` (standard
            deviation over sentences), `checkerboard_largest` and `checkerboard_mean`.
    """

    step: int
    metrics: dict[str, float]
    channels: dict[str, list[float]]


@dataclass(frozen=True)
class Criterion:
    """One line of the verdict: it holds when its signed margin is 0 or less."""

    name: str
    wanted: str
    found: str
    margin: float

    @property
    def holds(self) -> bool:
        return self.margin <= 0


@dataclass(frozen=True)
class Verdict:
    """All criteria of the run up to one evaluation."""

    criteria: tuple[Criterion, ...]

    @property
    def passed(self) -> bool:
        return all(criterion.holds for criterion in self.criteria)

    @property
    def worst(self) -> float:
        """Largest margin: the criterion that is violated most, or nearest to it."""
        return max(criterion.margin for criterion in self.criteria)


def paint_judged(
    model: Encoder, corpus: Corpus, size: int, count: int
) -> tuple[Pictures, Float[Tensor, "fixed height width channel"]]:
    """Latents of up to `count` held-out sentences and the fixed ones, and of those alone."""
    fixed = paint(model, corpus.fixed, size)
    if corpus.judged is None:
        return fixed, fixed
    return torch.cat([paint(model, corpus.judged, size, count), fixed]), fixed


def evaluate(
    step: int,
    model: Encoder,
    corpus: Corpus,
    config: EvaluationConfig,
    priors: Priors,
    terms: Terms,
    last: bool,
) -> Evaluation:
    """Paint held-out and fixed sentences and measure them; the last time also what they know."""
    size = config.batch_size
    latent, _ = paint_judged(model, corpus, size, config.sentences)
    evaluation = measure(step, latent, priors)
    if config.retrieved:
        known = corpus.validation if last else None
        evaluation.metrics.update(
            meaning(model, corpus.splits, terms.on, config.retrieved, size, known)
        )
    if last and config.probed:
        held_out = paint(model, corpus.validation, size, config.probed)
        evaluation.metrics.update(retrieval(model, corpus.validation, held_out, size))
        evaluation.metrics.update(probe(held_out, corpus.validation.texts[: len(held_out)]))
    return evaluation


@torch.no_grad()
def measure(step: int, latent: Pictures, priors: Priors) -> Evaluation:
    """Every statistic of the pictures of held-out sentences."""
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
    }
    channels = {name: [float(value) for value in values] for name, values in per_channel.items()}
    metrics = {
        "channels_in_band": float(in_band(alpha, left).sum()),
        "expected_in_band": float(in_band(sentence_alpha, sentence_left).sum(-1).double().mean()),
        "alpha_distance": float((alpha - 2).abs().mean()),
        "wavelet_shape": generalized_gaussian_shape(float(per_channel["wavelet"].mean())),
        "finite": float(torch.isfinite(latent).all()),
    }
    metrics |= dependence(latent)
    return Evaluation(step, metrics, channels)


def in_band(alpha: Tensor, left: Tensor) -> Tensor:
    """Which channels are image-like: alpha in [1.5, 2.5] and a power law at all."""
    return (alpha >= BAND[0]) & (alpha <= BAND[1]) & (left < RESIDUAL_LIMIT)


def judge(history: Sequence[Evaluation], steps: int, priors: Priors) -> Verdict:
    """The criteria at the last evaluation of a run of `steps` steps.

    Those of phase 1, and where paraphrases were asked about, those of phases 2 and 3.
    """
    last = history[-1]
    recent = _recent(history, steps)
    # Tensors, because Python's min, max and sorted can lose a NaN.
    counts = torch.tensor([evaluation.metrics["channels_in_band"] for evaluation in recent])
    enough = len(recent) == CONSECUTIVE
    gate = float(torch.tensor(last.channels["residual"]).sort().values[:CHANNELS_NEEDED][-1])
    variation = torch.tensor([fmean(e.channels["total_variation"]) for e in recent])
    change = float((variation.amax() - variation.amin()) / variation.amin().clamp(min=1e-30))
    largest = torch.tensor(last.channels["checkerboard_largest"]).amax()
    excess = torch.tensor(last.channels["checkerboard_mean"]).amax()
    board = torch.stack([largest / CHECKERBOARD_LIMITS[0], excess / CHECKERBOARD_LIMITS[1]])
    criteria = [
        Criterion(
            "spectrum",
            f"{CHANNELS_NEEDED} channels in band, {CONSECUTIVE} evaluations in a row",
            ", ".join(f"{count:.0f}" for count in counts),
            CHANNELS_NEEDED - float(counts.amin()) if enough else VIOLATED,
        ),
        Criterion(
            "residual",
            f"{CHANNELS_NEEDED} channels below {RESIDUAL_LIMIT}",
            f"{gate:.2f}",
            gate / RESIDUAL_LIMIT - 1,
        ),
    ]
    for name, prior in priors:
        statistic = torch.tensor(last.channels[name])
        margin = prior.margin(statistic)
        if margin is not None and prior.criterion is not None:
            low, mean, high = statistic.min(), statistic.mean(), statistic.max()
            found = f"{_short(mean)} ({_short(low)} to {_short(high)})"
            criteria.append(Criterion(name, prior.criterion, found, margin))
    criteria += [
        Criterion(
            "plateau",
            f"total variation moves < {PLATEAU:.0%} in {CONSECUTIVE} evaluations",
            f"{change:.1%}",
            change / PLATEAU - 1 if enough else VIOLATED,
        ),
        Criterion(
            "checkerboard",
            f"finest at most {CHECKERBOARD_LIMITS[0]:g} x the fitted line "
            f"(mean {CHECKERBOARD_LIMITS[1]:g} x)",
            f"{largest:.3g} (mean {excess:.2g})",
            float(board.amax()) - 1,
        ),
        Criterion(
            "finite",
            "every value of the latent",
            "yes" if last.metrics["finite"] else "no",
            -1.0 if last.metrics["finite"] else VIOLATED,
        ),
    ]
    criteria += _of_meaning(last.metrics)
    return Verdict(tuple(map(_bounded, criteria)))


def _of_meaning(metrics: Mapping[str, float]) -> list[Criterion]:
    """Phases 2 and 3: each on the split on which it is worst."""
    splits = [name.split("/")[1] for name in metrics if name.endswith("/recall_at_1")]
    if not splits:
        return []
    criteria = []
    for name, metric, limit, form, wanted in MEANING:
        values = {split: metrics[f"meaning/{split}/{metric}"] for split in splits}
        # Tensors, because Python's min can lose a NaN.
        found = torch.tensor(list(values.values()))
        falls = metric == "jitter_fall"
        scale = 1 - limit if metric == "jitter_cosine" else limit
        margin = (found - limit if falls else limit - found).amax() / scale
        said = ", ".join(f"{split} {value:{form}}" for split, value in values.items())
        criteria.append(Criterion(name, wanted, said, float(margin)))
    return criteria


def score(evaluation: Evaluation, verdict: Verdict) -> float:
    """What a study maximises: channels in band, and below 1 how close everything else is.

    count + 0.49 / (1 + mean |alpha - 2|) + 0.49 * slack, where the slack maps the worst margin
    from [1, -1] to [0, 1]. One channel more always wins.
    """
    distance = evaluation.metrics["alpha_distance"]
    closeness = 1 / (1 + distance) if math.isfinite(distance) else 0.0
    slack = min(max((1 - verdict.worst) / 2, 0.0), 1.0)
    return evaluation.metrics["channels_in_band"] + 0.49 * closeness + 0.49 * slack


def steps_to_pass(history: Sequence[Evaluation], steps: int, priors: Priors) -> int | None:
    """Step of the first evaluation from which all criteria held to the end; None if they do not."""
    first = None
    for end in range(len(history), 0, -1):
        if not judge(history[:end], steps, priors).passed:
            break
        first = history[end - 1].step
    return first


def evaluation_steps(steps: int, count: int) -> list[int]:
    """The steps at which a run is evaluated: 0, then `count` evenly spaced ones up to the end."""
    return sorted({round(index * steps / count) for index in range(count + 1)})


def _recent(history: Sequence[Evaluation], steps: int) -> list[Evaluation]:
    """The last evaluations, at least `APART` of the run apart, newest first."""
    recent = [history[-1]]
    for evaluation in reversed(history[:-1]):
        if len(recent) < CONSECUTIVE and recent[-1].step - evaluation.step >= APART * steps - 1:
            recent.append(evaluation)
    return recent


def _short(value: Tensor) -> str:
    """Three digits at least, never with an exponent for what people read as whole numbers."""
    return f"{float(value):.0f}" if abs(float(value)) >= 100 else f"{float(value):.3g}"


def _bounded(criterion: Criterion) -> Criterion:
    margin = criterion.margin if math.isfinite(criterion.margin) else VIOLATED
    return Criterion(criterion.name, criterion.wanted, criterion.found, min(margin, VIOLATED))
