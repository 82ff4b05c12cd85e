"""A store that fails, is slow, forgets to answer or comes back: every row arrives exactly once."""

from __future__ import annotations

import contextlib
import math
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from servers import MlflowServer
from stores import PNG, python, rows

from vlatent.shapes import UserError
from vlatent.tracking import (
    MlflowTracker,
    TrackingConfig,
    deliver,
    find_run,
    mlflow_tracker,
    open_run,
    reopen_run,
)
from vlatent.tracking.calls import send


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One database for the module: making one costs seconds. The name needs no escaping, or all."""
    return tmp_path_factory.mktemp("a folder, 100% odd #")


@pytest.fixture
def store(home: Path, monkeypatch: pytest.MonkeyPatch) -> TrackingConfig:
    monkeypatch.chdir(home)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return TrackingConfig(experiment="tests")


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Broken:
    return Broken(monkeypatch)


class Broken:
    """A store that takes calls, or not, as told; and counts how often it was asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.down = False
        self.asked: list[str] = []
        self.send: Callable[..., None] = send
        self.now = 1000.0
        monkeypatch.setattr(mlflow_tracker, "send", self)
        monkeypatch.setattr(mlflow_tracker, "monotonic", lambda: self.now)

    def __call__(self, client: MlflowClient, run_id: str, call: dict[str, Any]) -> None:
        self.asked.append(call["call"])
        if self.down:
            raise ConnectionError("gone")
        self.send(client, run_id, call)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    folder = tmp_path_factory.mktemp("server")
    with MlflowServer(f"sqlite:///{folder / 'server.db'}", folder) as server:
        yield server


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
    tracker.params({"steps": 1})
    tracker._submit({"call": "params", "values": {"steps": "2"}})  # MLflow keeps the first value
    tracker.metrics({"loss": 1.0}, 0)
    tracker.close("FINISHED")
    assert len(rows(home / "mlflow.db", tracker.run_id)) == 1
    [record] = caplog.records
    assert "steps" in record.message


def test_what_a_killed_process_left_is_delivered_once(
    store: TrackingConfig, home: Path, tmp_path: Path
) -> None:
    code = """
import os, signal
from pathlib import Path
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

    assert deliver(journal, store) == 5  # the run, three flushes, a figure
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


def test_a_server_that_stops_and_comes_back_has_every_row_once(
    server: MlflowServer,
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
    monkeypatch.setattr(mlflow_tracker, "SHORTEST_WAIT", 0.0)
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
        assert rows(server.folder / "server.db", run_id) == expected
        assert len(client.list_artifacts(run_id, "figures")) == 10
        assert client.get_run(run_id).data.tags["mlflow.parentRunId"] == study.run_id
    with contextlib.closing(sqlite3.connect(server.folder / "server.db")) as database:
        states = database.execute("select name, status from runs order by name").fetchall()
    assert states == [
        ("before", "FINISHED"),
        ("ended", "KILLED"),
        ("meanwhile", "FINISHED"),
        ("study", "FINISHED"),
    ]
    assert len(caplog.records) == 4  # one for each run, and one for the end of the third
