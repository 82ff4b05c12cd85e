"""What a worker does next, how a study is begun from another one, and what it refuses."""

from __future__ import annotations

import signal
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import optuna
import pytest
from inside import inside
from optuna.trial import FrozenTrial, TrialState, create_trial
from smoke import CONFIGS, smoke

import studies.trial
from studies.__main__ import main as studies_command
from studies.job import Job, create_study, load_study
from studies.questions import question_of
from studies.record import added, counted, front, ranked, values_of, why_failed
from studies.settings import StudyConfig
from studies.spending import Limit
from studies.storage import Storage
from studies.study import main
from studies.tasks import Confirmation, Search, next_ordinal
from studies.trial import requeue
from studies.worker import carry_out, orphans, requeue_orphan, work
from vlatent import workload
from vlatent.runtime.interruption import Stop, gentle_interruption
from vlatent.shapes import UserError
from vlatent.tracking import MlflowTracker, open_run, recorded_runs


def job(tmp_path: Path, **settings: object) -> Job:
    config = smoke(tmp_path)
    here = {"storage": f"sqlite:///{tmp_path / 'studies.db'}", "folder": tmp_path / "runs"}
    chosen = StudyConfig(**here | settings)  # type: ignore[arg-type]
    space = question_of("loss_weights").narrowed(config, {})
    return Job(
        question_name="loss_weights",
        name="s",
        config=config,
        settings=chosen,
        space=space,
        corpus={"tokens": "c"},
    )


def quick(tmp_path: Path) -> Job:
    """Two trials without figures."""
    mine = job(tmp_path, trials=2, pruner="none", folder=tmp_path / "runs")
    return replace(
        mine, config=replace(mine.config, tracking=replace(mine.config.tracking, figures=False))
    )


def train(study: optuna.Study, mine: Job, value: float, margin: float = -1.0) -> int:
    """A trial as a worker would do it, without the training."""
    ordinal = next_ordinal(study)
    Search(mine).prepare(study)
    trial = study.ask()
    if "ordinal" not in trial.user_attrs:
        trial.set_user_attr("ordinal", ordinal)
    for name, values in mine.space.items():
        values.suggest(trial, name)
    trial.set_user_attr("criteria", [{"name": "kurtosis", "margin": margin}])
    study.tell(trial, value)
    return trial.number


def test_the_budget_is_met_and_not_exceeded(tmp_path: Path) -> None:
    mine = job(tmp_path, trials=2)
    study = create_study(mine)
    search = Search(mine)
    assert search.next(study) == "trial"  # trial 0 waits
    train(study, mine, 1.0)
    assert search.next(study) == "trial"
    other = study.ask()  # another worker has the last one
    assert search.next(study) == "wait"
    study.tell(other, state=TrialState.FAIL)  # it was killed, and had no values yet
    assert search.next(study) == "trial"
    train(study, mine, 1.0)
    assert search.next(study) == "done"
    assert Search(replace(mine, settings=replace(mine.settings, trials=3))).next(study) == "trial"


def test_a_trial_that_ends_while_it_is_counted_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = job(tmp_path, trials=2)
    study = create_study(mine)
    train(study, mine, 1.0)
    other = study.ask()
    other.set_user_attr("ordinal", 1)
    look = study.get_trials

    def between(*arguments: object, **keywords: object) -> list[FrozenTrial]:
        seen = look(*arguments, **keywords)  # type: ignore[arg-type]
        if study._storage.get_trial(other._trial_id).state == TrialState.RUNNING:
            study.tell(other, 1.0)
        return seen

    monkeypatch.setattr(study, "get_trials", between)
    assert Search(mine).next(study) == "wait"
    assert Search(mine).next(study) == "done"


