"""Cells: a config on a seed, identified by its content, trained once, shared by all ablations."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy
from sqlalchemy import Column, Integer, LargeBinary, MetaData, Table, Text

from ablations.arms import Arm
from vlatent.config import RunConfig, override, to_yaml
from vlatent.fingerprints import effective
from vlatent.runtime.addresses import is_file, shown
from vlatent.runtime.databases import engine_arguments, explained, immediate, opened, patient
from vlatent.runtime.locks import DatabaseLock, PlaceLock, alone, shared_lock
from vlatent.shapes import UserError

# Raise it whenever the same cell would measure something else: old and new ones are not compared.
MEASUREMENT_VERSION = 5
SETTING = "ablation.storage"

TABLE = Table(
    "cells",
    MetaData(),
    Column("key", Text, primary_key=True),
    Column("config", Text, nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("result", Text),  # JSON, once it was trained to the end
    Column("painting", LargeBinary, key="latents"),  # the column keeps its first name
    Column("reason", Text),  # why the last attempt failed
    Column("run_id", Text),  # in the tracker, of the last attempt
)

# One row: the id of this database, of which there may be others with ablations of the same names.
OWNER = Table("vlatent_cells", TABLE.metadata, Column("uid", Text, primary_key=True))

R = TypeVar("R")


@dataclass(frozen=True)
class Cell:
    """An arm on a seed.

    Attributes:
        arm: Arm of which it is one run.
        seed: Of initial weights, dropout and order of sentences: equal in all arms.
        config: What is trained.
        key: Twenty hexadecimal digits of all that can change the result. Cells of different arms,
            or of different ablations, that would train the same have the same.
    """

    arm: Arm
    seed: int
    config: RunConfig
    key: str

    @property
    def label(self) -> str:
        return f"{self.arm.name}, seed {self.seed}"


@dataclass(frozen=True)
class Entry:
    """The state of a cell: a result, or why there is none after so many attempts."""

    attempts: int
    result: str | None
    reason: str | None
    run_id: str | None

    def over(self, retries: int) -> bool:
        """Whether nothing is left to do: it was measured, or is given up."""
        return self.result is not None or self.attempts > retries


UNKNOWN = Entry(0, None, None, None)


def planned(
    base: RunConfig, arms: Sequence[Arm], seeds: Sequence[int], corpus: Callable[[Any], str]
) -> list[Cell]:
    """Every cell, one seed after the other, so that arms can be compared early; doses come last.

    Args:
        base: What the arms change.
        arms: All of them.
        seeds: Seeds of every arm.
        corpus: Fingerprint of what a run with this config reads.
    """
    doses = [arm for arm in arms if arm.group == "dose"]
    others = [arm for arm in arms if arm.group != "dose"]
    return [
        Cell(arm, seed, config, key_of(config, corpus(config)))
        for group in (others, doses)
        for seed in seeds
        for arm in group
        for config in [override(base, {**arm.changes, "training.seed": seed})]
    ]


def key_of(config: RunConfig, corpus: str) -> str:
    """Name of a cell, from all that can change its result: config and fingerprint of the corpus."""
    # The corpus is identified by its content, wherever it lies.
    values = {k: v for k, v in effective(config).items() if not k.startswith("data.")}
    content = json.dumps([values, corpus, MEASUREMENT_VERSION], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:20]


class Reassigned(RuntimeError):
    """This worker had no heartbeat for so long that its cell was given to another."""


@dataclass(frozen=True, eq=False)
class Claim:
    """The right to train a cell: lost, and free for others, when its holder dies.

    Attributes:
        cell: What is to be trained.
        attempt: Which one this is. Another worker's is a later one: what a worker writes that was
            frozen meanwhile, and whose lock was freed, is refused by this number.
        left: The tracker's run of the attempt before, if it has one.
        lock: What its holder's death frees.
    """

    cell: Cell
    attempt: int
    left: str | None
    lock: DatabaseLock | PlaceLock

    def release(self) -> None:
        self.lock.release()


def _refuse_foreign(connection: sqlalchemy.Connection, url: str) -> None:
    """Leave a table alone that has our name and other columns."""
    inspector = sqlalchemy.inspect(connection)
    if not inspector.has_table(TABLE.name):
        return
    columns = {column["name"] for column in inspector.get_columns(TABLE.name)}
    if missing := {column.name for column in TABLE.c} - columns:
        raise UserError(
            f"{SETTING} {shown(url)} has a table {TABLE.name} of another program (without "
            f"{', '.join(sorted(missing))}); name another database, sqlite:///ablations.db for "
            "instance"
        )


class Cells:
    """The database in which finished cells are kept.

    A cell that is being trained is locked by its worker, not marked: there is nothing to be
    cleaned up after a worker that was killed.
    """

    def __init__(self, url: str, folder: Path) -> None:
        """Open the database, or make it.

        Args:
            url: A SQLite file or a PostgreSQL server.
            folder: Where cells have their folders; with SQLite also their locks.

        Raises:
            UserError: It cannot be used.
        """
        self.url = url
        self.folder = folder

        def opening() -> sqlalchemy.Engine:
            engine = sqlalchemy.create_engine(url, **engine_arguments(url))
            with alone(url), engine.begin() as connection:
                _refuse_foreign(connection, url)
                TABLE.metadata.create_all(connection)
                if connection.execute(sqlalchemy.select(OWNER)).first() is None:
                    connection.execute(sqlalchemy.insert(OWNER).values(uid=uuid.uuid4().hex))
            return engine

        self._engine = opened(SETTING, url, opening)
        if is_file(url):
            immediate(self._engine)

    def uid(self) -> str:
        """The id of this database."""
        query = sqlalchemy.select(OWNER.c.uid)
        return self._do(lambda connection: str(connection.execute(query).scalar_one()))

    def read(self, keys: Iterable[str]) -> dict[str, Entry]:
        """The state of these cells."""
        wanted = set(keys)
        columns = [TABLE.c[name] for name in ("key", *Entry.__dataclass_fields__)]
        query = sqlalchemy.select(*columns)
        if len(wanted) == 1:
            query = query.where(TABLE.c.key == next(iter(wanted)))

        rows = self._do(lambda connection: connection.execute(query).all())
        recorded = {key: Entry(*values) for key, *values in rows}
        return {key: recorded.get(key, UNKNOWN) for key in wanted}

    def latents(self, cell: Cell) -> bytes | None:
        """Latents of a finished cell."""
        query = sqlalchemy.select(TABLE.c.latents).where(TABLE.c.key == cell.key)
        return self._do(lambda connection: connection.execute(query).scalar())

    def claim(self, cells: Sequence[Cell], retries: int) -> Claim | None:
        """The first cell that nobody trains and that is not over; None when there is none now."""
        entries = self.read({cell.key for cell in cells})
        for cell in cells:
            if entries[cell.key].over(retries):
                continue
            lock = self.lock(cell.key)
            if not lock.try_acquire():
                continue
            try:
                entry = self.read([cell.key])[cell.key]  # another may just have finished it
                if not entry.over(retries) and self._begun(cell, entry.attempts):
                    return Claim(cell, entry.attempts + 1, entry.run_id, lock)
            except BaseException:
                lock.release()
                raise
            lock.release()
        return None

    def place(self, cell: Cell) -> Path:
        """The folder of a cell."""
        return self.folder / "cells" / cell.key

    def goes_on(self, claim: Claim, run_id: str | None) -> None:
        """Write down the run of a cell that is being trained.

        Raises:
            Reassigned: By now another worker trains it; so do the three below.
        """
        self._write(claim, run_id=run_id)

    def finished(self, claim: Claim, result: str, latents: bytes | None) -> None:
        self._write(claim, result=result, latents=latents, reason=None)

    def failed(self, claim: Claim, why: str, attempts: int) -> None:
        self._write(claim, reason=why, attempts=attempts)

    def returned(self, claim: Claim) -> None:
        """Take back an attempt that was interrupted: it says nothing about the cell."""
        self._write(claim, attempts=claim.attempt - 1)

    def forget_failures(self, cells: Sequence[Cell]) -> None:
        """Let failed cells be tried again."""
        keys = {cell.key for cell in cells}
        failed = sqlalchemy.update(TABLE).where(TABLE.c.key.in_(keys), TABLE.c.result.is_(None))
        self._do(lambda connection: connection.execute(failed.values(attempts=0, reason=None)))

    def lock(self, name: str) -> DatabaseLock | PlaceLock:
        """A lock of this name for everybody who shares the database."""
        file = None
        if is_file(self.url):
            file = self.folder / "cells" / name / "lock"
            file.parent.mkdir(parents=True, exist_ok=True)
        return shared_lock(self.url, f"ablations {name}", file, SETTING)

    def _begun(self, cell: Cell, before: int) -> bool:
        """Count another attempt, unless somebody else has done so since we looked."""
        there = TABLE.c.key == cell.key
        counted = sqlalchemy.update(TABLE).where(there, TABLE.c.attempts == before)
        row = {"key": cell.key, "config": to_yaml(cell.config), "attempts": 1}

        def count(connection: sqlalchemy.Connection) -> bool:
            if connection.execute(counted.values(attempts=before + 1)).rowcount:
                return True
            if connection.execute(sqlalchemy.select(TABLE.c.key).where(there)).first():
                return False
            connection.execute(sqlalchemy.insert(TABLE).values(**row))
            return True

        try:
            return self._do(count)
        except sqlalchemy.exc.IntegrityError:  # the row was made at this very moment
            return False

    def _write(self, claim: Claim, **values: Any) -> None:
        # Written once already, if only the answer was lost.
        ours = {claim.attempt, values.get("attempts", claim.attempt)}
        mine = sqlalchemy.update(TABLE).where(
            TABLE.c.key == claim.cell.key, TABLE.c.attempts.in_(ours)
        )
        if not self._do(lambda connection: connection.execute(mine.values(**values)).rowcount):
            raise Reassigned(f"cell {claim.cell.key} was given to another worker")

    def _do(self, action: Callable[[sqlalchemy.Connection], R]) -> R:
        """One transaction, begun again while the database is away."""

        def once() -> R:
            with self._engine.begin() as connection:
                return action(connection)

        with explained(SETTING, self.url):
            return patient(once, SETTING)()
