"""Addresses of databases: what they name, and what of them may be shown and written down."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

import sqlalchemy

from vlatent.shapes import UserError

# User and password of an address: to the last @, as a password may hold one that is not escaped.
PASSWORD = re.compile(r"(?<=://)([^\s/:@]*):(\S*)@")
QUERY = re.compile(r"([?&]\w*(?:password|passwd|secret|token)\w*=)[^&\s]*", re.IGNORECASE)


def shown(text: str) -> str:
    """An address, or words with addresses in them, with *** for every password."""
    return QUERY.sub(r"\1***", PASSWORD.sub(r"\1:***@", text))


def without_password(url: str) -> str:
    """The address to write down: whoever uses it takes the password from elsewhere.

    PostgreSQL's clients from ~/.pgpass or PGPASSWORD, MLflow's from MLFLOW_TRACKING_PASSWORD.
    """
    place, mark, query = PASSWORD.sub(r"\1@", url).partition("?")
    kept = "&".join(part for part in query.split("&") if not QUERY.match(f"?{part}"))
    return f"{place}{mark}{kept}" if kept else place


def credentials(url: str) -> dict[str, str]:
    """Environment in which another process finds the password that its command does not show."""
    match = PASSWORD.search(url)
    if match is None:
        return {}
    user, password = unquote(match[1]), unquote(match[2])
    if url.startswith("postgresql"):
        return {"PGPASSWORD": password}
    return {"MLFLOW_TRACKING_USERNAME": user, "MLFLOW_TRACKING_PASSWORD": password}


def check_address(setting: str, url: str) -> None:
    """Refuse what is no address of a database that processes can share.

    Raises:
        UserError: It cannot be read, is neither SQLite nor PostgreSQL, or lies in memory.
    """
    way_out = (
        "write sqlite:///FILE.db for a file, postgresql+psycopg://user@host/database for a server"
    )
    try:
        made = sqlalchemy.make_url(url)
    except (sqlalchemy.exc.ArgumentError, ValueError):  # of a port that is no number
        raise UserError(f"{setting} {shown(url)} is no address of a database; {way_out}") from None
    if not url.startswith(("sqlite", "postgresql")):
        raise UserError(
            f"{setting} {shown(url)} cannot be used: it is neither a SQLite file nor a PostgreSQL "
            f"server; {way_out}"
        )
    password = PASSWORD.search(url)
    if password and re.search(r"[@/?#]", password[2]):  # part of it would be read as the host
        raise UserError(
            f"{setting} {shown(url)} has a password with @, /, ? or # in it: write %40, %2F, %3F "
            "or %23, or leave the password to PGPASSWORD or ~/.pgpass"
        )
    in_memory = made.database in (None, "", ":memory:") or "memory" in made.query.values()
    if is_file(url) and in_memory:
        raise UserError(
            f"{setting} {shown(url)} lies in memory, where no other process sees it; {way_out}"
        )


def place_of(url: str) -> str:
    """The database's address, the same in whichever directory it is named, without password."""
    return str(file_of(url)) if is_file(url) else without_password(url)


def is_file(url: str) -> bool:
    return url.startswith("sqlite")


def file_of(url: str) -> Path:
    """The file of a SQLite database."""
    return Path(sqlalchemy.make_url(url).database or "").absolute()


def file_url(file: Path) -> str:
    """The address of a SQLite file; a ? or a % in its name is part of no query and no escape."""
    return sqlalchemy.URL.create("sqlite", database=str(file.absolute())).render_as_string()


def read_only(file: Path) -> str:
    """The address by which SQLite opens a file for reading alone.

    In write-ahead mode it would make two files beside it even so, unless it is told that nobody
    writes: that is so where no writer has left its log there.
    """
    with file.open("rb") as opened:
        ahead = opened.read(20)[18:] == b"\x02\x02"
    at_rest = ahead and not file.with_name(f"{file.name}-wal").exists()
    return f"{file.absolute().as_uri()}?mode=ro{'&immutable=1' if at_rest else ''}"


def beside(url: str, ending: str) -> Path:
    """The file beside a SQLite database that has its name and this ending."""
    file = file_of(url)
    return file.with_name(f"{file.name}.{ending}")
