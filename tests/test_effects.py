"""Paired statistics against SciPy, statsmodels, enumeration and simulation; factorials by hand."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import combinations, permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from jaxtyping import Float
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower

from vlatent.effects import (
    RESAMPLES,
    SKEWED,
    Effect,
    family,
    holm,
    in_words,
    paired,
    sign_flips,
    smallest_p,
)
from vlatent.factorial import interactions, main_effects, shapley
from vlatent.intervals import ALPHA, interval
from vlatent.power import DRAWS, detectable, detectable_by_interval, power

Array = Float[np.ndarray, "..."]

FIXED = {
    "eight seeds": [3.1, 2.4, 4.0, 2.2, 3.9, 2.8, 3.3, 3.0],
    "both signs": [0.3, -0.2, 0.5, -0.1, 0.05, 0.4],
    "ties and zeros": [1.0, -1.0, 0.0, 0.0, 2.0, 1.0, 1.0],
    "two": [0.2, 0.3],
    "one far away": [0.1, 0.2, 0.1, 0.2, 0.1, 0.2, 0.1, 90.0],
    "large numbers": [1e9 + 1, 1e9 - 1, -1e9, 3.0, 2e9],
}


def drawn(n: int, seed: int, shift: float = 0.0) -> list[float]:
    return (np.random.default_rng(seed).normal(size=n) + shift).tolist()


def enumerated(differences: Sequence[float]) -> float:
    """Two-sided p of the sign-flip test, one flip at a time."""
    seen = abs(math.fsum(differences))
    flips = list(product((1, -1), repeat=len(differences)))
    sums = [
        abs(math.fsum(sign * d for sign, d in zip(flip, differences, strict=True)))
        for flip in flips
    ]
    return sum(value >= seen * (1 - 1e-12) for value in sums) / len(flips)


def fast_p(differences: Array) -> Array:
    """The same of very many rows at once by matrix products; beyond 13 pairs from drawn flips."""
    n = differences.shape[-1]
    if n <= 13:
        flips = np.array(list(product((1.0, -1.0), repeat=n)))
    else:
        flips = np.random.default_rng(1).choice([1.0, -1.0], size=(RESAMPLES, n))
        flips = np.concatenate([flips, np.ones((1, n))])
    rows = differences.reshape(-1, n)
    ps = []
    for some_rows in np.array_split(rows, math.ceil(len(rows) * len(flips) / 2_000_000)):
        seen = np.abs(some_rows.sum(1, keepdims=True)) * (1 - 1e-12)
        sums = some_rows @ flips.T
        if n <= 13:
            ps.append((np.abs(sums) >= seen).mean(1))
        else:  # one tail, twice
            ps.append(2 * (sums * np.sign(some_rows.sum(1, keepdims=True)) >= seen).mean(1))
    return np.minimum(np.concatenate(ps), 1).reshape(differences.shape[:-1])


# One comparison


@pytest.mark.parametrize("name", FIXED)
def test_interval_and_effect_agree_with_the_t_test_of_scipy(name: str) -> None:
    values = FIXED[name]
    reference = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    found = paired(values)
    assert interval(values) == (found.mean, found.low, found.high)
    assert found.mean == pytest.approx(np.mean(values))
    assert (found.low, found.high) == pytest.approx((reference.low, reference.high))
    assert found.standardized == pytest.approx(np.mean(values) / np.std(values, ddof=1))
    assert found.n == len(values)


def test_paired_is_the_comparison_of_two_arms() -> None:
    base, arm = drawn(8, 0), drawn(8, 1, shift=1.0)
    reference = stats.ttest_rel(arm, base)
    found = paired([a - b for a, b in zip(arm, base, strict=True)])
    low, high = reference.confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((low, high))
    assert found.standardized * math.sqrt(8) == pytest.approx(reference.statistic)


def test_interval_by_hand() -> None:
    assert interval([1.0, 2.0, 3.0]) == pytest.approx((2, 2 - 2.4841377, 2 + 2.4841377))


@pytest.mark.parametrize("name", FIXED)
def test_p_is_that_of_every_flip(name: str) -> None:
    assert paired(FIXED[name]).p == enumerated(FIXED[name])


@pytest.mark.parametrize("n", range(2, 11))
def test_p_is_that_of_every_flip_for_every_count(n: int) -> None:
    for seed in range(5):
        differences = drawn(n, seed, shift=0.4)
        assert paired(differences).p == enumerated(differences)


def test_p_of_many_samples_at_once_is_the_p_of_each() -> None:
    rows = np.random.default_rng(3).normal(0.5, 1, size=(2, 50, 8))
    assert sign_flips(rows).tolist() == fast_p(rows).tolist()
    assert [paired(row).p for row in rows[0].tolist()] == fast_p(rows[0]).tolist()


def test_p_of_many_pairs_is_drawn_and_repeatable() -> None:
    differences = drawn(16, 5, shift=0.55)
    exact = float(stats.permutation_test(
        (differences,), np.mean, permutation_type="samples", n_resamples=np.inf, vectorized=True
    ).pvalue)  # fmt: skip
    assert 0.01 < exact < 0.1
    found = paired(differences).p
    assert found == paired(differences).p
    assert found != exact
    # Two tails, each a share of 9,999 drawn flips: three standard errors.
    assert found == pytest.approx(exact, abs=3 * math.sqrt(2 * exact / RESAMPLES))


@pytest.mark.parametrize("n", [2, 5, 8, 13, 14, 20])
def test_differences_of_one_sign_have_the_smallest_p(n: int) -> None:
    # Beyond 13 pairs the flip of no sign, or of all, is drawn once in 2^14: 0 to 2 times here.
    differences = [abs(difference) for difference in drawn(n, 0)]
    found = paired(differences).p
    assert found == pytest.approx(smallest_p(n), abs=4 / (RESAMPLES + 1) if n > 13 else 1e-15)
    assert found >= smallest_p(n) * (1 - 1e-12)
    assert paired([-difference for difference in differences]).mean < 0


def test_smallest_p_by_hand() -> None:
    assert [smallest_p(n) for n in (1, 5, 8)] == [1, 2 / 32, 2 / 256]
    assert smallest_p(8) * 6 < ALPHA < smallest_p(8) * 7
    assert smallest_p(5) > ALPHA
    assert smallest_p(30) == 2 / 10_000


def test_improvement_counts_ties_half() -> None:
    assert paired([1.0, 2.0, 0.0, -1.0]).improvement == 2.5 / 4
    assert paired([-1.0, -2.0]).improvement == 0


def test_differences_that_are_all_0() -> None:
    found = paired([0.0] * 8, (-1.0, 1.0))
    assert (found.mean, found.p, found.adjusted, found.improvement, found.n) == (0, 1, 1, 0.5, 8)
    assert (found.low, found.high) == interval([0.0] * 8, (-1.0, 1.0))[1:]
    assert math.isnan(found.standardized)
    assert (paired([0.0] * 8).low, paired([0.0] * 8).high) == (-math.inf, math.inf)
    assert found.constant
    assert not paired([1.0, -1.0]).constant
    assert Effect(0, 0, 0, 0, 1, 1, 0.5, 8).constant  # as version 1 recorded it


@pytest.mark.parametrize("value", [0.1, -0.3])
def test_differences_that_are_all_the_same(value: float) -> None:
    found = paired([value] * 6)  # of which the mean is not exactly the value
    assert found.mean == pytest.approx(value, rel=1e-15)
    assert (found.low, found.high) == (-math.inf, math.inf)
    assert found.constant
    assert not found.suggestive
    assert found.standardized == math.copysign(math.inf, value)
    assert found.p == smallest_p(6)


def test_fewer_than_two_pairs_say_nothing() -> None:
    one, none = paired([0.7]), paired([])
    assert (one.mean, one.low, one.high, one.p, one.n) == (0.7, -math.inf, math.inf, 1, 1)
    assert (none.low, none.high, none.p, none.n) == (-math.inf, math.inf, 1, 0)
    assert all(map(math.isnan, (one.standardized, none.mean, none.standardized, none.improvement)))
    assert not one.suggestive
    assert not none.suggestive


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_named(bad: float) -> None:
    with pytest.raises(ValueError, match=rf"differences\[2\] is {bad}"):
        paired([0.1, 0.2, bad])
    with pytest.raises(ValueError, match=r"values\[0\]"):
        interval([bad])
    with pytest.raises(ValueError, match=r"ps\[1\]"):
        holm([0.1, bad])


# A family of comparisons


@pytest.mark.parametrize("seed", range(20))
def test_holm_agrees_with_statsmodels(seed: int) -> None:
    draw = np.random.default_rng(seed)
    ps = np.round(draw.uniform(size=1 + seed) ** 3, 2).tolist()  # with ties
    assert holm(ps) == pytest.approx(multipletests(ps, method="holm")[1])


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1, 1]
    assert holm([]) == []


def test_family_adjusts_nothing_but_p() -> None:
    effects = {name: paired(values) for name, values in FIXED.items()} | {"failed": paired([])}
    found = family(effects)
    assert list(found) == list(effects)
    assert [effect.adjusted for effect in found.values()] == pytest.approx(
        multipletests([effect.p for effect in effects.values()], method="holm")[1]
    )
    assert found["eight seeds"].adjusted == effects["eight seeds"].p * len(effects)
    for name, effect in found.items():
        assert repr(effect).replace(f"adjusted={effect.adjusted}", "") == repr(
            effects[name]
        ).replace(f"adjusted={effects[name].adjusted}", "")


def normal(draw: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return draw.normal(size=shape)


def skewed(draw: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return draw.lognormal(sigma=1.5, size=shape)


def ablations(
    count: int, arms: int, n: int, noise: Callable[[np.random.Generator, tuple[int, ...]], Array]
) -> Array:
    """Differences of simulated ablations in which no arm does anything, [ablation, arm, seed].

    All arms of an ablation are compared with the same base, and a seed has a part of its own.
    """
    draw = np.random.default_rng(17)
    seed, base = noise(draw, (count, 1, n)), noise(draw, (count, 1, n))
    arm = noise(draw, (count, arms, n))
    return np.asarray((seed + arm) - (seed + base))


def passed(draw: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Whether a run passes, 9 of 10 do: most differences are 0."""
    return (draw.uniform(size=shape) < 0.9).astype(float)


