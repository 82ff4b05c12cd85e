"""Intervals against SciPy and statsmodels, and how often they cover; bounds that lose nothing."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from scipy import stats
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.proportion import proportion_confint

from vlatent.formatting import bounds, digits
from vlatent.intervals import bracket, counted, interval, proportion, unseen, within

Ends = Callable[[Sequence[float]], tuple[float, float]]
N = 8


def t_alone(values: Sequence[float]) -> tuple[float, float]:
    """What SciPy gives without regard to what is possible: no width where all are equal."""
    half = stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
    return np.mean(values) - half, np.mean(values) + half


def covered(p: float, other: float, ends: Ends) -> float:
    """How often intervals from 8 runs cover the mean of what is 6 with p, else another value."""
    found, mean = 0.0, 6 * p + other * (1 - p)
    for k in range(N + 1):
        low, high = ends([6.0] * k + [other] * (N - k))
        found += stats.binom.pmf(k, N, p) * (low - 1e-9 <= mean <= high + 1e-9)
    return found


def ours(values: Sequence[float]) -> tuple[float, float]:
    return interval(values, (0.0, 6.0))[1:]


# Counts


@pytest.mark.parametrize(("count", "total"), [(8, 8), (7, 8), (0, 8), (4, 5), (1, 1), (13, 200)])
def test_a_share_has_the_interval_of_statsmodels(count: int, total: int) -> None:
    reference = proportion_confint(count, total, 0.05, "beta")
    assert proportion(count, total) == pytest.approx(reference)


def test_intervals_of_pass_counts_cover_95_percent() -> None:
    """All outcomes of 8 seeds, weighted with their probability: no simulation is needed."""

    def coverage(p: float, ends: Callable[[int], tuple[float, float]]) -> float:
        weights = stats.binom.pmf(range(N + 1), N, p)
        return sum(w for k, w in enumerate(weights) if ends(k)[0] <= p <= ends(k)[1])

    for p in (0.9, *np.linspace(0.005, 0.995, 199)):
        assert coverage(p, lambda k: proportion(k, N)) >= 0.95
    usual = coverage(0.9, lambda k: t_alone([1.0] * k + [0.0] * (N - k)))
    assert usual == pytest.approx(0.56, abs=0.015)  # what these intervals are for


def test_intervals_of_pass_counts_cover_95_percent_of_2000_drawn_ones() -> None:
    drawn = np.random.default_rng(3).binomial(N, 0.9, 2000)
    ends = np.array([proportion(count, N) for count in drawn.tolist()])
    assert ((ends[:, 0] <= 0.9) & (ends[:, 1] >= 0.9)).mean() >= 0.95


def test_a_count_says_its_interval() -> None:
    assert counted(8, 8) == "8 of 8 [63 %, 100 %]"
    assert counted(7, 8) == "7 of 8 [47 %, 100 %]"
    assert counted(0, 5) == "0 of 5 [0 %, 53 %]"
    assert counted(0, 0) == "0 of 0"
    assert proportion(0, 0) == (0, 1)


# Means


def test_equal_values_have_an_interval_from_what_is_possible() -> None:
    q = 1 - 0.025 ** (1 / 8)
    assert interval([6.0] * 8, (0.0, 6.0)) == pytest.approx((6, 6 - 6 * q, 6))
    assert interval([-6.0] * 8, (-6.0, 6.0)) == pytest.approx((-6, -6, -6 + 12 * q))
    assert interval([0.0] * 8, (-1.0, 1.0)) == pytest.approx((0, -q, q))
    assert interval([5.0] * 8, (0.0, math.inf)) == pytest.approx((5, 5 - 5 * q, math.inf))
    assert interval([5.0] * 8) == (5, -math.inf, math.inf)
    # Of shares that are all 1 it is the exact interval of n of n.
    assert interval([1.0] * 8, (0.0, 1.0))[1:] == pytest.approx(proportion(8, 8))


@given(
    some.lists(some.floats(0, 1), min_size=2, max_size=6) | some.lists(some.just(0.3), min_size=2)
)
def test_no_interval_has_the_width_0(values: list[float]) -> None:
    _, low, high = interval(values, (0.0, 1.0))
    assert low < high


@pytest.mark.parametrize("other", [4.0, 0.0])
def test_intervals_cover_the_mean_of_a_saturated_statistic(other: float) -> None:
    """Two values, 6 the highest possible: exactly, from the 9 outcomes of 8 runs."""
    assert covered(0.9, other, ours) == pytest.approx(0.9996, abs=0.0002)
    assert covered(0.9, other, t_alone) == pytest.approx(0.57, abs=0.005)
    assert min(covered(p, other, ours) for p in np.linspace(0.5, 0.999, 100)) > 0.9
    assert min(covered(p, other, ours) for p in np.linspace(0.8, 0.999, 100)) > 0.99


def test_intervals_cover_the_mean_where_few_runs_fall_anywhere() -> None:
    draw = np.random.default_rng(0)
    rows = np.where(draw.uniform(size=(2000, N)) < 0.9, 6.0, draw.uniform(0, 6, (2000, N)))
    ends = np.array([ours(row) for row in rows.tolist()])
    assert ((ends[:, 0] <= 5.7) & (ends[:, 1] >= 5.7)).mean() >= 0.95 - 3 * math.sqrt(0.05 / 2000)
    usual = np.array([t_alone(row) for row in rows])
    assert ((usual[:, 0] <= 5.7) & (usual[:, 1] >= 5.7)).mean() < 0.6


def test_what_equal_runs_leave_unseen() -> None:
    assert unseen(8) == pytest.approx(0.312, abs=0.001)
    assert (1 - unseen(8)) ** 8 == pytest.approx(0.05)
    assert unseen(300) == pytest.approx(3 / 300, rel=0.01)  # the rule of three
    assert unseen(0) == 1


def test_beside_other_groups_the_spread_is_that_of_an_analysis_of_variance() -> None:
    groups = [[6.1, 6.4, 6.3], [5.0, 5.5], [7.0], [4.0, 4.1, 4.5, 4.2]]
    of = np.repeat(range(4), [len(group) for group in groups])
    fitted = OLS(np.concatenate(groups), of[:, None] == range(4)).fit()
    for place, group in enumerate(groups):
        others = [*groups[:place], [], *groups[place + 1 :]]
        ends = fitted.params[place], *fitted.conf_int()[place]
        assert interval(group, beside=others) == pytest.approx(ends)
    assert interval([1.0, 2, 3], beside=[[4.0]]) == pytest.approx(interval([1.0, 2, 3]))
    assert interval([6.0] * 3, (0, 6), [[5.0, 5]]) == interval([6.0] * 3, (0, 6))


def test_the_spread_of_others_covers_where_three_skewed_values_do_not() -> None:
    """Three values of the winner beside those of five finalists on five seeds each."""
    draw = np.random.default_rng(0)
    covers: dict[str, float] = {}
    for name, noise in (("normal", draw.normal), ("skewed", draw.exponential)):
        mean = 1.0 if name == "skewed" else 0.0
        held = [0, 0]
        for _ in range(2000):
            values, others = list(noise(size=3)), [list(row) for row in noise(size=(5, 5))]
            for place, beside in enumerate(([], others)):
                _, low, high = interval(values, beside=beside)
                held[place] += low <= mean <= high
        covers |= {f"{name} alone": held[0] / 2000, f"{name} pooled": held[1] / 2000}
    assert covers["normal alone"] == pytest.approx(0.95, abs=0.015)
    assert covers["normal pooled"] == pytest.approx(0.95, abs=0.015)
    assert covers["skewed alone"] < 0.91
    assert covers["skewed pooled"] > 0.93


def test_an_interval_stays_inside_what_is_possible() -> None:
    shares = [0.0, 0.0, 0.9]
    assert interval(shares)[1] < 0 < 1 < interval(shares)[2]
    assert interval(shares, (0.0, 1.0)) == (pytest.approx(0.3), 0.0, 1.0)
    assert interval([1.0, 2.0, 3.0], (-100.0, 100.0)) == interval([1.0, 2.0, 3.0])
    assert interval([0.5], (0.0, 1.0)) == (0.5, -math.inf, math.inf)  # one value has none
    assert within((1.0, 9.0), 2.8, -2.02, 7.6) == (1.0, 7.6)  # of an effective rank


def test_a_mean_without_an_interval_says_so() -> None:
    none = "(no interval: a single one, or all the same)"
    assert bracket(*interval([6.5])) == f"6.500 {none}"
    assert bracket(*interval([6.5] * 4)) == f"6.500 {none}"
    assert bracket(6.5, 6.5, 6.5) == f"6.500 {none}"  # as earlier versions recorded it
    assert bracket(*interval([6.0] * 8, (0.0, 6.0)), "") == "6 [3.78, 6]"
    assert bracket(1.0, 0.5, 1.5, "+.1f") == "+1.0 [+0.5, +1.5]"


# Bounds


@pytest.mark.parametrize("form", ["", ".3f", "+.2f", ".4g", "+.3g", ".0%", ".1%", ".0f"])
@given(some.floats(-1e7, 1e7) | some.floats(-1, 1), some.floats(-1e7, 1e7) | some.floats(-1, 1))
def test_bounds_lose_nothing_and_waste_no_more_than_a_digit(form: str, a: float, b: float) -> None:
    low, high = min(a, b), max(a, b)
    said = [
        float(end.removesuffix(" %")) / (100 if end.endswith("%") else 1)
        for end in bounds(low, high, form)
    ]
    near = 1e-11 * max(abs(low), abs(high)) + 1e-300
    assert said[0] <= low + near
    assert said[1] >= high - near
    for end, value in zip(said, (low, high), strict=True):
        digit = int(re.sub(r"\D", "", form) or 3)
        step = 10.0 ** -(digit + 2 * form.endswith("%"))
        if form == "" or form.endswith("g"):
            step = abs(value) * 10.0 ** -(digit - 1)
        assert abs(end - value) <= step * (1 + 1e-9) + near


def test_bounds_by_hand() -> None:
    assert bounds(-6.0001, -5.9999) == ("-6.01", "-5.99")
    assert bounds(-6, -6) == ("-6", "-6")
    assert bounds(0.1 + 0.2, 0.1 + 0.2) == ("0.3", "0.3")  # rounding of the sum is none of ours
    assert bounds(1234.2, 1234.2) == ("1234", "1235")
    assert bounds(-math.inf, math.inf, "+.2f") == ("-inf", "+inf")
    assert bounds(-0.0, 0.0, "+.1f") == ("+0.0", "+0.0")
    assert bounds(1.6e-7, 2.34e5) == ("1.6e-7", digits(234000))
    assert bounds(9.996, 9.996) == ("9.99", "10")
