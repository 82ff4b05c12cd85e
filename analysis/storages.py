"""Optuna's storage, opened for reading alone: a SQLite file, a PostgreSQL server or a journal."""

from __future__ import annotations

import difflib
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend

from vlatent.runtime.addresses import file_of, file_url, is_file, read_only, shown
from vlatent.runtime.databases import engine_arguments, reason
from vlatent.shapes import UserError

STORAGE = "sqlite:///studies.db"  # where studies keep their trials unless told otherwise
NAMED = 20  # studies that an error names
SQLITE = b"SQLite format 3\0"  # the first bytes of its files


def load_study(database: BaseStorage, url: str, name: str) -> optuna.Study:
    """The study of this name.

    Raises:
        UserError: There is none; names those there are.
    """
    names = [study.study_name for study in database.get_all_studies()]
    if name not in names:
        raise UserError(f"there is no study {name} in {shown(url)}; {_offer(name, names)}")
    return optuna.load_study(study_name=name, storage=database)


@contextmanager
def opened(url: str) -> Iterator[BaseStorage]:
    """Optuna's storage for reading: nothing is created or changed, and no worker has to wait.

    Raises:
        UserError: There is none, or it cannot be read.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        database = _storage(url)
    except UserError:
        raise
    except Exception as error:  # SQLAlchemy, drivers and the system each raise their own
        raise UserError(
            f"storage {shown(url)} cannot be read ({reason(error)}); write sqlite:///studies.db "
            "for a file, postgresql+psycopg://user@host/database for a server."
        ) from None
    try:
        yield database
    except (sqlalchemy.exc.SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        raise UserError(f"storage {shown(url)} cannot be read ({reason(error)}).") from None
    finally:
        database.remove_session()
        if isinstance(database, RDBStorage):
            database.engine.dispose()


def _storage(url: str) -> BaseStorage:
    if "://" not in url and Path(url).is_file():  # a path, as Optuna's own commands take it
        with Path(url).open("rb") as file:
            is_database = file.read(len(SQLITE)) == SQLITE
        if not is_database:
            return JournalStorage(JournalFileBackend(url))
        url = file_url(Path(url))
    _refuse_a_stranger(url)
    database = RDBStorage(
        url, _reading(url), skip_table_creation=True, skip_compatibility_check=True
    )
    try:
        _refuse_other_tables(database, url)
    except BaseException:
        database.engine.dispose()
        raise
    return database


def _refuse_a_stranger(url: str) -> None:
    """A file that is not there, or a database that belongs to something else."""
    if not is_file(url) and not url.startswith("postgresql"):
        raise ValueError("it is neither a SQLite file nor a PostgreSQL server")
    file = sqlalchemy.make_url(url).database or ""
    if is_file(url) and not Path(file).is_file():
        raise UserError(
            f"there is no file {file} for storage {shown(url)}; run the command where the study "
            "was run, or name its database with --storage."
        )
    engine = sqlalchemy.create_engine(url, **_reading(url))
    try:
        made = {"studies", "trials", "alembic_version"} <= set(
            sqlalchemy.inspect(engine).get_table_names()
        )
        with engine.connect() as connection:  # the row of the last is written last of all
            row = sqlalchemy.text("SELECT version_num FROM alembic_version")
            whole = made and connection.execute(row).first() is not None
    finally:
        engine.dispose()
    if not whole:
        raise UserError(
            f"storage {shown(url)} holds no studies of Optuna; name the database that "
            "--study.storage named when the study was run."
        )


def _refuse_other_tables(database: RDBStorage, url: str) -> None:
    """Tables of another version of Optuna, which this one would read wrongly or not at all."""
    version = database.get_current_version()
    if version == database.get_head_version():
        return
    if version in database.get_all_versions():
        raise UserError(
            f"storage {shown(url)} was made by an older Optuna, whose tables Optuna "
            f"{optuna.__version__} does not read, and nothing is changed in it: copy it, run "
            "`optuna storage upgrade --storage COPY`, and name the copy with --storage."
        )
    raise UserError(
        f"storage {shown(url)} was made by a newer Optuna than {optuna.__version__}, which is "
        "installed here; pip install --upgrade optuna."
    )


def _reading(url: str) -> dict[str, Any]:
    """Arguments of SQLAlchemy's engine; file and server themselves refuse to write."""
    if not is_file(url):
        arguments = engine_arguments(url)
        arguments["connect_args"]["options"] += " -c default_transaction_read_only=on"
        return arguments
    address = read_only(file_of(url))
    return {
        "creator": lambda: sqlite3.connect(
            address, uri=True, timeout=60, isolation_level=None, check_same_thread=False
        )
    }


def _offer(name: str, names: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if near:
        return f"did you mean {near[0]}?"
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"there is {', '.join(sorted(names)[:NAMED]) or 'none at all'}{more}."
