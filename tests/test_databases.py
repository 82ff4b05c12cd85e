"""Databases that are there and fail: one line that names them, and a way out that works."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
import pytest
import sqlalchemy
from inside import inside
from smoke import CONFIGS, sentences
from test_study import again, client

from ablations import kurtosis
from ablations.ablation import main as ablate
from studies.__main__ import main as studies
from studies.storage import open_storage
from vlatent.shapes import UserError
from vlatent.tracking import TrackingConfig, find_run, open_run

pytestmark = pytest.mark.processes

FAST = ("--study.trials", "2", "--tracking.figures", "false")


@contextmanager
def full(file: str) -> Iterator[None]:
    """SQLite's own limit in place of a disk that is full: this database cannot grow any more."""

    def limit(connection: sqlite3.Connection, _: Any) -> None:
        row = connection.execute("PRAGMA database_list").fetchone()
        if row and Path(row[2]).name == file:
            pages = connection.execute("PRAGMA page_count").fetchone()[0]
            connection.execute(f"PRAGMA max_page_count = {max(pages, 1)}")

    sqlalchemy.event.listen(sqlalchemy.Engine, "connect", limit)
    try:
        yield
    finally:
        sqlalchemy.event.remove(sqlalchemy.Engine, "connect", limit)


def damage(file: Path) -> None:
    """Overwrite all pages but the first, which says what tables there are."""
    size = file.stat().st_size
    with file.open("r+b") as opened:
        opened.seek(4096)
        opened.write(os.urandom(size - 4096))


def one_line(done: subprocess.CompletedProcess[str], *says: str) -> str:
    assert done.returncode == 2, done.stdout + done.stderr
    [line] = [line for line in done.stderr.splitlines() if not line.startswith("warning: ")]
    assert line.startswith("error: "), line
    for each in says:
        assert each in line
    return line


def follow(line: str, folder: Path) -> None:
    """Do what the line says."""
    subprocess.run(line.partition("begin anew after: ")[2], shell=True, cwd=folder, check=True)


def ablation(folder: Path) -> subprocess.CompletedProcess[str]:
    flags = ("--config", str(CONFIGS / "smoke.yaml"), "--training.steps", "6")
    flags += ("--data.train", str(sentences(folder)), "--tracking.figures", "false")
    flags += ("--ablation.seeds", "1", "--ablation.arms", "[without kurtosis]")
    return inside(folder, lambda a: ablate(kurtosis.ABLATION, a), *flags)


def test_a_full_disk_stops_a_study_which_goes_on_when_there_is_room(tmp_path: Path) -> None:
    open_storage(f"sqlite:///{tmp_path / 'studies.db'}")  # tables without rows
    with full("studies.db"):
        done = again(tmp_path, *FAST)
    one_line(
        done, "study.storage sqlite:///studies.db cannot be written (database or disk is full)"
    )
    done = again(tmp_path, *FAST)
    assert done.returncode == 0, done.stderr
    assert {run.info.status for run in client(tmp_path)[1]} <= {"FINISHED", "KILLED"}
    assert "Nothing to do" in inside(tmp_path, studies, "doctor").stdout


def test_a_full_disk_in_the_middle_of_a_trial_leaves_no_run_open(tmp_path: Path) -> None:
    assert again(tmp_path, "--study.trials", "1", *FAST[2:]).returncode == 0
    with full("studies.db"):
        one_line(again(tmp_path, "--study.trials", "9", *FAST[2:]), "database or disk is full")
    assert {run.info.status for run in client(tmp_path)[1]} <= {"FINISHED", "KILLED", "FAILED"}


