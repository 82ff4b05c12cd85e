"""The servers of the tests answer, go away, come back with what they knew, and leave nothing."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import optuna
import psutil
import pytest
import sqlalchemy
from mlflow import MlflowClient
from servers import TESTS, MlflowServer, Postgres, free_port, ray_local
from sqlalchemy.exc import OperationalError

pytestmark = pytest.mark.processes

WORKER = """
import sys, optuna
study = optuna.load_study(study_name="shared", storage=sys.argv[1])
study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=3)
"""


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    with Postgres(tmp_path_factory.mktemp("postgres")) as postgres:
        yield postgres


def ask(url: str, *statements: str) -> list[object]:
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
    with engine.begin() as connection:
        results = [connection.execute(sqlalchemy.text(statement)) for statement in statements]
        return list(results[-1].scalars())


def listening(process: psutil.Process) -> set[str]:
    """Addresses on which a process and its descendants can be reached."""
    found: set[str] = set()
    for member in [process, *process.children(recursive=True)]:
        with contextlib.suppress(psutil.NoSuchProcess):
            for connection in member.net_connections("inet"):
                if connection.status == psutil.CONN_LISTEN:
                    found.add(connection.laddr.ip.removeprefix("::ffff:"))
    return found


def test_a_free_port_can_be_listened_on() -> None:
    ports = {free_port() for _ in range(20)}
    assert len(ports) > 10
    with socket.socket() as server:
        server.bind(("127.0.0.1", ports.pop()))
        server.listen()


def test_postgres_comes_back_with_its_data(postgres: Postgres) -> None:
    url = postgres.url('an "odd" name')
    ask(url, "CREATE TABLE numbers AS SELECT 7 AS number", "SELECT 1")
    postgres.stop()
    with pytest.raises(OperationalError, match=r"refused"):
        ask(url, "SELECT 1")
    postgres.start()
    assert ask(url, "SELECT number FROM numbers") == [7]
    assert postgres.url('an "odd" name') == url
    assert postgres.process is not None
    process = psutil.Process(postgres.process.pid)
    assert listening(process) == {"127.0.0.1"}
    assert process.uids().effective != 0


def test_postgres_leaves_nothing(tmp_path: Path) -> None:
    with Postgres(tmp_path) as server:
        assert server.process is not None
        process = psutil.Process(server.process.pid)
    assert not process.is_running()
    assert [file.name for file in tmp_path.iterdir()] == ["server.log"]


def test_a_server_that_cannot_begin_says_why(postgres: Postgres, tmp_path: Path) -> None:
    second = Postgres(tmp_path)
    second.port = postgres.port
    with pytest.raises(AssertionError, match="Address already in use"), second:
        pass
    assert second.process is None


def test_a_study_is_shared_with_another_process(postgres: Postgres) -> None:
    url = postgres.url("studies")
    study = optuna.create_study(study_name="shared", storage=url)
    subprocess.run([sys.executable, "-c", WORKER, url], check=True, capture_output=True)
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
    assert [trial.number for trial in study.trials] == list(range(5))
    assert all(trial.value == trial.params["x"] for trial in study.trials)


def test_mlflow_comes_back_with_its_runs(postgres: Postgres, tmp_path: Path) -> None:
    with MlflowServer(postgres.url("runs"), tmp_path) as server:
        client = MlflowClient(server.uri)
        run_id = client.create_run(client.create_experiment("tests")).info.run_id
        client.log_text(run_id, "text", "note.txt")
        server.stop()
        assert not server.answers()
        server.start()
        client.log_metric(run_id, "loss", 1.0)
        assert client.get_run(run_id).data.metrics == {"loss": 1.0}
        [note] = tmp_path.rglob("note.txt")
        assert note.read_text() == "text"
        assert server.process is not None
        process = psutil.Process(server.process.pid)
        assert listening(process) == {"127.0.0.1"}
        family = [process, *process.children(recursive=True)]
    assert not any(member.is_running() for member in psutil.wait_procs(family, timeout=5)[1])


def stubborn(folder: Path) -> tuple[int, str]:
    """Leave a file named after the process; end only if it is not the first that does so."""
    import studies

    (folder / str(os.getpid())).touch()
    while len(list(folder.iterdir())) == 1:
        time.sleep(0.05)
    return os.getpid(), str(studies.__file__)


def test_ray_begins_a_killed_task_anew_for_this_machine_alone(tmp_path: Path) -> None:
    import ray

    others = set(psutil.Process().children(recursive=True))
    with ray_local() as address:
        assert address.startswith("127.0.0.1:")
        result = ray.remote(max_retries=1)(stubborn).remote(tmp_path)
        end = time.monotonic() + 30
        while not (began := list(tmp_path.iterdir())):
            assert time.monotonic() < end
            time.sleep(0.05)
        first = int(began[0].name)
        os.kill(first, signal.SIGKILL)
        second, module = ray.get(result, timeout=60)
        assert second not in (os.getpid(), first)
        assert module == str(TESTS.parent / "studies" / "__init__.py")
        assert listening(psutil.Process()) == {"127.0.0.1"}

        code = 'import ray; ray.init("auto"); print(ray.cluster_resources()["CPU"])'
        python = [sys.executable, "-c", code]
        assert subprocess.check_output(python, cwd=tmp_path, text=True) == "2.0\n"
        family = set(psutil.Process().children(recursive=True)) - others
    assert len(family) > 2
    assert not psutil.wait_procs(family, timeout=10)[1]
    assert "RAY_ADDRESS" not in os.environ
