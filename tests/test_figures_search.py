from __future__ import annotations

import io
import math
import time
from functools import partial
from typing import Literal

import numpy as np
import pytest
from drawn import Drawn, Words, check_whole, noted
from PIL import Image

from studies.figures.search import TrialRow, search_figures
from studies.figures.search.history import HELD, NOT_JUDGED, VIOLATED, best_so_far, judgement
from studies.figures.search.importances import FEWEST
from studies.figures.search.parallel_coordinates import parallel_positions
from studies.figures.search.trials import chosen, score_axis
from vlatent.figures.parameter_names import short_names
from vlatent.figures.sheet import WIDTH
from vlatent.figures.ticks import axis_ticks
from vlatent.formatting import digits
from vlatent.search_space import Axis

NAMES = ("history", "importances", "parallel_coordinates", "slices")
RANGES: dict[str, Axis] = {
    "priors.total_variation.weight": Axis(1e-3, 1.0, log=True),
    "priors.wavelet.weight": Axis(1e-3, 1.0, log=True),
    "priors.kurtosis.weight": Axis(1e-3, 1.0, log=True),
    "priors.decorrelation.weight": Axis(0.05, 20.0, log=True),
    "priors.variance.weight": Axis(1e-2, 1.0, log=True),
}
MORE: dict[str, Axis] = RANGES | {
    "optimizer.learning_rate": Axis(1e-5, 3e-2, log=True),
    "optimizer.weight_decay": Axis(1e-8, 1e2, log=True),
    "encoder.dropout": Axis(0.0, 0.3),
    "encoder.an_extraordinarily_long_parameter_name.weight": Axis(-3.0, 7.0),
    "training.warm_up_share": Axis(0.0, 0.2),
}
RATES: dict[str, Axis] = {
    "optimizer.learning_rate": Axis(1e-4, 5e-3, log=True),
    "warmup_share": Axis(0.0, 0.5),
    "average_steps": Axis(5.0, 2000.0, log=True),
    "training.batch_size": Axis.choices([2, 4, 8, 16]),
    "encoder.layers": Axis.choices([6]),
    "data.vocabulary": Axis.choices([2**power for power in range(7, 17)]),
}
CRITERIA = ("spectrum", "residual", "total_variation", "decorrelation", "plateau", "checkerboard")


def trial(
    number: int,
    score: float | None = 1.0,
    *,
    state: Literal["complete", "pruned", "failed"] = "complete",
    params: dict[str, float] | None = None,
    margins: dict[str, float] | None = None,
) -> TrialRow:
    margins = margins or {}
    feasible = state == "complete" and all(margin <= 0 for margin in margins.values())
    return TrialRow(number, state, score, feasible, params or {}, margins)


def drawn_value(draw: np.random.Generator, axis: Axis) -> float:
    """Any value of a range, or one of the choices."""
    if axis.values:
        return axis.values[draw.integers(len(axis.values))]
    return draw.uniform(axis.low, axis.high)


def study(count: int, axes: dict[str, Axis], offset: float = -0.5) -> list[TrialRow]:
    """A made-up study; its criteria are harder the higher the offset of their margins."""
    draw = np.random.default_rng(count)
    trials = []
    for number in range(count):
        params = {name: drawn_value(draw, axis) for name, axis in axes.items()}
        margins = {name: draw.normal(offset, 0.3) for name in CRITERIA}
        score = draw.integers(0, 7) + draw.uniform(0.1, 0.98)
        fate = draw.uniform() if number else 1.0
        if fate < 0.1:
            trials.append(trial(number, None, state="failed", params=params))
        elif fate < 0.3:
            trials.append(trial(number, score, state="pruned", params=params, margins=margins))
        else:
            trials.append(trial(number, score, params=params, margins=margins))
    return trials


