"""Racing of finalists in a study: who gets which seed next, who leads, and what is said of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import optuna
import pytest
from inside import inside
from optuna.trial import TrialState, create_trial
from smoke import CONFIGS, smoke

from studies.confirmation import Cell, to_confirm, to_test
from studies.job import Job
from studies.made_up import check_report
from studies.outcome import study_result
from studies.questions import question_of
from studies.racing import evidence
from studies.record import CONFIRMATION
from studies.settings import StudyConfig
from studies.study import main
from studies.tasks import Confirmation
from studies.text import certainty

RACING = StudyConfig(confirm=5, confirmation_seeds=5, confirmation="racing")


def add(study: optuna.Study, value: float | None, margin: float = -1.0, **params: int) -> None:
    """A trial that ended with this value; one that failed has none."""
    failed = value is None
    study.add_trial(
        create_trial(
            state=TrialState.FAIL if failed else TrialState.COMPLETE,
            value=value,
            params=params,
            distributions={k: optuna.distributions.IntDistribution(0, 10**6) for k in params},
            user_attrs={"criteria": [{"name": "a", "wanted": "", "found": "", "margin": margin}]}
            | ({"reason": "made up"} if failed else {}),
        )
    )


def searched(trials: int = 5, direction: str = "maximize") -> optuna.Study:
    """A search whose trials pass, trial 0 the best."""
    study = optuna.create_study(direction=direction)
    for number in range(trials):
        add(study, float(-number if direction == "maximize" else number))
    study.set_user_attr("confirm", trials)
    study.set_user_attr("racing", (8, 5))
    return study


def scores(means: list[float], noise: float) -> np.ndarray:
    return np.array(means)[:, None] + noise * np.random.default_rng(3).standard_normal((5, 20))


def raced(
    search: optuna.Study, values: np.ndarray, draw: np.random.Generator | None = None
) -> tuple[optuna.Study, list[set[Cell]]]:
    """A whole race whose runs end one at a time, in any order; and every list of cells it had."""
    again, asked = optuna.create_study(direction=search.direction), []
    ended: set[Cell] = set()
    while True:
        cells = to_confirm(search, again, RACING, used=7)
        assert ended <= set(cells)  # what was trained is never forgotten
        assert len(cells) == len(set(cells))
        if not asked or asked[-1] != set(cells):
            asked.append(set(cells))
        left = sorted(set(cells) - ended)
        if not left:
            return again, asked
        number, seed = left[0 if draw is None else int(draw.integers(len(left)))]
        add(again, float(values[number, seed - 8]), trial=number, seed=seed)
        ended.add((number, seed))


def test_every_round_keeps_the_better_half() -> None:
    """Five finalists at the cost of five seeds each: 5 on 2 seeds, 3 on 5, 2 on 8."""
    values = scores([0, 0.2, 0.4, 0.6, 0.8], 1.0)
    search = searched()
    again, asked = raced(search, values)
    best = np.argsort(-values[:, :2].mean(1))[:3]
    second = best[np.argsort(-values[best, :5].mean(1))][:2]
    expected = {(number, seed) for number in range(5) for seed in (8, 9)}
    assert asked[0] == expected
    expected |= {(int(number), seed) for number in best for seed in (10, 11, 12)}
    assert asked[1] == expected
    expected |= {(int(number), seed) for number in second for seed in (13, 14, 15)}
    assert asked[2:] == [expected]
    assert len(expected) == 25
    winner = int(second[values[second, :8].mean(1).argmax()])
    result = study_result(search, {CONFIRMATION: again})
    assert (result.leader, result.confirmation) == (winner, "racing")
    assert to_test(search, again) == winner
    assert any("Racing gave 8, 8, 5, 2 and 2 seeds to" in line for line in certainty(result))


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_the_order_in_which_runs_end_changes_nothing(direction: str) -> None:
    """So with several workers, and after an interruption."""
    values, search = scores([0, 0.1, 0.2, 0.3, 0.4], 0.7), searched(direction=direction)
    first = raced(search, values)
    for seed in range(5):
        again, asked = raced(search, values, np.random.default_rng(seed))
        assert asked == first[1]
        assert to_test(search, again) == to_test(search, first[0])


def test_an_obvious_leader_ends_the_race() -> None:
    search = searched()
    again, asked = raced(search, scores([0, 9, 0.1, 0.2, 0.3], 0.1))
    assert len(asked) == 2
    assert len(asked[-1]) == 19  # of 25: the third round was not needed
    result = study_result(search, {CONFIRMATION: again})
    assert result.leader == 1
    ahead = [compared for compared in result.comparisons if compared.ahead]
    assert sorted(compared.pairs for compared in ahead) == [5, 5]
    runs = {each.number: [run.values[0] for run in each.runs] for each in result.finalists}
    for compared in ahead:
        apart = np.subtract(runs[1], runs[compared.trial])
        assert compared.adjusted == pytest.approx(10 / evidence(apart))


def test_who_was_dropped_does_not_lead_by_luck() -> None:
    """Its two seeds were easy ones: on those that came later all others have a lower mean."""
    search, again = searched(), optuna.create_study(direction="maximize")
    for seed in (8, 9):
        for number in range(5):
            margin = 1.0 if (number, seed) == (4, 8) else -1.0  # the best, but it fails on one
            add(again, float(number), margin, trial=number, seed=seed)
    for seed in range(10, 16):  # of an earlier race, among other finalists
        add(again, 99.0, trial=0, seed=seed)
    cells = set(to_confirm(search, again, RACING, used=7))
    assert {number for number, seed in cells if seed > 9} == {1, 2, 3}
    for number in (1, 2, 3):
        for seed in (10, 11, 12):
            add(again, number - 50.0, trial=number, seed=seed)
    result = study_result(search, {CONFIRMATION: again})
    assert [each.number for each in result.finalists] == [3, 2, 1, 0, 4]
    assert result.finalists[3].mean > result.finalists[0].mean
    assert result.leader == 3


def test_a_run_that_failed_has_ended() -> None:
    search, again = searched(), optuna.create_study(direction="maximize")
    for seed in (8, 9):
        for number in range(5):
            add(again, None if number == 0 else -float(number), trial=number, seed=seed)
    cells = to_confirm(search, again, RACING, used=7)
    assert {number for number, seed in cells if seed > 9} == {1, 2, 3}


def job_of(folder: Path) -> Job:
    config = smoke(folder)
    space = question_of("loss_weights").narrowed(config, {})
    return Job(
        question_name="loss_weights",
        name="it",
        config=config,
        settings=RACING,
        space=space,
        corpus={},
    )


def test_a_run_that_ends_while_the_next_are_chosen_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its score may decide on another round, of which the cells asked for know nothing yet."""
    again = optuna.create_study(direction="maximize")
    again.enqueue_trial({"trial": 0, "seed": 8})
    trial = again.ask()
    trial.suggest_int("trial", 0, 9)
    trial.suggest_int("seed", 0, 99)
    trial.set_user_attr("criteria", [])

    def cells(task: Confirmation, study: optuna.Study) -> list[Cell]:
        if study.trials[0].state == TrialState.RUNNING:
            study.tell(trial, 1.0)
        return [(0, 8)]

    monkeypatch.setattr(Confirmation, "cells", cells)
    task = Confirmation(job_of(tmp_path))
    assert task.next(again) == "wait"
    assert task.next(again) == "done"


def test_a_study_that_races_can_be_reported(tmp_path: Path) -> None:
    check_report(job_of(tmp_path))


def test_several_objectives_do_not_race(tmp_path: Path) -> None:
    flags = ("--config", str(CONFIGS / "smoke.yaml"), "--study.confirmation", "racing")
    done = inside(tmp_path, lambda arguments: main("pareto", arguments), *flags)
    assert done.returncode == 2
    assert "study.confirmation racing is for one objective, but this study has" in done.stderr
    assert len(done.stderr.splitlines()) == 1
