"""Confirmation: who is confirmed on which seeds, how they rank, how lucky the search was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import optuna
import pytest
from inside import inside
from optuna.trial import TrialState, create_trial
from scipy import stats
from smoke import smoke

from analysis.report.__main__ import main as analysis_report
from studies import report, tasks
from studies.__main__ import main as status
from studies.confirmation import confirmation_seeds, fresh_seeds, to_confirm
from studies.job import Job, create_study, load_study
from studies.made_up import made_up
from studies.outcome import expected_largest, study_result
from studies.questions import question_of
from studies.record import by_knee, cell_of, finalists, front
from studies.result import Confirmation as Confirmed
from studies.result import Finalist
from studies.settings import StudyConfig
from studies.storage import open_storage
from studies.tasks import Confirmation, Search
from studies.text import headline
from studies.worker import carry_out
from vlatent.runtime.interruption import Stop
from vlatent.tracking import open_run, recorded_runs


def add(study: optuna.Study, value: float, margin: float, params: dict[str, float]) -> None:
    study.add_trial(
        create_trial(
            state=TrialState.COMPLETE,
            value=value,
            params=params,
            distributions={k: optuna.distributions.FloatDistribution(0, 10**6) for k in params},
            user_attrs={
                "criteria": [{"name": "kurtosis", "wanted": "", "found": "", "margin": margin}]
            },
        )
    )


def test_the_best_feasible_trials_are_confirmed_on_seeds_of_their_own() -> None:
    study = optuna.create_study(direction="maximize")
    for value, margin in ((6.9, 0.1), (6.5, -0.1), (6.7, -0.2), (6.6, 0.0)):
        add(study, value, margin, {})
    assert [trial.number for trial in finalists(study, 2)] == [2, 3]
    settings = StudyConfig(confirm=2, confirmation_seeds=3)
    assert confirmation_seeds(settings, used=7) == [8, 9, 10]
    cells = to_confirm(study, study, settings, used=7)
    assert cells == [(2, 8), (2, 9), (2, 10), (3, 8), (3, 9), (3, 10)]
    assert to_confirm(study, study, replace(settings, confirm=0), used=7) == []


def test_seeds_of_the_test_are_used_nowhere_else() -> None:
    longest = StudyConfig(confirmation_seeds=StudyConfig.most["confirmation_seeds"])
    used = {7, *confirmation_seeds(longest, used=7)}
    assert len(used) == 1001
    assert used.isdisjoint(fresh_seeds(1000, used=7))
    assert len(set(fresh_seeds(1000, used=7))) == 1000


def test_no_feasible_trial_none_confirmed() -> None:
    study = optuna.create_study(direction="maximize")
    add(study, 6.9, 0.1, {})
    assert finalists(study, 3) == []


def test_seeds_that_pass_come_first_and_the_interval_is_students() -> None:
    search = optuna.create_study(direction="maximize")
    for value in (6.9, 6.8):
        add(search, value, -1.0, {})
    again = optuna.create_study(direction="maximize")
    lucky = [6.0, 6.2, 6.9]  # found best, but one seed fails a criterion
    steady = [6.1, 6.2, 6.3]
    for seed, (one, other) in enumerate(zip(lucky, steady, strict=True)):
        add(again, one, 0.5 if seed == 0 else -1.0, {"trial": 0, "seed": seed})
        add(again, other, -1.0, {"trial": 1, "seed": seed})
    result = study_result(search, {"confirmation": again})
    first, second = result.finalists
    assert (first.number, first.passed, second.number, second.passed) == (1, 3, 0, 2)
    mean, low, high = first.interval()
    expected = stats.t.interval(0.95, 2, loc=6.2, scale=stats.sem(steady))
    assert mean == pytest.approx(6.2)
    assert (low, high) == pytest.approx(expected)
    assert (result.leader, result.basis, result.undistinguished) == (1, "confirmed", (0,))
    assert result.optimism is not None
    assert result.optimism.trial == 0
    assert result.optimism.mean == pytest.approx(6.9 - np.mean(lucky))
    (comparison,) = result.comparisons
    paired = stats.ttest_rel(steady, lucky)
    assert comparison.adjusted == pytest.approx(paired.pvalue)
    ends = (comparison.mean - np.mean(np.subtract(steady, lucky)), comparison.low, comparison.high)
    assert ends == pytest.approx((0.0, *paired.confidence_interval(0.95)))
    assert result.selection is not None
    assert (result.selection.among, result.selection.seeds) == (2, 3)
    assert result.selection.bias == pytest.approx(stats.sem(steady) / np.sqrt(np.pi))


@pytest.mark.parametrize(("count", "known"), [(1, 0.0), (2, 0.564), (3, 0.846), (10, 1.539)])
def test_the_best_of_several_is_as_flattered_as_simulated(count: int, known: float) -> None:
    largest = np.random.default_rng(0).normal(size=(100_000, count)).max(1)
    assert expected_largest(count) == pytest.approx(known, abs=5e-4)
    assert expected_largest(count) == pytest.approx(largest.mean(), abs=4 * stats.sem(largest))


def test_another_leader_is_a_second_look_and_said_to_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = smoke(tmp_path)
    space = question_of("loss_weights").narrowed(config, {})
    settings = StudyConfig(confirm=2, confirmation_seeds=1, test=2)
    kept = {"question_name": "loss_weights", "name": "s", "corpus": {}}
    mine = Job(config=config, settings=settings, space=space, **kept)
    storage = open_storage(settings.storage)
    search, confirmation, tested = (
        optuna.create_study(study_name=f"s{kind}", storage=storage, direction="maximize")
        for kind in ("", "/confirmation", "/test")
    )
    search.add_trials(made_up(mine, ("passes", "passes"), np.random.default_rng(0)).trials)

    def cells(job: Job) -> list[tuple[int, int]]:
        """What is waiting, after two looks at what is to be done."""
        first, *_ = (tasks.Test(job).next(tested) for _ in range(2))
        waiting = tested.get_trials(states=(TrialState.WAITING,))
        assert first == ("trial" if waiting else "done")
        return sorted(map(cell_of, waiting))

    assert cells(mine) == []  # nothing is confirmed yet
    for number, value in ((0, 6.5), (1, 6.2)):
        add(confirmation, value, -1.0, {"trial": number, "seed": 1})
    assert cells(mine) == [(0, 1001), (0, 1002)]
    for _ in range(2):
        trial = tested.ask()
        for name, high in (("trial", 10**6), ("seed", 2**31)):
            trial.suggest_int(name, 0, high)
        trial.set_user_attr("criteria", [])
        tested.tell(trial, 6.4)
    assert cells(mine) == []
    more = replace(mine, settings=replace(settings, test=5))
    assert cells(more) == []
    add(confirmation, 6.9, -1.0, {"trial": 1, "seed": 2})  # and now the other one leads
    assert cells(more) == [(1, 1001), (1, 1002)]
    trial = tested.ask()
    for name, high in (("trial", 10**6), ("seed", 2**31)):
        trial.suggest_int(name, 0, high)
    tested.tell(trial, 6.3)
    result = study_result(search, {"confirmation": confirmation, "test": tested})
    assert [each.number for each in result.tested] == [0, 1]
    said = headline(result)
    assert said.startswith("Test: trial 1 passes on 0 of 1")
    assert "This is look 2 at the test set, after trial 0." in said
    assert "seeds (the sentences are the search's) that no choice has seen" in said
    # The two values of the confirmation, 6.2 and 6.9, say how far a test of one seed may be off.
    half = stats.t.ppf(0.975, 1) * stats.tstd([6.2, 6.9])
    [test] = [each for each in result.tested if each.number == 1]
    assert result.interval(test) == pytest.approx((6.3, 6.3 - half, 6.3 + half))
    assert "6.300 [0.010, 12.590]" in said  # rounded outwards


def test_one_seed_has_no_interval() -> None:
    one = Finalist(3, (6.8,), (Confirmed(3, 1, (6.5,), True, None, None),))
    mean, low, high = one.interval()
    assert mean == 6.5
    assert not low > -1e9
    assert not high < 1e9


def test_the_knee_is_nearest_to_the_best_of_everything() -> None:
    def order(rows: Sequence[tuple[float, float]]) -> list[int]:
        study = optuna.create_study(directions=["maximize", "minimize"])
        study.add_trials([create_trial(values=row) for row in rows])
        return [trial.number for trial in by_knee(study)]

    rows = [(0.0, 0.0), (10.0, 100.0), (8.0, 20.0), (5.0, 50.0)]
    assert order(rows) == [2, 0, 1]  # 3 is beaten by 2
    # by hand: 2 is at (0.2, 0.2), 0 at (1, 0), 1 at (0, 1)
    assert order([(1000 * a + 3, b) for a, b in rows]) == [2, 0, 1]
    assert order([(2.0, 5.0), (1.0, 1.0), (2.0, 9.0)]) == [0, 1]
    assert order([(1.0, 1.0), (1.0, 1.0)]) == [0, 1]  # all alike: an objective without a range


def test_the_front_is_of_trials_that_pass_or_else_of_all() -> None:
    study = optuna.create_study(directions=["maximize", "maximize"])
    for number, (row, margin) in enumerate(
        (((9.0, 1.0), 0.5), ((8.0, 8.0), 0.5), ((7.0, 7.0), 0.5))
    ):
        trial = study.ask()
        trial.set_constraint("gap", margin)
        trial.set_user_attr("criteria", [{"name": "gap", "margin": margin}])
        study.tell(trial, row)
        assert trial.number == number
    assert [trial.number for trial in front(study)] == [0, 1]  # 2 is beaten by 1
    for row in ((5.0, 6.0), (6.0, 5.0), (4.0, 4.0)):
        trial = study.ask()
        trial.set_constraint("gap", -0.5)
        trial.set_user_attr("criteria", [{"name": "gap", "margin": -0.5}])
        study.tell(trial, row)
    assert [trial.number for trial in front(study)] == [3, 4]


@pytest.fixture
def searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Job:
    """A finished search of two trials, both declared to pass."""
    monkeypatch.chdir(tmp_path)
    config = smoke(tmp_path, tracking__figures=False)
    settings = StudyConfig(trials=2, confirm=2, confirmation_seeds=2, pruner="none")
    question = question_of("loss_weights")
    space = question.narrowed(config, {})
    job = Job(
        question_name="loss_weights",
        name="s",
        config=config,
        settings=settings,
        space=space,
        corpus={"tokens": "c"},
    )
    create_study(job)
    carry_out(Search(job), Stop(), lambda: None, None)
    monkeypatch.setattr("studies.record.feasible", lambda trial: True)
    return job


def test_confirming_trains_every_finalist_on_every_seed_once(searched: Job) -> None:
    carry_out(Confirmation(searched), Stop(), lambda: None, None)
    carry_out(Confirmation(searched), Stop(), lambda: None, None)  # nothing is left to do
    study = load_study("s/confirmation", searched.settings.storage)
    done = {(t.params["trial"], t.params["seed"]): t for t in study.trials}
    assert set(done) == {(0, 1), (0, 2), (1, 1), (1, 2)}
    assert len(study.trials) == 4
    runs = recorded_runs(searched.config.tracking, {"kind": "confirmation"})
    assert {(run.tags["confirms"], run.tags["seed"]) for run in runs} == {
        (str(number), str(seed)) for number, seed in done
    }
    search = load_study("s", searched.settings.storage)
    by_seed = {
        key: next(
            line for line in trial.user_attrs["config"].splitlines() if line.startswith("  seed:")
        )
        for key, trial in done.items()
    }
    assert by_seed[0, 1] == "  seed: 1"
    assert len({trial.value for trial in done.values()}) == 4
    for (number, _), trial in done.items():
        weights = search.trials[number].params
        assert f"weight: {weights['priors.kurtosis.weight']}" in trial.user_attrs["config"]
    finalists = study_result(search, {"confirmation": study}).finalists
    assert {finalist.number for finalist in finalists} == {0, 1}
    assert all(len(finalist.runs) == 2 for finalist in finalists)


def test_screen_status_and_report_name_the_same_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Confirmation reverses the order of the search, and the better mean passes on fewer seeds."""
    monkeypatch.chdir(tmp_path)
    config = smoke(tmp_path)
    space = question_of("loss_weights").narrowed(config, {})
    settings = StudyConfig(confirm=2)
    mine = Job(
        question_name="loss_weights",
        name="s",
        config=config,
        settings=settings,
        space=space,
        corpus={"tokens": "c"},
    )
    storage = open_storage(settings.storage)
    kept = [("s", made_up(mine, ("passes", "passes"), np.random.default_rng(0)))]
    again = optuna.create_study(direction="maximize")
    better = kept[0][1].best_trial.number  # in the search, and by its mean on new seeds
    steady = 1 - better
    for number, value in ((better, 6.9), (steady, 6.1)):
        for seed in range(3):
            margin = 1.0 if (number, seed) == (better, 0) else -1.0
            add(again, value, margin, {"trial": number, "seed": seed})
    for name, study in [*kept, ("s/confirmation", again)]:
        made = optuna.create_study(study_name=name, storage=storage, direction="maximize")
        made.add_trials(study.trials)
        made.set_user_attr("identity", mine.identity())  # else it is another program's
    found = report.close(mine, tmp_path / "s", 0.0)
    assert found.result.leader == steady
    labels = {"kind": "study", "study": "s"}
    run = open_run(config.tracking, "s", None, labels, folder=tmp_path / "runs")
    found.record(run)
    run.close("FINISHED")
    done = inside(tmp_path, status, "status", "s")
    assert f"Trial {steady} leads after confirmation" in done.stdout, done.stderr
    done = inside(
        tmp_path, analysis_report, "--study", "s", "--tracking.uri", str(config.tracking.uri)
    )
    words = " ".join(done.stdout.split())
    assert f"Trial {steady} leads after confirmation" in words, done.stderr
    assert f"trial {steady} passes on 3 of 3" in words