ONE = dict(list(RANGES.items())[:1])
TWO = dict(list(MORE.items())[4:6])
ODD = [  # a value outside its range, a value that is missing, numbers with gaps
    trial(1003, 1.0, params=dict.fromkeys(TWO, 1e3)),
    trial(1009, 2.0, params=dict.fromkeys(ONE, 0.5)),
    trial(1010, -0.00123, params=dict.fromkeys(TWO, 0.5)),
]
MADE = {
    "40 trials": (study(40, RANGES), RANGES),
    "300 trials": (study(300, RANGES), RANGES),
    "none feasible": (study(40, RANGES, offset=1.0), RANGES),
    "one trial": (study(1, RANGES), RANGES),
    "no trial": ([], RANGES),
    "all failed": ([trial(number, None, state="failed") for number in range(6)], RANGES),
    "only pruned": ([trial(n, 2.0, state="pruned", margins={"a": 1.0}) for n in range(6)], ONE),
    "one parameter": (study(40, ONE), ONE),
    "odd values": (ODD, TWO),
    "ten parameters": (study(60, MORE), MORE),
    "choices": (study(60, RATES), RATES),
}
TITLE = "Which loss weights make the latent image-like? (Those of $x_1$ and $y_2$ are held fixed.)"


# Numbers


def test_kind_of_a_trial_without_a_finite_score_is_failed() -> None:
    assert trial(0).kind == "feasible"
    assert trial(0, margins={"kurtosis": 0.1}).kind == "infeasible"
    assert trial(0, state="pruned").kind == "pruned"
    assert trial(0, state="failed").kind == "failed"
    assert trial(0, None).kind == trial(0, math.nan).kind == trial(0, -math.inf).kind == "failed"


def test_best_so_far_counts_only_feasible_complete_trials() -> None:
    trials = [
        trial(0, 9.0, margins={"kurtosis": 0.1}),
        trial(1, 2.0, margins={"kurtosis": 0.0}),
        trial(3, 8.0, state="pruned", margins={"kurtosis": -1.0}),
        trial(4, 1.0),
        trial(5, 3.0),
        trial(6, None, state="failed"),
    ]
    assert best_so_far(trials) == [(1, 2.0), (3, 2.0), (4, 2.0), (5, 3.0), (6, 3.0)]
    assert best_so_far(trials[:1]) == []


def test_chosen_is_the_best_feasible_then_the_nearest() -> None:
    far = trial(0, 9.0, margins={"a": 0.5, "b": -1.0})
    near = trial(1, 1.0, margins={"a": 0.2, "b": 0.3})
    pruned = trial(2, 5.0, state="pruned", margins={"a": 0.01})
    assert chosen([far, near, pruned]) is near
    first, second = trial(3, 2.0), trial(4, 2.0)
    assert chosen([far, near, second, first]) is first
    assert chosen([pruned]) is None


def test_positions_by_hand() -> None:
    decades = Axis(0.001, 1.0, log=True)
    assert [decades.position(value) for value in (0.001, 0.01, 0.1, 1.0)] == pytest.approx(
        [0, 1 / 3, 2 / 3, 1]
    )
    assert [decades.position(value) for value in (-1.0, 0.0, 1e-9, 5.0)] == [0, 0, 0, 1]
    assert Axis(-1.0, 3.0).position(0.0) == pytest.approx(0.25)
    assert Axis(2.0, 2.0).position(2.0) == 0.5


def test_choices_are_evenly_apart() -> None:
    sizes = Axis.choices([16, 2, 8, 4, 2])
    assert sizes == Axis(2, 16, values=(2, 4, 8, 16))
    places = [sizes.position(value) for value in (2, 4, 8, 16)]
    assert places == pytest.approx([0, 1 / 3, 2 / 3, 1])
    assert Axis.choices([6]).position(6) == 0.5
    assert axis_ticks(sizes, 0.1) == list(zip(places, ("2", "4", "8", "16"), strict=True))
    assert [label for _, label in axis_ticks(sizes, 0.5)] == ["2", "16"]


def test_an_axis_is_extended_to_values_outside_it() -> None:
    assert Axis(0.1, 1.0, log=True).extended([0.5, 4.0, 0.0]) == Axis(0.1, 4.0, log=True)
    assert Axis(0.0, 1.0).extended([-1.0, math.nan]) == Axis(-1.0, 1.0)
    assert Axis.choices([2, 8]).extended([8, 4, math.inf]) == Axis.choices([2, 4, 8])


