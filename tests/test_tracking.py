"""The record of a run: complete, in order, exactly once, whatever the store does."""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from vlatent import tracking as tracking_module
from vlatent.shapes import UserError
from vlatent.tracking import (
    MemoryTracker,
    MlflowTracker,
    Tracker,
    TrackingConfig,
    deliver,
    find_run,
    open_run,
    reopen_run,
    view_command,
)

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One database for the module: making one costs seconds. The name needs no escaping, or all."""
    return tmp_path_factory.mktemp("a folder, 100% odd #")


@pytest.fixture
def store(home: Path, monkeypatch: pytest.MonkeyPatch) -> TrackingConfig:
    monkeypatch.chdir(home)
    return TrackingConfig(experiment="tests")


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Broken:
    return Broken(monkeypatch)


class Broken:
    """A store that takes calls, or not, as told; and counts how often it was asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.down = False
        self.asked: list[str] = []
        self.send: Callable[..., None] = tracking_module._send
        self.now = 1000.0
        monkeypatch.setattr(tracking_module, "_send", self)
        monkeypatch.setattr(tracking_module, "monotonic", lambda: self.now)

    def __call__(self, client: MlflowClient, run_id: str, call: dict[str, Any]) -> None:
        self.asked.append(call["call"])
        if self.down:
            raise ConnectionError("gone")
        self.send(client, run_id, call)


