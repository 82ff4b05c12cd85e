"""The front of a study: its numbers against brute force and Optuna, its drawing by properties."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from functools import partial
from itertools import combinations, product

import numpy as np
import optuna
import pytest
from drawn import Drawn, noted
from test_figures_search import check_words

from studies.figures.pareto import Objective, Point, front, pareto_figure
from studies.figures.pareto.labels import HEIGHT, label_places
from studies.figures.pareto.panel import stairs
from studies.figures.pareto.ruler import FLOOR, Ruler, evenly
from studies.record import by_knee

TITLE = "What do channels in band cost in $x_1$ and in dependence on the text?"
THREE = (
    Objective("in_band", "channels in band", True, limit=4),
    Objective("others", "worst margin of the other criteria", False, "symlog", limit=0),
    Objective("dependence", "share of variance between sentences, in shapes", True, "log"),
)
TWO = THREE[:2]
PLAIN = (Objective("loss", "loss", False), Objective("speed", "steps per second", True))


def found(count: int, objectives: Sequence[Objective], seed: int = 0) -> list[tuple[float, ...]]:
    """Made-up values as studies have them: failures at 1000, dependence below the floor."""
    draw = np.random.default_rng(seed)
    skill = draw.uniform(size=count)
    in_band = np.clip(np.round(7 * skill + draw.normal(0, 0.7, count)), 0, 6) + 0.9 * skill
    others = np.exp(draw.normal(-0.5, 1.4, count)) * 2 - skill
    others[draw.uniform(size=count) < 0.06] = 1000
    dependence = 10 ** draw.normal(-6 - 2 * skill, 1.5)
    dependence[draw.uniform(size=count) < 0.05] = 0
    columns = np.column_stack([in_band, others, dependence])[:, : len(objectives)]
    return [tuple(row) for row in columns.tolist()]


def study(
    values: Sequence[tuple[float, ...]], objectives: Sequence[Objective], confirmed: int = 0
) -> list[Point]:
    """The points of a study, of whose front this many trials were confirmed."""
    ways = ["maximize" if objective.maximize else "minimize" for objective in objectives]
    search = optuna.create_study(directions=ways)
    search.add_trials([optuna.trial.create_trial(values=row) for row in values])
    good = [trial.number for trial in by_knee(search)]
    best, again = good[0], good[:confirmed]
    return [
        Point(
            number,
            row,
            number in good,
            number == best,
            tuple((v, v - 0.5 - abs(v), v + 0.3 + abs(v)) for v in row)
            if number in again
            else None,
        )
        for number, row in enumerate(values)
    ]


ALONE = Point(7, (5.9, -0.3, 2e-7), True, True, tuple((v, -math.inf, math.inf) for v in (5, 0, 0)))
INFINITE = [
    Point(0, (math.inf, math.inf, 0.0), True, False, None),
    Point(1, (-math.inf, 0.0, 0.1), True, True, None),
]
LINE = [(6.0 * share, 3.0 * share - 1, 10 ** (-9 * share)) for share in np.linspace(0, 1, 70)]
MADE: dict[str, tuple[Sequence[Objective], list[Point]]] = {
    "40 trials": (THREE, study(found(40, THREE), THREE, 3)),
    "300 trials": (THREE, study(found(300, THREE, 1), THREE, 5)),
    "two objectives": (TWO, study(found(60, TWO, 2), TWO, 2)),
    "no limits": (PLAIN, study([(3.0, 900.0), (1.0, 400.0), (2.0, 300.0)], PLAIN)),
    "no trial": (THREE, []),
    "one trial": (THREE, study(found(1, THREE), THREE)),
    "confirmed on one seed": (THREE, [ALONE]),
    "all equal": (THREE, study([(5.9, -0.3, 2e-7)] * 9, THREE)),
    "one beats all": (THREE, study([(n, 10 / (1 + n), 1e-8 * 3**n) for n in range(7)], THREE)),
    "all on the front": (THREE, study(LINE, THREE, 3)),
    "nothing holds": (THREE, study([(0.3 + n / 100, 1000.0, 0.0) for n in range(9)], THREE)),
    "infinite": (THREE, INFINITE),
}


# Numbers


def beaten(row: Sequence[float], by: Sequence[float], maximize: Sequence[bool]) -> bool:
    """By the definition, one objective at a time."""
    pairs = [(b, a) if more else (a, b) for a, b, more in zip(row, by, maximize, strict=True)]
    return all(theirs >= mine for theirs, mine in pairs) and any(
        theirs > mine for theirs, mine in pairs
    )


@pytest.mark.parametrize("maximize", list(product([True, False], repeat=3)))
def test_front_is_what_nothing_beats(maximize: tuple[bool, ...]) -> None:
    draw = np.random.default_rng(0)
    for count in (1, 2, 5, 60):
        values = draw.integers(0, 5, (count, 3)).tolist()  # few values: many are equal
        expected = [not any(beaten(row, by, maximize) for by in values) for row in values]
        assert front(values, maximize) == expected


def test_front_is_optunas() -> None:
    draw = np.random.default_rng(1)
    values = [*draw.normal(size=(50, 2)).round(1).tolist(), [math.inf, 0.0], [0.0, -math.inf]]
    search = optuna.create_study(directions=["maximize", "minimize"])
    search.add_trials([optuna.trial.create_trial(values=row) for row in values])
    best = {trial.number for trial in search.best_trials}
    assert {row for row, good in enumerate(front(values, [True, False])) if good} == best


def test_equals_stay_on_the_front() -> None:
    assert front([(1, 2), (1, 2), (0, 2), (2, 1)], [True, True]) == [True, True, False, True]
    assert front([], [True, True]) == []


def test_scales_by_hand() -> None:
    values = np.array([-1.0, -0.05, 0.0, 0.1, 1.0, 1000.0, math.inf])
    even = [-2, -0.5, 0, 1, 2, 5, math.inf]
    np.testing.assert_allclose(evenly(values, "symlog"), even, atol=1e-12)
    np.testing.assert_allclose(evenly(np.array([0, 1e-12, FLOOR, 0.1]), "log"), [-9, -9, -9, -1])
    np.testing.assert_array_equal(evenly(values, "linear"), values)


def test_a_ruler_shows_values_and_limit() -> None:
    ruler = Ruler.around(THREE[0], [1.0, 2.0])
    assert (ruler.low, ruler.high) == pytest.approx((1 - 0.24, 4 + 0.24))
    places = ruler.place(np.array([-math.inf, ruler.low, 2.5, ruler.high, math.inf]))
    np.testing.assert_allclose(places, [0, 0, 0.5, 1, 1], atol=1e-12)
    assert Ruler.around(PLAIN[0], [3.0, 3.0, math.inf]) == Ruler(PLAIN[0], 2.7, 3.3)
    assert Ruler.around(PLAIN[0], [math.nan]) == Ruler(PLAIN[0], -0.5, 0.5)


@pytest.mark.parametrize(
    ("objective", "values", "size", "expected"),
    [
        (THREE[0], [0.3, 6.9], 0.1, ["0", "2", "4", "6"]),
        (THREE[1], [-0.7, 1000], 0.1, ["-1", "-0.1", "0", "0.1", "1", "10", "100", "1000"]),
        (THREE[1], [-0.7, 1000], 0.2, ["-1", "0", "10", "1000"]),
        (THREE[1], [-0.3], 0.05, ["-0.2", "-0.1", "-0.05", "-0.02", "-0.01", "0", "0.01"]),
        (THREE[1], [-0.01, 0.04], 0.2, ["-0.05", "0", "0.05"]),
        (THREE[2], [0.0, 1e-4], 0.1, ["≤ 1e-9", "1e-8", "1e-7", "1e-6", "1e-5", "0.0001"]),
        (THREE[2], [0.0, 1e-4], 0.2, ["≤ 1e-9", "1e-7", "1e-5"]),
        (THREE[2], [3e-8, 3.1e-8], 0.1, ["1e-8", "2e-8", "5e-8"]),
    ],
)
def test_ticks(objective: Objective, values: list[float], size: float, expected: list[str]) -> None:
    ticks = Ruler.around(objective, values).ticks(lambda words: size)
    assert [ticks[place] for place in sorted(ticks)] == expected
    assert all(b - a >= size for a, b in combinations(sorted(ticks), 2))


@pytest.mark.parametrize(
    ("maximize", "corners"),
    [
        ((True, True), [(0, 0.7), (0.2, 0.7), (0.2, 0.6), (0.8, 0.6), (0.8, 0)]),
        ((True, False), [(0, 0.1), (0.5, 0.1), (0.5, 0.6), (0.8, 0.6), (0.8, 1)]),
        ((False, True), [(1, 0.7), (0.2, 0.7), (0.2, 1)]),
        ((False, False), [(1, 0.1), (0.5, 0.1), (0.5, 0.7), (0.2, 0.7), (0.2, 1)]),
    ],
)
def test_stairs_by_hand(maximize: tuple[bool, bool], corners: list[tuple[float, float]]) -> None:
    places = np.array([(0.8, 0.6), (0.5, 0.1), (0.2, 0.7)])
    expected = [*corners[:-1], (corners[-1][0], 0.0 if maximize[1] else 1.0)]
    np.testing.assert_allclose(stairs(places, maximize), expected)


def test_labels_cover_neither_marks_nor_each_other() -> None:
    draw = np.random.default_rng(0)
    size = (280.0, 270.0)
    hard = np.column_stack([draw.uniform(10, 260, (60, 2)), np.full((60, 2), 4.0)])
    widths = draw.uniform(8, 24, 60).tolist()
    places = label_places(hard, widths, hard, np.empty((0, 4)), size)
    boxes = [
        (*place, width / 2, HEIGHT / 2)
        for place, width in zip(places, widths, strict=True)
        if place is not None
    ]
    assert len(boxes) > 50
    for (x, y, half, tall), other in product(boxes, [*boxes, *hard.tolist()]):
        if (x, y, half, tall) != other:
            assert abs(x - other[0]) >= half + other[2] or abs(y - other[1]) >= tall + other[3]
        assert half <= x <= size[0] - half
        assert tall <= y <= size[1] - tall


def test_labels_are_beside_what_they_name_if_they_can() -> None:
    mark, none = np.array([[100.0, 50.0, 4.0, 4.0]]), np.empty((0, 4))
    assert label_places(mark, [20.0], mark, none, (200.0, 100.0)) == [(117.0, 50.0)]
    wall = np.array([[120.0, 50.0, 5.0, 50.0]])
    assert label_places(mark, [20.0], mark, wall, (200.0, 100.0)) == [(83.0, 50.0)]
    assert label_places(mark, [20.0], mark, none, (30.0, 100.0)) == [None]


# Drawing


@pytest.fixture(scope="module")
def made() -> dict[str, Drawn]:
    """The figure of every made-up study."""
    return {
        name: noted(partial(pareto_figure, TITLE, objectives, points))[0]
        for name, (objectives, points) in MADE.items()
    }


def text_of(drawn: Drawn) -> str:
    """All words of a figure, without the breaks between lines."""
    return " ".join(text.replace("\n", " ") for text, _ in drawn[1])


@pytest.mark.parametrize("name", [name for name in MADE if name != "no trial"])
def test_no_words_are_cut_off_or_overlap(name: str, made: dict[str, Drawn]) -> None:
    check_words(*made[name])


def test_the_picture_says_what_it_shows(made: dict[str, Drawn]) -> None:
    points = MADE["40 trials"][1]
    said = text_of(made["40 trials"])
    good = [point.number for point in points if point.on_front]
    best = next(point for point in points if point.chosen)
    assert TITLE in said
    assert all(objective.label in said for objective in THREE)
    assert f"{len(good)} on the front" in said
    assert f"{len(points) - len(good)} dominated" in said
    assert f"best compromise: trial {best.number}, in_band {best.values[0]:.3g}" in said
    assert "trial 0: the starting values" in said
    assert "on new seeds: mean and 95 % interval" in said
    assert "criteria hold: in_band ≥ 4, others ≤ 0" in said
    assert "Logarithmic beyond ±0.1: worst margin of the other criteria." in said
    assert said.count("better →") == said.count("← better") == 1
    assert said.count("↑ better") == said.count("↓ better") == 1
    words = [text for text, _ in made["40 trials"][1]]
    assert all(words.count(str(number)) >= 2 for number in good)  # of three panels


def test_the_picture_says_no_more_than_there_is(made: dict[str, Drawn]) -> None:
    assert "No trial was trained to the end." in text_of(made["no trial"])
    said = text_of(made["no limits"])
    for words in ("criteria hold", "on new seeds", "Logarithmic", "alone"):
        assert words not in said
    assert "dominated" not in text_of(made["one trial"])
    assert "starting values" not in text_of(made["confirmed on one seed"])


def test_the_picture_depends_on_nothing_else_and_is_quick(made: dict[str, Drawn]) -> None:
    began = time.process_time()
    again = pareto_figure(TITLE, *MADE["300 trials"])
    assert time.process_time() - began < 2  # 0.3 s, but annotations are checked here
    assert again == made["300 trials"][0]