def test_a_search_whose_hours_are_spent_waits_for_the_others_and_ends(tmp_path: Path) -> None:
    """Confirmation and test are 2 * 3 + 1 runs: of 8 h they need 7 when a trial took 1."""
    chosen = {"confirm": 2, "confirmation_seeds": 3, "test": 1, "stagnation": 9}
    mine = job(tmp_path, trials=20, hours=8.0, **chosen)
    study, search = create_study(mine), Search(mine)
    assert search.limit == Limit(8.0, 7 * mine.config.training.steps)
    assert search.next(study) == "trial"
    began = datetime.now() - timedelta(hours=1)
    spent = {"ordinal": 0, "criteria": [], "steps": mine.config.training.steps}
    first = create_trial(value=1.0, user_attrs=spent)
    first.datetime_start, first.datetime_complete = began, began + timedelta(hours=1)
    study.add_trial(first)
    running = study.ask()
    assert search.next(study) == "wait"
    running.set_user_attr("ordinal", 1)
    study.tell(running, state=TrialState.FAIL)
    assert search.next(study) == "done"
    more = replace(mine, settings=replace(mine.settings, hours=8.1))
    assert Search(more).next(study) == "trial"
    alone = replace(mine, settings=replace(mine.settings, confirm=0))
    assert Search(alone).limit == Limit(8.0, 0)
    assert Search(alone).next(study) == "trial"
    assert Search(replace(mine, settings=replace(mine.settings, hours=None))).limit is None


def test_a_stagnating_study_waits_for_the_others_and_ends(tmp_path: Path) -> None:
    mine = job(tmp_path, trials=20, stagnation=2)
    study = create_study(mine)
    for value in (1.0, 3.0, 2.0):
        train(study, mine, value)
    assert Search(mine).next(study) == "trial"
    other = study.ask()
    train(study, mine, 2.5)
    assert Search(mine).next(study) == "wait"
    study.tell(other, state=TrialState.FAIL)
    assert Search(mine).next(study) == "done"


def test_a_grid_ends_when_every_point_was_tried(tmp_path: Path) -> None:
    assert Search(job(tmp_path, sampler="grid", trials=1000)).budget == 3**5 + 1
    assert Search(job(tmp_path, sampler="grid", trials=7)).budget == 7


def test_a_trial_begun_again_keeps_values_and_place_but_nothing_that_it_measured(
    tmp_path: Path,
) -> None:
    mine = job(tmp_path)
    study = create_study(mine)
    first = train(study, mine, 1.0)
    dead = study.ask()
    dead.set_user_attr("ordinal", next_ordinal(study))
    dead.set_user_attr("run_id", "abc")
    dead.set_user_attr("criteria", [])
    params = {name: values.suggest(dead, name) for name, values in mine.space.items()}
    dead.set_constraint("kurtosis", 5.0)
    study.tell(dead, state=TrialState.FAIL)
    for _ in range(2):  # two that look at the same time hand it on once
        requeue(study, study.trials[dead.number], 1)
    assert len(study.trials) == 3
    again = study.ask()
    assert {name: values.suggest(again, name) for name, values in mine.space.items()} == params
    assert again.user_attrs == {
        "ordinal": 1,
        "continues": dead.number,
        "continues_run": "abc",
        "attempt": 1,
    }
    assert study.trials[again.number].constraints == {}
    assert first == 0


def test_another_studys_best_are_tried_first(tmp_path: Path) -> None:
    one = job(tmp_path)
    study = create_study(one)
    for value, margin in ((1.0, -1.0), (3.0, -1.0), (9.0, 2.0), (2.0, -1.0)):
        train(study, one, value, margin)
    warm = replace(one, name="warm", settings=replace(one.settings, warm_start="s"))
    waiting = create_study(warm).trials
    assert len(waiting) == 1 + 4
    queued = [trial.system_attrs["fixed_params"] for trial in waiting]
    assert queued[0] == study.trials[0].params
    order = [1, 3, 0, 2]  # by score, the infeasible one last
    assert queued[1:] == [study.trials[number].params for number in order]
    assert [trial.user_attrs["ordinal"] for trial in waiting] == list(range(5))
    assert waiting[1].user_attrs["origin"] == "s 1"
    with pytest.raises(UserError, match=r"there is no study nothing in .*; there is s, warm"):
        load_study("nothing", one.settings.storage)