class Server:
    """A real `mlflow server` on loopback, which can be stopped and started on the same port."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.database = folder / "server.db"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.uri = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1"]
        command += ["--port", str(self.port), "--workers", "1", "--serve-artifacts"]
        command += ["--backend-store-uri", f"sqlite:///{self.database}"]
        command += ["--artifacts-destination", str(self.folder / "artifacts")]
        environment = os.environ | {
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        }
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, env=environment, start_new_session=True
            )

    def wait(self) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{self.uri}/health", timeout=1).read()
                return
            time.sleep(0.1)
        raise AssertionError((self.folder / "server.log").read_text())

    def stop(self) -> None:
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)  # its own session: it and its workers
            self.process.wait()
            self.process = None


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("server"))
    server.start()
    server.wait()
    yield server
    server.stop()


def rows(database: Path, run_id: str | None) -> list[tuple[str, float, int]]:
    """All metric rows of a run, read without MLflow."""
    with contextlib.closing(sqlite3.connect(database)) as connection:
        return connection.execute(
            "select key, value, step from metrics where run_uuid = ? order by step, key", [run_id]
        ).fetchall()


def python(code: str, *arguments: object, cwd: Path) -> subprocess.Popen[str]:
    """A process of its own that has the module at hand."""
    program = f"import sys; sys.path.insert(0, {str(Path(__file__).parents[1])!r})\n{code}"
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        cwd=cwd,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_everything_kept_reads_back(store: TrackingConfig, home: Path, tmp_path: Path) -> None:
    parent = open_run(store, "study", folder=tmp_path)
    tracker = open_run(store, "trial 7", parent.run_id, {"seed": 3}, folder=tmp_path)
    assert isinstance(tracker, Tracker)
    tracker.params({"priors.spectrum.weight": 0.5, "data.tokenizer": None, "empty": ""})
    tracker.tags({"device": "cpu"})
    tracker.note("# what it is")
    tracker.text("config.yaml", "seed: 3\n")
    tracker.figure("montage", PNG)
    (tmp_path / "best.pt").write_bytes(b"weights")
    tracker.artifact(tmp_path / "best.pt", "checkpoints")
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
    assert run.info.artifact_uri == str(files)
    assert (files / "figures" / "montage.png").read_bytes() == PNG
    assert (files / "config.yaml").read_text() == "seed: 3\n"
    assert (files / "checkpoints" / "best.pt").read_bytes() == b"weights"
    assert (files / "traceback.txt").read_text().startswith("Traceback")
    assert not list(tmp_path.glob("tracking-*"))


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
    tracking_module._experiment.cache_clear()  # as in a new process
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


def test_a_failing_store_costs_nothing(
    store: TrackingConfig,
    home: Path,
    tmp_path: Path,
    broken: Broken,
    caplog: pytest.LogCaptureFixture,
) -> None:
    tracker = open_run(store, "outage", folder=tmp_path)
    tracker.metrics({"loss": 0.0}, 0)
    tracker.flush()
    broken.down = True
    for step in range(1, 4):
        tracker.metrics({"loss": step}, step)
        tracker.figure(f"step {step}", PNG)
        tracker.flush()
    assert rows(home / "mlflow.db", tracker.run_id) == [("loss", 0.0, 0)]
    assert [len(record.message.splitlines()) for record in caplog.records] == [1]
    [journal] = tmp_path.glob("tracking-*.jsonl")
    assert str(journal) in caplog.text
    assert "gone" in caplog.text

    broken.down = False
    broken.now += 60
    broken.asked.clear()
    tracker.flush()
    # The metrics buffered beside the first figure came after it, and still do.
    assert broken.asked == ["run", *["content", "metrics"] * 3]
    assert not journal.exists()
    tracker.metrics({"loss": 4.0}, 4)
    tracker.close("FINISHED")
    assert rows(home / "mlflow.db", tracker.run_id) == [("loss", float(s), s) for s in range(5)]
    assert len(caplog.records) == 1


def test_a_dead_store_is_not_asked_at_every_flush(
    store: TrackingConfig, tmp_path: Path, broken: Broken
) -> None:
    tracker = open_run(store, "patience", folder=tmp_path)
    broken.down = True
    for step in range(100):
        tracker.metrics({"loss": 1.0}, step)
        tracker.flush()
        broken.now += 0.5
    assert len(broken.asked) == 10  # every 5 of 50 seconds


def test_much_that_waits_is_delivered_little_by_little(
    store: TrackingConfig, home: Path, tmp_path: Path, broken: Broken
) -> None:
    tracker = open_run(store, "a long night", folder=tmp_path)
    send = broken.send

    def slow(*arguments: Any) -> None:
        broken.now += 0.5
        send(*arguments)

    broken.down, broken.send = True, slow
    for step in range(20):
        tracker.metrics({"loss": float(step)}, step)
        tracker.flush()
    broken.down, broken.now = False, broken.now + 60
    tracker.flush()
    assert len(rows(home / "mlflow.db", tracker.run_id)) == 4  # and the run itself: 2.5 seconds
    tracker.flush()
    assert len(rows(home / "mlflow.db", tracker.run_id)) == 4
    broken.now += 60
    tracker.flush()
    assert len(rows(home / "mlflow.db", tracker.run_id)) == 9
    tracker.close("FINISHED")
    assert rows(home / "mlflow.db", tracker.run_id) == [("loss", float(s), s) for s in range(20)]


def test_a_call_whose_answer_was_lost_is_seen_once(
    store: TrackingConfig, home: Path, tmp_path: Path, broken: Broken
) -> None:
    tracker = open_run(store, "timeout", folder=tmp_path)
    send = broken.send

    def takes_it_and_does_not_answer(*arguments: Any) -> None:
        send(*arguments)
        raise TimeoutError("no answer")

    broken.send = takes_it_and_does_not_answer

    def attempt(call: Callable[[], None]) -> None:
        broken.send = takes_it_and_does_not_answer
        call()
        time.sleep(0.01)  # a second sending with a time of its own would make another row
        broken.send, broken.now = send, broken.now + 60
        tracker.flush()
        assert not list(tmp_path.iterdir())

    tracker.metrics({"loss": 1.0, "nan": math.nan}, 1)
    attempt(tracker.flush)
    attempt(lambda: tracker.dataset("training", "abc", "data", {"sentences": 1}))
    attempt(lambda: tracker.params({"a": 1}))
    attempt(lambda: tracker.figure("a", PNG))
    tracker.close("FINISHED")
    assert rows(home / "mlflow.db", tracker.run_id) == [("loss", 1.0, 1), ("nan", 0.0, 1)]
    run = MlflowClient(f"sqlite:///{home}/mlflow.db").get_run(str(tracker.run_id))
    assert run.inputs is not None
    assert len(run.inputs.dataset_inputs) == 1
    assert run.data.params == {"a": "1"}


def test_a_call_that_the_store_refuses_does_not_hold_up_the_others(
    store: TrackingConfig, home: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tracker = open_run(store, "refused", folder=tmp_path)
    tracker.artifact(tmp_path / "gone.pt")
    tracker.metrics({"loss": 1.0}, 0)
    tracker.close("FINISHED")
    assert len(rows(home / "mlflow.db", tracker.run_id)) == 1
    [record] = caplog.records
    assert "gone.pt" in record.message


def test_what_a_killed_process_left_is_delivered_once(
    store: TrackingConfig, home: Path, tmp_path: Path
) -> None:
    code = """