@pytest.mark.parametrize("noise", [normal, skewed])
def test_a_family_has_the_nominal_error_rate(noise: Callable[..., Array]) -> None:
    """2,000 ablations of six arms and eight seeds, of which none has an effect."""
    ps = sign_flips(ablations(2000, 6, 8, noise))
    adjusted = np.array([holm(row) for row in ps.tolist()])
    rate = (adjusted < ALPHA).any(1).mean()
    assert 0 < rate <= ALPHA + 2 * math.sqrt(ALPHA * (1 - ALPHA) / len(ps))
    # The simulation would see it: without the correction the rate is far above.
    assert (ps < ALPHA).any(1).mean() > 2 * ALPHA
    # A single comparison has the largest level below 0.05 that 256 flips allow.
    assert (ps < ALPHA).mean() == pytest.approx(12 / 256, abs=3 * math.sqrt(0.05 / len(ps)))


def test_a_family_of_counts_that_tie_finds_too_little_rather_than_too_much() -> None:
    adjusted = np.array([holm(row) for row in sign_flips(ablations(2000, 6, 8, passed)).tolist()])
    assert (adjusted < ALPHA).any(1).mean() <= ALPHA


def test_whoever_names_the_best_arm_afterwards_keeps_the_error_rate_with_the_whole_family() -> None:
    ps = sign_flips(ablations(2000, 6, 8, normal))
    named = [holm([row[np.argmin(row)], *[1.0] * 5])[0] for row in ps]
    assert np.mean(np.array(named) < ALPHA) <= ALPHA + 2 * math.sqrt(0.05 * 0.95 / len(ps))
    assert (ps.min(1) < ALPHA).mean() > 0.15  # what a family of that arm alone would find