def test_damaged_pages_are_named_and_the_way_out_works(tmp_path: Path) -> None:
    assert again(tmp_path, "--study.trials", "1", *FAST[2:]).returncode == 0
    damage(tmp_path / "studies.db")
    says = ("study.storage sqlite:///studies.db is damaged (", "put its backup back")
    for command in (("list",), ("status", "loss_weights"), ("doctor",)):
        one_line(inside(tmp_path, studies, *command), *says)
    follow(one_line(again(tmp_path, "--study.trials", "1", *FAST[2:]), *says), tmp_path)
    done = again(tmp_path, "--study.trials", "1", *FAST[2:])
    assert done.returncode == 0, done.stderr


def test_the_ablations_database_too(tmp_path: Path) -> None:
    assert ablation(tmp_path).returncode == 0
    damage(tmp_path / "ablations.db")
    line = one_line(ablation(tmp_path), "ablation.storage sqlite:///ablations.db is damaged (")
    follow(line, tmp_path)
    with full("ablations.db"):
        one_line(ablation(tmp_path), "ablation.storage sqlite:///ablations.db cannot be written")
    done = ablation(tmp_path)
    assert done.returncode == 0, done.stderr


READ = """
import sys
import optuna
from studies.storage import lock_of, open_storage
from vlatent.shapes import UserError
storage = open_storage(sys.argv[1])
study = optuna.load_study(study_name="kept", storage=storage)
print(len(study.get_trials()))
for write in (study.ask, lambda: lock_of(sys.argv[1], "kept").acquire()):
    try:
        write()
    except UserError as error:
        print(error)
"""


def test_what_can_be_read_but_not_written_is_read(tmp_path: Path) -> None:
    file = tmp_path / "kept" / "studies.db"
    file.parent.mkdir()
    url = f"sqlite:///{file}"
    optuna.create_study(study_name="kept", storage=open_storage(url)).ask()
    file.chmod(0o444)
    file.parent.chmod(0o555)
    as_others = []
    if os.geteuid() == 0:  # who may write everything, unless told otherwise
        as_others = [str(shutil.which("setpriv")), "--bounding-set=-dac_override,-dac_read_search"]
    try:
        command = [*as_others, sys.executable, "-c", READ, url]
        root = Path(__file__).parent.parent
        said = subprocess.check_output(command, cwd=root, text=True).splitlines()
    finally:
        file.parent.chmod(0o755)
    assert said[0] == "1"
    assert said[1].startswith(f"study.storage {url} cannot be written (attempt to write a readonly")
    assert said[2].startswith(f"the lock {file}.lock cannot be taken (Permission denied); get the")


def test_a_tracking_database_that_fails_names_a_way_out_that_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    open_run(TrackingConfig(), "kept").close("FINISHED")
    good = Path("mlflow.db").read_bytes()
    for number, broken in enumerate((b"no database" * 999, good[:4096] + os.urandom(len(good)))):
        folder = tmp_path / str(number)  # of its own: MLflow keeps connections
        folder.mkdir()
        monkeypatch.chdir(folder)
        Path("mlflow.db").write_bytes(broken)
        with pytest.raises(UserError, match="is damaged") as error:
            open_run(TrackingConfig(), "refused")
        assert "record in ./mlflow.db" not in str(error.value)
        follow(str(error.value), folder)
        assert [file.name for file in folder.iterdir()] == ["mlflow.db.damaged"]


def test_a_database_of_an_older_mlflow_says_how_it_is_upgraded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from alembic import command
    from alembic.script import ScriptDirectory
    from mlflow.store.db.utils import _get_alembic_config

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    open_run(TrackingConfig(), "kept").close("FINISHED")
    Path("older").mkdir()
    url = f"sqlite:///{shutil.copy('mlflow.db', tmp_path / 'older')}"
    config = _get_alembic_config(url)
    known = [each.revision for each in ScriptDirectory.from_config(config).walk_revisions()]
    command.stamp(config, known[1])  # the newest comes first
    with pytest.raises(UserError, match="was written by an older MLflow") as error:
        find_run(TrackingConfig(uri=url), {"a": "b"})
    assert str(error.value).endswith(f"then run: mlflow db upgrade {url}")
