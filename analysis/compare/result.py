"""Subjects of a comparison and its results, as data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean
from typing import Literal

from vlatent.config import Config
from vlatent.dependence import dependence
from vlatent.effects import Effect
from vlatent.encoder import EncoderConfig
from vlatent.evaluation import Criterion, Evaluation, Verdict, score
from vlatent.figures.mean_spectrum import MeanSpectrum
from vlatent.shapes import Latents
from vlatent.statistics import OF_PHOTOGRAPHS, Statistic, of_own_priors
from vlatent.statistics import STATISTICS as REGISTRY
from vlatent.tracking import RecordedRun

Curve = tuple[tuple[int, float], ...]  # step and value, rising

SAME_LATENT = 1e-3  # share of the variance between sentences below which they share a latent
SLOPE = REGISTRY["statistic/spectrum"].label


COMPARED = (
    *("score", "channels_in_band", "alpha_distance", "statistic/residual"),
    *("statistic/checkerboard_largest", "statistic/alpha_deviation", "dependence/between_share"),
    *OF_PHOTOGRAPHS,
)
STATISTICS = tuple(
    statistic
    for name, statistic in REGISTRY.items()
    if statistic.source == "prior" or name in COMPARED
)


@dataclass(frozen=True)
class Subject:
    """Run, trial, arm or checkpoint that is compared.

    Attributes:
        label: What tables and figures call it.
        what: What it is, in words.
        config: Config of its run.
        evaluation: The last of its run.
        verdict: Verdict at that evaluation.
        curves: What is drawn over the run, by the tracker's names.
        seeds: Statistics of the same config on other seeds, by seed and the tracker's names.
        checkpoint: Where its weights are; None if they are gone.
        run: Its record; None of a checkpoint.
        spectrum: The mean spectrum that its run recorded.
        notes: Remarks about it.
    """

    label: str
    what: str
    config: Config
    evaluation: Evaluation
    verdict: Verdict
    curves: Mapping[str, Curve]
    seeds: Mapping[int, Mapping[str, float]] = field(default_factory=dict)
    checkpoint: Path | None = None
    run: RecordedRun | None = None
    notes: tuple[str, ...] = ()
    spectrum: MeanSpectrum | None = None

    @property
    def score(self) -> float:
        return score(self.evaluation, self.verdict)

    @property
    def size(self) -> tuple[int, int, int]:
        """Height, width and channels of its latents."""
        encoder = self.config.encoder
        if isinstance(encoder, EncoderConfig):
            return encoder.height, encoder.width, encoder.channels
        assert self.evaluation.size is not None  # which records of own encoders always have
        height, width = self.evaluation.size
        return height, width, len(self.evaluation.channels["spectrum"])


@dataclass(frozen=True)
class SampleMean:
    """A mean over n seeds or sentences with its 95 % interval."""

    mean: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Over:
    """Statistics over seeds, or over sentences.

    Attributes:
        what: Which of them.
        estimates: Means by label of the subject and of the statistic.
        effects: The difference from the first subject, paired, by the same labels; p adjusted
            over the subjects, for every statistic on its own.
        unpaired: Why a subject cannot be compared with the first, by its label.
    """

    what: Literal["seeds", "sentences"]
    estimates: Mapping[str, Mapping[str, SampleMean]]
    effects: Mapping[str, Mapping[str, Effect]]
    unpaired: Mapping[str, str]


@dataclass(frozen=True)
class EncodedCheckpoint:
    """Latents of a checkpoint.

    Attributes:
        texts: Held-out sentences.
        held_out: Their latents.
        fixed_texts: The fixed sentences.
        fixed: Latents of them.
    """

    texts: tuple[str, ...]
    held_out: Latents
    fixed_texts: tuple[str, ...]
    fixed: Latents

    @property
    def same(self) -> bool:
        """Whether the latent is the same for every sentence."""
        return dependence(self.held_out)["dependence/between_share"] < SAME_LATENT


@dataclass(frozen=True)
class Comparison:
    """Results of a comparison; every subject is compared with the first.

    Attributes:
        subjects: With labels of which no two are equal.
        config: The dotted names of which not all have the same value, and the values.
        statistics: Every statistic of the run that is shown, by subject and statistic.
        seeds: Over seeds, of those that were trained on several.
        sentences: Over held-out sentences, of those that have a checkpoint.
        encoded: Their latents, by label.
        unencoded: Why the others cannot be encoded.
    """

    subjects: tuple[Subject, ...]
    config: Mapping[str, tuple[object, ...]]
    statistics: Mapping[str, Mapping[str, float]]
    seeds: Over
    sentences: Over
    encoded: Mapping[str, EncodedCheckpoint]
    unencoded: Mapping[str, str]


def labelled(subjects: Sequence[Subject]) -> list[Subject]:
    """Subjects with labels of which no two are equal."""
    labels = [subject.label for subject in subjects]
    return [
        replace(subject, label=f"{subject.label} #{index + 1}")
        if labels.count(subject.label) > 1
        else subject
        for index, subject in enumerate(subjects)
    ]


def criteria_of(verdict: Verdict) -> dict[str, Criterion]:
    return {criterion.name: criterion for criterion in verdict.criteria}


def statistics_of(evaluation: Evaluation, verdict: Verdict) -> dict[str, float]:
    """The statistics of an evaluation by the tracker's names."""
    means = {f"statistic/{name}": fmean(values) for name, values in evaluation.channels.items()}
    return dict(evaluation.metrics) | means | {"score": score(evaluation, verdict)}


def by_label(
    metrics: Mapping[str, float], statistics: Sequence[Statistic] = STATISTICS
) -> dict[str, float]:
    """Every statistic by its label; NaN where it was not recorded."""
    return {statistic.label: statistic.of(metrics) for statistic in statistics}


def compared(subjects: Sequence[Subject]) -> tuple[Statistic, ...]:
    """What is compared of these subjects: also the statistics of their users' own priors."""
    own = {each.label: each for s in subjects for each in of_own_priors(s.config.priors)}
    return (*STATISTICS, *own.values())