def test_ticks_are_both_ends_and_the_decades_with_room_between() -> None:
    axis = Axis(0.05, 20.0, log=True)
    assert [label for _, label in axis_ticks(axis, 0.05)] == ["0.05", "0.1", "1", "10", "20"]
    assert [label for _, label in axis_ticks(axis, 0.2)] == ["0.05", "1", "20"]
    assert [label for _, label in axis_ticks(Axis(0.0, 0.3), 0.1)] == ["0", "0.1", "0.2", "0.3"]
    assert axis_ticks(Axis(2.0, 2.0), 0.1) == [(0.5, "2")]


def test_digits_are_short() -> None:
    values = (0.05, 20.0, 1e-5, -1e-8, 1e12, 0.12345, 0.0, 1000.0)
    assert list(map(digits, values)) == [
        "0.05", "20", "1e-5", "-1e-8", "1e12", "0.123", "0", "1000",
    ]  # fmt: skip


def test_parallel_positions_by_hand() -> None:
    axes = {"a": Axis(0.01, 1.0, log=True), "b": Axis(0.0, 4.0)}
    trials = [
        trial(0, 1.0, params={"a": 0.1, "b": 1.0}),
        trial(1, 3.0, params={"b": 4.0, "a": 0.01}),
    ]
    found = parallel_positions(trials, axes, score_axis(trials))
    np.testing.assert_allclose(found, [[0.5, 0.25, 0.0], [0.0, 1.0, 1.0]])
    assert parallel_positions([], axes, score_axis([])).shape == (0, 3)


def test_positions_of_a_whole_study_lie_between_0_and_1() -> None:
    trials, axes = MADE["ten parameters"]
    drawn = [trial for trial in trials if trial.state == "complete"]
    found = parallel_positions(drawn, axes, score_axis(drawn))
    assert np.isfinite(found).all()
    assert found.min() >= 0
    assert found.max() <= 1


def test_score_axis_has_an_extent() -> None:
    assert score_axis([trial(0, 1.0), trial(1, 4.0, state="pruned")]) == Axis(1.0, 4.0)
    assert score_axis([trial(0, 3.0), trial(1, 7.0, state="failed")]) == Axis(2.0, 4.0)
    assert score_axis([]) == Axis(0.0, 1.0)


def test_judgement_by_hand_hardest_criterion_first() -> None:
    found = judgement(
        [
            trial(0, margins={"easy": -0.1, "hard": 0.2}),
            trial(1, margins={"easy": 0.0, "hard": math.nan}),
            trial(2, None, state="failed"),
            trial(4, 1.0, state="pruned", margins={"hard": -1.0, "late": 1e3}),
        ]
    )
    assert found.criteria == ["hard", "late", "easy"]
    assert found.level.tolist() == [
        [VIOLATED, VIOLATED, NOT_JUDGED, HELD],
        [NOT_JUDGED, NOT_JUDGED, NOT_JUDGED, VIOLATED],
        [HELD, HELD, NOT_JUDGED, NOT_JUDGED],
    ]
    assert found.early.tolist() == [False, False, True, True]
    assert found.violations == [2, 0, 0]
    assert found.complete == 2


def test_judgement_of_nothing() -> None:
    for trials in ([], [trial(0, None, state="failed")]):
        found = judgement(trials)
        assert found.criteria == []
        assert found.level.shape == (0, len(trials))
        assert found.complete == 0


@pytest.mark.parametrize(
    ("names", "short"),
    [
        (["priors.kurtosis.weight", "priors.wavelet.weight"], ["kurtosis", "wavelet"]),
        (["priors.kurtosis.weight"], ["priors.kurtosis.weight"]),
        (["a.x.weight", "b.x.weight"], ["a", "b"]),
        (["priors.kurtosis.weight", "rate"], ["priors.kurtosis.weight", "rate"]),
        (["a.b", "a.b.c"], ["b", "b.c"]),
        (["a", "a.a"], ["a", "a.a"]),
        (["x.a.a.y", "x.a.y"], ["a.y", "y"]),
        ([], []),
    ],
)
def test_short_names_are_unambiguous(names: list[str], short: list[str]) -> None:
    assert short_names(names) == dict(zip(names, short, strict=True))


