"""The record of a command that works on one encoder: opened before the work, closed after it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from vlatent.runtime.interruption import Stop, interruption
from vlatent.step import Diverged
from vlatent.tracking import (
    MlflowTracker,
    Status,
    TrackingConfig,
    end_orphaned,
    open_run,
    orphaned_runs,
    recorded,
    traceback_of,
)


@contextlib.contextmanager
def own_record(tracking: TrackingConfig, kind: str, name: str) -> Iterator[MlflowTracker]:
    """Record the work of a command, however it ends; a request to stop ends it.

    Args:
        tracking: The tracker.
        kind: What the command does. Records of the same kind whose process is gone are closed.
        name: Name of the run in lists.
    """
    stop = Stop()

    def begin() -> MlflowTracker:
        for left in orphaned_runs(tracking, {"kind": kind}):  # of processes now gone
            end_orphaned(tracking, left.run_id, "KILLED")
        return open_run(tracking, name, tags={"kind": kind})

    def end(tracker: MlflowTracker, status: Status, error: BaseException | None) -> None:
        diverged = str(error) if isinstance(error, Diverged) else None
        tracker.close(status, diverged or traceback_of(status, error))

    with interruption(stop), recorded(stop, begin, end) as tracker:
        yield tracker
