"""Reading and mending runs that other processes recorded."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from vlatent.runtime.addresses import file_of, is_file, shown
from vlatent.shapes import UserError
from vlatent.tracking.address import address_of
from vlatent.tracking.calls import TAG_LENGTH, milliseconds, valid
from vlatent.tracking.processes import PROCESS, is_gone
from vlatent.tracking.store import having, reason, usable
from vlatent.tracking.tracker import Status, TrackingConfig

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

PAGE = 1000  # runs that MLflow hands out at once


@dataclass(frozen=True)
class RecordedRun:
    """What MLflow says of a run.

    Attributes:
        run_id: Its id.
        name: What lists call it.
        status: RUNNING, FINISHED, KILLED or FAILED.
        tags: Labels.
        params: Settings, as the text that MLflow keeps.
        metrics: The last value of every metric.
        started: When it began.
        ended: When it ended; None while it runs.
    """

    run_id: str
    name: str
    status: str
    tags: Mapping[str, str]
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    started: datetime
    ended: datetime | None


def recorded_runs(tracking: TrackingConfig, tags: Mapping[str, str]) -> list[RecordedRun]:
    """All runs that have all these tags, the oldest first; none where nothing was recorded.

    Raises:
        UserError: The store cannot be used.
    """
    return _found(tracking, having(tags))


def runs_named(tracking: TrackingConfig, name: str) -> list[RecordedRun]:
    """All runs that lists call by this name, the oldest first.

    Raises:
        UserError: The store cannot be used.
    """
    if "'" in name and '"' in name:  # no filter of MLflow can hold both
        return [run for run in _found(tracking, "") if run.name == name]
    return _found(tracking, having({"mlflow.runName": name}))


def runs_beginning(tracking: TrackingConfig, prefix: str) -> list[RecordedRun]:
    """All runs whose id begins with these letters and digits, the oldest first.

    Raises:
        UserError: The store cannot be used.
    """
    assert prefix.isalnum(), f"{prefix!r} is no beginning of an id"
    return _found(tracking, f"attributes.run_id LIKE '{prefix}%'")


def require_record(tracking: TrackingConfig) -> None:
    """Refuse to read where nothing was ever recorded.

    Raises:
        UserError: There is no such store, or it has no such experiment; says which it has.
    """
    address = address_of(tracking)
    if not exists(address):
        raise UserError(
            f"there is no {shown(address)}, so there are no runs; run the command where they were "
            "recorded, or name their store with --tracking.uri sqlite:///… or http://…"
        )
    with usable(address) as client:
        names = [experiment.name for experiment in client.search_experiments()]
    if tracking.experiment not in names:
        raise UserError(
            f"tracking.experiment {tracking.experiment!r} is not in {shown(address)}; it has "
            f"{', '.join(sorted(names))}"
        )


def metric_history(tracking: TrackingConfig, run_id: str, name: str) -> list[tuple[int, float]]:
    """Step and value of every row of a metric, in the order of the steps.

    Raises:
        UserError: The store cannot be used.
    """
    with usable(address_of(tracking)) as client:
        rows = client.get_metric_history(run_id, name)
    return sorted((row.step, row.value) for row in rows)


def artifact_paths(tracking: TrackingConfig, run_id: str) -> list[str]:
    """Every file that a run has kept, those in folders as `folder/name`, sorted.

    Raises:
        UserError: The store cannot be used, or has no such run.
    """
    with usable(address_of(tracking)) as client:
        return sorted(_files(client, run_id, None))


def read_artifact(tracking: TrackingConfig, run_id: str, path: str) -> bytes:
    """The content of a file that a run has kept.

    Raises:
        UserError: The store cannot be used, or the run has no such file; names those it has.
    """
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    with usable(address_of(tracking)) as client:
        files = list(_files(client, run_id, path.rpartition("/")[0] or None))
        if path not in files:
            there = artifact_paths(tracking, run_id)
            raise UserError(
                f"run {run_id} has no file {path}; it has {', '.join(there) or 'none at all'}"
            )
        with tempfile.TemporaryDirectory() as folder:
            try:
                return Path(client.download_artifacts(run_id, path, folder)).read_bytes()
            except Exception as error:
                raise UserError(
                    f"{path} of run {run_id} cannot be read ({reason(error)}); the files of runs "
                    f"lie in {client.get_run(run_id).info.artifact_uri}"
                ) from error


def add_metrics(
    tracking: TrackingConfig, run_id: str, name: str, values: Mapping[int, float]
) -> None:
    """Give a run rows of a metric that it lacks.

    Raises:
        UserError: The store cannot be used.
    """
    with usable(address_of(tracking)) as client:
        for step, value in values.items():
            client.log_metric(run_id, name, value, milliseconds(), step)


def amend_run(
    tracking: TrackingConfig,
    run_id: str,
    tags: Mapping[str, object],
    status: Status | None = None,
) -> None:
    """Label a run of another process, and end it if a status is given.

    Raises:
        UserError: The store cannot be used, or has no such run.
    """
    with usable(address_of(tracking)) as client:
        for name, value in valid(tags, TAG_LENGTH).items():
            client.set_tag(run_id, name, value)
        if status is not None:
            client.set_terminated(run_id, status)


def end_orphaned(tracking: TrackingConfig, run_id: str, status: Status) -> None:
    """End a run that its process has left running; one that has ended stays as it is.

    Raises:
        UserError: The store cannot be used, or has no such run.
    """
    with usable(address_of(tracking)) as client:
        if client.get_run(run_id).info.status == "RUNNING":
            client.set_terminated(run_id, status)


def orphaned_runs(tracking: TrackingConfig, tags: Mapping[str, str]) -> list[RecordedRun]:
    """Runs that have all these tags and that no process will end, as theirs is gone.

    Raises:
        UserError: The store cannot be used.
    """
    running = [run for run in recorded_runs(tracking, tags) if run.status == "RUNNING"]
    return [run for run in running if is_gone(run.tags.get(PROCESS))]


def _found(tracking: TrackingConfig, condition: str) -> list[RecordedRun]:
    """The runs of the experiment for which the condition holds. Nothing is made by looking."""
    address = address_of(tracking)
    if not exists(address):
        return []
    with usable(address) as client:
        experiment = client.get_experiment_by_name(tracking.experiment)
        return runs_of(client, experiment.experiment_id, condition) if experiment else []


def runs_of(client: MlflowClient, experiment_id: str, condition: str) -> list[RecordedRun]:
    """The runs of an experiment for which MLflow's condition holds, the oldest first."""
    runs: list[RecordedRun] = []
    token = None
    while True:
        page = client.search_runs(
            [experiment_id],
            condition,
            max_results=PAGE,
            order_by=["attributes.start_time ASC"],
            page_token=token,
        )
        runs += map(_recorded, page)
        token = page.token
        if not token:
            return runs


def _recorded(run: Run) -> RecordedRun:
    return RecordedRun(
        run.info.run_id,
        run.info.run_name,
        run.info.status,
        dict(run.data.tags),
        dict(run.data.params),
        dict(run.data.metrics),
        _time(run.info.start_time),
        _time(run.info.end_time) if run.info.end_time else None,
    )


def _files(client: MlflowClient, run_id: str, folder: str | None) -> Iterator[str]:
    for file in client.list_artifacts(run_id, folder):
        if file.is_dir:
            yield from _files(client, run_id, file.path)
        else:
            yield file.path


def exists(address: str) -> bool:
    """Whether there is anything to open: opening a file that is not there would make it."""
    return not is_file(address) or file_of(address).is_file()


def _time(since_1970: int) -> datetime:
    return datetime.fromtimestamp(since_1970 / 1000, UTC)
