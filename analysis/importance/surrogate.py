"""A forest that predicts a target from the parameters of a trial: how well, from which, and how.

Everything is measured on trials that the forest did not see, and on ranks: one trial that went
wrong is the worst of all, not a hundred times as bad as the next, so it cannot decide alone.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import sklearn
from jaxtyping import Float
from scipy import stats
from sklearn.model_selection import RepeatedKFold
from sklearn.tree import ExtraTreeRegressor

from analysis.importance.result import Column, Curves, Estimate, Inputs, Interactions

FOLDS, REPEATS = 5, 4  # of the cross-validation
TREES = 20  # of a forest; there are hundreds of forests
RESAMPLES = 25  # resamples of the trials on which everything is fitted again
REDRAWS = 2000  # resamples of errors, without a new fit
NOISE = 99  # studies in which the target has nothing to do with the parameters
ADDITIVE = 39  # studies without interactions
BENT = 0.02  # share of a pair in the ranks of a sum: 1.9 % of two effects of one size, no noise
POINTS = 48  # trials that stand for all others when a parameter is left open
CONFIDENCE = 0.95
# Folds share most of their trials, so errors of different folds are no independent trials: the
# variance of their mean is 1 + K / (K - 1) times what it seems (Nadeau and Bengio 2003).
WIDENED = math.sqrt(1 + FOLDS / (FOLDS - 1))

Forest = list[ExtraTreeRegressor]


def ranks(values: Column) -> Column:
    """Ranks between 0 and 1, ties in the middle of theirs."""
    return (stats.rankdata(values) - 0.5) / len(values)


def skill(x: Inputs, y: Column, seed: int) -> Estimate:
    """R2: the share of the variance that a forest predicts in trials that it has not seen.

    1 is perfect, 0 no better than the mean of the trials in training, below 0 worse. Repeated
    K-fold cross-validation; the interval is a bootstrap over trials of their errors, widened for
    the trials that the forests share. On 80 simulated studies of 18 and of 40 trials it covered in
    88 and 94 % of the cases, where the plain one did in 72 and 77 %.
    """
    even = np.ones(len(y))
    error, variance, _ = _held_out(x, y, even, REPEATS, seed, blinded=False)
    drawn = np.random.default_rng(seed).multinomial(len(y), even / len(y), REDRAWS)
    r2 = float(1 - error.sum() / variance.sum())
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(1 - (drawn @ error) / (drawn @ variance), [tail, 1 - tail])
    return Estimate(
        r2, r2 - WIDENED * max(r2 - float(low), 0.0), r2 + WIDENED * max(float(high) - r2, 0.0)
    )


def importances(x: Inputs, y: Column, seed: int) -> tuple[Estimate, ...]:
    """Share of the variance that is lost when the forest is not told one parameter.

    The rise of the error in trials that it has not seen, over the variance, when their own value
    is replaced by those of other trials: permutation importance (Breiman 2001), all permutations
    at once. 0 for a parameter without effect; above 1 where the forest would be worse than the
    mean without it. Intervals: everything again on resamples of the trials, copies of one never on
    both sides of a split; estimate +- t * their standard deviation.
    """

    def lost(weight: Column, repeats: int, seed: int) -> Column:
        kept = weight > 0
        if np.ptp(y[kept]) == 0:  # a resample without the few trials that differ
            return np.zeros(x.shape[1])
        error, variance, blind = _held_out(x[kept], y[kept], weight[kept], repeats, seed)
        share: Column = weight[kept] @ (blind - error[:, None]) / (weight[kept] @ variance)
        return share

    shares = lost(np.ones(len(y)), REPEATS, seed)
    again = np.array([lost(weight, 1, seed + k) for k, weight in resamples(len(y), seed)])
    return tuple(estimate(value, column) for value, column in zip(shares, again.T, strict=True))


def noise(x: Inputs, y: Column, seed: int) -> Column:
    """R2 of studies whose targets are dealt to the trials anew, so that nothing can be predicted.

    It depends on y by its ties alone: for targets without any, among the same trials, it is the
    same. Each is one cross-validation, so they spread a little more than the mean of several.
    """
    generator = np.random.default_rng(seed)
    r2 = []
    for k in range(NOISE):
        error, variance, _ = _held_out(
            *(x, generator.permutation(y), np.ones(len(y))), 1, seed + k, blinded=False
        )
        r2.append(1 - error.sum() / variance.sum())
    return np.array(r2)


def estimate(value: float, again: Float[np.ndarray, " resample"]) -> Estimate:
    """The value with a t interval from its values on resamples."""
    half = _quantile() * np.std(again, ddof=1)
    return Estimate(float(value), float(value - half), float(value + half))


def _quantile() -> float:
    return float(stats.t.ppf((1 + CONFIDENCE) / 2, RESAMPLES - 1))


def curves(
    x: Inputs,
    y: Column,
    values: Column,
    positions: Sequence[Float[np.ndarray, " step"]],
    seed: int,
) -> Curves:
    """Partial dependence of the target on every parameter, with intervals, in its own unit.

    Args:
        x: Places of the parameters' values on their scales.
        y: Ranks of the target.
        values: The target itself: a predicted rank is shown as the value that has it.
        positions: Positions on every parameter's scale.
        seed: Seed of forests and resamples.
    """
    sample = _sample(x, seed)
    drawn = [
        _dependence(grow(x, y, seed + k, weight), sample, positions)
        for k, weight in [(0, np.ones(len(y))), *resamples(len(y), seed)]
    ]
    middle, again = drawn[0], [np.array(column) for column in zip(*drawn[1:], strict=True)]
    half = [_quantile() * refit.std(0, ddof=1) for refit in again]
    order = np.argsort(values, kind="stable")

    def own(curve: Float[np.ndarray, " step"]) -> Float[np.ndarray, " step"]:
        return np.interp(curve, y[order], values[order])

    return Curves(
        tuple(positions),
        tuple(own(curve) for curve in middle),
        tuple(own(curve - width) for curve, width in zip(middle, half, strict=True)),
        tuple(own(curve + width) for curve, width in zip(middle, half, strict=True)),
    )


def interactions(x: Inputs, y: Column, seed: int) -> Interactions:
    """Interactions of pairs of parameters, against data of the same kind without any.

    That data is the sum of the single effects that the forest found, plus what they leave over in
    another order, as in Friedman and Popescu (2008), section 8.3. The limit is that of the largest
    of all pairs, so that looking at many does not find one. All of it holds for ranks: where a
    parameter makes most trials equal, another one can only move the rest, and that is an
    interaction of ranks.
    """
    shares, additive = _together(grow(x, y, seed), x, seed)
    generator = np.random.default_rng(seed)
    left_over = y - additive
    largest = []
    for k in range(ADDITIVE):
        made = additive + generator.permutation(left_over)
        spurious, _ = _together(grow(x, made, seed + k), x, seed)
        largest.append(spurious.max())
    # The second largest of 39: two of 40 equally likely places lie above it, 5 %.
    return Interactions(shares, max(float(np.sort(largest)[-2]), BENT))


def grow(x: Inputs, y: Column, seed: int, weight: Column | None = None) -> Forest:
    """Extremely randomized trees (Geurts, Ernst and Wehenkel 2006).

    On 20 and 40 trials of a smooth function they predict more than trees whose splits are
    searched for, R2 0.49 against 0.41 and 0.67 against 0.60. scikit-learn's own forest of them is
    the same, but on so few trials it takes three times as long as its trees.
    """
    x = np.ascontiguousarray(x, dtype=np.float32)
    with sklearn.config_context(skip_parameter_validation=True):
        return [
            ExtraTreeRegressor(
                max_features=1.0, min_samples_leaf=2, random_state=seed * TREES + number
            ).fit(x, y, sample_weight=weight, check_input=False)
            for number in range(TREES)
        ]


def predict(forest: Forest, x: Float[np.ndarray, "*rows parameter"]) -> Float[np.ndarray, "*rows"]:
    """Prediction of the forest, the mean of its trees."""
    rows = np.ascontiguousarray(x.reshape(-1, x.shape[-1]), dtype=np.float32)
    total = sum(tree.predict(rows, check_input=False) for tree in forest)
    return np.reshape(total / len(forest), x.shape[:-1])


def resamples(count: int, seed: int) -> list[tuple[int, Column]]:
    """Bootstrap resamples: how often every trial is in each."""
    generator = np.random.default_rng(seed)
    even = np.full(count, 1 / count)
    drawn = generator.multinomial(count, even, RESAMPLES)
    return [(k, weight.astype(float)) for k, weight in enumerate(drawn, start=1)]


def _held_out(
    x: Inputs, y: Column, weight: Column, repeats: int, seed: int, blinded: bool = True
) -> tuple[Column, Column, Inputs]:
    """Squared errors of every trial, by forests that have not seen it, summed over repeats.

    Of the forest, of the mean of the trials in training, and of the forest that is not told one of
    the parameters.
    """
    error, variance, blind = np.zeros(len(y)), np.zeros(len(y)), np.zeros(x.shape)
    splits = min(FOLDS, len(y))
    folds = RepeatedKFold(n_splits=splits, n_repeats=repeats, random_state=seed)
    for train, test in folds.split(x):
        forest = grow(x[train], y[train], seed, weight[train])
        error[test] += (y[test] - predict(forest, x[test])) ** 2
        variance[test] += (y[test] - np.average(y[train], weights=weight[train])) ** 2
        if blinded:
            others = _sample(x[train], seed)
            asked = np.stack([_replaced(x[test], others, [j]) for j in range(x.shape[1])], axis=1)
            blind[test] += ((y[test][:, None, None] - predict(forest, asked)) ** 2).mean(-1)
    return error, variance, blind


def _replaced(
    x: Inputs, others: Inputs, columns: Sequence[int]
) -> Float[np.ndarray, "trial other parameter"]:
    """Every trial with these parameters taken from every other one."""
    made = np.repeat(x[:, None], len(others), axis=1)
    made[..., columns] = others[None][..., columns]
    return made


def _sample(x: Inputs, seed: int) -> Inputs:
    """A few trials that stand for all."""
    if len(x) <= POINTS:
        return x
    return x[np.random.default_rng(seed).choice(len(x), POINTS, replace=False)]


def _dependence(
    forest: Forest, x: Inputs, positions: Sequence[Float[np.ndarray, " step"]]
) -> list[Float[np.ndarray, " step"]]:
    """Mean prediction of the forest for every value of one parameter."""
    means = []
    for column, places in enumerate(positions):
        made = np.repeat(x[None], len(places), axis=0)
        made[..., column] = places[:, None]
        means.append(predict(forest, made).mean(1))
    return means


def _together(
    forest: Forest, x: Inputs, seed: int
) -> tuple[Float[np.ndarray, "parameter parameter"], Column]:
    """Shares of the pairs, and for every trial the mean plus the sum of its single effects."""
    sample = _sample(x, seed)
    count = x.shape[1]
    predicted = predict(forest, sample)
    variance = max(float(predicted.var()), np.finfo(float).tiny)
    alone = [_effect(forest, sample, sample, [j]) for j in range(count)]
    shares = np.zeros((count, count))
    for j, k in itertools.combinations(range(count), 2):
        joint = _effect(forest, sample, sample, [j, k])
        shares[j, k] = shares[k, j] = (joint - alone[j] - alone[k]).var() / variance
    everywhere = [_effect(forest, x, sample, [j]) for j in range(count)]
    return shares, predicted.mean() + np.sum(everywhere, axis=0)


def _effect(forest: Forest, x: Inputs, others: Inputs, columns: Sequence[int]) -> Column:
    """Partial dependence on some parameters at every trial, its mean taken off."""
    effect: Column = predict(forest, _replaced(others, x, columns)).mean(0)
    return effect - effect.mean()
