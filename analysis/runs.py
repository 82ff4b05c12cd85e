"""List recorded runs, and write those below a study, ablation or arm as CSV."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from analysis import earlier
from vlatent import checkpoints, run_record
from vlatent.command_line import Parser, run
from vlatent.config import Config, from_yaml
from vlatent.console import console, empty_table
from vlatent.encoder import EncoderConfig
from vlatent.evaluation import Evaluation
from vlatent.run_record import RunRecord
from vlatent.shapes import UserError
from vlatent.tables import as_csv
from vlatent.tracking import (
    WRITING,
    RecordedRun,
    TrackingConfig,
    read_artifact,
    recorded_runs,
    require_record,
    runs_beginning,
    runs_named,
    uri_flag,
    view_command,
)

Kind = Literal["study", "ablation"]
PARENT = "mlflow.parentRunId"
DIGITS = range(4, 33)  # how many digits of an id may stand for it
OFFERED = 5  # runs that an error names
OFFERS = ("study", "ablation", "arm", "train")


def find_run(tracking: TrackingConfig, reference: str) -> RecordedRun:
    """The run with this id, this name, or an id that begins like this.

    Args:
        tracking: The tracker.
        reference: A whole id, a run's name, or at least four digits with which one id begins.

    Raises:
        UserError: There is none, or more than one; names those that may have been meant.
    """
    require_record(tracking)
    matches = runs_named(tracking, reference)
    if not matches and len(reference) in DIGITS and set(reference) <= set("0123456789abcdef"):
        matches = runs_beginning(tracking, reference)
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise UserError(
            f"{len(matches)} runs are meant by {reference!r}: {_listed(matches)}; give the id of "
            "one"
        )
    # Not among trials and cells: they are many, and named after their study or arm.
    others = [run for kind in OFFERS for run in recorded_runs(tracking, {"kind": kind})]
    names = list(dict.fromkeys(other.name for other in others))
    near = difflib.get_close_matches(reference, names, n=OFFERED, cutoff=0.5)
    meant = [other for name in near for other in others if other.name == name]
    offer = f"did you mean {_listed(meant)}? " if meant else ""
    raise UserError(
        f"there is no run {reference!r} in the tracker; {offer}`vlatent runs` shows "
        "studies and ablations, and with the name of one what stands below it."
    )


def children(tracking: TrackingConfig, run: RecordedRun) -> list[RecordedRun]:
    """The runs directly below a run, the oldest first: a study's trials, an ablation's arms."""
    return recorded_runs(tracking, {PARENT: run.run_id})


def parents(tracking: TrackingConfig, kind: Kind, name: str | None = None) -> list[RecordedRun]:
    """The own runs of all studies or ablations, or of those of this name, the oldest first.

    Raises:
        UserError: Nothing is recorded there.
    """
    require_record(tracking)
    return recorded_runs(tracking, {"kind": kind} | ({} if name is None else {kind: name}))


def artifact(tracking: TrackingConfig, run_id: str, path: str) -> bytes:
    """A file that a run has kept: `config.yaml`, `figures/overview.png`.

    Raises:
        UserError: There is none; names those there are.
    """
    return read_artifact(tracking, run_id, path)


def table(runs: Sequence[RecordedRun]) -> list[dict[str, object]]:
    """Rows, one a run, with the same columns: id and times, then tags, params and metrics.

    A column is called `tags.kind`, `params.training.seed` or `metrics.score`; a run that lacks it
    has None there. Times are UTC, `seconds` is how long the run took.
    """
    rows = [_row(run) for run in runs]
    kinds = ("tags.", "params.", "metrics.")
    columns = [name for name in rows[0] if not name.startswith(kinds)] if rows else []
    every = sorted({name for row in rows for name in row})
    columns += [name for kind in kinds for name in every if name.startswith(kind)]
    return [{name: row.get(name) for name in columns} for row in rows]


def recorded_text(tracking: TrackingConfig, run: RecordedRun, name: str) -> str | None:
    """A text file that a run has kept; None where it kept none of this name."""
    try:
        return artifact(tracking, run.run_id, name).decode()
    except UserError:
        return None


def config_of(run: RecordedRun, tracking: TrackingConfig) -> Config:
    """The config of a run.

    Raises:
        UserError: It kept none, or one whose keys this version does not know.
    """
    text = artifact(tracking, run.run_id, "config.yaml").decode()
    try:
        return from_yaml(text)
    except UserError as error:
        raise UserError(
            f"run {run.name} ({run.run_id[:8]}) was recorded by another version of vlatent: {error}"
        ) from None


def evaluations_of(run: RecordedRun, tracking: TrackingConfig) -> tuple[Evaluation, ...]:
    """The evaluations of a run, the last at the end.

    Raises:
        UserError: It was never evaluated.
    """
    text = recorded_text(tracking, run, run_record.FILE)
    if text is not None:
        history = RunRecord.from_json(text, f"{run_record.FILE} of run {run.name}").history
    else:
        compared = "likeness" in run.metrics  # by a run that did not come to its end
        encoder = config_of(run, tracking).encoder if compared else None
        size = (encoder.height, encoder.width) if isinstance(encoder, EncoderConfig) else None
        history = earlier.evaluations_of(run, tracking, size)
    if not history:
        why = "it runs" if run.status == "RUNNING" else f"it ended {run.status}"
        raise UserError(
            f"run {run.name} ({run.run_id[:8]}) has no evaluation to look at: {why} before its "
            "first"
        )
    return history


def _row(run: RecordedRun) -> dict[str, object]:
    row: dict[str, object] = {"run_id": run.run_id, "name": run.name, "status": run.status}
    row["started"] = run.started.isoformat()
    row["seconds"] = (run.ended - run.started).total_seconds() if run.ended else None
    for kind, values in (("tags", run.tags), ("params", run.params), ("metrics", run.metrics)):
        row |= {f"{kind}.{name}": value for name, value in values.items()}
    return row


def _listed(runs: Sequence[RecordedRun]) -> str:
    said = [f"{run.name} ({run.run_id[:8]}, {_what(run)})" for run in runs[:OFFERED]]
    more = f" and {len(runs) - OFFERED} more" if len(runs) > OFFERED else ""
    return ", ".join(said) + more


def _what(run: RecordedRun) -> str:
    """Kind of a run, and when it began."""
    place = run.tags.get("ablation") or run.tags.get("study")
    kind = run.tags.get("kind", "run")
    of = f" of {place}" if place and place != run.name else ""
    return f"{kind}{of}, {run.started:%Y-%m-%d %H:%M}"


def main(arguments: Sequence[str]) -> int:
    parser = Parser(
        prog="vlatent runs",
        description="Write what MLflow recorded below a study, an ablation or an arm as a table: "
        "one line a run, with its tags, params and last metrics. Without a run: what there is. "
        "Example: vlatent runs loss_weights --out trials.csv",
    )
    parser.add_argument("run", nargs="?", help="Id, beginning of an id, or name of the parent.")
    parser.add_argument("--out", type=Path, help="The CSV file; default: RUN.csv.")
    parser.add_class_arguments(TrackingConfig, nested_key="tracking", skip=WRITING)
    given = parser.checked(arguments)
    tracking: TrackingConfig = given["tracking"]
    if given["run"] is None:
        _show_parents(tracking)
        return 0
    parent = find_run(tracking, given["run"])
    below = children(tracking, parent)
    if not below:
        raise UserError(f"no run stands below {parent.name} ({parent.run_id}); name its parent")
    out: Path = given["out"] or Path(f"{parent.name.replace('/', '-')}.csv")
    rows = table(below)
    checkpoints.write(out, as_csv(list(rows[0]), [list(row.values()) for row in rows]))
    console.print(f"{len(rows)} runs below {parent.name}, {len(rows[0])} columns: {out}")
    two = " ".join(run.run_id[:8] for run in below[:2])
    console.print(f"Side by side: vlatent compare {two}{uri_flag(tracking)}", soft_wrap=True)
    return 0


def _show_parents(tracking: TrackingConfig) -> None:
    recorded = [*parents(tracking, "study"), *parents(tracking, "ablation")]
    headings = ("name", "kind", "runs below", "status", "began (UTC)", "id")
    made = empty_table("Studies and ablations", *headings, right="runs below")
    for parent in recorded:
        below = str(len(children(tracking, parent)))
        began = f"{parent.started:%Y-%m-%d %H:%M}"
        kind = parent.tags["kind"]
        made.add_row(parent.name, kind, below, parent.status, began, parent.run_id[:8])
    console.print(made)
    if recorded:
        name = shlex.quote(recorded[0].name)
        console.print(f"As a table: vlatent runs {name}{uri_flag(tracking)}", soft_wrap=True)
    console.print(f"In a browser: {view_command(tracking)}", soft_wrap=True)


if __name__ == "__main__":
    run(main)
