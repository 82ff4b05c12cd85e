"""The folder of a run is its own: of processes that want one, one gets it."""

from __future__ import annotations

import multiprocessing
import threading
from pathlib import Path

import pytest

from vlatent import run_folders
from vlatent.config import TrainingConfig
from vlatent.run_folders import claimed_folder
from vlatent.shapes import UserError

Places = multiprocessing.Queue  # of a place, and of the error in its stead


def want(training: TrainingConfig, gate: threading.Barrier, places: Places) -> None:  # type: ignore[type-arg]
    gate.wait(100)
    try:
        places.put((f"{claimed_folder(training)}", None))
    except UserError as error:
        places.put((None, f"{error}"))
    gate.wait(100)  # it trains as long as the others want the folder


def wanted_at_once(training: TrainingConfig) -> list[tuple[str | None, str | None]]:
    process = multiprocessing.get_context("fork")
    gate, places = process.Barrier(3), process.Queue()
    wanting = [process.Process(target=want, args=(training, gate, places)) for _ in range(3)]
    for each in wanting:
        each.start()
    told = [places.get(timeout=100) for _ in wanting]
    for each in wanting:
        each.join()
    return told


def test_of_runs_that_name_one_folder_one_trains(tmp_path: Path) -> None:
    named = TrainingConfig(folder=tmp_path / "run")
    told = wanted_at_once(named)
    assert [place for place, _ in told if place] == [f"{tmp_path / 'run'}"]
    refused = [error for _, error in told if error]
    assert len(refused) == 2
    assert all("another process trains in" in error for error in refused)
    claimed_folder(named)  # theirs have ended, and none has left a checkpoint


def test_runs_of_one_second_have_folders_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    class Noon(run_folders.datetime):
        @classmethod
        def now(cls, *_: object) -> run_folders.datetime:
            return cls(2026, 1, 1, 12)

    monkeypatch.setattr(run_folders, "datetime", Noon)
    places = [place for place, _ in wanted_at_once(TrainingConfig())]
    day = "runs/2026-01-01_12-00-00"
    assert sorted(filter(None, places)) == [day, f"{day}-2", f"{day}-3"]
