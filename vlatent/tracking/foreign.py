"""Experiments of other programs: read, with a client that cannot write."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

import sqlalchemy

from vlatent.runtime.addresses import file_of, is_file, read_only, shown
from vlatent.runtime.databases import connection_settings
from vlatent.shapes import UserError
from vlatent.tracking.address import address_of, is_server, setting_of
from vlatent.tracking.runs import RecordedRun, exists, runs_of
from vlatent.tracking.store import client_of, usable
from vlatent.tracking.tracker import TrackingConfig

if TYPE_CHECKING:
    from mlflow import MlflowClient


def foreign_runs(tracking: TrackingConfig) -> list[RecordedRun]:
    """All runs of an experiment that another program made, the oldest first.

    Raises:
        UserError: There is no such store or experiment; says which experiments there are.
    """
    address = address_of(tracking)
    if not exists(address):
        raise UserError(
            f"there is no {shown(address)}, so there are no runs; run the command where they were "
            "recorded, or name their store with --tracking.uri sqlite:///… or http://…"
        )
    with usable(address, _reader_of) as client:
        ids = {each.name: each.experiment_id for each in client.search_experiments()}
        if tracking.experiment in ids:
            return runs_of(client, ids[tracking.experiment], "")
    raise UserError(
        f"there is no experiment {tracking.experiment} in {shown(address)}; it has "
        f"{', '.join(sorted(ids)) or 'none at all'}."
    )


def foreign_curves(
    tracking: TrackingConfig, run_ids: Sequence[str], metric: str
) -> dict[str, dict[int, float]]:
    """A metric of every run by step, of which the last value counts.

    Raises:
        UserError: The store cannot be used.
    """
    with usable(address_of(tracking), _reader_of) as client:
        return {
            run_id: {
                row.step: row.value
                for row in sorted(
                    client.get_metric_history(run_id, metric),
                    key=lambda row: (row.step, row.timestamp),
                )
            }
            for run_id in run_ids
        }


@functools.cache
def _reader_of(address: str) -> MlflowClient:
    """A client of a server, or of a database that is opened for reading alone."""
    if is_server(address) or "://" not in address or address.startswith("file:"):
        return client_of(address)
    import mlflow
    import mlflow.store.db.utils

    place = _for_reading(address)
    _require_own_tables(address, place)
    mlflow.store.db.utils._make_parent_dirs_if_sqlite = lambda db_uri: None  # as in client_of
    return mlflow.MlflowClient(place, place)


def _for_reading(address: str) -> str:
    """The address with which file or server themselves refuse to write."""
    if is_file(address):
        file, _, query = read_only(file_of(address)).partition("?")
        url = sqlalchemy.URL.create("sqlite", database=file, query=dict(parse_qsl(query)))
        return url.update_query_dict({"uri": "true"}).render_as_string()
    settings = connection_settings(address)
    settings["options"] += " -c default_transaction_read_only=on"
    url = sqlalchemy.make_url(address).update_query_dict(settings)
    return url.render_as_string(hide_password=False)


def _require_own_tables(address: str, place: str) -> None:
    """Refuse what holds no runs, and tables of a version that would have to change them."""
    import mlflow
    from alembic.script import ScriptDirectory
    from mlflow.store.db import utils

    engine = sqlalchemy.create_engine(place)
    try:
        has_runs = sqlalchemy.inspect(engine).has_table("experiments")
        version = utils._get_schema_version(engine) if has_runs else None  # type: ignore[no-untyped-call]
    finally:
        engine.dispose()
    store = f"{setting_of(address)} {shown(address)}"
    if version is None:
        raise UserError(f"{store} holds no runs of MLflow; name the database that recorded them.")
    scripts = ScriptDirectory.from_config(utils._get_alembic_config(""))  # type: ignore[no-untyped-call]
    if version == scripts.get_current_head():
        return
    if version in {script.revision for script in scripts.walk_revisions()}:
        raise UserError(
            f"{store} was written by an older MLflow than {mlflow.__version__}, and nothing is "
            "changed in it: copy it, run `mlflow db upgrade COPY`, and name the copy."
        )
    raise UserError(
        f"{store} was written by a newer MLflow than {mlflow.__version__}, which is installed "
        "here; pip install --upgrade mlflow."
    )
