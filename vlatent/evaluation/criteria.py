"""Criteria, verdict and score of a run, from its evaluations alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import starmap
from statistics import fmean

import torch
from torch import Tensor

from vlatent.evaluation.likeness import pairs
from vlatent.evaluation.meaning_criteria import of_meaning
from vlatent.evaluation.measure import CONSECUTIVE, Evaluation
from vlatent.evaluation.photographs import Photographs, photographs
from vlatent.evaluation.round_trip_criteria import of_round_trip
from vlatent.priors import Priors
from vlatent.spectra import CHECKERBOARD_LIMITS, RESIDUAL_LIMIT
from vlatent.statistics import CHANNELS_NEEDED, LIKE_PHOTOGRAPHS, MOSTLY
from vlatent.tables import as_html

PLATEAU = 0.05  # largest relative change of the total variation over these evaluations
APART = 0.05  # which lie at least this share of the run apart
# Criteria on how a run moves: early in it they say how fast, not how well it goes.
SEVERAL_EVALUATIONS = ("spectrum", "plateau")
VIOLATED = 1e3  # margin of a criterion whose statistic is not finite or not there yet


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

    @property
    def violated(self) -> list[str]:
        """Names of the criteria that do not hold."""
        return [criterion.name for criterion in self.criteria if not criterion.holds]

    def _repr_html_(self) -> str:
        """The same as a table, for notebooks."""
        rows = [
            (c.name, "pass" if c.holds else "FAIL", c.wanted, c.found, f"{c.margin:+.2f}")
            for c in self.criteria
        ]
        columns = ("criterion", "", "wanted", "found", "margin")
        return as_html("PASS" if self.passed else "FAIL", columns, rows)


def judge(history: Sequence[Evaluation], steps: int, priors: Priors) -> Verdict:
    """Judge a run of `steps` steps at its last evaluation.

    A prior whose statistic was not recorded, since it came later, is not judged. The criteria of
    meaning are judged where paraphrases were retrieved.

    Args:
        history: The run's evaluations, at least one.
        steps: Length of the run.
        priors: Whose criteria are asked; weights have no effect.
    """
    recent, last = _recent(history, steps), history[-1]
    criteria = _of_spectrum(recent)
    for name, prior in priors:
        if name in last.channels:
            statistic = torch.tensor(last.channels[name])
            margin = prior.margin(statistic)
            if margin is not None and prior.criterion is not None:
                low, mean, high = map(_short, (statistic.min(), statistic.mean(), statistic.max()))
                criteria.append(
                    Criterion(name, prior.criterion, f"{mean} ({low} to {high})", margin)
                )
    criteria += [*_of_photographs(last), _plateau(recent), _checkerboard(last), _finite(last)]
    criteria += starmap(Criterion, of_meaning(history[0], last))
    criteria += starmap(Criterion, of_round_trip(last))
    return Verdict(tuple(map(_bounded, criteria)))


def _of_spectrum(recent: Sequence[Evaluation]) -> list[Criterion]:
    """Channels in band over the last evaluations, and the power-law residual of the best ones."""
    # Tensors, because Python's min, max and sorted can lose a NaN.
    counts = torch.tensor([evaluation.metrics["channels_in_band"] for evaluation in recent])
    left = torch.tensor(recent[0].channels["residual"]).sort().values
    gate = float(left[:CHANNELS_NEEDED][-1])
    return [
        Criterion(
            "spectrum",
            f"{CHANNELS_NEEDED} channels in band, {CONSECUTIVE} evaluations in a row",
            ", ".join(f"{count:.0f}" for count in counts),
            CHANNELS_NEEDED - float(counts.amin()) if len(recent) == CONSECUTIVE else VIOLATED,
        ),
        Criterion(
            "residual",
            f"{CHANNELS_NEEDED} channels below {RESIDUAL_LIMIT}",
            f"{gate:.2f}",
            gate / RESIDUAL_LIMIT - 1,
        ),
    ]


# Of what photographs have: name of the criterion and of the statistic.
_RANGES = (
    ("total_variation", "gradient_size"),
    ("wavelet", "wavelet_finest"),
    ("magnitude dependency", "magnitude_dependency"),
    ("coherence", "coherence"),
    ("speckle", "speckle"),
)


def _of_photographs(last: Evaluation) -> list[Criterion]:
    """Whether the latent has what photographs have, statistic by statistic and together."""
    if last.size is None:
        return []
    reference, criteria = photographs(*last.size), []
    for name, statistic in _RANGES:
        low, high = reference.ranges[statistic]
        # Of total variation people know the sum over the pixels.
        unit = pairs(*last.size) if name == "total_variation" else 1
        value = fmean(last.channels[statistic])
        criteria.append(
            Criterion(
                name,
                f"{_short(low * unit)} to {_short(high * unit)}, as in 99 % of photographs",
                _short(value * unit),
                abs(2 * value - low - high) / (high - low) - 1,
            )
        )
    most = {
        "directions": ("anisotropy", reference.anisotropy, last.metrics["anisotropy"]),
        "slopes": (
            "deviation of alpha between sentences",
            reference.alpha_deviation,
            fmean(last.channels["alpha_deviation"]),
        ),
        "correlation within": (
            "mean |correlation| within a sentence",
            reference.correlation_within,
            fmean(last.channels["correlation_within"]),
        ),
    }
    criteria += [
        Criterion(name, f"{what} at most {limit:.2g}", f"{value:.3f}", value / limit - 1)
        for name, (what, limit, value) in most.items()
    ]
    found, least = last.metrics["likeness"], LIKE_PHOTOGRAPHS[0]
    criteria.append(
        Criterion(
            "likeness",
            f"at least {least:g}, which 99 % of photographs have",
            f"{found:.2f}",
            (least - found) / least,
        )
    )
    return criteria + _of_unevenness(last, reference)


def _of_unevenness(last: Evaluation, reference: Photographs) -> list[Criterion]:
    """What means hide; evaluations of before, which have not measured it, are not judged by it."""
    if "seams" not in last.metrics:
        return []
    seams, weaker, alike = (last.metrics[name] for name in ("seams", "weaker_half", "share_alike"))
    dependency, share = reference.weaker_half, MOSTLY[0]
    return [
        Criterion(
            "seams",
            f"gradients on any lattice at most {reference.seams:.2f} x all",
            f"{seams:.2f}",
            seams / reference.seams - 1,
        ),
        Criterion(
            "weaker channels",
            f"magnitude dependency of half of the channels at least {dependency:.2g}",
            f"{weaker:.3f}",
            (dependency - weaker) / dependency,
        ),
        Criterion(
            "sentences",
            f"{share:.0%} like photographs one by one",
            f"{alike:.0%}",
            (share - alike) / share,
        ),
    ]


def _plateau(recent: Sequence[Evaluation]) -> Criterion:
    """Whether the total variation has stopped moving."""
    variation = torch.tensor([fmean(e.channels["total_variation"]) for e in recent])
    change = float((variation.amax() - variation.amin()) / variation.amin().clamp(min=1e-30))
    return Criterion(
        "plateau",
        f"total variation moves < {PLATEAU:.0%} in {CONSECUTIVE} evaluations",
        f"{change:.1%}",
        change / PLATEAU - 1 if len(recent) == CONSECUTIVE else VIOLATED,
    )


def _checkerboard(last: Evaluation) -> Criterion:
    """Excess of the finest stripes."""
    largest = torch.tensor(last.channels["checkerboard_largest"]).amax()
    excess = torch.tensor(last.channels["checkerboard_mean"]).amax()
    board = torch.stack([largest / CHECKERBOARD_LIMITS[0], excess / CHECKERBOARD_LIMITS[1]])
    return Criterion(
        "checkerboard",
        f"finest at most {CHECKERBOARD_LIMITS[0]:g} x the fitted line "
        f"(mean {CHECKERBOARD_LIMITS[1]:g} x)",
        f"{largest:.3g} (mean {excess:.2g})",
        float(board.amax()) - 1,
    )


def _finite(last: Evaluation) -> Criterion:
    finite = bool(last.metrics["finite"])
    said, margin = ("yes", -1.0) if finite else ("no", VIOLATED)
    return Criterion("finite", "every value of the latent", said, margin)


def score(evaluation: Evaluation, verdict: Verdict) -> float:
    """Score a run: channels in band, and below 1 its likeness to photographs.

    count + 0.98 * likeness: one channel more always wins. Evaluations of earlier versions, whose
    likeness was not measured, keep the score that they had:
    count + 0.49 / (1 + mean |alpha - 2|) + 0.49 * (1 - worst margin) / 2.
    """
    count = evaluation.metrics["channels_in_band"]
    if evaluation.size is not None:
        found = evaluation.metrics["likeness"]
        return count + 0.98 * (found if math.isfinite(found) else 0.0)
    distance = evaluation.metrics["alpha_distance"]
    closeness = 1 / (1 + distance) if math.isfinite(distance) else 0.0
    slack = min(max((1 - verdict.worst) / 2, 0.0), 1.0)
    return count + 0.49 * closeness + 0.49 * slack


def steps_to_pass(history: Sequence[Evaluation], steps: int, priors: Priors) -> int | None:
    """Step of the first evaluation from which all criteria held to the end; None if they do not."""
    first = None
    for end in range(len(history), 0, -1):
        if not judge(history[:end], steps, priors).passed:
            break
        first = history[end - 1].step
    return first


def _recent(history: Sequence[Evaluation], steps: int) -> list[Evaluation]:
    """The last evaluations, at least `APART` of the run apart, newest first."""
    recent = [history[-1]]
    for evaluation in reversed(history[:-1]):
        if len(recent) < CONSECUTIVE and recent[-1].step - evaluation.step >= APART * steps - 1:
            recent.append(evaluation)
    return recent


def _short(value: Tensor | float) -> str:
    """Three digits at least, never with an exponent for what people read as whole numbers."""
    return f"{float(value):.0f}" if abs(float(value)) >= 100 else f"{float(value):.3g}"


def _bounded(criterion: Criterion) -> Criterion:
    margin = criterion.margin if math.isfinite(criterion.margin) else VIOLATED
    return Criterion(criterion.name, criterion.wanted, criterion.found, min(margin, VIOLATED))
