"""The store behind the trackers: a database, or the server before one."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import shlex
import subprocess
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

import sqlalchemy

from vlatent.runtime.addresses import is_file, shown
from vlatent.runtime.databases import ailment, connection_settings
from vlatent.runtime.locks import alone
from vlatent.shapes import UserError
from vlatent.tracking.address import DEFAULT, address_of, home, is_server, setting_of
from vlatent.tracking.calls import TAG_LENGTH, Call, milliseconds, valid, valid_name
from vlatent.tracking.processes import own_label
from vlatent.tracking.tracker import TrackingConfig
from vlatent.version import VERSION

if TYPE_CHECKING:
    from mlflow import MlflowClient

logger = logging.getLogger(__name__)

KEY = "vlatent.key"  # our name of a run, which it has before the store gives its own
ARTIFACTS = "mlartifacts"  # the folder of figures and files beside a database

SETTINGS = {  # unless the environment sets others
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",  # the journal is what tries again
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "PGCONNECT_TIMEOUT": "5",
}


def find_run(tracking: TrackingConfig, tags: Mapping[str, str]) -> str | None:
    """Id of the newest run that has all these tags; None when there is none.

    Raises:
        UserError: The store cannot be used.
    """
    address = address_of(tracking)
    with usable(address) as client:
        experiment = experiment_id(address, tracking.experiment)
        order = ["attributes.start_time DESC"]
        runs = client.search_runs([experiment], having(tags), order_by=order, max_results=1)
        run_id: str | None = runs[0].info.run_id if runs else None
        return run_id


def new_run(
    tracking: TrackingConfig, name: str, parent: str | None, tags: Mapping[str, object]
) -> Call:
    """What is enough to make a run, now or later."""
    key = uuid.uuid4().hex
    parents = {"mlflow.parentRunId": parent} if parent else {}
    own = {KEY: key} | own_label()
    return {
        "call": "run",
        "key": key,
        "run_id": None,
        "experiment": tracking.experiment,
        "name": name,
        "start": milliseconds(),
        "tags": _context() | valid(tags, TAG_LENGTH) | parents | own,
    }


def make_run(client: MlflowClient, address: str, run: Call) -> str:
    """Id of the run, which is made when need be."""
    experiment = experiment_id(address, run["experiment"])
    # An earlier attempt may have made it although no answer came back.
    earlier = client.search_runs([experiment], having({KEY: run["key"]}), max_results=1)
    [made] = earlier or [client.create_run(experiment, run["start"], run["tags"], run["name"])]
    run_id: str = made.info.run_id
    return run_id


@functools.cache
def client_of(address: str) -> MlflowClient:
    """One client for a store and a process: it holds the connections."""
    import mlflow

    if is_server(address):
        return mlflow.MlflowClient(address, address)
    if "://" not in address or address.startswith("file:"):
        raise UserError(
            f"{setting_of(address)} {shown(address)!r} is neither a database "
            "(sqlite:///mlflow.db) nor a server (http://…); for a folder of old runs, `mlflow "
            "migrate-filestore` makes a database"
        )
    import mlflow.store.db.utils

    # It takes the address for a path, escapes and all, and would make a folder of that name.
    mlflow.store.db.utils._make_parent_dirs_if_sqlite = lambda db_uri: None
    home(address).mkdir(parents=True, exist_ok=True)
    with alone(address):
        _check_database(address)
        place = _lasting(address)
        return mlflow.MlflowClient(place, place)


def _lasting(address: str) -> str:
    """The address of a database, with what keeps its connections from waiting for hours."""
    if not address.startswith("postgresql"):
        return address
    url = sqlalchemy.make_url(address).update_query_dict(connection_settings(address))
    return url.render_as_string(hide_password=False)


def _check_database(address: str) -> None:
    """Refuse what MLflow would wait for minutes to reach, or would put its tables into."""
    engine = sqlalchemy.create_engine(address)
    tables = set(sqlalchemy.inspect(engine).get_table_names())
    engine.dispose()
    foreign = tables - {"alembic_version"} and "experiments" not in tables
    if foreign or "studies" in tables:
        raise UserError(
            f"{setting_of(address)} {shown(address)} is the database of another program (its "
            f"tables: {', '.join(sorted(tables)[:3])} …); MLflow needs one of its own"
        )


@functools.cache
def experiment_id(address: str, name: str) -> str:
    """Id of the experiment, which is made or restored when need be."""
    from mlflow.exceptions import MlflowException

    client = client_of(address)
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        # A server knows where its figures are. A database does not: without an absolute place
        # they would land below whichever directory a run happens to be started in.
        folder = str(home(address) / ARTIFACTS).replace("%", "%25")  # mlflow takes % for an escape
        place = None if is_server(address) else folder
        # Else the pages open on views for chat applications.
        kind = {"mlflow.experimentKind": "custom_model_development"}
        try:
            made: str = client.create_experiment(name, place, kind)
            return made
        except MlflowException as error:
            experiment = client.get_experiment_by_name(name)
            if error.error_code != "RESOURCE_ALREADY_EXISTS" or experiment is None:
                raise
    if experiment.lifecycle_stage == "deleted":
        client.restore_experiment(experiment.experiment_id)
        logger.warning("tracking: experiment %r had been deleted and is restored", name)
    require_place(address, f"tracking.experiment {name!r}", experiment.artifact_location)
    experiment_id: str = experiment.experiment_id
    return experiment_id


def require_place(address: str, what: str, place: str) -> None:
    """Refuse to put figures where MLflow would, if that is a place of others or none at all.

    It keeps the absolute place in the database, also of a project that was copied or moved.

    Raises:
        UserError: Nothing of this store lies there.
    """
    local = Path(unquote(path)) if (path := place.removeprefix("file://"))[:1] == "/" else None
    behind_server = place.startswith("mlflow-artifacts:") and not is_server(address)
    # mlflow would make the folder here, where the server's machine does not see it.
    missing = local is not None and not local.parent.is_dir()
    # A folder that somebody has chosen has another name than the one made beside a database.
    mine = (home(address) / ARTIFACTS).resolve()
    others = local is not None and local.name == ARTIFACTS and local.resolve() != mine
    if behind_server or missing or (others and is_file(address)):
        raise UserError(
            f"{what} keeps its figures in {place}, which {shown(address)} cannot be used for "
            "here: the project was copied or moved, or a server is in between; give another "
            "--tracking.experiment"
        )


@contextlib.contextmanager
def usable(
    address: str, client: Callable[[str], MlflowClient] = client_of
) -> Iterator[MlflowClient]:
    """Tell the user in one line why a store cannot be used."""
    try:
        with quiet():
            yield client(address)
    except UserError:
        raise
    except Exception as error:
        raise UserError(
            f"{setting_of(address)} {shown(address)} {_wrong(error, address)}"
        ) from error


def _wrong(error: Exception, address: str) -> str:
    """What is wrong with a store, and what helps."""
    said = reason(error)
    if "out-of-date database schema" in said:
        upgrade = shlex.join(["mlflow", "db", "upgrade", shown(address)])
        return f"was written by an older MLflow; copy it as a backup, then run: {upgrade}"
    if wrong := ailment(error, address):
        return wrong
    here = address == address_of(TrackingConfig(uri=DEFAULT))
    ways = ["start its server"] if is_server(address) else []
    ways += ["correct it"] if here else ["correct it", "omit it to record in ./mlflow.db"]
    return f"cannot be used ({said}); {', or '.join(ways)}"


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep the libraries from printing at length what they raise as well."""
    for setting, value in SETTINGS.items():
        os.environ.setdefault(setting, value)
    import mlflow  # noqa: F401, sets the levels of its loggers when it is first imported

    loggers = [logging.getLogger(name) for name in ("mlflow", "alembic", "urllib3")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def reason(error: BaseException) -> str:
    """The first line of what lies at the root of an error."""
    while cause := error.__cause__ or error.__context__:
        error = cause
    lines = shown(str(error)).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__


def having(tags: Mapping[str, str]) -> str:
    """MLflow's filter for runs that have all these tags."""
    terms = []
    for name, value in tags.items():
        quote = '"' if "'" in value else "'"
        terms.append(f"tags.`{valid_name(name)}` = {quote}{value}{quote}")
    return " and ".join(terms)


@functools.cache
def _context() -> dict[str, str]:
    """Labels for the command, its user, this version and, in a checkout, its commit."""
    with quiet():
        from mlflow.tracking.context.registry import resolve_tags

        labels: dict[str, str] = resolve_tags() | {"vlatent.version": VERSION}
    git = ["git", "-C", str(Path(__file__).parent)]
    tracked = ["ls-files", "--error-unmatch", __file__]  # not so in an environment within another's
    try:
        _, commit, status = (
            subprocess.run([*git, *command], capture_output=True, text=True, check=True).stdout
            for command in (tracked, ["rev-parse", "HEAD"], ["status", "--porcelain"])
        )
    except (OSError, subprocess.CalledProcessError):  # installed, or a checkout without a commit
        return labels
    return labels | {
        "mlflow.source.git.commit": commit.strip(),
        "vlatent.git.dirty": str(bool(status)).lower(),
    }
