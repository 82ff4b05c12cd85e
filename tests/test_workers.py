"""Workers as real processes: cores, replacement, complaints, one and two interruptions."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from vlatent.interruption import Stop

TESTS = Path(__file__).parent


@contextmanager
def command(work: str, folder: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, str(TESTS / "crew.py"), work, str(folder)],
        env=os.environ | {"PYTHONPATH": f"{TESTS.parent}:{TESTS}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def began(folder: Path) -> list[int]:
    return [int(file.name.rpartition("-")[2]) for file in folder.glob("began-*")]


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.05)


def alive(process: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


def test_a_killed_worker_is_replaced_and_cores_are_divided(tmp_path: Path) -> None:
    with command("until_stopped", tmp_path) as process:
        wait_for(lambda: len(began(tmp_path)) == 2)
        share = max(1, len(os.sched_getaffinity(0)) // 2)
        assert {file.read_text() for file in tmp_path.glob("began-*")} == {str(share)}
        os.kill(began(tmp_path)[0], signal.SIGKILL)
        wait_for(lambda: len(began(tmp_path)) == 3)
        (tmp_path / "enough").touch()
        said, warned = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "all workers are done" in said
    assert "another takes its place" in warned


def test_the_first_interruption_lets_workers_end_in_good_order(tmp_path: Path) -> None:
    with command("until_stopped", tmp_path) as process:
        wait_for(lambda: len(began(tmp_path)) == 2)
        process.send_signal(signal.SIGINT)
        _, warned = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "Ctrl-C again stops at once" in warned
    assert len(list(tmp_path.glob("ended-*"))) == 2


def test_the_second_interruption_kills(tmp_path: Path) -> None:
    with command("never_ends", tmp_path) as process:
        wait_for(lambda: len(began(tmp_path)) == 2)
        process.send_signal(signal.SIGINT)
        time.sleep(1)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.wait(30) != 0
        wait_for(lambda: not any(map(alive, began(tmp_path))), 10)


def test_workers_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    with command("until_stopped", tmp_path) as process:
        wait_for(lambda: len(began(tmp_path)) == 2)
        process.kill()
        wait_for(lambda: len(list(tmp_path.glob("ended-*"))) == 2, 10)


@pytest.mark.parametrize(
    ("work", "message"),
    [("complains", "the disk is full"), ("dies_at_once", "3 workers in a row died at once")],
)
def test_what_is_wrong_with_all_workers_is_said_once(
    tmp_path: Path, work: str, message: str
) -> None:
    with command(work, tmp_path) as process:
        _, warned = process.communicate(timeout=100)
    assert process.returncode != 0
    assert warned.count(message) == 1
    assert not any(map(alive, began(tmp_path)))


def test_who_must_not_be_disturbed_heeds_afterwards_and_a_third_time_at_once() -> None:
    stop = Stop()
    with pytest.raises(KeyboardInterrupt):
        stop.insist()
    with stop.undisturbed():
        stop.heed()  # nobody has insisted yet
        stop.insist()
        with pytest.raises(KeyboardInterrupt):
            stop.insist()
    with pytest.raises(KeyboardInterrupt):
        stop.heed()
