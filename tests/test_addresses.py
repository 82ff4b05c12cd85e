"""Addresses: no password is shown or written, and a path is a path whatever its name."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest
import sqlalchemy
from smoke import smoke

from ablations.cells import Cells
from studies.storage import lock_of, open_storage
from vlatent import checkpoints
from vlatent.config import flatten, from_yaml, override, to_yaml
from vlatent.runtime.addresses import (
    check_address,
    credentials,
    file_of,
    file_url,
    shown,
    without_password,
)
from vlatent.shapes import UserError
from vlatent.tracking import TrackingConfig, find_run, open_run, reopen_run

SECRET = "geh3im"


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        (f"postgresql+psycopg://me:{SECRET}@host/db", "postgresql+psycopg://me@host/db"),
        (
            f"postgresql://me:a@{SECRET}@host:1/db?sslmode=on",
            "postgresql://me@host:1/db?sslmode=on",
        ),
        (f"postgresql://me:a/{SECRET}?x@host/db", "postgresql://me@host/db"),
        (f"postgresql://me@host/db?password={SECRET}&a=1", "postgresql://me@host/db?a=1"),
        (f"postgresql://me@host/db?a=1&password={SECRET}", "postgresql://me@host/db?a=1"),
        (f"http://me:{SECRET}@host:abc", "http://me@host:abc"),
        (f"http://:{SECRET}@host", "http://@host"),
        ("sqlite:////home/a:b@c/x.db", "sqlite:////home/a:b@c/x.db"),
        ("http://host:5000", "http://host:5000"),
    ],
)
def test_a_password_is_neither_written_nor_shown(tmp_path: Path, url: str, kept: str) -> None:
    assert without_password(url) == kept
    assert SECRET not in shown(f"what {url} said ({url!r})")
    assert ("***" in shown(url)) == (SECRET in url)
    config = override(smoke(tmp_path), {"tracking.uri": url})
    assert from_yaml(to_yaml(config)).tracking.uri == kept
    assert flatten(config)["tracking.uri"] == kept


def test_another_process_finds_the_password_in_its_environment() -> None:
    assert credentials("postgresql://me:a%40b@host/db") == {"PGPASSWORD": "a@b"}
    found = {"MLFLOW_TRACKING_USERNAME": "me", "MLFLOW_TRACKING_PASSWORD": "x"}
    assert credentials("http://me:x@host") == found
    assert credentials("sqlite:///x.db") == {}


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("sqlite://", "lies in memory"),
        ("sqlite:///:memory:", "lies in memory"),
        ("sqlite:///file:x?mode=memory&uri=true", "lies in memory"),
        (f"postgresql+psycopg://me:{SECRET}@host:abc/db", "is no address"),
        (f"postgresql+psycopg://me:x@{SECRET}@host/db", "write %40"),
        (f"mysql://me:{SECRET}@host/db", "neither a SQLite file nor a PostgreSQL server"),
        ("studies.db", "is no address"),
    ],
)
def test_what_is_no_address_is_one_line_without_its_password(
    tmp_path: Path, url: str, why: str
) -> None:
    uses = [
        lambda: check_address("study.storage", url),
        lambda: open_storage(url),
        lambda: Cells(url, tmp_path),
    ]
    if url.startswith(("sqlite", "postgresql")):
        uses.append(lambda: find_run(TrackingConfig(uri=url), {"kind": "x"}))
    for use in uses:
        with pytest.raises(UserError, match=why) as refused:
            use()
        assert SECRET not in str(refused.value)
        assert "\n" not in str(refused.value)


def test_a_server_with_an_impossible_port_is_told_of_without_its_password() -> None:
    with pytest.raises(UserError, match=r"tracking\.uri") as refused:
        find_run(TrackingConfig(uri=f"http://me:{SECRET}@127.0.0.1:abc"), {"kind": "x"})
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize("name", ["q?x=1", "a%20b", "a b", "ä#;", "[x]y"])
def test_a_project_lies_in_its_folder_whatever_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    project = tmp_path / name
    project.mkdir()
    monkeypatch.chdir(project)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert file_of(file_url(project / "x.db")) == project / "x.db"
    open_storage("sqlite:///studies.db")
    with lock_of("sqlite:///studies.db", "study"):
        Cells("sqlite:///ablations.db", Path("runs"))
    run = open_run(TrackingConfig(), "one", folder=project)
    run.text("note.txt", "kept")
    run.close("FINISHED")
    assert [file.name for file in tmp_path.iterdir()] == [name]
    made = {file.name for file in project.iterdir()}
    assert {"studies.db", "ablations.db", "mlflow.db", "mlartifacts"} <= made
    assert [file.read_text() for file in project.rglob("note.txt")] == ["kept"]


def test_a_table_of_another_program_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "ablations.db"
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.execute("create table cells (id integer, voltage real)")
        connection.commit()
    before = file.read_bytes()
    with pytest.raises(UserError, match="has a table cells of another program"):
        Cells(file_url(file), tmp_path)
    assert file.read_bytes() == before


def test_two_databases_of_cells_are_two(tmp_path: Path) -> None:
    one, two = (Cells(file_url(tmp_path / name), tmp_path) for name in ("a.db", "b.db"))
    assert one.uid() != two.uid()
    assert Cells(one.url, tmp_path).uid() == one.uid()
    engine = sqlalchemy.create_engine(one.url)
    with engine.begin() as connection:  # one that is older than such names
        connection.execute(sqlalchemy.text("DROP TABLE vlatent_cells"))
    assert Cells(one.url, tmp_path).uid()


def test_a_flipped_byte_in_a_checkpoint_is_found(tmp_path: Path) -> None:
    import torch

    path = tmp_path / checkpoints.NAME
    checkpoints.save(path, {"weights": torch.arange(1000.0)})
    assert checkpoints.load(path)["weights"][7] == 7
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"checkpoint\.pt is damaged"):
        checkpoints.load(path)


def test_a_full_disk_leaves_what_stood_there(tmp_path: Path) -> None:
    path = tmp_path / "best.yaml"
    checkpoints.write(path, "before")
    with pytest.MonkeyPatch.context() as patched:

        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        patched.setattr("os.fsync", full)
        with pytest.raises(UserError, match=r"best\.yaml cannot be written: No space left"):
            checkpoints.write(path, "after")
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_copied_project_leaves_the_pictures_of_the_original_alone(tmp_path: Path) -> None:
    first, copy = tmp_path / "first", tmp_path / "copy"
    for folder in (first, copy):
        folder.mkdir()
    tracking = TrackingConfig(uri=file_url(first / "mlflow.db"))
    run = open_run(tracking, "one", folder=first)
    run.close("FINISHED")
    (copy / "mlflow.db").write_bytes((first / "mlflow.db").read_bytes())
    copied = TrackingConfig(uri=file_url(copy / "mlflow.db"))
    with pytest.raises(UserError, match="copied or moved"):
        open_run(copied, "two", folder=copy)
    other = open_run(
        TrackingConfig(uri=copied.uri, experiment="other"), "two", folder=copy
    )  # the way out
    other.text("note.txt", "two")
    other.close("FINISHED")
    assert list(first.rglob("note.txt")) == []
    assert len(list(copy.rglob("note.txt"))) == 1


def test_a_report_on_a_moved_project_leaves_its_old_place_alone(tmp_path: Path) -> None:
    before, now = tmp_path / "before", tmp_path / "now"
    before.mkdir()
    run = open_run(TrackingConfig(uri=file_url(before / "mlflow.db")), "one", folder=before)
    run.close("FINISHED")
    before.rename(now)
    with pytest.raises(UserError, match="copied or moved"):
        reopen_run(TrackingConfig(uri=file_url(now / "mlflow.db")), str(run.run_id), folder=now)
    assert not before.exists()