# Drawing


def check_words(png: bytes, words: Words) -> None:
    """The page is as wide as MLflow shows it, and its words are whole."""
    assert Image.open(io.BytesIO(png)).width == WIDTH
    assert len(words) >= 3
    assert not [text for text, _ in words if "…" in text]
    check_whole(png, words)


@pytest.fixture(scope="module")
def made() -> dict[str, dict[str, Drawn]]:
    """The figures of every made-up study by name."""
    drawn = {}
    for name, (trials, axes) in MADE.items():
        total = sum(range(len(axes) + 1))
        shares = {name: (index + 1) / total for index, name in enumerate(axes)}
        known = None if name == "none feasible" else shares
        pages = noted(partial(search_figures, TITLE, trials, axes, known))
        drawn[name] = dict(zip(NAMES, pages, strict=True))
    return drawn


def text_of(drawn: dict[str, Drawn], name: str) -> str:
    """All words of a figure, without the breaks between lines."""
    return " ".join(text.replace("\n", " ") for text, _ in drawn[name][1])


@pytest.mark.parametrize("name", MADE)
def test_no_words_are_cut_off_or_overlap(name: str, made: dict[str, dict[str, Drawn]]) -> None:
    for png, words in made[name].values():
        check_words(png, words)


def test_pictures_say_what_they_show(made: dict[str, dict[str, Drawn]]) -> None:
    trials, _ = MADE["40 trials"]
    best = chosen(trials)
    assert best is not None
    for name in NAMES:
        assert TITLE in text_of(made["40 trials"], name)
    for name in ("history", "parallel_coordinates", "slices"):
        assert f"best: trial {best.number}, score" in text_of(made["40 trials"], name)
        assert "trial 0: the starting values" in text_of(made["40 trials"], name)
    bars = text_of(made["40 trials"], "importances")
    complete = sum(trial.state == "complete" for trial in trials)
    assert f"PED-ANOVA over {complete} complete trials" in bars
    assert "Names: priors.*.weight." in bars
    assert "0.33" in bars


def test_pictures_say_why_there_is_nothing_to_show(made: dict[str, dict[str, Drawn]]) -> None:
    assert f"Importances need at least {FEWEST} complete trials; this study has 1." in text_of(
        made["one trial"], "importances"
    )
    assert "No importances were computed" in text_of(made["none feasible"], "importances")
    for name in ("no trial", "all failed"):
        assert "no trial has a score" in text_of(made[name], "slices")
        assert "no trial was judged" in text_of(made[name], "history")
    for name in ("no trial", "all failed", "only pruned"):
        assert "No trial was trained to the end" in text_of(made[name], "parallel_coordinates")


def test_choices_are_written_where_there_is_room(made: dict[str, dict[str, Drawn]]) -> None:
    for name in ("parallel_coordinates", "slices"):
        words = {text for text, _ in made["choices"][name][1]}
        assert {"2", "4", "8", "16", "6", "128", "1024", "8192", "65536"} <= words
        assert ("256" in words) == (name == "parallel_coordinates")


def test_no_feasible_trial_shows_the_nearest(made: dict[str, dict[str, Drawn]]) -> None:
    nearest = chosen(MADE["none feasible"][0])
    assert nearest is not None
    for name in ("history", "parallel_coordinates", "slices"):
        words = f"nearest to feasible: trial {nearest.number}, score"
        assert words in text_of(made["none feasible"], name)


def test_pictures_depend_on_nothing_else(made: dict[str, dict[str, Drawn]]) -> None:
    """Neither on the order of the trials nor on what was drawn before; and they are quick."""
    trials, axes = MADE["none feasible"]
    began = time.process_time()
    again = search_figures(TITLE, trials[::-1], axes, None)
    assert time.process_time() - began < 4  # 0.7 s, but annotations are checked here
    assert tuple(again) == NAMES
    assert again == {name: png for name, (png, _) in made["none feasible"].items()}
