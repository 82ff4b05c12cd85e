"""Runs of an ablation in the tracker: its own, one an arm, and those of its cells."""

from __future__ import annotations

from ablations import report
from ablations.arms import Arm
from ablations.cells import Cells
from ablations.comparison import Table
from ablations.question import Ablation
from ablations.worker import AblationJob, cell_tags
from vlatent.config import flatten, override
from vlatent.console import console
from vlatent.fingerprints import fingerprint
from vlatent.names import claim
from vlatent.runtime.addresses import place_of
from vlatent.shapes import UserError
from vlatent.tracking import (
    MlflowTracker,
    Status,
    deliver_all,
    end_orphaned,
    keep_view,
    open_run,
    orphaned_runs,
    own_run,
    recorded_runs,
    reopen_run,
    traceback_of,
)


def begin(ablation: Ablation, job: AblationJob, cells: Cells) -> dict[str, str | None]:
    """Ids of the ablation's own run, under the empty name, and of its arms'; made if need be."""
    tracking = job.config.tracking
    tags = {
        "ablation": job.name,
        "base": fingerprint(job.config),
        "version": str(job.settings.first_seed),
    }
    uid = cells.uid()
    claim(job.folder, uid, place_of(job.settings.storage), "ablation")

    def describe(run: MlflowTracker) -> None:
        run.params(job.settings.params())
        run.params(flatten(job.config))
        run.note(ablation.question)

    with cells.lock(f"ablation {job.name}"):
        name, own = f"ablation/{job.name}", tags | {"kind": "ablation"}
        parent = own_run(tracking, name, own, uid, job.folder, describe)
        keep_view(tracking, report.view(job.name, job.config))
        recorded = {
            run.tags.get("arm"): run.run_id
            for run in recorded_runs(tracking, tags | {"kind": "arm"})
            if run.tags.get("mlflow.parentRunId") == parent
        }
        runs = {"": parent}
        for arm in job.arms:
            runs[arm.name] = recorded.get(arm.name) or _open_arm(job, arm, parent, tags)
    return runs


def _open_arm(job: AblationJob, arm: Arm, parent: str | None, tags: dict[str, str]) -> str | None:
    """Id of a new run of an arm."""
    own = {"kind": "arm", "arm": arm.name, "group": arm.group}
    own["prior"] = ", ".join(arm.priors) or "none"
    run = open_run(job.config.tracking, arm.name, parent, tags | own, folder=job.folder)
    run.params(flatten(override(job.config, arm.changes)))
    run.flush()
    return run.run_id


def link(job: AblationJob, table: Table) -> None:
    """Give a cell that another ablation has trained a run below its arm here, with its results."""
    tracking = job.config.tracking
    recorded = {
        (run.tags.get("mlflow.parentRunId"), run.tags.get("cell"))
        for run in recorded_runs(tracking, {"ablation": job.name, "kind": "cell"})
    }
    for cell in job.cells:
        result = table.cells.get((cell.arm.name, cell.seed))
        parent = job.runs[cell.arm.name]
        if result is None or (parent, cell.key) in recorded:
            continue
        folder = job.settings.folder / "cells" / cell.key
        tags = cell_tags(job.name, cell) | {"trained_by": "another ablation"}
        run = open_run(tracking, cell.label, parent, tags, folder=folder)
        run.params(flatten(cell.config))
        run.metrics(result.statistics, cell.config.training.steps)
        run.close("FINISHED")


def end_orphaned_runs(job: AblationJob, cells: Cells) -> None:
    """End the runs of cells whose workers are gone, once all that they have left is delivered.

    Raises:
        UserError: The tracker cannot be used.
    """
    tracking = job.config.tracking
    entries = cells.read(job.keys)
    for key in entries:
        deliver_all(job.settings.folder / "cells" / key, tracking)
    finished = {entry.run_id for entry in entries.values() if entry.result is not None}
    for run in orphaned_runs(tracking, {"ablation": job.name, "kind": "cell"}):
        end_orphaned(tracking, run.run_id, "FINISHED" if run.run_id in finished else "KILLED")


def end(job: AblationJob, cells: Cells, status: Status, error: BaseException | None) -> None:
    """Close the ablation's own run and its arms' when the ablation did not come to its end."""
    if status == "FINISHED":  # its report has closed them
        return
    tracking = job.config.tracking
    try:
        end_orphaned_runs(job, cells)
        for run_id in filter(None, job.runs.values()):
            if run_id == job.runs[""]:
                run = reopen_run(tracking, run_id, folder=job.folder)
                run.close(status, traceback_of(status, error))
            else:
                end_orphaned(tracking, run_id, status)
    except UserError as problem:  # the tracker is away; no cell depends on it
        console.print(f"{problem}. The same command records the ablation when it is back.")
