"""Cells in a database that processes share: one owner each, freed by death, known by content."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from servers import Postgres
from smoke import smoke

from ablations.arms import BASE, Arm, alone, without
from ablations.cells import Cells, key_of, planned
from ablations.measurement import latents_from_bytes, latents_to_bytes, readings_from_bytes
from vlatent.config import override
from vlatent.shapes import UserError

ROOT = Path(__file__).parent.parent

WORKER = """
import json, sys, time
sys.path[:0] = [sys.argv[1], sys.argv[1] + "/tests/helpers"]
from pathlib import Path
from smoke import smoke
from ablations.arms import BASE, without
from ablations.cells import Cells, planned
folder = Path(sys.argv[2])
plan = planned(smoke(folder), [BASE, without("kurtosis")], range(10), lambda _: "corpus")
print("ready", flush=True)
sys.stdin.readline()
cells = Cells(sys.argv[3], folder)
while (claim := cells.claim(plan, retries=0 if sys.argv[4] == "once" else 3)) is not None:
    print(claim.cell.key, claim.attempt, flush=True)
    time.sleep(float(sys.argv[5]))
    cells.finished(claim, json.dumps({"by": "somebody"}), b"")
    claim.release()
"""


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path_factory.mktemp('cells') / 'ablations.db'}"
        return
    with Postgres(tmp_path_factory.mktemp("postgres")) as server:
        yield server.url("cells")


def worker(folder: Path, url: str, mode: str, seconds: float) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", WORKER, str(ROOT), str(folder), url, mode, str(seconds)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.processes
def test_processes_take_each_cell_once(url: str, tmp_path: Path) -> None:
    workers = [worker(tmp_path, url, "once", 0.05) for _ in range(3)]
    taken = Counter(
        line.split()[0] for process in workers for line in _go_and_wait(workers, process)
    )
    assert len(taken) == 20
    assert set(taken.values()) == {1}


def _go_and_wait(workers: list[subprocess.Popen[str]], process: subprocess.Popen[str]) -> list[str]:
    for each in workers:
        assert each.stdin is not None
        if not each.stdin.closed:
            each.stdin.write("go\n")
            each.stdin.close()
    assert process.stdout is not None
    lines = process.stdout.read().splitlines()
    assert process.wait(60) == 0
    return lines


def test_a_cell_whose_worker_was_killed_is_free_at_once_and_not_for_ever(
    url: str, tmp_path: Path
) -> None:
    cells = Cells(url, tmp_path)
    plan = planned(smoke(tmp_path), [alone("wavelet")], [77], lambda _: f"corpus of {tmp_path}")
    (cell,) = plan
    ours = 'planned(smoke(folder), [BASE, without("kurtosis")], range(10), lambda _: "corpus")'
    other = f'planned(smoke(folder), [alone("wavelet")], [77], lambda _: "corpus of {tmp_path}")'
    script = WORKER.replace(ours, other).replace("import BASE, without", "import alone")
    for attempt in (1, 2):
        process = subprocess.Popen(
            [sys.executable, "-c", script, str(ROOT), str(tmp_path), url, "often", "100"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
        assert process.stdout.readline() == "ready\n"
        assert process.stdout.readline().split() == [cell.key, str(attempt)]
        assert cells.claim(plan, 3) is None  # it is being trained
        assert not cells.read([cell.key])[cell.key].over(3)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        time.sleep(0.3)
    assert cells.claim(plan, 1) is None  # given up after a second attempt, when one more is allowed
    assert cells.read([cell.key])[cell.key].over(1)
    claim = cells.claim(plan, 2)
    assert claim is not None
    assert claim.attempt == 3
    cells.returned(claim)
    claim.release()
    cells.forget_failures(plan)
    assert cells.read([cell.key])[cell.key].attempts == 0


FREEZE = """
import sys
sys.path[:0] = [sys.argv[1], sys.argv[1] + "/tests/helpers"]
from pathlib import Path
from vlatent.runtime import databases
databases.LEASE = 2
from smoke import smoke
from ablations.arms import BASE
from ablations.cells import Cells, Reassigned, planned
folder = Path(sys.argv[2])
cells = Cells(sys.argv[3], folder)
claim = cells.claim(planned(smoke(folder), [BASE], [9], lambda _: "frozen"), 3)
print(claim.attempt, flush=True)
sys.stdin.readline()
for write in (
    lambda: cells.goes_on(claim, "a run of mine"),
    lambda: cells.finished(claim, "mine", b""),
    lambda: cells.failed(claim, "mine", 9),
    lambda: cells.returned(claim),
):
    try:
        write()
    except Reassigned:
        print("reassigned", flush=True)
