"""Screening without an encoder: latents that are free to move, hundreds of weight vectors at once.

What an encoder of text learns from the priors is one latent for all sentences. So a weight vector
can be screened by letting the priors shape a single latent, and as penalties keep leading axes,
all candidates move in one tensor: latent[row] descends sum over priors of weight[row] * penalty.
Learning rates cannot be screened so: that of an encoder's parameters means nothing to a pixel.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import scipy
import torch
from rich.progress import Progress

from studies.question import Range, Space
from studies.settings import StudyConfig
from vlatent.config import Config
from vlatent.console import tracked
from vlatent.evaluation import CONSECUTIVE, Evaluation, Verdict, judge, measure, score
from vlatent.preparation import size_of_latents
from vlatent.shapes import UserError
from vlatent.soundness import require_leading_axes

STEPS = 120
RATE = (
    0.07  # Adam's, of every pixel: of four tried, the one whose scores rank most like trained ones
)
START = 0.3  # standard deviation of the noise that all candidates start from
WARMUP = 10
BETWEEN = 10  # steps between the last evaluations, over which total variation must not move
ROWS = 64  # candidates in one tensor: more need more memory and are no faster


@dataclass(frozen=True)
class Screened:
    """What the priors alone make of one weight vector.

    Attributes:
        weights: Weights by dotted name, as a study searches them.
        evaluation: The last one.
        verdict: Verdict by the criteria of a trained run.
        score: Score as of a trained run.
    """

    weights: dict[str, float]
    evaluation: Evaluation
    verdict: Verdict
    score: float


def candidates(space: Space, count: int, seed: int) -> list[dict[str, float]]:
    """Weight vectors spread evenly over the logarithms of their ranges: Halton's sequence.

    Scrambled (Owen 2017), so that another seed gives other ones.
    """
    ranges = {name: values for name, values in space.items() if isinstance(values, Range)}
    drawn = scipy.stats.qmc.Halton(len(ranges), rng=seed).random(count)
    return [
        {
            name: values.low * (values.high / values.low) ** float(place)
            for (name, values), place in zip(ranges.items(), row, strict=True)
        }
        for row in drawn
    ]


def first_of_screening(config: Config, space: Space, settings: StudyConfig) -> int:
    """How many of the best screened weight vectors a study tries first.

    As many as `rehearse` says; if it says nothing, an eighth of the trials where screening
    foretells training and the sampler learns from what it is given. Where hours may end the study,
    it counts as one of the usual number of trials.
    """
    if settings.rehearse is not None:
        return settings.rehearse
    learns = settings.sampler in ("tpe", "gp") and settings.warm_start is None
    foretold = not config.terms.active and not _beside_weights(space)
    trials = settings.trials if settings.hours is None else min(settings.trials, StudyConfig.trials)
    return trials // 8 if learns and foretold else 0


def check_screenable(space: Space) -> None:
    """Raise a UserError unless all that is searched is loss weights."""
    others = _beside_weights(space)
    if others:
        raise UserError(
            f"study.rehearse screens loss weights only, and this study also searches "
            f"{', '.join(others)}; omit it, or screen for a study of loss weights and give it "
            "to this one as --study.warm_start."
        )


def _beside_weights(space: Space) -> list[str]:
    return [n for n in space if not (n.startswith("priors.") and n.endswith(".weight"))]


def screen(
    config: Config,
    space: Space,
    count: int = 128,
    seed: int = 0,
    progress: Progress | None = None,
) -> list[Screened]:
    """Screen weight vectors from all over the space; the best first, those that pass before."""
    screened = evaluate_weights(config, candidates(space, count, seed), seed, progress)
    return sorted(screened, key=lambda vector: (not vector.verdict.passed, -vector.score))


def evaluate_weights(
    config: Config,
    weights: Sequence[Mapping[str, float]],
    seed: int = 0,
    progress: Progress | None = None,
) -> list[Screened]:
    """Let the priors shape one free latent for every weight vector, all from the same noise.

    Args:
        config: Config of the study: its latent's size, and the weights that no candidate names.
        weights: Candidates, by dotted name: priors.wavelet.weight and the like.
        seed: Seed of the noise.
        progress: Where a bar is shown.
    """
    return [
        screened
        for first in tracked(range(0, len(weights), ROWS), "screening", progress)
        for screened in _together(config, weights[first : first + ROWS], seed)
    ]


def _together(config: Config, rows: Sequence[Mapping[str, float]], seed: int) -> list[Screened]:
    priors = config.priors
    require_leading_axes(priors, size_of_latents(config))
    weight = {
        name: torch.tensor([row.get(f"priors.{name}.weight", prior.weight) for row in rows])
        for name, prior in priors
    }
    noise = torch.randn(
        (1, 1, *size_of_latents(config)),
        generator=torch.Generator().manual_seed(seed),
    )
    latent = (START * noise).repeat(len(rows), 1, 1, 1, 1).requires_grad_()
    adam = torch.optim.Adam([latent], betas=(0.9, 0.95), fused=True)
    histories: list[list[Evaluation]] = [[] for _ in rows]
    evaluated = {STEPS - BETWEEN * index for index in range(CONSECUTIVE)}
    for step in range(STEPS + 1):
        if step in evaluated:
            for row, history in enumerate(histories):
                history.append(measure(step, latent[row].detach(), priors))
        if step == STEPS:
            break
        decay = (1 + math.cos(math.pi * step / STEPS)) / 2
        adam.param_groups[0]["lr"] = RATE * decay * min(1.0, (step + 1) / WARMUP)
        adam.zero_grad()
        total = sum(
            (weight[name] * prior.penalty(latent)).sum()
            for name, prior in priors
            if weight[name].any()
        )
        assert isinstance(total, torch.Tensor)
        total.backward()
        adam.step()
    verdicts = [judge(history, STEPS, priors) for history in histories]
    return [
        Screened(dict(row), history[-1], verdict, score(history[-1], verdict))
        for row, history, verdict in zip(rows, histories, verdicts, strict=True)
    ]
