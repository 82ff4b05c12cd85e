"""Reading and mending runs that other processes recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vlatent.tracking.calls import TAG_LENGTH, milliseconds, valid
from vlatent.tracking.store import address_of, experiment_id, having, usable
from vlatent.tracking.tracker import Status, TrackingConfig

PAGE = 1000  # runs that MLflow hands out at once


@dataclass(frozen=True)
class RecordedRun:
    """What MLflow says of a run."""

    run_id: str
    name: str
    status: str
    tags: Mapping[str, str]
    metrics: Mapping[str, float]


def recorded_runs(tracking: TrackingConfig, tags: Mapping[str, str]) -> list[RecordedRun]:
    """All runs that have all these tags, the oldest first.

    Raises:
        UserError: The store cannot be used.
    """
    address = address_of(tracking)
    found: list[RecordedRun] = []
    with usable(address) as client:
        token = None
        experiment = experiment_id(address, tracking.experiment)
        while True:
            page = client.search_runs(
                [experiment],
                having(tags),
                max_results=PAGE,
                order_by=["attributes.start_time ASC"],
                page_token=token,
            )
            found += [
                RecordedRun(
                    run.info.run_id,
                    run.info.run_name,
                    run.info.status,
                    dict(run.data.tags),
                    dict(run.data.metrics),
                )
                for run in page
            ]
            token = page.token
            if not token:
                return found


def metric_history(tracking: TrackingConfig, run_id: str, name: str) -> list[tuple[int, float]]:
    """Step and value of every row of a metric, in the order of the steps.

    Raises:
        UserError: The store cannot be used.
    """
    with usable(address_of(tracking)) as client:
        rows = client.get_metric_history(run_id, name)
    return sorted((row.step, row.value) for row in rows)


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
