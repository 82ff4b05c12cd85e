"""What a study has cost, and for how long its search may go on: worked by hand."""

from __future__ import annotations

from datetime import datetime, timedelta

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial

from studies.outcome import study_result
from studies.record import CONFIRMATION, TEST
from studies.result import Cost, StudyResult
from studies.spending import Limit, cost, searched
from studies.text import cost_words

BEGAN = datetime(2026, 3, 1, 20, 0)


def trial(
    state: str = "COMPLETE", minutes: tuple[float, float] | None = None, **attrs: object
) -> FrozenTrial:
    """A trial that reported at steps 10 and 20, begun and ended so many minutes after `BEGAN`."""
    made = create_trial(
        state=TrialState[state],
        value=1.0 if state == "COMPLETE" else None,
        intermediate_values={10: 1.0, 20: 1.0},
        user_attrs={"criteria": [], **attrs},
    )
    if minutes is not None:
        made.datetime_start, made.datetime_complete = (
            BEGAN + timedelta(minutes=minute) for minute in minutes
        )
    return made


def study(*trials: FrozenTrial) -> optuna.Study:
    made = optuna.create_study(direction="maximize")
    made.add_trials(trials)
    return made


def test_cost_counts_every_step_and_second_once() -> None:
    trials = [
        trial(steps=120, seconds=9.0),
        trial("PRUNED", steps=50, seconds=4.0),
        trial("FAIL", seconds=2.5),  # its worker died after step 20
        trial("COMPLETE", steps=120, resumed_at=20, seconds=7.5),
        trial("FAIL", steps=70, seconds=5.0, reason="not finite"),
        trial("RUNNING", seconds=1.5),
    ]
    spent = cost(study(*trials), 120)
    assert spent == Cost(120 + 50 + 20 + 100 + 70 + 20, 29.5, 70)
    assert spent.words == "380 steps, 30 s"


def test_what_another_program_added_to_a_study_costs_nothing() -> None:
    made = study(trial(steps=120, seconds=9.0), trial())
    made.set_user_attr("uid", "ours")
    made.add_trial(create_trial(value=9.0, intermediate_values={500: 9.0}))
    assert cost(made) == Cost(140, 9.0)


def test_the_hours_of_a_search_are_those_in_which_something_was_trained() -> None:
    trials = [
        trial(minutes=(0, 10)),
        trial("PRUNED", minutes=(5, 12)),  # beside it
        trial("FAIL", minutes=(12, 20), returned="stopped at step 10"),
        # a night's break; then one that was found dead in the morning, 3 minutes after its begin
        trial("FAIL", minutes=(600, 1300), seconds=180.0),
        trial("FAIL", minutes=(1300, 1302), reason="not finite"),
        trial("RUNNING", minutes=(1301, 1301), seconds=240.0),
        trial("WAITING"),
    ]
    trials[5].datetime_complete = None
    assert searched(study(*trials)) == 60 * (20 + 3 + 5)


def test_the_search_leaves_the_time_that_confirmation_and_test_take_at_its_pace() -> None:
    """60 steps took 30 minutes, so 90 steps more take 45: 75 minutes in all."""
    made = study(
        trial(minutes=(0, 20), steps=40),
        trial("PRUNED", minutes=(20, 30), steps=20),
    )
    assert Limit(2.0, 90).needed(made) == pytest.approx(1.25)
    assert Limit(2.0, 90).left(made) == pytest.approx(0.75)
    assert Limit(1.0, 90).left(made) == pytest.approx(-0.25)
    assert Limit(1.0, 0).left(made) == pytest.approx(0.5)  # nothing is trained again
    assert Limit(1.0, 90).left(study()) == 1.0


def test_who_ended_the_search_is_said_with_the_hours_that_go_on() -> None:
    made = study(trial(minutes=(0, 30), steps=60, ordinal=0))
    assert Limit(2.0, 90).words(made) == (
        "The search took 30 min of 2 h; confirmation and test need 45 min at its pace."
    )
    assert Limit(1.2, 90).words(made) == (
        "The search ended, as its 1.2 h are spent: it took 30 min, and confirmation and test "
        "need 45 min at its pace. The same command goes on with --study.hours above 1.25."
    )
    made.set_user_attr("budget", 1)  # its trials ended it
    assert not Limit(1.2, 90).ends(made)
    made.set_user_attr("budget", 2)
    assert Limit(1.2, 90).ends(made)


def result(*trials: FrozenTrial, **others: optuna.Study) -> StudyResult:
    made = study(*trials)
    made.set_user_attr("identity", {"training.steps": 120})
    for each in trials:
        each.user_attrs["ordinal"] = 0
    return study_result(made, others)


def test_confirmation_and_test_stand_apart_from_the_search() -> None:
    def again(seconds: float) -> optuna.Study:
        cell = {name: optuna.distributions.IntDistribution(0, 9) for name in ("trial", "seed")}
        each = trial(steps=1000, seconds=seconds)
        each.params, each.distributions = {"trial": 0, "seed": 1}, dict(cell)
        return study(each, each)

    found = result(
        trial(steps=120, seconds=840.0),
        trial("PRUNED", steps=80, seconds=10.0),
        **{CONFIRMATION: again(4.0), TEST: again(3600.0)},
    )
    assert found.cost["search"] == Cost(200, 850.0, 40)
    assert found.cost[CONFIRMATION] == Cost(2000, 8.0)
    assert cost_words(found) == (
        "200 steps trained, 14 min of training; pruning saved 40 (17 %). Apart from these: "
        "confirmation 2,000 steps, 8.0 s; test 2,000 steps, 2.0 h."
    )
    assert StudyResult.from_json(found.to_json(), "here") == found
    assert ">2,000 steps, 8.0 s</td>" in found._repr_html_()


def test_a_result_of_earlier_versions_says_its_steps() -> None:
    older = result(trial(steps=12_340, seconds=1.0)).to_json()
    read = StudyResult.from_json(older.replace('"cost"', '"costs"'), "here")
    assert cost_words(read) == "12,340 steps trained."
