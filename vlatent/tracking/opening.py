"""Runs that are begun, continued, or delivered after their process has ended."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from vlatent.shapes import UserError
from vlatent.tracking.address import address_of
from vlatent.tracking.calls import Call
from vlatent.tracking.journal import Journal, journal_of, journals
from vlatent.tracking.mlflow_tracker import MlflowTracker
from vlatent.tracking.runs import end_orphaned
from vlatent.tracking.store import KEY, make_run, new_run, require_place, usable
from vlatent.tracking.tracker import TrackingConfig


def open_run(
    tracking: TrackingConfig,
    name: str,
    parent: str | None = None,
    tags: Mapping[str, object] | None = None,
    *,
    folder: Path = Path("runs"),
    patient: bool = False,
) -> MlflowTracker:
    """Begin a run.

    Args:
        tracking: The tracker.
        name: What lists call the run.
        parent: Id of the run below which this one stands.
        tags: Labels, beside those for the command, its user and its git commit.
        folder: Where measurements wait on disk while the store does not answer.
        patient: Begin although the store does not answer; the run is made when it is back. For
            the trials of a study, whose own run has shown that the store can be used.

    Raises:
        UserError: The store cannot be used (unless patient).
    """
    run = new_run(tracking, name, parent, tags or {})
    address = address_of(tracking)
    tracker = MlflowTracker(address, run, journal_of(folder, run["key"]))
    if patient:
        tracker._submit(run)
    else:
        with usable(address) as client:
            run["run_id"] = make_run(client, address, run)
    return tracker


def reopen_run(
    tracking: TrackingConfig, run_id: str, *, folder: Path = Path("runs")
) -> MlflowTracker:
    """Continue a run: what waits in its journal is delivered, and it counts as running again.

    A value that the run has for a metric at a step stays: steps that are trained again after a
    crash are not shown twice.

    Raises:
        UserError: The store cannot be used or does not know the run, or the run is still alive.
    """
    address = address_of(tracking)
    with usable(address) as client:
        recorded = client.get_run(run_id)
        require_place(address, f"run {run_id}", recorded.info.artifact_uri.rsplit("/", 2)[0])
        key = recorded.data.tags.get(KEY, run_id)
        run: Call = {"call": "run", "key": key, "run_id": run_id, "name": recorded.info.run_name}
        tracker = MlflowTracker(address, run, journal_of(folder, key))
        try:
            if tracker._journal.adopt():
                tracker._catch_up(math.inf)
        except BlockingIOError:
            raise UserError(
                f"run {run_id} is still written by another process ({tracker._journal.path}); "
                "end that process first"
            ) from None
        client.update_run(run_id, status="RUNNING")
        recorded = client.get_run(run_id)
        tracker._params = dict(recorded.data.params)
        tracker._recorded = {
            (name, row.step)
            for name in recorded.data.metrics
            for row in client.get_metric_history(run_id, name)
        }
    return tracker


def deliver(journal: Path, tracking: TrackingConfig) -> int:
    """Send what an ended process has left in its journal; returns how many calls that were.

    When all of it was delivered the journal is removed, and the run is ended if its process died
    before it could do so. Zero when the process is still alive, as
    it delivers by itself.

    Raises:
        UserError: The store cannot be used.
    """
    left = Journal(journal)
    try:
        if not left.adopt():
            return 0
    except BlockingIOError:
        return 0
    try:
        run = next(left.waiting(), None)
        if run is None:  # killed before the first line was whole
            left.remove()
            return 0
        address = address_of(tracking)
        with usable(address):
            tracker = MlflowTracker(address, run, left)
            sent = tracker._catch_up(math.inf)
    finally:
        left.release()
    if tracker.run_id is not None and not journal.exists():
        end_orphaned(tracking, tracker.run_id, "KILLED")
    return sent


def deliver_all(folder: Path, tracking: TrackingConfig) -> None:
    """Send to the store what dead workers have left in their journals.

    Raises:
        UserError: The store cannot be used.
    """
    for journal in journals(folder):
        deliver(journal, tracking)