def test_looking_again_with_more_seeds_finds_too_much() -> None:
    """Two looks, at 8 seeds and at 13: above 5 %, and at most 5 % times their number."""
    differences = ablations(1000, 1, 13, normal)[:, 0]
    first, second = sign_flips(differences[:, :8]), sign_flips(differences)
    rate = ((first < ALPHA) | (second < ALPHA)).mean()
    assert ALPHA + 0.01 < rate <= 2 * ALPHA


# What makes p mean less


def collapsing(count: int, n: int = 8) -> Array:
    """Differences with a mean of 0 and a collapse on 1 of 8 seeds on average."""
    draw = np.random.default_rng(0)
    lost = draw.uniform(size=(count, n)) < 1 / 8
    return np.where(lost, -7.0, 1.0) + 0.05 * draw.normal(size=(count, n))


def test_a_collapse_on_1_of_8_seeds_is_called_skewed() -> None:
    rows = collapsing(500)
    one = rows[(rows < -3).sum(1) == 1]
    assert len(one) > 100
    found = [paired(row) for row in one.tolist()]
    assert all(effect.skewed for effect in found)
    assert [effect.skewness for effect in found] == pytest.approx([-2.27] * len(one), abs=0.01)
    assert found[0].skewness == pytest.approx(stats.skew(one[0]))
    assert not any(effect.established for effect in found)
    assert not paired([0.2, 0.3]).skewed
    assert not paired([1.0] * 8).skewed


