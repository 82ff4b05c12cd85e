"""The doctor finds every kind of damage, changes nothing unasked, and puts all of it right."""

from __future__ import annotations

import subprocess
from datetime import datetime, timedelta
from pathlib import Path

import mlflow
import optuna
import pytest
import sqlalchemy
from inside import inside
from optuna.trial import TrialState
from test_study import again

from studies.__main__ import main
from studies.record import counted
from studies.storage import open_storage
from vlatent.tracking.journal import Journal


def studies(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return inside(folder, main, *arguments)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("doctor")
    done = again(folder, "--study.trials", "3", "--tracking.figures", "false")
    assert done.returncode == 0, done.stderr
    return folder


def loaded(folder: Path) -> optuna.Study:
    storage = open_storage(f"sqlite:///{folder / 'studies.db'}")
    return optuna.load_study(study_name="loss_weights", storage=storage)


def test_a_sound_study_needs_nothing(finished: Path) -> None:
    done = studies(finished, "doctor")
    assert done.returncode == 0, done.stderr
    assert "Nothing to do" in done.stdout


def test_list_and_status_say_how_it_stands(finished: Path) -> None:
    listed = studies(finished, "list")
    assert listed.returncode == 0, listed.stderr
    assert "loss_weights" in listed.stdout
    said = studies(finished, "status", "loss_weights").stdout
    assert "3 of 3 trials done, 0 running, 0 waiting." in said
    assert "the budget is met" in said
    assert "is the best that passes" in said or "is nearest; it violates" in said
    unknown = studies(finished, "status", "loss_weight")
    assert unknown.returncode == 2
    assert "there is no study loss_weight in sqlite:///studies.db; there is loss_weights" in (
        unknown.stderr
    )


@pytest.mark.parametrize("command", [("list",), ("status", "a"), ("replay", "a", "1"), ("doctor",)])
def test_looking_for_studies_makes_no_database(tmp_path: Path, command: tuple[str, ...]) -> None:
    done = studies(tmp_path, *command)
    assert done.returncode == 2
    assert "there are no studies in sqlite:///studies.db, as there is no such file" in done.stderr
    assert not list(tmp_path.iterdir())


def test_replay_agrees_to_the_last_bit_and_sees_a_forged_number(finished: Path) -> None:
    done = studies(finished, "replay", "loss_weights", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "agree to the last bit" in done.stdout
    engine = sqlalchemy.create_engine(f"sqlite:///{finished / 'studies.db'}")
    forge = (
        "UPDATE trial_intermediate_values SET intermediate_value = intermediate_value + {} "
        "WHERE trial_id = 2 AND step = 12"
    )
    kept = "UPDATE trial_user_attributes SET value_json = replace(value_json, '{}', '{}')"
    size, none = '"size": [16, 16]', '"size": null'
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text(forge.format("1e-9")))
    try:
        forged = studies(finished, "replay", "loss_weights", "1")
        with engine.begin() as connection:  # as a version wrote it that had another score
            connection.exec_driver_sql(kept.format(size, none))
        older = studies(finished, "replay", "loss_weights", "1")
    finally:
        with engine.begin() as connection:
            connection.exec_driver_sql(kept.format(none, size))
            connection.execute(sqlalchemy.text(forge.format("-1e-9")))
    assert older.returncode == 0, older.stdout + older.stderr
    assert "Its scores are not compared" in older.stdout
    assert forged.returncode == 1
    assert "score at step 12" in forged.stdout
    assert studies(finished, "replay", "loss_weights", "99").returncode == 2


def test_every_kind_of_damage_is_found_and_put_right(finished: Path) -> None:
    study = loaded(finished)
    client = mlflow.MlflowClient(f"sqlite:///{finished / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("vlatent")
    tags = {"kind": "trial", "study": "loss_weights", "uid": study.user_attrs["uid"]}
    # A worker that died: its trial and its run say that they run.
    dead = study.ask(study.trials[0].distributions)
    params = dead.params
    dead.set_user_attr("ordinal", 3)
    left = client.create_run(experiment.experiment_id, tags=tags | {"trial": "3"})
    dead.set_user_attr("run_id", left.info.run_id)
    # A run whose trial was never told, and one of a trial that has ended.
    orphan = client.create_run(experiment.experiment_id, tags=tags | {"trial": "77"})
    unended = study.trials[0].user_attrs["run_id"]
    client.update_run(unended, status="RUNNING")
    # Scores that were lost on their way, and measurements that wait on the disk.
    losing = study.trials[1].user_attrs["run_id"]
    engine = sqlalchemy.create_engine(f"sqlite:///{finished / 'mlflow.db'}")
    with engine.begin() as connection:
        gone = connection.execute(
            sqlalchemy.text(
                "DELETE FROM metrics WHERE run_uuid = :run AND key = 'score' AND step > 5"
            ),
            {"run": losing},
        ).rowcount
    waiting = Journal(finished / "runs" / "loss_weights" / "tracking-left.jsonl")
    waiting.append(
        {"call": "run", "key": "left", "run_id": losing, "name": "x"},
        {"call": "metrics", "rows": [["late", 4.5, 1_700_000_000_000, 12]]},
    )
    waiting.release()
    long_ago = datetime.now() - timedelta(minutes=5)
    with sqlalchemy.create_engine(f"sqlite:///{finished / 'studies.db'}").begin() as connection:
        connection.execute(
            sqlalchemy.text("UPDATE trials SET datetime_start = :then WHERE trial_id = :id"),
            {"then": long_ago, "id": dead._trial_id},
        )

    dry = studies(finished, "doctor")
    assert dry.returncode == 1, dry.stdout + dry.stderr
    words = " ".join(dry.stdout.split())
    assert "5 found" in words
    assert "trial 3 is running, but its worker" in words
    assert f"run {orphan.info.run_id} calls itself trial 77" in words
    assert (
        f"run {unended} of trial 0 is RUNNING, the trial COMPLETE; end the run as FINISHED" in words
    )
    assert f"lacks the score of {gone} evaluations" in words
    assert "measurements wait in" in words
    assert loaded(finished).trials[3].state == TrialState.RUNNING  # nothing was touched
    assert client.get_run(unended).info.status == "RUNNING"

    fixed = studies(finished, "doctor", "--fix")
    assert fixed.returncode == 0, fixed.stdout + fixed.stderr
    trials = loaded(finished).trials
    assert trials[3].state == TrialState.FAIL
    assert trials[4].state == TrialState.WAITING
    assert trials[4].system_attrs["fixed_params"] == params
    assert trials[4].user_attrs["continues"] == 3
    assert client.get_run(unended).info.status == "FINISHED"
    assert client.get_run(orphan.info.run_id).info.status == "KILLED"
    assert client.get_run(left.info.run_id).info.status == "KILLED"
    scores = {row.step: row.value for row in client.get_metric_history(losing, "score")}
    assert {step: scores[step] for step in trials[1].intermediate_values} == pytest.approx(
        trials[1].intermediate_values
    )
    assert client.get_run(losing).data.metrics["late"] == 4.5
    sound = studies(finished, "doctor")
    assert "Nothing to do" in sound.stdout, sound.stdout

    more = again(finished, "--study.trials", "4", "--tracking.figures", "false")
    assert more.returncode == 0, more.stderr  # the trial that was given back is trained now
    books = counted(loaded(finished))
    assert [trial.params == params for trial in books] == [False, False, False, True]
