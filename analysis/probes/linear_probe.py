"""Linear probes on rows of numbers, beside the same probes on shuffled answers.

Pure functions of rows, answers and groups: nothing here knows of sentences or encoders.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Int
from sklearn.base import BaseEstimator
from sklearn.decomposition import KernelPCA
from sklearn.linear_model import Ridge
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from vlatent.intervals import ALPHA, interval

FOLDS = 5
COMPONENTS = 100  # of wider rows; 50 and 200 read the same
PENALTY = 10.0  # of the ridge: makes it deaf to components that vary by less than rounding does
SHUFFLES = 999  # the smallest p is 0.001, which leaves Holm's correction room for 50 readings
RESAMPLES = 1000
FEWEST = 20  # groups: below, folds of three decide
ROUNDING = 1e-5  # of the rows' root mean square; fp32 in another batch moves latents by 1e-7

Rows = Float[np.ndarray, "row column"]
Groups = Int[np.ndarray, " row"]
Outcome = Literal["above chance", "at chance", "not enough data"]


@dataclass(frozen=True)
class Span:
    """A number and the two ends of its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Reading:
    """Accuracy of one probe, beside its accuracy on shuffled answers.

    Attributes:
        value: What is reached on what was held out, with a bootstrap interval over groups.
        control: Mean and central 95 % of what is reached with shuffled answers.
        trivial: What is reached without looking, such as the share of the commonest answer.
        needed: What only 5 % of the shuffled answers reach.
        best: What a perfect probe reaches.
        p: Share of the controls that reach at least the value, itself among them.
        adjusted: The same after Holm's correction over its family; alone, p itself.
        groups: How many groups there are.
        rows: How many rows.
    """

    value: Span
    control: Span
    trivial: float
    needed: float
    best: float
    p: float
    adjusted: float
    groups: int
    rows: int

    @property
    def verdict(self) -> Outcome:
        """Above chance where shuffled answers hardly ever do as well: adjusted p < 0.05.

        Not enough data below 20 groups, and where shuffled answers come so far that a probe
        half-way between them and a perfect one could be missed: silence would say nothing there.
        """
        if self.adjusted < ALPHA:
            return "above chance"
        sees_halfway = abs(self.best - self.needed) > abs(self.best - self.control.value) / 2
        return "at chance" if self.groups >= FEWEST and sees_halfway else "not enough data"


@dataclass(frozen=True)
class Fold:
    """A probe that is ready for any answers, on one split of the rows by groups.

    Attributes:
        train: Places of the rows that are learned from.
        test: Places of the rows that are read.
        weights: What the ridge says of a row of `test` is the sum of what is known of the rows of
            `train`, times these.
    """

    train: Int[np.ndarray, " seen"]
    test: Int[np.ndarray, " unseen"]
    weights: Float[np.ndarray, "unseen seen"]


def without_rounding(rows: Rows, size: float | None = None) -> Rows:
    """The rows without what is only rounding: a column that hardly varies becomes constant.

    A standardised column is read however little it varies, and how a latent is rounded depends
    on its neighbours in the batch. A column whose standard deviation is below 1e-5 of `size`, by
    default the root mean square of all rows, becomes constant.
    """
    size = float(np.sqrt(np.mean(rows**2))) if size is None else size
    return np.where(rows.std(0) < ROUNDING * size, rows[:1], rows)


def split(rows: Rows, groups: Groups, seed: int = 0) -> tuple[Fold, ...]:
    """Five splits by groups, so that no group is on both sides; none below 20 groups.

    Standardisation, principal components of more than 100 columns, and the ridge are learned from
    the training side of each split alone. A ridge is linear in its answers: fitted once, to unit
    vectors, it tells what every row weighs, and thousands of shuffled answers cost a product.
    """
    if len(np.unique(groups)) < FEWEST:
        return ()
    folds = []
    splitter = GroupKFold(FOLDS, shuffle=True, random_state=seed)
    for train, test in splitter.split(rows, groups=groups):
        steps: list[BaseEstimator] = [StandardScaler()]
        if rows.shape[1] > COMPONENTS:
            # By the Gram matrix: the same components, of few wide rows in a fifth of the time.
            steps.append(KernelPCA(min(COMPONENTS, len(train) - 1), eigen_solver="dense"))
        probe = make_pipeline(*steps, Ridge(PENALTY)).fit(rows[train], np.eye(len(train)))
        folds.append(Fold(train, test, probe.predict(rows[test])))
    return tuple(folds)


