"""Passwords of addresses are used, and stand in no file, in no database and on no screen."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy
from servers import MlflowServer, Postgres
from smoke import CONFIGS

pytestmark = pytest.mark.processes

QUICK = (
    *("--config", str(CONFIGS / "smoke.yaml"), "--training.steps", "4"),
    *("--evaluation.count", "3", "--tracking.figures", "false"),
)


def told(folder: Path, *command: str, status: int = 0) -> bytes:
    """What a command prints."""
    done = subprocess.run([sys.executable, "-m", *command], cwd=folder, capture_output=True)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


def kept(url: str) -> bytes:
    """Every row of every table of a database."""
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
    tables = sqlalchemy.MetaData()
    tables.reflect(engine)
    with engine.connect() as connection:
        rows = [connection.execute(table.select()).all() for table in tables.sorted_tables]
    return repr(rows).encode()


def test_no_password_is_written_or_printed(tmp_path: Path) -> None:
    project, books = tmp_path / "project", tmp_path / "books"
    project.mkdir()
    with (
        Postgres(tmp_path / "postgres") as postgres,
        MlflowServer(f"sqlite:///{tmp_path / 'mlflow.db'}", books) as server,
    ):
        storage = postgres.url("studies")
        uri = server.uri.replace("http://", "http://me:hunter2-hunter2@")
        study = ("studies.loss_weights", *QUICK, "--study.storage", storage, "--tracking.uri", uri)
        printed = told(project, *study, "--study.trials", "2", "--study.workers", "2")
        report = ("analysis.report", "--study", "loss_weights", "--storage", storage)
        printed += told(project, *report, "--tracking.uri", uri)
        printed += told(project, *study, "--study.space.nothing", "[1, 2]", status=2)
        server.stop()
        printed += told(project, "vlatent", "train", *QUICK, "--tracking.uri", uri, status=2)
        secrets = (postgres.password.encode(), b"hunter2-hunter2")
        everything = {"what was printed": printed, "PostgreSQL": kept(storage)}
        places = [*project.rglob("*"), *books.rglob("*"), tmp_path / "mlflow.db"]
        everything |= {str(file): file.read_bytes() for file in places if file.is_file()}
        found = {name for name, text in everything.items() for each in secrets if each in text}
    assert not found
    assert b"loss_weights" in everything["PostgreSQL"]
    assert b"***" in printed
    configs = [text for name, text in everything.items() if name.endswith("nearest.yaml")]
    assert configs
    assert all(b"uri: http://me@127.0.0.1" in config for config in configs)