def test_what_the_warning_cannot_see() -> None:
    """A sample without the collapse that may come looks as symmetric as any, and p is small."""
    rows = collapsing(4000)
    found = sign_flips(rows) <= ALPHA
    skewed = np.abs(stats.skew(rows, axis=1)) > SKEWED
    assert found.mean() == pytest.approx((7 / 8) ** 8, abs=0.02)  # none of 8 collapses
    assert (found & skewed).mean() < 0.05
    unskewed = np.abs(stats.skew(np.random.default_rng(1).normal(size=(20_000, 8)), axis=1))
    assert (unskewed > SKEWED).mean() == pytest.approx(0.1, abs=0.01)


# Missing pairs


def test_the_worst_case_of_missing_pairs_by_hand() -> None:
    six = [0.1, 0.2, 0.15, 0.05, 0.2, 0.2]
    found = paired(six, (-1.0, 1.0), [(-1.0, 1.0), (-0.9, 0.1)])
    assert (found.low, found.high) == interval(six)[1:]  # as without them
    assert found.worst == (
        interval([*six, -1.0, -0.9], (-1, 1))[1],
        interval([*six, 1.0, 0.1], (-1, 1))[2],
    )
    assert found.worst[0] < 0 < found.low
    assert paired(six).worst is None
    assert paired(six, missing=[(0.0, math.inf)]).worst == (interval([*six, 0.0])[1], math.inf)
    assert paired([], (-1.0, 1.0), [(-1.0, 1.0)] * 8).worst == (-1, 1)
    assert paired([0.3], missing=[]).worst is None


def test_the_worst_case_covers_what_leaving_out_does_not() -> None:
    """Runs of the worst fifth fail: the others are too good, the bounds hold the mean of all."""
    draw, left, kept = np.random.default_rng(2), 0, 0
    rows = draw.beta(2, 2, size=(400, 10)) - 0.5
    for row in rows:
        lost = row < np.quantile(row, 0.2)
        found = paired(row[~lost].tolist(), (-0.5, 0.5), [(-0.5, 0.5)] * int(lost.sum()))
        assert found.worst is not None
        left += found.low <= 0 <= found.high
        kept += found.worst[0] <= 0 <= found.worst[1]
    assert left / len(rows) < 0.8
    assert kept / len(rows) >= 0.95


# What seeds can show


@pytest.mark.parametrize("n", [3, 5, 8, 16, 40])
@pytest.mark.parametrize(("wanted", "alpha"), [(0.8, 0.05), (0.9, 0.01)])
def test_detectable_by_interval_agrees_with_statsmodels(
    n: int, wanted: float, alpha: float
) -> None:
    found = detectable_by_interval(n, wanted, alpha)
    # One tail: the other, nearly 0, is NaN in some versions of SciPy.
    assert TTestPower().power(found, n, alpha / 2, alternative="larger") == pytest.approx(wanted)


def test_detectable_by_interval_by_the_table() -> None:
    found = [detectable_by_interval(n) for n in (5, 8, 16)]
    assert found == pytest.approx([1.68, 1.16, 0.75], abs=0.005)
    solved = [TTestPower().solve_power(None, n, 0.05, 0.8) for n in (5, 8, 16)]
    assert found == pytest.approx(solved, rel=1e-5)  # as near as its solver comes
    assert detectable_by_interval(1) == math.inf


def test_an_interval_excludes_0_as_often_as_said() -> None:
    rows = np.random.default_rng(7).normal(detectable_by_interval(8), 1, size=(2000, 8))
    excluded = [interval(row)[1] > 0 for row in rows.tolist()]
    assert np.mean(excluded) == pytest.approx(0.8, abs=3 * math.sqrt(0.16 / len(rows)))


