"""The record of a run: what is kept reads back, and stores that cannot be used are refused."""

from __future__ import annotations

import contextlib
import json
import math
import sqlite3
import sys
import time
from pathlib import Path

import pytest
from mlflow import MlflowClient
from servers import Postgres
from stores import PNG, python, rows

from vlatent.shapes import UserError
from vlatent.tracking import (
    MemoryTracker,
    Tracker,
    TrackingConfig,
    find_run,
    open_run,
    own_run,
    read_artifact,
    recorded_runs,
    reopen_run,
    view_command,
)
from vlatent.tracking.store import experiment_id


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One database for the module: making one costs seconds. The name needs no escaping, or all."""
    return tmp_path_factory.mktemp("a folder, 100% odd #")


@pytest.fixture
def store(home: Path, monkeypatch: pytest.MonkeyPatch) -> TrackingConfig:
    monkeypatch.chdir(home)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return TrackingConfig(experiment="tests")


def test_everything_kept_reads_back(store: TrackingConfig, home: Path, tmp_path: Path) -> None:
    parent = open_run(store, "study", folder=tmp_path)
    tracker = open_run(store, "trial 7", parent.run_id, {"seed": 3}, folder=tmp_path)
    assert isinstance(tracker, Tracker)
    tracker.params({"priors.spectrum.weight": 0.5, "data.tokenizer": None, "empty": ""})
    tracker.tags({"device": "cpu"})
    tracker.note("# what it is")
    tracker.text("config.yaml", "seed: 3\n")
    tracker.figure("montage", PNG)
    tracker.dataset("training", "f" * 64, "data/train.txt", {"sentences": 5000})
    tracker.metrics({"loss": 1.5, "alpha/channel_0": 2.0}, step=10)
    tracker.metrics({"loss": 1.25}, step=20)
    tracker.close("FAILED", "Traceback (most recent call last):\n  …\nValueError: nan at step 20\n")
    parent.close("FINISHED")

    assert tracker.run_id is not None
    assert rows(home / "mlflow.db", tracker.run_id) == [
        ("alpha/channel_0", 2.0, 10),
        ("loss", 1.5, 10),
        ("loss", 1.25, 20),
    ]
    run = MlflowClient(f"sqlite:///{home}/mlflow.db").get_run(tracker.run_id)
    assert run.data.params == {
        "priors.spectrum.weight": "0.5",
        "data.tokenizer": "None",
        "empty": "",
    }
    tags = run.data.tags
    assert tags["mlflow.parentRunId"] == parent.run_id
    assert tags["mlflow.note.content"] == "# what it is"
    assert (tags["seed"], tags["device"]) == ("3", "cpu")
    assert tags["error"] == "ValueError: nan at step 20"
    assert tags["mlflow.user"]
    assert tags["mlflow.source.name"]
    assert (run.info.run_name, run.info.status) == ("trial 7", "FAILED")
    assert run.info.end_time >= run.info.start_time
    assert run.inputs is not None
    [used] = run.inputs.dataset_inputs
    assert (used.dataset.name, used.dataset.digest) == ("training", "f" * 36)
    assert json.loads(str(used.dataset.profile)) == {"sentences": 5000}

    files = home / "mlartifacts" / tracker.run_id / "artifacts"
    # mlflow reads escapes in it, and writes none: "%20" by itself would be a blank.
    assert run.info.artifact_uri == str(files).replace("%", "%25")
    assert (files / "figures" / "montage.png").read_bytes() == PNG
    assert (files / "config.yaml").read_text() == "seed: 3\n"
    assert (files / "traceback.txt").read_text().startswith("Traceback")
    client = MlflowClient(f"sqlite:///{home}/mlflow.db")
    back = client.download_artifacts(tracker.run_id, "figures/montage.png", str(tmp_path))
    assert Path(back).read_bytes() == PNG
    assert not list(tmp_path.glob("tracking-*"))


def test_a_folder_named_like_an_escape_keeps_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "half%20off; 100%25"
    home.mkdir()
    monkeypatch.chdir(home)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    tracker = open_run(TrackingConfig(), "any")
    tracker.text("config.yaml", "seed: 3\n")
    tracker.close("FINISHED")
    assert (home / "mlartifacts" / str(tracker.run_id) / "artifacts" / "config.yaml").is_file()
    assert read_artifact(TrackingConfig(), str(tracker.run_id), "config.yaml") == b"seed: 3\n"
    assert [path.name for path in tmp_path.iterdir()] == [home.name]


def test_the_experiment_opens_on_training_views(store: TrackingConfig, home: Path) -> None:
    open_run(store, "any").close("FINISHED")
    experiment = MlflowClient(f"sqlite:///{home}/mlflow.db").get_experiment_by_name("tests")
    assert experiment is not None
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"


def test_a_deleted_experiment_is_restored(store: TrackingConfig, home: Path) -> None:
    tracking = TrackingConfig(experiment="deleted once")
    open_run(tracking, "before").close("FINISHED")
    client = MlflowClient(f"sqlite:///{home}/mlflow.db")
    experiment = client.get_experiment_by_name("deleted once")
    assert experiment is not None
    client.delete_experiment(experiment.experiment_id)
    experiment_id.cache_clear()  # as in a new process
    open_run(tracking, "after").close("FINISHED")
    assert client.get_experiment(experiment.experiment_id).lifecycle_stage == "active"


def test_limits_odd_names_and_values_that_are_no_numbers(store: TrackingConfig, home: Path) -> None:
    names = ["a b", "ä/é", "50%", "50&", "a//b", "../up", "/root", ".", "..", "", "x\n", "l" * 300]
    names += ["l" * 301, "a_b", "quote'\"`", "a/../b", "C:x", "\0"]
    tracker = open_run(store, "odd")
    tracker.metrics({name: index for index, name in enumerate(names)}, step=0)
    tracker.metrics({"nan": math.nan, "inf": math.inf, "minus": -math.inf}, step=1)
    for step in range(2, 25):
        tracker.metrics({f"m{index}": index for index in range(100)}, step)
    tracker.params({f"p{index}": index for index in range(250)} | {"long": "x" * 9000})
    tracker.params(dict.fromkeys(names, "odd") | {"path": "\udcff\0"})
    tracker.tags({f"t{index}": "y" * 9000 for index in range(120)})
    tracker.close("FINISHED")

    kept = rows(home / "mlflow.db", tracker.run_id)
    assert sorted(value for _, value, step in kept if step == 0) == list(range(len(names)))
    assert len({name for name, _, step in kept if step == 0}) == len(names)
    assert sum(step >= 2 for *_, step in kept) == 2300
    client = MlflowClient(f"sqlite:///{home}/mlflow.db")
    run = client.get_run(str(tracker.run_id))
    assert math.isnan(run.data.metrics["nan"])
    # SQL has no infinity: MLflow keeps the largest number that it has.
    assert run.data.metrics["inf"] == sys.float_info.max == -run.data.metrics["minus"]
    assert len(run.data.params) == 250 + 1 + len(names) + 1
    assert len(run.data.params["long"]) == 6000
    assert run.data.params["long"].endswith("x…")
    assert run.data.params["path"] == "\\udcff\\0"
    assert run.data.tags["t119"].startswith("yyy")


def test_a_reopened_run_goes_on(store: TrackingConfig, home: Path, tmp_path: Path) -> None:
    first = open_run(store, "resumed", tags={"study": "it's"}, folder=tmp_path)
    first.params({"study.trials": 40, "seed": 1})
    for step in (10, 20, 30):
        first.metrics({"loss": step}, step)
    first.close("KILLED")

    run_id = find_run(store, {"study": "it's"})
    assert run_id is not None
    assert run_id == first.run_id
    second = reopen_run(store, run_id, folder=tmp_path)
    client = MlflowClient(f"sqlite:///{home}/mlflow.db")
    assert client.get_run(run_id).info.status == "RUNNING"
    second.params({"study.trials": 80, "seed": 1, "new": 2})
    for step in (30, 40):  # continued from the checkpoint of step 20
        second.metrics({"loss": step}, step)
    second.close("FINISHED")
    assert rows(home / "mlflow.db", run_id) == [("loss", float(s), s) for s in (10, 20, 30, 40)]
    run = client.get_run(run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params == {"study.trials": "40", "seed": "1", "new": "2"}
    assert run.data.tags["changed.study.trials"] == "80"


def test_two_studies_of_one_name_have_a_run_each(store: TrackingConfig, tmp_path: Path) -> None:
    described: list[str | None] = []

    def own(uid: str) -> str | None:
        labels = {"kind": "study", "study": "twice"}
        return own_run(store, "twice", labels, uid, tmp_path, lambda run: described.append(uid))

    runs = {uid: own(uid) for uid in ("a", "b")}
    assert runs["a"] != runs["b"]
    assert {uid: own(uid) for uid in ("b", "a")} == runs
    assert described == ["a", "b"]


def test_a_metric_has_one_row_a_step(store: TrackingConfig, home: Path) -> None:
    tracker, memory = open_run(store, "twice"), MemoryTracker()
    for each in (tracker, memory):
        each.metrics({"score": 1.0}, 5)
        each.flush()
        each.metrics({"score": 1.0, "alpha": 2.0}, 5)  # a summary repeats what was measured
        each.metrics({"score": 3.0}, 6)
        each.close("FINISHED")
    expected = [("alpha", 2.0, 5), ("score", 1.0, 5), ("score", 3.0, 6)]
    assert rows(home / "mlflow.db", tracker.run_id) == expected
    assert memory.history == {"score": {5: 1.0, 6: 3.0}, "alpha": {5: 2.0}}


def test_find_run_takes_the_newest_with_all_tags(store: TrackingConfig) -> None:
    runs = [open_run(store, name, tags={"kind": "x", "n": i}) for i, name in enumerate("abc")]
    for run in runs:
        run.close("FINISHED")
        time.sleep(0.002)
    assert find_run(store, {"kind": "x"}) == runs[2].run_id
    assert find_run(store, {"kind": "x", "n": "1"}) == runs[1].run_id
    assert find_run(store, {"kind": "x", "n": "9"}) is None


RACE = """
import mlflow
from vlatent.tracking import *
print("ready", flush=True)
sys.stdin.readline()
tracker = open_run(TrackingConfig(uri=sys.argv[1], experiment="race"), "one of two")
tracker.metrics({"loss": 1.0}, 0)
tracker.close("FINISHED")
"""


def race(uri: str, *folders: Path) -> None:
    """Processes that begin in these folders record a run each at the same moment."""
    # MLflow has a lock among temporary files, which other machines do not see.
    elsewhere = "import tempfile; tempfile.tempdir = '.'"
    processes = [python(elsewhere + RACE, uri, cwd=folder) for folder in folders]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    outputs = [process.communicate() for process in processes]
    assert outputs == [("", "")] * 2  # nothing failed, and no library chatted


@pytest.mark.processes
def test_processes_that_start_at_once_share_one_new_database(tmp_path: Path) -> None:
    race("sqlite:///mlflow.db", tmp_path, tmp_path)
    with contextlib.closing(sqlite3.connect(tmp_path / "mlflow.db")) as database:
        experiments = database.execute("select name from experiments order by 1").fetchall()
        ended = database.execute("select count(*) from runs where status='FINISHED'").fetchone()
        metrics = database.execute("select count(*) from metrics").fetchone()
    assert experiments == [("Default",), ("race",)]
    assert (ended, metrics) == ((2,), (2,))


@pytest.mark.processes
def test_machines_that_start_at_once_share_one_new_database(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("one", "other")]
    for folder in folders:
        folder.mkdir()
    with Postgres(tmp_path / "postgres") as server:
        uri = server.url("mlflow")
        race(uri, *folders)
        tracking = TrackingConfig(uri=uri, experiment="race")
        assert [run.status for run in recorded_runs(tracking, {})] == ["FINISHED"] * 2


def test_unusable_stores_are_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "garbage.db").write_bytes(b"no database" * 100)
    with contextlib.closing(sqlite3.connect(tmp_path / "studies.db")) as database:
        database.execute("create table alembic_version (version_num text)")
        database.execute("create table studies (study_id integer)")
    before = (tmp_path / "studies.db").read_bytes()
    cases = {
        "http://127.0.0.1:9": "Connection refused",
        "nonsense://x": "nonsense",
        "./mlruns": "migrate-filestore",
        "": "neither a database",
        "sqlite:////dev/null/mlflow.db": "/dev/null",
        "sqlite:///garbage.db": "not a database",
        "sqlite:///studies.db": "another program",
        "postgresql://me:secret@127.0.0.1:9/x": r"me:\*\*\*@",
    }
    for uri, reason in cases.items():
        started = time.monotonic()
        with pytest.raises(UserError, match=reason) as error:
            open_run(TrackingConfig(uri=uri), "refused")
        assert time.monotonic() - started < 5
        message = str(error.value)
        assert len(message.splitlines()) == 1
        assert message.startswith("tracking.uri")
        assert "secret" not in message
    assert (tmp_path / "studies.db").read_bytes() == before
    assert capfd.readouterr() == ("", "")
    with pytest.raises(UserError, match=r"tracking\.experiment"):
        TrackingConfig(experiment=" ")


def test_view_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert view_command(TrackingConfig()) == "mlflow ui"
    assert view_command(TrackingConfig(uri="sqlite:///mlflow.db")) == "mlflow ui"
    assert (
        view_command(TrackingConfig(uri="http://me:secret@host:5000/")) == "http://me:***@host:5000"
    )
    elsewhere = f"mlflow ui --backend-store-uri sqlite:///{tmp_path}/other.db"
    assert view_command(TrackingConfig(uri="sqlite:///other.db")) == elsewhere
    (tmp_path / "mlruns" / "0").mkdir(parents=True)
    (tmp_path / "mlruns" / "0" / "meta.yaml").touch()
    assert (
        view_command(TrackingConfig())
        == f"mlflow ui --backend-store-uri sqlite:///{tmp_path}/mlflow.db"
    )


def test_the_environment_names_the_store_when_the_config_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    named = TrackingConfig(uri="sqlite:///mlflow.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///team.db")
    tracker = open_run(TrackingConfig(), "shared")
    tracker.metrics({"loss": 1.0}, 0)
    tracker.close("FINISHED")
    assert rows(tmp_path / "team.db", tracker.run_id) == [("loss", 1.0, 0)]
    assert not (tmp_path / "mlflow.db").exists()
    # `mlflow ui` does not look at this variable.
    team = f"mlflow ui --backend-store-uri sqlite:///{tmp_path}/team.db"
    assert (view_command(TrackingConfig()), view_command(named)) == (team, "mlflow ui")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    assert view_command(TrackingConfig()) == "mlflow ui"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with pytest.raises(UserError, match=r"^MLFLOW_TRACKING_URI http://127\.0\.0\.1:9 cannot"):
        open_run(TrackingConfig(), "refused")
    assert view_command(named) == "mlflow ui"


def test_memory_tracker_keeps_everything() -> None:
    tracker = MemoryTracker()
    assert isinstance(tracker, Tracker)
    tracker.params({"a": 1})
    tracker.metrics({"loss": 2}, 0)
    tracker.metrics({"loss": 1}, 5)
    tracker.tags({"t": "x"})
    tracker.note("n")
    tracker.text("config.yaml", "c")
    tracker.figure("f", PNG)
    tracker.dataset("training", "abc", "data", {"sentences": 2})
    tracker.flush()
    tracker.close("FAILED", "why")
    assert tracker.settings == {"a": 1}
    assert tracker.labels == {"t": "x"}
    assert tracker.history == {"loss": {0: 2.0, 5: 1.0}}
    assert tracker.files == {"config.yaml": b"c", "figures/f.png": PNG}
    assert tracker.datasets["training"] == {"fingerprint": "abc", "source": "data", "sentences": 2}
    assert (tracker.description, tracker.status, tracker.error) == ("n", "FAILED", "why")
