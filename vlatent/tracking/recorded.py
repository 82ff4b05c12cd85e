"""Runs that are recorded from beginning to end, however their work ends."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from vlatent.runtime.interruption import Stop
from vlatent.tracking.mlflow_tracker import MlflowTracker
from vlatent.tracking.opening import open_run
from vlatent.tracking.processes import own_label
from vlatent.tracking.runs import amend_run, recorded_runs
from vlatent.tracking.tracker import Status, TrackingConfig

R = TypeVar("R")


@contextlib.contextmanager
def recorded(
    stop: Stop,
    begin: Callable[[], R],
    end: Callable[[R, Status, BaseException | None], None],
    killed: tuple[type[BaseException], ...] = (KeyboardInterrupt,),
) -> Iterator[R]:
    """Open a run's record before its work and close it after, once, however the work ends.

    No signal comes between: one that arrives while the record is opened or closed takes effect
    afterwards.

    Args:
        stop: The request to stop, which signals make.
        begin: Opens the record; its result is what the work is given.
        end: Closes it as FINISHED; as KILLED or FAILED with the error that ended the work.
        killed: Errors that say nothing about the work: it was stopped.
    """
    with stop.shield():
        record = begin()
    try:
        stop.check()
        yield record
        with stop.shield():
            end(record, "FINISHED", None)
    except BaseException as error:
        with stop.shield():
            end(record, "KILLED" if isinstance(error, killed) else "FAILED", error)
        raise


def traceback_of(status: Status, error: BaseException | None) -> str | None:
    """The traceback that the record of a failed run keeps; None for every other run."""
    if status != "FAILED" or error is None:
        return None
    return "".join(traceback.format_exception(error))


def own_run(
    tracking: TrackingConfig,
    name: str,
    tags: Mapping[str, object],
    uid: str | None,
    folder: Path,
    describe: Callable[[MlflowTracker], None],
) -> str | None:
    """Id of the run of a study or an ablation itself, made if there is none.

    Args:
        tracking: The tracker.
        name: Name of a new run in lists.
        tags: Labels by which it is recognised.
        uid: Id of the study or ablation, since another database may have one of the same name;
            older runs have none.
        folder: Where measurements wait on disk while the store does not answer.
        describe: Records settings and text of a new run.

    Raises:
        UserError: The tracker cannot be used.
    """
    labels = {key: str(value) for key, value in tags.items()}
    runs = recorded_runs(tracking, labels)
    own = [run.run_id for run in runs if run.tags.get("uid", uid) == uid]
    if own:
        amend_run(tracking, own[-1], own_label())
        return own[-1]
    run = open_run(tracking, name, tags=labels | ({"uid": uid} if uid else {}), folder=folder)
    describe(run)
    run.flush()
    return run.run_id