@pytest.mark.parametrize(("n", "tests"), [(8, 1), (8, 6), (10, 3), (16, 6)])
def test_the_promised_effect_is_found_as_often_as_said(n: int, tests: int) -> None:
    """The whole procedure, on ablations in which one arm has the smallest detectable effect."""
    differences = ablations(2000, tests, n, normal)
    differences[:, 0] += detectable(n, tests) * math.sqrt(2)  # the differences' own deviation
    adjusted = np.array([holm(row) for row in fast_p(differences).tolist()])
    found = (adjusted[:, 0] < ALPHA) & (differences[:, 0].mean(1) > 0)
    errors = math.sqrt(0.16 / len(found) + 0.16 / DRAWS)
    assert found.mean() == pytest.approx(0.8, abs=3 * errors)


def test_more_effects_make_each_easier_to_find() -> None:
    """Why the promise is a lower bound: Holm's later steps are more lenient."""
    differences = ablations(1000, 6, 10, normal)
    differences += detectable(10, 6) * math.sqrt(2)
    adjusted = np.array([holm(row) for row in fast_p(differences).tolist()])
    assert (adjusted[:, 0] < ALPHA).mean() > 0.83


@pytest.mark.parametrize("effect", [0.5, 1.2, 1.92, 2.5])
def test_power_where_all_signs_must_agree(effect: float) -> None:
    chance = stats.norm.cdf(effect) ** 8
    assert power(8, effect, tests=6) == pytest.approx(chance, abs=3 * math.sqrt(0.25 / DRAWS))
    assert power(8, -effect, tests=6) == power(8, effect, tests=6)


def test_detectable_by_the_table() -> None:
    found = [detectable(n, tests) for n, tests in ((8, 1), (16, 1), (8, 6), (16, 6))]
    assert found == pytest.approx([1.20, 0.75, stats.norm.ppf(0.8 ** (1 / 8)), 1.00], abs=0.02)
    assert detectable(8, 6, power=0.5) < detectable(8, 6) < detectable(8, 6, power=0.9)
    assert power(16, detectable(16, 6), tests=6) == pytest.approx(0.8, abs=0.001)


def test_too_few_seeds_promise_nothing() -> None:
    assert detectable(5) == detectable(8, tests=7) == detectable(1) == math.inf
    assert power(5, 10.0) == power(8, 10.0, tests=7) == 0
    assert detectable(6) < math.inf
    assert detectable(9, tests=7) < math.inf


def test_the_t_test_promises_more_than_few_seeds_keep() -> None:
    for n, tests in ((8, 1), (8, 6), (10, 6), (16, 6)):
        assert detectable(n, tests) > detectable_by_interval(n, alpha=ALPHA / tests)


# Factorial designs


def subsets(names: Sequence[str]) -> list[frozenset[str]]:
    return [frozenset(part) for k in range(len(names) + 1) for part in combinations(names, k)]


def design(names: str, *values: float) -> dict[frozenset[str], float]:
    """The values of the subsets, the smaller first: none, A, B, C, AB, AC, BC, ABC."""
    return dict(zip(subsets(names), values, strict=True))


TWO = design("AB", 1, 3, 4, 10)
THREE = design("ABC", 0, 1, 2, 0, 6, 1, 2, 12)


def test_two_parts_by_hand() -> None:
    assert main_effects(TWO, "AB") == {"A": ((3 - 1) + (10 - 4)) / 2, "B": ((4 - 1) + (10 - 3)) / 2}
    assert interactions(TWO, "AB") == {("A", "B"): ((10 - 4) - (3 - 1)) / 2}
    assert shapley(TWO, "AB") == {"A": 4, "B": 5}


def test_three_parts_by_hand() -> None:
    assert main_effects(THREE, "ABC") == {"A": 5 - 1, "B": 5.5 - 0.5, "C": 3.75 - 2.25}
    assert interactions(THREE, "ABC") == {
        ("A", "B"): 4.5 - 1.5,
        ("A", "C"): 3.75 - 2.25,
        ("B", "C"): 3.75 - 2.25,
    }
    # What joins in the orders ABC, ACB, BAC, BCA, CAB, CBA.
    assert shapley(THREE, "ABC") == pytest.approx(
        {
            "A": (1 + 1 + 4 + 10 + 1 + 10) / 6,
            "B": (5 + 11 + 2 + 2 + 11 + 2) / 6,
            "C": (6 + 0 + 6 + 0 + 0 + 0) / 6,
        }
    )


