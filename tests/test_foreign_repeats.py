"""What repeats of the same parameters say, and what may not be said without them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from analysis.foreign.matters import what_matters
from analysis.foreign.repeats import leader, noise, optimism, parameter_sets
from analysis.foreign.result import Foreign, ForeignTrial, Value, parameters
from analysis.foreign.text import limits
from analysis.importance import surrogate
from analysis.importance.text import mattering, words
from studies.outcome import expected_largest
from studies.result import Objective


@pytest.fixture(autouse=True, scope="module")
def fewer_repetitions() -> Iterator[None]:
    """The same rules, sooner."""
    with pytest.MonkeyPatch.context() as patch:
        for name, count in (("NOISE", 19), ("RESAMPLES", 5), ("TREES", 4), ("ADDITIVE", 19)):
            patch.setattr(surrogate, name, count)
        yield


def foreign(
    rows: Sequence[tuple[Mapping[str, Value], float]], maximize: bool = True, **more: object
) -> Foreign:
    """A study of complete trials."""
    trials = tuple(
        ForeignTrial(place, f"trial {place}", "complete", params, (value,))
        for place, (params, value) in enumerate(rows)
    )
    made = Foreign("study", "Optuna", "n", "p", "c", (Objective("v", "v", maximize),), trials)
    return replace(made, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("maximize", [True, False])
def test_repeats_are_judged_as_scipy_judges_them(maximize: bool) -> None:
    """One difference of 0.6 lies between the least significant one, 0.52, and Tukey's, 0.75."""
    apart = np.array([-0.5, 0.5, 0.25, 0.0, -0.25])
    groups = [mean + np.roll(apart, k) for k, mean in enumerate((0.6, 2.0, 0.0, 2.6, 1.4))]
    rows = [
        ({"a": k, "seed": s}, float(v))
        for s in range(5)
        for k, v in enumerate(np.array(groups)[:, s])
    ]
    study = foreign(rows, maximize)
    sets = parameter_sets(study, parameters(study))
    assert [each.values() for each in sets] == [pytest.approx(group) for group in groups]
    chance, (k, n) = noise(sets), np.shape(groups)
    assert chance is not None
    pooled = np.sqrt(np.mean([np.var(group, ddof=1) for group in groups]))
    assert chance.deviation == pytest.approx(pooled)
    assert chance.degrees == k * (n - 1)
    low, high = stats.chi2.interval(0.95, chance.degrees)
    assert chance.low == pytest.approx(pooled * np.sqrt(chance.degrees / high))
    assert chance.high == pytest.approx(pooled * np.sqrt(chance.degrees / low))
    ahead = leader(study, sets, chance)
    assert ahead is not None
    best = int(np.argmax(np.mean(groups, 1) * (1 if maximize else -1)))
    assert ahead.best is sets[best]
    p = stats.tukey_hsd(*groups).pvalue[best]
    assert sum(p < 0.05) == 3
    nearest = sorted(groups, key=lambda group: abs(np.mean(group) - np.mean(groups[best])))[1]
    assert stats.ttest_ind(groups[best], nearest).pvalue < 0.05
    assert ahead.apart == tuple(each for each, own in zip(sets, p, strict=True) if own < 0.05)
    assert ahead.bias == pytest.approx(expected_largest(k) * pooled / np.sqrt(n))


def test_the_optimism_of_the_best_is_what_chance_makes_it() -> None:
    """Six alike sets: the best of six normal values is 1.267 standard deviations too good."""
    draw = np.random.default_rng(0)
    found = []
    for _ in range(400):
        values = draw.standard_normal((3, 6))
        study = foreign([({"a": k}, float(v)) for row in values for k, v in enumerate(row)])
        curse = optimism(study, parameter_sets(study, parameters(study)))
        assert curse is not None
        assert curse.trial == int(np.argmax(values[0]))
        found.append(curse.mean)
    assert np.mean(found) == pytest.approx(1.267, abs=3 * np.std(found) / np.sqrt(len(found)))
    low, high = stats.ttest_1samp(curse.found - values[1:, curse.trial], 0).confidence_interval(
        0.95
    )
    assert (curse.low, curse.high) == (pytest.approx(low), pytest.approx(high))


