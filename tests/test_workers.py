"""Workers as real processes: cores, replacement, complaints, one and two interruptions."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

TESTS = Path(__file__).parent
PATIENCE = 200.0  # seconds, on a machine that does much else
pytestmark = pytest.mark.processes


@contextmanager
def command(
    work: str, folder: Path, *before: str, launcher: Sequence[str] = (), **settings: Any
) -> Iterator[subprocess.Popen[str]]:
    crew = str(TESTS / "helpers" / "crew.py")
    process = subprocess.Popen(
        [*before, sys.executable, crew, work, str(folder), *launcher],
        **settings,
        env=os.environ | {"PYTHONPATH": f"{TESTS.parent}:{TESTS / 'helpers'}"},
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


def wait_for(condition: Callable[[], bool], seconds: float = PATIENCE) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.05)


def alive(process: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


def starting(process: subprocess.Popen[str]) -> list[int]:
    """Both workers, which import for seconds before they work; waited for."""

    def found() -> list[int]:
        children = psutil.Process(process.pid).children()
        return [child.pid for child in children if any("spawn_main" in w for w in child.cmdline())]

    wait_for(lambda: len(found()) == 2)
    return found()


def heard() -> None:
    """Let Ctrl-C reach a command, also where the tests themselves run in a script's background."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_a_worker_that_is_killed_or_told_to_end_is_replaced_and_cores_are_divided(
    tmp_path: Path,
) -> None:
    with command("until_stopped", tmp_path) as process:
        wait_for(lambda: len(began(tmp_path)) == 2)
        share = max(1, len(os.sched_getaffinity(0)) // 2)
        assert {file.read_text() for file in tmp_path.glob("began-*")} == {str(share)}
        killed, told = began(tmp_path)
        os.kill(killed, signal.SIGKILL)
        os.kill(told, signal.SIGTERM)
        wait_for(lambda: len(began(tmp_path)) == 4)
        assert [file.name for file in tmp_path.glob("ended-*")] == [f"ended-{told}"]
        (tmp_path / "enough").touch()
        said, warned = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert "all workers are done" in said
    for how in ("SIGKILL", "SIGTERM"):
        assert f"a worker was ended by {how}; another takes its place" in warned


def test_the_first_interruption_lets_workers_end_in_good_order(tmp_path: Path) -> None:
    with command("until_stopped", tmp_path) as process:
        wait_for(lambda: len(began(tmp_path)) == 2)
        process.send_signal(signal.SIGINT)
        _, warned = process.communicate(timeout=PATIENCE)
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
        assert process.wait(PATIENCE) != 0
        wait_for(lambda: not any(map(alive, began(tmp_path))))


def test_workers_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    with command("until_stopped", tmp_path) as process:
        wait_for(lambda: len(began(tmp_path)) == 2)
        process.kill()
        wait_for(lambda: len(list(tmp_path.glob("ended-*"))) == 2)


def test_workers_that_find_no_parent_do_nothing(tmp_path: Path) -> None:
    with command("until_stopped", tmp_path) as process:
        workers = starting(process)
        process.kill()
        wait_for(lambda: not any(map(alive, workers)))
        assert began(tmp_path) == []


def test_work_goes_on_when_the_shell_that_began_it_under_nohup_ends(tmp_path: Path) -> None:
    looks = tmp_path / "looks"
    shell = ("sh", "-c", 'trap "" HUP; "$@" & wait', "shell")
    with command("until_stopped", tmp_path, *shell, start_new_session=True) as process:
        wait_for(lambda: len(began(tmp_path)) == 2)
        process.kill()  # the shell, which waits
        process.wait()
        os.killpg(process.pid, signal.SIGHUP)  # as a terminal does that closes
        before = looks.stat().st_size
        wait_for(lambda: looks.stat().st_size > before + 3)  # all have had time to hear of it
        (tmp_path / "enough").touch()
        said, warned = process.communicate(timeout=PATIENCE)
    assert "all workers are done" in said
    assert warned == ""
    assert not list(tmp_path.glob("ended-*"))


def test_an_interruption_while_workers_start_is_one_line(tmp_path: Path) -> None:
    own = {"start_new_session": True, "preexec_fn": heard}
    with command("until_stopped", tmp_path, **own) as process:
        workers = starting(process)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        _, warned = process.communicate(timeout=PATIENCE)
    assert warned.split("\n") == ["", "Ending. Ctrl-C again stops at once.", ""]
    assert not any(map(alive, workers))
    assert began(tmp_path) == []


@pytest.mark.parametrize(
    ("work", "message"),
    [("complains", "the disk is full"), ("dies_at_once", "3 workers in a row died at once")],
)
def test_what_is_wrong_with_all_workers_is_said_once(
    tmp_path: Path, work: str, message: str
) -> None:
    with command(work, tmp_path) as process:
        _, warned = process.communicate(timeout=PATIENCE)
    assert process.returncode != 0
    assert warned.count(message) == 1
    assert not any(map(alive, began(tmp_path)))


def test_workers_are_prepared_whoever_begins_them(tmp_path: Path) -> None:
    """As commands are; here a program begins them that has not set itself up."""
    with command("says_its_state", tmp_path) as process:
        said, errors = process.communicate(timeout=PATIENCE)
    assert said == "all workers are done\n", errors
    states = [json.loads(file.read_text()) for file in tmp_path.glob("began-*")]
    assert [state[:2] for state in states] == [[0, "passive"]] * 2