"""


def test_a_frozen_worker_loses_its_cell_and_writes_nothing_more(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    with Postgres(tmp_path_factory.mktemp("frozen")) as server:
        url = server.url("frozen")
        cells, plan = (
            Cells(url, tmp_path),
            planned(smoke(tmp_path), [BASE], [9], lambda _: "frozen"),
        )
        frozen = subprocess.Popen(
            [sys.executable, "-c", FREEZE, str(ROOT), str(tmp_path), url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert frozen.stdout is not None
        assert frozen.stdout.readline() == "1\n"
        assert cells.claim(plan, 3) is None
        frozen.send_signal(signal.SIGSTOP)
        try:
            while (claim := cells.claim(plan, 3)) is None:
                time.sleep(0.1)
        finally:
            frozen.send_signal(signal.SIGCONT)
        assert claim.attempt == 2
        said, _ = frozen.communicate("go on\n", timeout=100)
        assert said == "reassigned\n" * 4
        cells.finished(claim, "ours", b"")
        claim.release()
        [entry] = cells.read([plan[0].key]).values()
        assert (entry.attempts, entry.result, entry.run_id) == (2, "ours", None)


def test_what_was_measured_comes_back(url: str, tmp_path: Path) -> None:
    (cell,) = planned(smoke(tmp_path), [BASE], [5], lambda _: f"corpus of {tmp_path}")
    cells = Cells(url, tmp_path)
    claim = cells.claim([cell], 0)
    assert claim is not None
    latent = torch.randn(4, 16, 16, 6)
    cells.goes_on(claim, "a run")
    cells.finished(claim, json.dumps({"score": 1}), latents_to_bytes(latent))
    claim.release()
    entry = Cells(url, tmp_path).read([cell.key])[cell.key]
    assert (json.loads(entry.result or ""), entry.run_id) == ({"score": 1}, "a run")
    assert entry.over(0)
    kept = cells.latents(cell)
    assert kept is not None
    assert torch.allclose(latents_from_bytes(kept), latent, atol=2e-3)
    assert readings_from_bytes(kept) == []
    read = latents_to_bytes(latent, ["A red cube.", ""])
    assert readings_from_bytes(read) == ["A red cube.", ""]
    assert torch.equal(latents_from_bytes(read), latents_from_bytes(kept))
    cells.forget_failures([cell])
    assert cells.read([cell.key])[cell.key].result is not None  # it did not fail


def test_a_cell_is_known_by_what_can_change_its_result(tmp_path: Path) -> None:
    config = smoke(tmp_path)
    key = key_of(config, "corpus")
    for name, value in {
        "training.seed": 1,
        "priors.wavelet.weight": 0.0,
        "encoder.hidden": 48,
        "evaluation.count": 5,
    }.items():
        assert key_of(override(config, {name: value}), "corpus") != key
    assert key_of(config, "another corpus") != key
    for name, value in {
        "training.folder": tmp_path / "elsewhere",
        "tracking.uri": "sqlite:///other.db",
        "data.train": tmp_path / "the same sentences.txt",
    }.items():
        assert key_of(override(config, {name: value}), "corpus") == key


def test_arms_that_train_the_same_share_their_cells(tmp_path: Path) -> None:
    config = smoke(tmp_path)
    weight = config.priors.kurtosis.weight
    double = Arm("once", "dose", {"priors.kurtosis.weight": weight}, ("kurtosis",))
    plan = planned(config, [BASE, double, without("kurtosis")], [1, 2], lambda _: "corpus")
    assert [cell.seed for cell in plan] == [1, 1, 2, 2, 1, 2]  # seeds are whole, doses come last
    assert len({cell.key for cell in plan}) == 4
    assert plan[0].key == plan[4].key != plan[1].key
    assert {cell.config.training.seed for cell in plan} == {1, 2}


@pytest.mark.parametrize(
    ("bad", "match"),
    [
        ("mysql://localhost/x", "neither a SQLite file nor a PostgreSQL server"),
        ("sqlite:////proc/nowhere/ablations.db", r"cannot be used \(.*No such file"),
        ("postgresql+psycopg://nowhere.invalid/x", r"cannot be used \(.*resolve"),
    ],
)
def test_a_database_that_cannot_be_used_is_named(tmp_path: Path, bad: str, match: str) -> None:
    with pytest.raises(UserError, match=match):
        Cells(bad, tmp_path)