import os, signal
from vlatent.tracking import *
tracker = open_run(TrackingConfig(uri="http://127.0.0.1:9", experiment="tests"), "killed",
                   folder=Path(sys.argv[1]), patient=True)
for step in range(3):
    tracker.metrics({"loss": step}, step)
    tracker.flush()
tracker.figure("last", b"png")
assert tracker.run_id is None
os.kill(os.getpid(), signal.SIGKILL)
"""
    process = python(code, tmp_path, cwd=tmp_path)
    _, errors = process.communicate()
    assert process.returncode == -signal.SIGKILL, errors
    assert len(errors.splitlines()) == 1, errors
    [journal] = tmp_path.glob("tracking-*.jsonl")
    with journal.open("ab") as file:
        file.write(b'{"call": "metrics", "rows": [["loss", 3.0, 17')  # cut by the kill
    copy = tmp_path / "copy.jsonl"
    copy.write_bytes(journal.read_bytes())

    assert deliver(journal, store) == 5  # the run, three flushes, a picture
    assert not journal.exists()
    run_id = find_run(store, {"mlflow.runName": "killed"})
    expected = [("loss", 0.0, 0), ("loss", 1.0, 1), ("loss", 2.0, 2)]
    assert rows(home / "mlflow.db", run_id) == expected
    assert (home / "mlartifacts" / str(run_id) / "artifacts/figures/last.png").is_file()
    deliver(copy, store)  # killed again, between the delivery and the end of the journal
    assert rows(home / "mlflow.db", run_id) == expected
    assert find_run(store, {"mlflow.runName": "killed"}) == run_id
    assert deliver(journal, store) == 0


def test_a_living_process_delivers_by_itself(
    store: TrackingConfig, tmp_path: Path, broken: Broken
) -> None:
    tracker = open_run(store, "alive", folder=tmp_path)
    broken.down = True
    tracker.tags({"a": 1})
    broken.down = False
    [journal] = tmp_path.glob("tracking-*.jsonl")
    assert deliver(journal, store) == 0
    with pytest.raises(UserError, match="still written by another process"):
        reopen_run(store, str(tracker.run_id), folder=tmp_path)
    tracker.close("FINISHED")
    assert not journal.exists()


def test_a_run_that_ended_before_its_store_was_back(
    store: TrackingConfig,
    home: Path,
    tmp_path: Path,
    broken: Broken,
    caplog: pytest.LogCaptureFixture,
) -> None:
    tracker = open_run(store, "early end", folder=tmp_path)
    broken.down = True
    tracker.metrics({"loss": 1.0}, 1)
    tracker.close("KILLED")
    [journal] = tmp_path.glob("tracking-*.jsonl")
    assert len(caplog.records) == 2
    assert str(journal) in caplog.records[-1].message
    broken.down = False
    assert deliver(journal, store) == 3
    run = MlflowClient(f"sqlite:///{home}/mlflow.db").get_run(str(tracker.run_id))
    assert run.info.status == "KILLED"
    assert run.data.metrics == {"loss": 1.0}


def test_a_full_disk_costs_the_journal_not_the_training(
    store: TrackingConfig, tmp_path: Path, broken: Broken, caplog: pytest.LogCaptureFixture
) -> None:
    tracker = open_run(store, "no room", folder=tmp_path / "file")
    (tmp_path / "file").write_text("not a folder")
    broken.down = True
    for step in range(3):
        tracker.metrics({"loss": 1.0}, step)
        tracker.flush()
    tracker.close("FINISHED")
    assert sum("lost" in record.message for record in caplog.records) == 1


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


def test_find_run_takes_the_newest_with_all_tags(store: TrackingConfig) -> None:
    runs = [open_run(store, name, tags={"kind": "x", "n": i}) for i, name in enumerate("abc")]
    for run in runs:
        run.close("FINISHED")
        time.sleep(0.002)
    assert find_run(store, {"kind": "x"}) == runs[2].run_id
    assert find_run(store, {"kind": "x", "n": "1"}) == runs[1].run_id
    assert find_run(store, {"kind": "x", "n": "9"}) is None


def test_processes_that_start_at_once_share_one_new_database(tmp_path: Path) -> None:
    code = """
