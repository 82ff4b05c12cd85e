"""Optuna's database shared by processes: one owner a trial, patience, and who counts as dead."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest
import sqlalchemy
from optuna.trial import TrialState
from servers import Postgres
from sqlalchemy import event

from studies.storage import lock_of, open_storage
from vlatent.runtime.addresses import is_file, shown
from vlatent.runtime.databases import LEASE, away, engine_arguments, refused
from vlatent.shapes import UserError

ROOT = Path(__file__).parent.parent

CLAIM = """
import sys
import optuna
from optuna.trial import TrialState
from studies.storage import open_storage
study = optuna.load_study(study_name="claims", storage=open_storage(sys.argv[1]))
sys.stdin.read(1)
while study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
    trial = study.ask()
    print(trial.suggest_int("slot", 0, 10**6), flush=True)
    study.tell(trial, 0.0)
"""

HOLD = """
import sys, time
from studies.storage import lock_of
lock = lock_of(sys.argv[1], "study")
for _ in range(20):
    with lock:
        print("in", flush=True)
        time.sleep(0.01)
        print("out", flush=True)
"""


FREEZE = """
import sys, time
from vlatent.runtime import databases
databases.LEASE = 3
from studies.storage import lock_of
lock = lock_of(sys.argv[1], "study")
lock.acquire()
time.sleep(4)
print(lock.held, flush=True)
sys.stdin.readline()
print(lock.held, flush=True)
lock.release()
"""

OPEN = """
import sys
from pathlib import Path
from ablations.cells import Cells
from studies.job import load_study
if sys.argv[2] == "cells":
    Cells(sys.argv[1], Path("."))
else:
    load_study("kept", sys.argv[1])
print("opened", flush=True)
"""


def processes(
    count: int, code: str, *arguments: str, **settings: object
) -> list[subprocess.Popen[str]]:
    return [
        subprocess.Popen(
            [sys.executable, "-c", code, *arguments],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            **settings,  # type: ignore[call-overload]
        )
        for _ in range(count)
    ]


@pytest.fixture(params=["sqlite", "postgresql"])
def new_databases(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[list[str]]:
    """Addresses of databases in which there is no table yet."""
    names = [f"new_{number}" for number in range(4)]
    if request.param == "sqlite":
        yield [f"sqlite:///{tmp_path / name}.db" for name in names]
        return
    with Postgres(tmp_path / "postgres") as server:
        yield [server.url(name) for name in names]


def share_a_study(urls: list[str], gate: threading.Barrier, plain: bool) -> None:
    """As our commands do, or a program of the user's that knows no lock and tries again."""
    for url in urls:
        gate.wait(100)
        while True:
            try:
                storage = url if plain else open_storage(url)
                optuna.create_study(study_name="shared", storage=storage, load_if_exists=True)
                break
            except Exception:
                if not plain:
                    raise


def test_what_waits_is_begun_by_its_place(tmp_path: Path) -> None:
    """As an interrupted trial keeps its place, it goes on before those queued behind it."""
    study = optuna.create_study(storage=open_storage(f"sqlite:///{tmp_path / 'studies.db'}"))
    for ordinal in (3, 1, 2):
        study.enqueue_trial({"x": 1.0}, user_attrs={"ordinal": ordinal})
    assert [study.ask().user_attrs["ordinal"] for _ in range(3)] == [1, 2, 3]


@pytest.mark.processes
def test_processes_that_open_a_new_database_at_once_share_it(new_databases: list[str]) -> None:
    """Two commands of ours, and two other programs."""
    context = multiprocessing.get_context("spawn")
    gate = context.Barrier(4)
    crowd = [
        context.Process(target=share_a_study, args=(new_databases, gate, plain))
        for plain in (False, True) * 2
    ]
    for process in crowd:
        process.start()
    for process in crowd:
        process.join()
    assert {process.exitcode for process in crowd} == {0}
    for url in new_databases:
        assert [study.study_name for study in open_storage(url).get_all_studies()] == ["shared"]


@contextlib.contextmanager
def theirs_first(url: str, moment: str) -> Iterator[None]:
    """Another program makes a study just before the first statement with these words."""
    before: list[str] = []

    def come_first(_: object, cursor: object, statement: str, *more: object) -> None:
        if moment in statement and not before:
            before.append(statement)
            optuna.create_study(study_name="theirs", storage=url)

    event.listen(sqlalchemy.Engine, "before_cursor_execute", come_first)
    try:
        yield
    finally:
        event.remove(sqlalchemy.Engine, "before_cursor_execute", come_first)
    assert before