def test_what_changed_is_said(tmp_path: Path) -> None:
    mine = job(tmp_path)
    create_study(mine)
    create_study(mine)  # the same again is the same study
    create_study(replace(mine, settings=replace(mine.settings, trials=99, workers=4)))
    for other, said in (
        (replace(mine, corpus={"tokens": "d"}), r"corpus \(tokens\) was c, is d"),
        (
            replace(mine, space=dict(list(mine.space.items())[:-1])),
            r"space\.priors\.variance\.weight was .*, is absent",
        ),
    ):
        with pytest.raises(UserError, match=f"{said}.*--study.name s-2"):
            create_study(other)
    study = load_study("s", mine.settings.storage)
    study.set_user_attr("corpus", {})  # an older one, that kept no parts
    with pytest.raises(UserError, match=r"\(corpus was c, is d\)"):
        create_study(replace(mine, corpus={"tokens": "d"}))


def test_a_worker_that_reads_other_sentences_begins_no_trial(tmp_path: Path) -> None:
    mine = quick(tmp_path)  # made for other sentences
    study = create_study(mine)
    with pytest.raises(UserError, match=r"another corpus .* tokens changed; give every machine"):
        work(mine, Stop())
    assert [trial.state for trial in study.trials] == [TrialState.WAITING]


def test_a_trial_that_died_between_two_draws_is_drawn_anew_and_alike(tmp_path: Path) -> None:
    mine = job(tmp_path)
    study = create_study(mine)
    train(study, mine, 1.0)

    def drawn(count: int) -> tuple[optuna.Trial, list[float]]:
        Search(mine).prepare(study)
        trial = study.ask()
        trial.set_user_attr("ordinal", next_ordinal(study))
        names = list(mine.space)[:count]
        return trial, [mine.space[name].suggest(trial, name) for name in names]

    dead, some = drawn(1)
    study.tell(dead, state=TrialState.FAIL)
    requeue(study, study.trials[dead.number], 1)
    assert orphans(study) == []
    again, values = drawn(len(mine.space))
    assert again.user_attrs["ordinal"] == 1
    assert values[:1] == some  # the others are what they had been, as no draw is skipped
    assert len(values) == len(mine.space) > 1


def test_a_trial_that_was_given_to_another_worker_is_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    mine = quick(tmp_path)
    study = create_study(mine)
    original, calls = workload.train, []

    def slow(*arguments: object) -> object:
        calls.append(1)
        if len(calls) == 1:  # as if this worker had slept: another one has given up on it
            running = study.get_trials(states=(TrialState.RUNNING,))[0]
            study._storage.set_trial_state_values(running._trial_id, state=TrialState.FAIL)
            requeue(study, study.trials[running.number], 1)
        return original(*arguments)

    monkeypatch.setattr(workload, "train", slow)
    carry_out(Search(mine), Stop(), lambda: None, None)
    assert [trial.state.name for trial in study.trials] == ["FAIL", "COMPLETE", "COMPLETE"]
    assert len(counted(study)) == 2
    runs = recorded_runs(mine.config.tracking, {"study": "s"})
    assert {run.tags["trial"]: run.status for run in runs} == {
        "0": "KILLED",
        "1": "FINISHED",
        "2": "FINISHED",
    }