import mlflow
from vlatent.tracking import *
print("ready", flush=True)
sys.stdin.readline()
tracker = open_run(TrackingConfig(experiment="race"), sys.argv[1])
tracker.metrics({"loss": 1.0}, 0)
tracker.close("FINISHED")
"""
    processes = [python(code, index, cwd=tmp_path) for index in range(2)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    outputs = [process.communicate() for process in processes]
    assert outputs == [("", "")] * 2  # nothing failed, and no library chatted
    with contextlib.closing(sqlite3.connect(tmp_path / "mlflow.db")) as database:
        experiments = database.execute("select name from experiments order by 1").fetchall()
        ended = database.execute("select count(*) from runs where status='FINISHED'").fetchone()
        metrics = database.execute("select count(*) from metrics").fetchone()
    assert experiments == [("Default",), ("race",)]
    assert (ended, metrics) == ((2,), (2,))


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


def test_memory_tracker_keeps_everything(tmp_path: Path) -> None:
    tracker = MemoryTracker()
    assert isinstance(tracker, Tracker)
    tracker.params({"a": 1})
    tracker.metrics({"loss": 2}, 0)
    tracker.metrics({"loss": 1}, 5)
    tracker.tags({"t": "x"})
    tracker.note("n")
    tracker.text("config.yaml", "c")
    tracker.figure("f", PNG)
    (tmp_path / "file").write_bytes(b"b")
    tracker.artifact(tmp_path / "file", "folder")
    tracker.dataset("training", "abc", "data", {"sentences": 2})
    tracker.flush()
    tracker.close("FAILED", "why")
    assert tracker.settings == {"a": 1}
    assert tracker.labels == {"t": "x"}
    assert tracker.history == {"loss": {0: 2.0, 5: 1.0}}
    assert tracker.files == {"config.yaml": b"c", "figures/f.png": PNG, "folder/file": b"b"}
    assert tracker.datasets["training"] == {"fingerprint": "abc", "source": "data", "sentences": 2}
    assert (tracker.description, tracker.status, tracker.error) == ("n", "FAILED", "why")


def test_a_server_that_stops_and_comes_back_has_every_row_once(
    server: Server,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tracking = TrackingConfig(uri=server.uri, experiment="outage")
    study = open_run(tracking, "study", folder=tmp_path)
    trackers = [open_run(tracking, "before", study.run_id, folder=tmp_path)]

    def train(tracker: MlflowTracker, steps: range) -> None:
        for step in steps:
            tracker.metrics({"loss": step, "nan": math.nan}, step)
            tracker.figure(f"step {step}", PNG)
            tracker.flush()

    train(trackers[0], range(0, 3))
    server.stop()
    started = time.monotonic()
    train(trackers[0], range(3, 6))
    trackers.append(open_run(tracking, "meanwhile", study.run_id, folder=tmp_path, patient=True))
    train(trackers[1], range(0, 6))
    trackers.append(open_run(tracking, "ended", study.run_id, folder=tmp_path, patient=True))
    train(trackers[2], range(0, 10))
    trackers[2].close("KILLED")
    assert time.monotonic() - started < 5
    assert trackers[1].run_id is None
    assert len(list(tmp_path.glob("tracking-*.jsonl"))) == 3

    server.start()
    server.wait()
    monkeypatch.setattr(tracking_module, "SHORTEST_WAIT", 0.0)
    for tracker in trackers[:2]:
        tracker._next_attempt = 0.0  # as if some time had passed
        train(tracker, range(6, 10))
        tracker.close("FINISHED")
    [left] = tmp_path.glob("tracking-*.jsonl")
    assert deliver(left, tracking) > 10
    study.close("FINISHED")

    ended = find_run(tracking, {"mlflow.runName": "ended"})
    expected = [(name, v, s) for s in range(10) for name, v in (("loss", float(s)), ("nan", 0.0))]
    client = MlflowClient(server.uri)
    for run_id in (trackers[0].run_id, trackers[1].run_id, ended):
        assert run_id is not None
        assert rows(server.database, run_id) == expected
        assert len(client.list_artifacts(run_id, "figures")) == 10
        assert client.get_run(run_id).data.tags["mlflow.parentRunId"] == study.run_id
    with contextlib.closing(sqlite3.connect(server.database)) as database:
        states = database.execute("select name, status from runs order by name").fetchall()
    assert states == [
        ("before", "FINISHED"),
        ("ended", "KILLED"),
        ("meanwhile", "FINISHED"),
        ("study", "FINISHED"),
    ]
    assert len(caplog.records) == 4  # one for each run, and one for the end of the third