def test_another_programs_tables_may_come_first(new_databases: list[str]) -> None:
    """Made after we had looked whether there are any: it takes no lock of ours."""
    moments = ["CREATE TYPE", "CREATE TABLE alembic_version"]
    if is_file(new_databases[0]):  # where every statement that makes them is a transaction
        moments = ["CREATE TABLE studies", "INDEX ix_", moments[1], "INSERT INTO alembic_version"]
    for url, moment in zip(new_databases, moments, strict=False):
        with theirs_first(url, moment):
            storage = open_storage(url)
        assert [study.study_name for study in storage.get_all_studies()] == ["theirs"]


@pytest.mark.processes
def test_four_processes_claim_eighty_trials_each_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'studies.db'}"
    study = optuna.create_study(study_name="claims", storage=open_storage(url))
    for slot in range(80):
        study.enqueue_trial({"slot": slot})
    crowd = processes(4, CLAIM, url)
    time.sleep(8)  # until all have loaded their libraries
    for process in crowd:
        assert process.stdin is not None
        process.stdin.write("g")
        process.stdin.flush()
    claimed: Counter[int] = Counter()
    shares = []
    for process in crowd:
        lines = process.communicate(timeout=280)[0].split()
        assert process.returncode == 0
        shares.append(len(lines))
        claimed.update(map(int, lines))
    # The very last look can be answered before another process has claimed: then a trial is begun
    # that nobody queued, which is why workers claim under a lock.
    queued = {slot: claimed[slot] for slot in range(80)}
    assert set(queued.values()) == {1}
    assert sum(share > 0 for share in shares) > 1, "they did not run side by side"
    states = Counter(trial.state for trial in study.trials)
    assert states[TrialState.WAITING] == states[TrialState.RUNNING] == 0


def test_the_lock_is_held_by_one_process_at_a_time(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'studies.db'}"
    record = tmp_path / "record"
    with record.open("w") as file:
        crowd = [
            subprocess.Popen([sys.executable, "-c", HOLD, url], cwd=ROOT, stdout=file)
            for _ in range(3)
        ]
        for process in crowd:
            assert process.wait(100) == 0
    assert record.read_text().split() == ["in", "out"] * 60


def test_a_lock_dies_with_its_holder(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'studies.db'}"
    code = HOLD.replace("time.sleep(0.01)", "time.sleep(100)")
    [holder] = processes(1, code, url)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "in\n"
    holder.kill()
    holder.wait()
    with lock_of(url, "study"):
        pass


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_a_trial_is_abandoned_when_it_was_found_silent_twice(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'studies.db'}"
    writer = optuna.create_study(study_name="silent", storage=open_storage(url))
    mute = writer.ask()  # its worker dies before the first heartbeat
    silent = writer.ask()
    handed_on: list[int] = []
    watched = open_storage(url, 1, lambda _, trial: handed_on.append(trial.number))
    study = optuna.load_study(study_name="silent", storage=watched)
    watched.record_heartbeat(silent._trial_id)
    looks: dict[int, float] = {}
    began = time.monotonic()
    while time.monotonic() - began < 20 and len(handed_on) < 2:
        optuna.storages.fail_stale_trials(study)
        for number in handed_on:
            looks.setdefault(number, time.monotonic() - began)
        time.sleep(0.2)
    assert sorted(handed_on) == [mute.number, silent.number]
    assert looks[mute.number] >= 4
    assert looks[silent.number] >= 4 + 1  # four beats without a sign, and a beat until the second
    assert {trial.state for trial in study.trials} == {TrialState.FAIL}


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_a_trial_that_gives_signs_of_life_is_left_alone(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'studies.db'}"
    handed_on: list[int] = []
    watched = open_storage(url, 1, lambda _, trial: handed_on.append(trial.number))
    study = optuna.create_study(study_name="alive", storage=watched)
    trial_id = open_storage(url).create_new_trial(study._study_id)
    for _ in range(14):
        watched.record_heartbeat(trial_id)
        optuna.storages.fail_stale_trials(study)
        time.sleep(0.5)
    assert not handed_on


def test_an_unusable_storage_is_one_line(tmp_path: Path) -> None:
    for url in (
        "sqlite:////nowhere/at/all/studies.db",
        "nonsense://x",
        "postgresql+psycopg://nowhere.invalid/x",
    ):
        with pytest.raises(UserError, match=r"study\.storage .* cannot be used") as error:
            open_storage(url)
        assert "\n" not in str(error.value)