def test_an_error_of_the_place_ends_the_worker_and_keeps_the_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    mine = quick(tmp_path)
    study = create_study(mine)

    def full(*_: object) -> object:
        raise UserError("checkpoint x cannot be written: the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(workload, "train", full)
        with pytest.raises(UserError, match="the disk is full"):
            carry_out(Search(mine), Stop(), lambda: None, None)
    assert [trial.state.name for trial in study.trials] == ["FAIL", "WAITING"]
    carry_out(Search(mine), Stop(), lambda: None, None)
    assert len(counted(study)) == 2


@pytest.mark.parametrize("moment", ["opening", "closing"])
def test_a_second_ctrl_c_leaves_no_run_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    monkeypatch.chdir(tmp_path)
    mine, stop = quick(tmp_path), Stop()
    study = create_study(mine)
    opened, train, close = studies.trial.open_run, workload.train, MlflowTracker.close

    def press_twice(*arguments: Any, **others: Any) -> object:
        tracker = opened(*arguments, **others)
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        return tracker

    def press(*arguments: Any) -> object:
        signal.raise_signal(signal.SIGINT)
        return train(*arguments)

    def press_again(*arguments: Any) -> None:
        signal.raise_signal(signal.SIGINT)
        close(*arguments)

    if moment == "opening":
        monkeypatch.setattr(studies.trial, "open_run", press_twice)
    else:
        monkeypatch.setattr(workload, "train", press)
        monkeypatch.setattr(MlflowTracker, "close", press_again)
    with gentle_interruption(stop, "Ending."), suppress(KeyboardInterrupt):
        carry_out(Search(mine), stop, lambda: None, None)
    [run] = recorded_runs(mine.config.tracking, {"study": "s"})
    assert run.status == "KILLED"
    assert [trial.state.name for trial in study.trials] == ["FAIL", "WAITING"]


def test_the_run_of_a_worker_that_died_before_it_wrote_it_down_is_closed(tmp_path: Path) -> None:
    mine = job(tmp_path)
    study = create_study(mine)
    trial = study.ask()
    tags = {"kind": "trial", "study": "s", "trial": trial.number}
    run = open_run(mine.config.tracking, "s 0", tags=tags, folder=tmp_path)
    study.tell(trial, state=TrialState.FAIL)
    requeue_orphan(study, study.trials[0], mine)
    [recorded] = recorded_runs(mine.config.tracking, {"study": "s"})
    assert (recorded.run_id, recorded.status) == (run.run_id, "KILLED")
    assert study.trials[1].user_attrs["continues"] == 0


def test_a_trial_is_handed_on_though_who_was_to_do_so_died(tmp_path: Path) -> None:
    mine = job(tmp_path)
    study = create_study(mine)
    dead, returned = study.ask(), study.ask()
    study.tell(dead, state=TrialState.FAIL)  # found silent, and then its finder died
    returned.set_user_attr("worker", "host:1")
    for name, values in mine.space.items():
        values.suggest(returned, name)
    returned.set_user_attr("returned", "stopped at step 3")  # killed while it gave itself back
    study.tell(returned, state=TrialState.FAIL)
    study.tell(study.ask(), state=TrialState.FAIL)  # had no values: a new one takes its place
    lost = orphans(study)
    assert [trial.number for trial in lost] == [0, 1]
    for trial in lost:
        requeue_orphan(study, trial, mine)
    assert orphans(study) == []
    waiting = study.get_trials(states=(TrialState.WAITING,))
    assert [trial.user_attrs["continues"] for trial in waiting] == [0, 1]
    assert [trial.user_attrs["attempt"] for trial in waiting] == [1, 0]
    for _ in waiting:  # begun again by workers that died before their first word, as did the finder
        study.tell(study.ask(), state=TrialState.FAIL)
    lost = orphans(study)
    assert [trial.user_attrs["continues"] for trial in lost] == [0, 1]
    for trial in lost:
        requeue_orphan(study, trial, mine)
    assert orphans(study) == []
    waiting = study.get_trials(states=(TrialState.WAITING,))
    assert [trial.user_attrs["attempt"] for trial in waiting] == [2, 1]


def test_a_trial_of_a_confirmation_is_done_though_its_worker_died_before_its_first_word(
    tmp_path: Path,
) -> None:
    mine = job(tmp_path, trials=1, confirm=1)
    study = create_study(mine)
    train(study, mine, 1.0)
    task = Confirmation(mine)
    again = optuna.load_study(study_name=task.study_name, storage=mine.settings.storage)
    assert task.next(again) == "trial"
    planned = [values_of(trial) for trial in again.trials]
    dead = again.ask()
    assert not dead.user_attrs
    again.tell(dead, state=TrialState.FAIL)
    assert task.next(again) == "trial"
    waiting = again.get_trials(states=(TrialState.WAITING,))
    cells = [sorted(values_of(trial).items()) for trial in waiting]
    assert sorted(cells) == sorted(sorted(values.items()) for values in planned)


def test_a_trial_whose_last_attempt_died_is_counted_as_failed(tmp_path: Path) -> None:
    mine = job(tmp_path, retries=1)
    study = create_study(mine)
    for attempt in range(2):
        trial = study.ask()
        if attempt == 1:
            trial.set_user_attr("last_attempt", True)  # as the worker does that begins it
        study.tell(trial, state=TrialState.FAIL)
        requeue_orphan(study, study.trials[trial.number], mine)
    assert len(study.trials) == 2
    [failed] = counted(study)
    assert why_failed(failed) == "its worker died, 2 times"


def stranger(mine: Job, name: str) -> list[object]:
    """A study of another program, and what it is like."""
    made = optuna.create_study(study_name=name, storage=mine.settings.storage)
    made.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
    return content(mine, name)


def content(mine: Job, name: str) -> list[object]:
    made = optuna.load_study(study_name=name, storage=mine.settings.storage)
    system = made._storage.get_study_system_attrs(made._study_id)
    return [made.direction, made.user_attrs, system, made.trials]


def names(mine: Job) -> list[str]:
    found = optuna.get_all_study_summaries(mine.settings.storage)
    return sorted(each.study_name for each in found)


@pytest.mark.parametrize("name", ["s", "s/confirmation"])
def test_a_study_of_another_program_is_refused_untouched(tmp_path: Path, name: str) -> None:
    mine = job(tmp_path)
    before = stranger(mine, name)
    with pytest.raises(UserError, match=rf"study {name} .* another program \(minimize; 2 trials\)"):
        create_study(mine)
    assert content(mine, name) == before
    assert names(mine) == [name]
    assert not (tmp_path / "runs").exists()
    create_study(replace(mine, name="s-2"))  # the way out


def test_the_command_for_a_study_of_another_program_leaves_nothing(tmp_path: Path) -> None:
    optuna.create_study(study_name="s", storage=f"sqlite:///{tmp_path}/studies.db")
    flags = ("--config", str(CONFIGS / "smoke.yaml"), "--study.name", "s")
    done = inside(tmp_path, partial(main, "loss_weights"), *flags)
    assert done.returncode == 2
    assert "another program (minimize; 0 trials)" in done.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["studies.db"]


def test_a_study_of_another_program_can_be_looked_at(tmp_path: Path) -> None:
    mine = job(tmp_path)
    before = stranger(mine, "theirs")
    study = create_study(mine)
    found = {"ordinal": 0, "criteria": [], "seconds": 1.0}
    study.add_trial(optuna.create_trial(value=1.0, user_attrs=found))
    study.add_trial(optuna.create_trial(value=9.0))  # theirs, too
    for arguments, says in {
        ("list",): "theirs (another",
        ("status", "theirs"): "another program's study, with 2 trials: nothing is known",
        ("status", "s"): "1 trials that another program added are left out",
        ("doctor",): "Nothing to do",
    }.items():
        done = inside(tmp_path, studies_command, *arguments)
        assert done.returncode == 0, done.stderr
        assert says in " ".join(done.stdout.split())
    assert content(mine, "theirs") == before


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("study: {trials: }", "study.trials must not be null"),
        ("study: 3", "study is a group of settings"),
        ("study:\n  trials: 2\n  trials: 3", "the key trials stands there twice"),
    ],
)
def test_a_file_of_a_wrong_form_begins_no_study(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "mine.yaml").write_text(text, encoding="utf-8")
    flags = ("--config", str(CONFIGS / "smoke.yaml"), "--config", "mine.yaml")
    done = inside(tmp_path, partial(main, "loss_weights"), *flags)
    assert done.returncode == 2
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert [file.name for file in tmp_path.iterdir()] == ["mine.yaml"]


