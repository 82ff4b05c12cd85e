"""A study or an ablation as one page that can be shown to others.

vlatent report --study loss_weights
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.markdown import Markdown

from analysis.report.ablation import ablation_document
from analysis.report.page import FIGURES, Document, as_html, as_markdown
from analysis.report.study import study_document
from analysis.runs import Kind, parents
from analysis.trials import STORAGE, read_study
from vlatent import checkpoints
from vlatent.command_line import Parser, run
from vlatent.console import console, progress_display
from vlatent.runtime.addresses import shown
from vlatent.shapes import UserError
from vlatent.tracking import (
    WRITING,
    RecordedRun,
    TrackingConfig,
    reopen_run,
    require_record,
    view_command,
)


def main(arguments: Sequence[str]) -> int:
    """Write the report as HTML and Markdown, and attach it to the run in the tracker."""
    parser = Parser(
        prog="vlatent report",
        description="Writes a study or an ablation as one HTML file that works offline and prints "
        "well, and as Markdown beside it: what was asked, what was found, how sure that is, and "
        "how to get every number again. Both are attached to its run in MLflow. "
        "Example: vlatent report --study loss_weights",
    )
    parser.add_argument("--study", type=str | None, help="Name of the study.")
    parser.add_argument("--ablation", type=str | None, help="Or name of the ablation.")
    parser.add_argument("--storage", type=str, default=STORAGE, help="Optuna's database.")
    parser.add_argument(
        "--out",
        type=Path | None,
        help="The HTML file; default: runs/reports/KIND_NAME/report.html.",
    )
    parser.add_class_arguments(TrackingConfig, nested_key="tracking", skip=WRITING)
    given = parser.checked(arguments)
    if (given["study"] is None) == (given["ablation"] is None):
        raise UserError("give either --study NAME or --ablation NAME; see --help.")
    tracking: TrackingConfig = given["tracking"]
    require_record(tracking)
    kind: Kind = "study" if given["study"] else "ablation"
    name: str = given[kind]
    slow = "; what matters in it takes up to a minute" if kind == "study" else ""
    console.print(f"Reading {kind} {name}{slow} ...")
    study = read_study(given["storage"], name) if kind == "study" else None
    parent = _parent(tracking, kind, name)
    with progress_display() as progress:  # the importances take a while
        document = (
            ablation_document(parent, tracking)
            if study is None
            else study_document(study, parent, tracking, progress)
        )
    out: Path = given["out"] or Path("runs", "reports", f"{kind}_{name}", "report.html")
    written = write(document, out)
    for answer in document.answers[1:3]:
        console.print(Markdown(f"**{answer.heading}**\n\n{answer.text}"))
    console.print(f"The report, one file that works offline: {out}")
    console.print(f"As Markdown: {written}")
    try:
        _attach(tracking, parent.run_id, parent.status, document)
    except UserError as error:  # the report itself is written
        console.print(f"Not attached to its run: {error}.")
    else:
        console.print(
            f"Attached to run {parent.name} ({parent.run_id[:8]}), under Artifacts: "
            f"{view_command(tracking)}"
        )
    if study is not None and given["storage"] != STORAGE:
        console.print(f"Trials from {shown(given['storage'])}.")
    return 0


def _parent(tracking: TrackingConfig, kind: Kind, name: str) -> RecordedRun:
    """The own run of a study or an ablation; the latest where there are several.

    Raises:
        UserError: It was never recorded; names what was.
    """
    every = parents(tracking, kind)
    own = [run for run in every if run.tags.get(kind) == name]
    if not own:
        names = ", ".join(sorted({run.tags[kind] for run in every if kind in run.tags}))
        raise UserError(
            f"the tracker has no {kind} {name}; it has {names or 'none at all'}. Run the command "
            "where it was recorded, or name the store with --tracking.uri."
        )
    return own[-1]


def write(document: Document, out: Path) -> Path:
    """Write HTML and Markdown; returns the place of the latter.

    Raises:
        UserError: It cannot be written.
    """
    markdown = out.with_suffix(".md")
    checkpoints.write(out, as_html(document))
    checkpoints.write(markdown, as_markdown(document))
    for name, png in document.figures.items():
        checkpoints.write(out.parent / FIGURES / name, png)
    return markdown


def _attach(tracking: TrackingConfig, run_id: str, status: str, document: Document) -> None:
    """Put the report among the run's artifacts; a run that goes on is left alone."""
    if status == "RUNNING":
        return
    kept = reopen_run(tracking, run_id)
    kept.text("report.html", as_html(document))
    if document.kind == "study":  # an ablation has written its own
        kept.text("report.md", as_markdown(document))
    kept.close(status)  # type: ignore[arg-type]


if __name__ == "__main__":
    run(main)