numbers = some.floats(-1e3, 1e3)
designs = some.integers(1, 4).flatmap(
    lambda k: some.lists(numbers, min_size=2**k, max_size=2**k).map(
        lambda values: design("ABCD"[:k], *values)
    )
)


def parts_of(values: dict[frozenset[str], float]) -> list[str]:
    return sorted(frozenset[str]().union(*values))


@given(designs)
def test_contrasts_are_coefficients_of_a_regression(values: dict[frozenset[str], float]) -> None:
    """Twice those of factors coded -1 and 1."""
    names = parts_of(values)
    coded = {name: np.array([1 if name in part else -1 for part in values]) for name in names}
    columns = [np.ones(len(values)), *coded.values()]
    columns += [coded[a] * coded[b] for a, b in combinations(names, 2)]
    fit = np.linalg.lstsq(np.column_stack(columns), np.array(list(values.values())))[0]
    found = [*main_effects(values, names).values(), *interactions(values, names).values()]
    np.testing.assert_allclose(found, 2 * fit[1:], atol=1e-9)


@given(designs)
def test_shapley_is_the_mean_over_orders_and_shares_out_the_whole(
    values: dict[frozenset[str], float],
) -> None:
    names = parts_of(values)
    joined = dict.fromkeys(names, 0.0)
    orders = list(permutations(names))
    for order in orders:
        for at, name in enumerate(order):
            gain = values[frozenset(order[: at + 1])] - values[frozenset(order[:at])]
            joined[name] += gain / len(orders)
    found = shapley(values, names)
    assert found == pytest.approx(joined, abs=1e-9)
    whole = values[frozenset(names)] - values[frozenset()]
    assert math.fsum(found.values()) == pytest.approx(whole, abs=1e-9)


@given(some.lists(numbers, min_size=4, max_size=4), numbers)
def test_shapley_of_equal_parts_and_of_one_that_only_adds(values: list[float], own: float) -> None:
    """A and B matter only by their number; C adds the same to everything."""
    joined = {part: values[len(part & {"A", "B"})] + own * ("C" in part) for part in subsets("ABC")}
    found = shapley(joined, "ABC")
    assert found["A"] == pytest.approx(found["B"], abs=1e-9)
    assert found["C"] == pytest.approx(own, abs=1e-9)
    assert interactions(joined, "ABC")["A", "C"] == pytest.approx(0, abs=1e-9)


def test_six_parts_in_an_additive_design() -> None:
    own = dict(zip("ABCDEF", (5, -3, 0, 1, 2, 0.5), strict=True))
    values = {part: 7 + math.fsum(own[name] for name in part) for part in subsets("ABCDEF")}
    assert len(values) == 64
    assert shapley(values, "ABCDEF") == pytest.approx(own)
    assert main_effects(values, "ABCDEF") == pytest.approx(own)
    assert list(interactions(values, "ABCDEF").values()) == pytest.approx([0] * 15)


@pytest.mark.parametrize("contrast", [main_effects, interactions, shapley])
def test_a_hole_in_the_design_is_named(contrast: Callable[..., object]) -> None:
    holed = {part: value for part, value in THREE.items() if part != {"A", "C"}}
    with pytest.raises(ValueError, match=r"A \+ C is not there"):
        contrast(holed, "ABC")
    with pytest.raises(ValueError, match="none is nan"):
        contrast(THREE | {frozenset(): math.nan}, "ABC")
    with pytest.raises(ValueError, match="2 parts have 4 subsets, but got 8"):
        contrast(THREE, "AB")


# In words