def test_a_trial_that_another_program_added_is_left_out(tmp_path: Path) -> None:
    mine = job(tmp_path, trials=2)
    study = create_study(mine)
    train(study, mine, 1.0)
    before = (counted(study), ranked(study), front(study))
    study.add_trial(optuna.create_trial(value=9.0))
    study.add_trial(optuna.create_trial(state=TrialState.FAIL))
    study.add_trial(optuna.create_trial(state=TrialState.PRUNED))
    assert [trial.number for trial in added(study)] == [1, 2, 3]
    assert (counted(study), ranked(study), front(study)) == before
    assert orphans(study) == []
    assert Search(mine).next(study) == "trial"


def test_after_a_refused_warm_start_the_corrected_one_is_warm(tmp_path: Path) -> None:
    one = job(tmp_path)
    train(create_study(one), one, 1.0)
    before = names(one)
    for wrong, why in (("typo", "no study typo"), ("s/confirmation", "no complete trial")):
        warm = replace(one, name="warm", settings=replace(one.settings, warm_start=wrong))
        with pytest.raises(UserError, match=why):
            create_study(warm)
    assert names(one) == before
    assert not (tmp_path / "runs" / "warm").exists()
    corrected = replace(warm, settings=replace(one.settings, warm_start="s"))
    assert [t.user_attrs["origin"] for t in create_study(corrected).trials] == ["config", "s 0"]