def test_trials_on_the_same_seed_are_no_repeats() -> None:
    rows: list[tuple[Mapping[str, Value], float]] = [
        ({"a": 1, "seed": 0}, 1.0),
        ({"a": 1, "seed": 0}, 3.0),
        ({"a": 1, "seed": 1}, 5.0),
        ({"a": 2, "seed": 0}, 9.0),
        ({"a": 2, "seed": 0}, 9.5),
    ]
    study = foreign(rows)
    one, two = parameter_sets(study, parameters(study))
    assert one.values() == [2.0, 5.0]
    assert not two.repeated
    assert optimism(study, [one, two]) is None  # the winner has no other seed


def test_parameters_are_sorted() -> None:
    rows: list[tuple[Mapping[str, Value], float]] = [
        (
            {
                "rate": 10.0**-k,
                "log_rate": -k,
                "kind": "ab"[k % 2],
                "flag": k % 2 == 0,
                "out": f"run_{k}",
                "data": "mnist",
                "train.seed": k,
                "drawn": (k * 7) % 12,
            },
            0.0,
        )
        for k in range(12)
    ]
    known = parameters(foreign(rows))
    assert list(known.space) == ["rate", "kind", "drawn"]
    assert known.space["rate"].log
    assert known.space["kind"].number("b") == 1
    assert known.together == {"log_rate": "rate", "flag": "kind"}
    assert (known.labels, known.seeds, known.fixed) == (
        ("out",),
        ("train.seed",),
        {"data": "mnist"},
    )


@pytest.mark.parametrize(
    ("values", "says", "not_said"),
    [
        ([{"a": 1}, {"a": 2}], "No set of parameters was repeated", "No seed is recorded"),
        ([{"a": 1, "seed": 3}, {"a": 2, "seed": 3}], "all trials have seed 3", "same value"),
        ([{"a": 1}, {"a": 1}, {"a": 2}], "All repeats of a set have the same value", "ran once"),
        ([{"a": 1}, {"a": 1}], "No seed is recorded", "No set of parameters was repeated"),
    ],
)
def test_what_cannot_be_said_is_said(
    values: list[dict[str, Value]], says: str, not_said: str
) -> None:
    study = foreign([(params, float(len(params))) for params in values])
    known = parameters(study)
    sets = parameter_sets(study, known)
    said = " ".join(limits(study, known, sets, noise(sets)))
    assert says in said
    assert not_said not in said
    assert "No constraints are recorded" in said


def test_a_branch_is_looked_at_by_itself() -> None:
    """Momentum, which only half of the sets have, decides among these and is asked there alone."""
    draw = np.random.default_rng(4)
    rows: list[tuple[Mapping[str, Value], float]] = []
    for k in range(48):
        rate, momentum = map(float, draw.random(2))
        params: dict[str, Value] = {"rate": rate, "kind": "sgd" if k % 2 else "adam"}
        rows += [(params | ({"momentum": momentum} if k % 2 else {}), momentum * (k % 2))]
    study = foreign(rows)
    known = parameters(study)
    everything, inside_it = what_matters(study, known, parameter_sets(study, known))
    assert (everything.condition, everything.sets) == ((), 48)
    assert everything.importance is not None
    assert list(everything.importance.space) == ["rate", "kind"]
    assert (inside_it.condition, inside_it.sets) == (("momentum",), 24)
    assert inside_it.importance is not None
    assert list(inside_it.importance.space) == ["rate", "momentum"]
    (finding,) = inside_it.importance.findings
    assert mattering(finding) == [1]
    (finding,) = everything.importance.findings
    assert "from 0 at adam to" in words(everything.importance)[0]
