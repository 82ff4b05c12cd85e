"""The only room that imports mlflow; a store that fails never costs a measurement.

A tracker hands its calls to the store in their order. When the store does not take one, that call
and all later ones go to a journal on disk, and from there to the store as soon as it is back: at a
later flush, at the end of the run, or by `deliver`. A call may reach the store twice without being
seen twice: metrics keep the time at which they were measured, and a store ignores a row it has.
"""

from vlatent.tracking.address import uri_flag, view_command
from vlatent.tracking.foreign import foreign_curves, foreign_runs
from vlatent.tracking.journal import journals
from vlatent.tracking.mlflow_tracker import MlflowTracker
from vlatent.tracking.opening import deliver, deliver_all, open_run, reopen_run
from vlatent.tracking.processes import PROCESS, host_of, is_gone, lives, own_label
from vlatent.tracking.recorded import own_run, recorded, traceback_of
from vlatent.tracking.runs import (
    RecordedRun,
    add_metrics,
    amend_run,
    artifact_paths,
    end_orphaned,
    metric_history,
    orphaned_runs,
    read_artifact,
    recorded_runs,
    require_record,
    runs_beginning,
    runs_named,
)
from vlatent.tracking.store import find_run
from vlatent.tracking.tracker import WRITING, MemoryTracker, Status, Tracker, TrackingConfig
from vlatent.tracking.views import View, keep_view, view_instructions

__all__ = [
    "PROCESS",
    "WRITING",
    "MemoryTracker",
    "MlflowTracker",
    "RecordedRun",
    "Status",
    "Tracker",
    "TrackingConfig",
    "View",
    "add_metrics",
    "amend_run",
    "artifact_paths",
    "deliver",
    "deliver_all",
    "end_orphaned",
    "find_run",
    "foreign_curves",
    "foreign_runs",
    "host_of",
    "is_gone",
    "journals",
    "keep_view",
    "lives",
    "metric_history",
    "open_run",
    "orphaned_runs",
    "own_label",
    "own_run",
    "read_artifact",
    "recorded",
    "recorded_runs",
    "reopen_run",
    "require_record",
    "runs_beginning",
    "runs_named",
    "traceback_of",
    "uri_flag",
    "view_command",
    "view_instructions",
]