def test_a_study_whose_making_was_killed_is_begun_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if it were killed before each thing that is written."""

    class Killed(BaseException):
        pass

    def counting(method: Any) -> Any:
        def write(*arguments: Any, **keywords: Any) -> Any:
            nonlocal left
            if left == 0:
                raise Killed
            left -= 1
            return method(*arguments, **keywords)

        return write

    mine = job(tmp_path)
    killed, after = True, -1
    while killed:
        after += 1
        one = replace(mine, name=f"s{after}")
        left, killed = after, False
        with monkeypatch.context() as patched:
            for each in (
                "create_new_study",
                "set_study_user_attr",
                "set_study_system_attr",
                "create_new_trial",
            ):
                patched.setattr(Storage, each, counting(getattr(Storage, each)))
            patched.setattr(Storage, "rename_study", counting(Storage.rename_study))
            try:
                create_study(one)
            except Killed:
                killed = True
        study = create_study(one)
        [waiting] = study.trials
        assert waiting.user_attrs == {"ordinal": 0, "origin": "config"}
        assert set(study.user_attrs) == {"question", "objectives", "uid", "identity", "corpus"}
    assert after >= 10  # so many things are written
    ends = ("", "/confirmation", "/test")
    assert names(mine) == sorted(f"s{n}{end}" for n in range(after + 1) for end in ends)


def test_two_studies_of_one_name_in_two_storages_do_not_share_a_folder(tmp_path: Path) -> None:
    mine = job(tmp_path)
    study = create_study(mine)
    other = replace(
        mine, settings=replace(mine.settings, storage=f"sqlite:///{tmp_path / 'other.db'}")
    )
    with pytest.raises(UserError, match=r"runs/s belongs to another one .*studies\.db\)"):
        create_study(other)
    assert names(other) == []
    create_study(replace(other, settings=replace(other.settings, folder=tmp_path / "elsewhere")))
    assert create_study(mine).user_attrs == study.user_attrs  # which goes on
    for name in names(mine):
        optuna.delete_study(study_name=name, storage=mine.settings.storage)
    create_study(mine)  # what the storage no longer knows does not hold the folder


def test_an_older_study_has_neither_owner_nor_tag(tmp_path: Path) -> None:
    mine = job(tmp_path)
    study = create_study(mine)
    for name in names(mine):
        made = optuna.load_study(study_name=name, storage=mine.settings.storage)
        made.set_user_attr("uid", None)
    (tmp_path / "runs" / "s" / "owner.json").unlink()
    (tmp_path / "runs" / "s" / "trial-0000").mkdir()
    assert create_study(mine).trials == study.trials
    other = replace(
        mine, settings=replace(mine.settings, storage=f"sqlite:///{tmp_path / 'other.db'}")
    )
    with pytest.raises(UserError, match="holds the trials of an older study of this name"):
        create_study(other)
