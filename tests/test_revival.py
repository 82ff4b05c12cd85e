"""Pruned trials that are revived: bitwise as if they had not been stopped, and counted once."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from inside import inside
from optuna.trial import FrozenTrial, TrialState
from smoke import smoke

import studies.trial
from studies.__main__ import main as studies_command
from studies.job import Job, create_study
from studies.outcome import study_result
from studies.progress import Reporter
from studies.pruning import CriteriaPruner
from studies.questions import question_of
from studies.record import counted, values_of
from studies.replay import replay
from studies.search import pruner
from studies.settings import StudyConfig
from studies.spending import cost
from studies.tasks import Search
from studies.text import summary
from studies.weights import checkpoint_of, drop_pruned
from studies.worker import carry_out, revive
from vlatent.runtime.interruption import Stop
from vlatent.tracking import MemoryTracker, recorded_runs

NAMES = ("total_variation", "wavelet", "kurtosis", "decorrelation", "variance")
# Their violations at steps 3, 6, 9 and 12; the config's own, trial 0: 13.4, 15.1, 14.1, 13.3.
QUEUED = (
    (0.0412, 0.659, 0.467, 1.45, 0.0125),  # 10.9, 10.8, 8.9, 8.8
    (0.866, 0.0156, 0.00545, 2.32, 0.338),  # 12.6, 11.4, 10.5, 9.8: pruned at 3, as 12.2 < 12.6
    (0.12, 0.162, 0.00105, 1.11, 0.147),  # 12.8, 13.2: pruned at 3, as 12.6 < 12.8
    (0.00243, 0.0109, 0.0645, 0.566, 0.64),  # 13.7: pruned at 3, as 12.7 < 13.7
)  # Then the medians of the second and the third are 13.1 and 13.0 there.
BUDGET = 6
LATE = {"n_startup_trials": 2, "n_min_trials": 2, "n_warmup_steps": 0}


class Untracked(MemoryTracker):
    """The tracker of a run, which has no address."""

    run_id = None


def begun(folder: Path) -> tuple[Job, optuna.Study]:
    config = smoke(folder, tracking__figures=False)
    settings = StudyConfig(
        trials=BUDGET,
        storage=f"sqlite:///{folder / 'studies.db'}",
        folder=folder / "runs",
        sampler="random",
        pruner_arguments=LATE,
        confirm=0,
    )
    mine = Job(
        question_name="loss_weights",
        name="s",
        config=config,
        settings=settings,
        space=question_of("loss_weights").narrowed(config, {}),
        corpus={"tokens": "c"},
    )
    study = create_study(mine)
    for ordinal, weights in enumerate(QUEUED, 1):
        values = {f"priors.{name}.weight": w for name, w in zip(NAMES, weights, strict=True)}
        study.enqueue_trial(values, user_attrs={"ordinal": ordinal, "origin": "test"})
    return mine, study


def books(study: optuna.Study) -> list[object]:
    """Everything of the counted trials that does not depend on when they were trained."""
    told = ("ordinal", "origin", "revived", "violations", "evaluation", "criteria", "steps")
    return [
        (
            *(t.state, t.params, t.values, t.intermediate_values, t.constraints),
            *map(t.user_attrs.get, told),
        )
        for t in counted(study)
    ]


@pytest.fixture(scope="module")
def studied(tmp_path_factory: pytest.TempPathFactory) -> tuple[Job, optuna.Study]:
    folder = tmp_path_factory.mktemp("revival")
    mine, study = begun(folder)
    with pytest.MonkeyPatch.context() as here:
        here.chdir(folder)
        here.setattr(studies.trial, "open_run", lambda *_, **__: Untracked())
        carry_out(Search(mine), Stop(), lambda: None, None)
    return mine, study


def told(trial: FrozenTrial) -> tuple[object, ...]:
    names = ("ordinal", "continues", "revived", "resumed_at", "steps")
    return trial.state.name, *(trial.user_attrs.get(name) for name in names)


def test_pruned_trials_are_revived_and_take_the_place_of_what_they_continue(
    studied: tuple[Job, optuna.Study],
) -> None:
    _, study = studied
    assert [told(trial) for trial in study.trials[:7]] == [
        ("COMPLETE", 0, None, None, None, 12),
        ("COMPLETE", 1, None, None, None, 12),
        ("PRUNED", 2, None, None, None, 3),
        ("PRUNED", 3, None, None, None, 3),
        ("PRUNED", 4, None, None, None, 3),
        ("COMPLETE", 2, 2, 3, 3, 12),  # the least violation first
        ("PRUNED", 3, 3, 3, 3, 6),  # stopped again, later
    ]
    kept = counted(study)
    assert [trial.number for trial in kept] == [0, 1, 5, 6, 4, 7]
    steps = [trial.user_attrs["steps"] for trial in kept]
    spent = cost(study, 12)
    assert (spent.steps, spent.saved) == (sum(steps), 12 * BUDGET - sum(steps))  # each step once


def test_a_revived_trial_is_bitwise_what_it_is_without_pruning(
    studied: tuple[Job, optuna.Study], monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, study = studied
    monkeypatch.chdir(mine.settings.folder.parent)
    assert replay(study, 5) == 0  # trained from its first step, without a checkpoint


def test_screens_say_how_many_were_revived(studied: tuple[Job, optuna.Study]) -> None:
    mine, study = studied
    counts = study_result(study, {}).counts
    assert (counts.complete + counts.pruned, counts.revived) == (BUDGET, 2)
    assert f"{counts.pruned} pruned, 2 revived" in summary(study_result(study, {}))
    kept = ("--storage", mine.settings.storage)
    here = mine.settings.folder.parent
    said = inside(here, studies_command, "status", "s", *kept).stdout
    assert f"{BUDGET} trials done, 0 running, 0 waiting." in said
    assert "2 times a pruned trial was revived." in said
    assert "begun again" not in said
    listed = inside(here, studies_command, "list", *kept).stdout
    row = next(line.split() for line in listed.splitlines() if " s " in line)
    assert [cell for cell in row if cell != "│"][1:3] == ["3", "3"]
    assert Reporter(study, ("score",)).done == BUDGET


def test_checkpoints_of_pruned_trials_are_kept_until_the_search_is_done(
    studied: tuple[Job, optuna.Study],
) -> None:
    mine, study = studied
    folder = mine.settings.folder / "s"
    left = [n for n in range(len(study.trials)) if checkpoint_of(folder, n).exists()]
    pruned = [trial.number for trial in counted(study) if trial.state == TrialState.PRUNED]
    assert left == sorted(pruned)  # those of the revived ones went on with them
    drop_pruned(study, folder)
    assert not list(folder.glob("*/checkpoint.pt"))


def test_only_what_has_its_checkpoint_here_is_revived_one_at_a_time(tmp_path: Path) -> None:
    """Those of another machine, and of studies of before there were any, stay as they are."""
    patient = StudyConfig(pruner_arguments={"patience": 3})
    study = optuna.create_study(direction="maximize", pruner=pruner(patient, 100))
    for number, (state, violation) in enumerate(
        [(TrialState.COMPLETE, 2.0)] * 4
        + [(TrialState.PRUNED, 1.0), (TrialState.PRUNED, 1.5), (TrialState.PRUNED, 1.6)]
    ):
        study.add_trial(
            optuna.trial.create_trial(
                state=state,
                value=1.0 if state == TrialState.COMPLETE else None,
                params={"x": number / 10},
                distributions={"x": optuna.distributions.FloatDistribution(0, 1)},
                intermediate_values={50: 1.0},
                user_attrs={"violations": {"50": violation}, "ordinal": number, "attempt": 1},
            )
        )
    revive(study, tmp_path)
    assert len(study.trials) == 7
    for number in (5, 6):
        checkpoint_of(tmp_path, number).parent.mkdir()
        checkpoint_of(tmp_path, number).touch()
    for _ in range(2):  # while one waits no other is revived
        revive(study, tmp_path)
        [*_, queued] = study.trials
        assert len(study.trials) == 8
    assert queued.state == TrialState.WAITING
    assert values_of(queued) == {"x": 0.5}
    expected = {"ordinal": 5, "revived": 50, "continues": 5, "continues_run": None, "attempt": 1}
    assert queued.user_attrs == expected
    study.pruner = pruner(StudyConfig(pruner="median"), 100)
    study.tell(study.ask(), state=TrialState.FAIL)
    revive(study, tmp_path)
    assert len(study.trials) == 8


def test_up_to_where_it_was_stopped_a_revived_trial_is_not_judged_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when it begins from its first step, its checkpoint lost, beside others than then."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(studies.trial, "open_run", lambda *_, **__: Untracked())
    monkeypatch.setattr(CriteriaPruner, "prune", lambda *_: True)
    mine, study = begun(tmp_path)
    study._storage.set_trial_user_attr(study.trials[0]._trial_id, "revived", 6)
    once = replace(mine, settings=replace(mine.settings, trials=1))
    carry_out(Search(once), Stop(), lambda: None, None)
    assert told(study.trials[0]) == ("PRUNED", 0, None, 6, None, 9)


@pytest.mark.processes
@pytest.mark.timeout(900)
def test_interrupted_at_random_it_comes_to_the_same_trials(
    studied: tuple[Job, optuna.Study],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, undisturbed = studied
    monkeypatch.chdir(tmp_path)
    draw, report = random.Random(0), studies.trial._TrialRun.report

    def interrupted(run: studies.trial._TrialRun, stop: Stop, *others: object) -> None:
        if draw.random() < 0.4:
            stop.request()
        report(run, stop, *others)  # type: ignore[arg-type]

    monkeypatch.setattr(studies.trial._TrialRun, "report", interrupted)
    mine, study = begun(tmp_path)
    search, stops = Search(mine), 0
    while search.next(study) != "done":
        carry_out(search, Stop(), lambda: None, None)
        stops += 1
    returned = [trial for trial in study.trials if "returned" in trial.user_attrs]
    assert any("revived" in trial.user_attrs for trial in returned)
    assert stops > 4
    assert books(study) == books(undisturbed)
    assert cost(study, 12).steps == cost(undisturbed, 12).steps
    runs = recorded_runs(mine.config.tracking, {"study": "s"})
    by_trial = {int(run.tags["trial"]): run for run in runs}
    assert len(by_trial) == len(runs) == len(study.trials)
    for trial in study.trials:
        expected = "FINISHED" if trial.state == TrialState.COMPLETE else "KILLED"
        assert by_trial[trial.number].status == expected
        if (before := trial.user_attrs.get("continues")) is not None:
            assert by_trial[before].tags["continued_by"] == by_trial[trial.number].run_id