def effect(mean: float, low: float, high: float, adjusted: float, n: int = 8) -> Effect:
    return Effect(mean, low, high, 1.0, adjusted, adjusted, 1.0, n)


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (
            effect(3.1, 2.04, 4.16, 0.047),
            "Without wavelet, kurtosis rises by 3.1 (95 % interval 2.04 to 4.16, n = 8, "
            "Holm-adjusted p 0.047 for symmetry about 0).",
        ),
        (
            effect(-312, -415.8, -208, 0.0078),
            "Without wavelet, kurtosis falls by 312 (95 % interval 208 to 416, n = 8, "
            "Holm-adjusted p 0.0078 for symmetry about 0).",
        ),
        (
            effect(12.6, -17, 42, 0.0078),
            "Without wavelet, kurtosis rises by 12.6 (95 % interval -17 to 42, n = 8, "
            "Holm-adjusted p 0.0078 for symmetry about 0): the direction is established, the size "
            "is not.",
        ),
        (
            effect(3.1, 2, 4.2, 0.055),
            "Without wavelet, kurtosis rises by 3.1 (95 % interval 2 to 4.2, n = 8, "
            "Holm-adjusted p 0.055 for symmetry about 0): suggestive, not established.",
        ),
        (
            effect(-3.1, -4.2, -2, 0.0625, n=5),
            "Without wavelet, kurtosis falls by 3.1 (95 % interval 2 to 4.2, n = 5, "
            "Holm-adjusted p 0.062 for symmetry about 0): suggestive, not established: 5 pairs "
            "cannot establish anything.",
        ),
        (
            effect(0.02, -0.04, 0.0801, 0.9),
            "Without wavelet, no detectable effect on kurtosis: the interval excludes differences "
            "larger than 0.081 (mean 0.02, 95 % interval -0.04 to 0.0801, n = 8, Holm-adjusted "
            "p 0.9 for symmetry about 0).",
        ),
        (
            paired([0.0] * 8),
            "Without wavelet, kurtosis is exactly the same in all 8 pairs. At most 32 % of all "
            "seeds differ (95 % confidence).",
        ),
        (
            paired([0.0] * 8, (-1, 1)),
            "Without wavelet, kurtosis is exactly the same in all 8 pairs. At most 32 % of all "
            "seeds differ (95 % confidence), their mean by 0.37 at most.",
        ),
        (
            paired([-6.0] * 8, (-6, 6)),
            "Without wavelet, kurtosis falls by 6 (the same in all pairs, 95 % interval 1.56 to 6, "
            "n = 8, Holm-adjusted p 0.0078 for symmetry about 0).",
        ),
        (
            paired([-6.0] * 8),
            "Without wavelet, kurtosis falls by 6 (the same in all pairs, n = 8, Holm-adjusted "
            "p 0.0078 for symmetry about 0): the direction is established, the size is not.",
        ),
        (
            paired([-6.0] * 3),
            "Without wavelet, kurtosis differs by -6 in all pairs, which establish nothing "
            "(n = 3, Holm-adjusted p 0.25 for symmetry about 0).",
        ),
        (
            replace(effect(3.1, 2.04, 4.16, 0.047, n=6), skewness=-2.3, worst=(-1.001, 5.001)),
            "Without wavelet, kurtosis rises by 3.1 (95 % interval 2.04 to 4.16, n = 6, "
            "Holm-adjusted p 0.047 for symmetry about 0). Its differences are skewed (-2.3): p "
            "tests their symmetry about 0, not whether their mean is 0. Wherever the missing pairs "
            "lie, the difference is within [-1.01, 5.01].",
        ),
        (
            paired([0.5]),
            "Without wavelet, nothing can be said about kurtosis: only one pair is left "
            "(difference 0.5).",
        ),
        (paired([]), "Without wavelet, nothing can be said about kurtosis: no pair is left."),
    ],
)  # fmt: skip
def test_sentences(found: Effect, sentence: str) -> None:
    assert in_words("Without wavelet", "kurtosis", found) == sentence


@settings(max_examples=50)
@given(some.lists(some.floats(-10, 10), min_size=2, max_size=6), some.integers(1, 4))
def test_a_sentence_claims_no_more_than_the_numbers(differences: list[float], tests: int) -> None:
    found = family({index: paired(differences) for index in range(tests)})[0]
    sentence = in_words("With it", "alpha", found)
    claimed = "rises" in sentence or "falls" in sentence
    includes = found.low <= 0 <= found.high
    assert claimed == (found.adjusted < ALPHA or not includes)
    assert ("suggestive" in sentence) == (found.adjusted >= ALPHA and not includes)
    if "excludes differences larger than" in sentence:
        bound = float(sentence.split("larger than ")[1].split(" ")[0])
        assert bound >= max(-found.low, found.high) * (1 - 1e-9)
        assert bound <= max(-found.low, found.high) * 1.11