def test_passwords_are_not_shown() -> None:
    assert shown("postgresql+psycopg://me:secret@host/db") == "postgresql+psycopg://me:***@host/db"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    with Postgres(tmp_path_factory.mktemp("server")) as server:
        yield server


def test_a_frozen_holder_loses_its_lock_and_knows_it(server: Postgres) -> None:
    url = server.url("frozen")
    [holder] = processes(1, FREEZE, url)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "True\n"  # for longer than its lease
    holder.send_signal(signal.SIGSTOP)
    try:
        with lock_of(url, "study"):  # within the lease, however long it stays frozen
            pass
    finally:
        holder.send_signal(signal.SIGCONT)
    said, _ = holder.communicate("go on\n", timeout=100)
    assert (said, holder.returncode) == ("False\n", 0)


def test_who_starts_while_a_server_is_away_waits_for_it(server: Postgres) -> None:
    url = server.url("away")
    optuna.create_study(study_name="kept", storage=open_storage(url))
    server.stop()
    try:
        starting = [
            processes(1, OPEN, url, which, stderr=subprocess.PIPE)[0]
            for which in ("cells", "study")
        ]
        for process, setting in zip(starting, ("ablation.storage", "study.storage"), strict=True):
            assert process.stderr is not None
            said = process.stderr.readline()
            assert said.startswith(f"{setting} does not answer"), said
            assert "Ctrl-C ends that" in said
    finally:
        server.start()
    for process in starting:
        said, errors = process.communicate(timeout=100)
        assert (said, process.returncode) == ("opened\n", 0), errors


def test_a_wrong_address_is_not_waited_for(server: Postgres) -> None:
    url = server.url("there")
    for wrong, why in {
        url.replace(server.password, "guessed"): "password authentication failed",
        url.replace("/there", "/nowhere"): 'database "nowhere" does not exist',
        url.replace("127.0.0.1", "nowhere.invalid"): "failed to resolve host",
    }.items():
        with pytest.raises(UserError, match=why):
            open_storage(wrong)


def test_a_server_that_stays_away_is_given_up(
    server: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vlatent.runtime.databases.PATIENCE", 0.1)
    gone = server.url("gone").replace(f":{server.port}/", ":9/")
    with pytest.raises(UserError, match=r"did not answer for 0 minutes .*start its server"):
        open_storage(gone)


def test_both_ends_of_a_connection_notice_a_machine_that_vanished(server: Postgres) -> None:
    """By themselves they would wait for two hours, and hold its locks for as long."""
    url = server.url("vanished")
    engine = sqlalchemy.create_engine(url, **engine_arguments(url))
    with engine.connect() as connection:
        opened = connection.connection.driver_connection
        assert opened is not None
        here = opened.info.get_parameters()
        names = ("keepalives_idle", "keepalives_interval", "keepalives_count")
        ends = [[int(here[name]) for name in names]]
        shown = [connection.execute(sqlalchemy.text(f"SHOW tcp_{name}")) for name in names]
        ends.append([int(each.scalar_one()) for each in shown])
        for idle, interval, count in ends:
            assert 0 < idle + count * interval <= LEASE
        assert 0 < int(here["tcp_user_timeout"]) <= 1000 * LEASE
    engine.dispose()


def test_a_transaction_that_was_left_open_is_ended(
    server: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else whoever froze in the middle of one would lock its rows for ever."""
    monkeypatch.setattr("vlatent.runtime.databases.LEASE", 2)
    url = server.url("open")
    frozen, other = (
        sqlalchemy.create_engine(url, **engine_arguments(url)).connect() for _ in range(2)
    )
    number = frozen.execute(sqlalchemy.text("SELECT pg_backend_pid()")).scalar()
    alive = sqlalchemy.text(f"SELECT count(*) FROM pg_stat_activity WHERE pid = {number}")
    other.execution_options(isolation_level="AUTOCOMMIT")
    while other.execute(alive).scalar():
        time.sleep(0.1)
    with pytest.raises(sqlalchemy.exc.DBAPIError) as ended:
        frozen.execute(alive)
    assert away(ended.value)  # so who wakes up does it again
    assert not refused(ended.value)  # in opening, too
    for connection in (frozen, other):
        connection.invalidate()