def read(
    folds: Sequence[Fold],
    answers: Sequence[str],
    groups: Groups,
    strata: Groups | None = None,
    seed: int = 0,
) -> Reading:
    """Accuracy of a ridge classifier, beside that of the same classifier on shuffled answers.

    Calibration: rows that hold the answer reach 1, constant rows and noise the control's mean.

    Args:
        folds: The splits of `split`.
        answers: One a row.
        groups: One a row, as given to `split`.
        strata: One a row. Answers are exchanged within a stratum only, so that what the stratum
            tells belongs to chance; None exchanges all.
        seed: Seed of shuffles and resamples.
    """
    names, codes = np.unique(np.asarray(answers), return_inverse=True)
    trivial = Counter(answers).most_common(1)[0][1] / len(answers)
    count = len(np.unique(groups))
    if not folds or len(names) < 2:
        unknown = Span(math.nan, math.nan, math.nan)
        return Reading(unknown, unknown, trivial, math.nan, 1.0, 1.0, 1.0, count, len(codes))
    strata = np.zeros_like(groups) if strata is None else strata
    labelings = np.concatenate([codes[None], shuffled(codes, groups, strata, seed)])
    hits = np.zeros(labelings.shape)
    for fold in folds:
        answered = _answered(fold, labelings[:, fold.train], len(names))
        hits[:, fold.test] = answered == labelings[:, fold.test]
    value = resampled(lambda kept: float(hits[0, kept].mean()), groups, seed)
    return compared(value, hits[1:].mean(1), trivial, 1.0, count, len(codes))


def compared(
    value: Span,
    controls: Float[np.ndarray, " shuffle"],
    trivial: float,
    best: float,
    groups: int,
    rows: int,
) -> Reading:
    """A number beside what shuffled answers reach; towards `best` is better."""
    better = 1 if best > trivial else -1
    p = (1 + np.sum(better * controls >= better * value.value)) / (1 + len(controls))
    low, high = np.quantile(controls, (ALPHA / 2, 1 - ALPHA / 2))
    control = Span(float(controls.mean()), float(low), float(high))
    needed = float(better * np.quantile(better * controls, 1 - ALPHA))
    return Reading(value, control, trivial, needed, best, float(p), float(p), groups, rows)


def shuffled(
    codes: Int[np.ndarray, " row"], groups: Groups, strata: Groups, seed: int
) -> Int[np.ndarray, "shuffle row"]:
    """The answers in other orders: cases of one stratum exchange theirs.

    A case is what has one answer in one group: the wordings of a scene are one case, and not
    as many as there are wordings.
    """
    cases, case = np.unique(np.stack([strata, groups, codes]), axis=1, return_inverse=True)
    generator = np.random.default_rng(seed)
    drawn = np.empty((SHUFFLES, cases.shape[1]), dtype=codes.dtype)
    for rows in drawn:
        # Cases are sorted by stratum: sorted again with chance to break ties, they are shuffled.
        rows[:] = cases[2, np.lexsort((generator.random(len(rows)), cases[0]))]
    return drawn[:, case.ravel()]


def resampled(
    statistic: Callable[[Int[np.ndarray, " kept"]], float], groups: Groups, seed: int
) -> Span:
    """A statistic of the rows with its 95 % bootstrap interval: whole groups are drawn.

    Of a share that every resample has, such as 1, it is that of as many equal groups.
    """
    members = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    generator = np.random.default_rng(seed)
    again = []
    for _ in range(RESAMPLES):
        drawn = generator.integers(len(members), size=len(members))
        again.append(statistic(np.concatenate([members[place] for place in drawn])))
    low, high = np.quantile(again, (ALPHA / 2, 1 - ALPHA / 2))
    value = statistic(np.arange(len(groups)))
    if low == high and 0 <= value <= 1:
        return Span(*interval([value] * len(members), (0.0, 1.0)))
    return Span(value, float(low), float(high))


def _answered(
    fold: Fold, labelings: Int[np.ndarray, "labeling seen"], answers: int
) -> Int[np.ndarray, "labeling unseen"]:
    """Answers of ridge classifiers, one a labeling: the answer with the largest prediction."""
    predicted = [fold.weights @ (answer == labelings.T) for answer in range(answers)]
    return np.asarray(np.argmax(predicted, axis=0).T)
