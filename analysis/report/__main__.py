"""A study or an ablation as one page that can be shown to others.

vlatent report --study loss_weights
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

from rich.markdown import Markdown

from analysis.foreign.from_mlflow import read_foreign_experiment
from analysis.foreign.from_optuna import read_foreign_study
from analysis.foreign.result import Foreign
from analysis.report.ablation import ablation_document
from analysis.report.foreign import foreign_document
from analysis.report.page import FIGURES, Document, as_html, as_markdown
from analysis.report.study import study_document
from analysis.runs import Kind, parents
from analysis.storages import STORAGE
from analysis.trials import read_study
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

Subject: TypeAlias = Literal["study", "ablation", "experiment"]


def main(arguments: Sequence[str]) -> int:
    """Write the report as HTML and Markdown, and attach it to the run in the tracker."""
    parser = _parser()
    given = parser.checked(arguments)
    tracking: TrackingConfig = given["tracking"]
    kind, name = _subject(given)
    out: Path = given["out"] or Path("runs", "reports", f"{kind}_{name}", "report.html")
    if kind == "experiment":
        tracking = replace(tracking, experiment=name)
        ways = given["maximize"], given["minimize"]
        _report_foreign(lambda: read_foreign_experiment(tracking, *ways), kind, name, out)
    elif kind == "ablation" or not _report_foreign(
        lambda: read_foreign_study(given["storage"], name), kind, name, out
    ):
        _report_own(kind, name, given["storage"], tracking, out)
    return 0


def _parser() -> Parser:
    parser = Parser(
        prog="vlatent report",
        description="Writes a study or an ablation as one HTML file that works offline and prints "
        "well, and as Markdown beside it: what was asked, what was found, how sure that is, and "
        "how to get every number again. Both are attached to its run in MLflow. Studies of Optuna "
        "and experiments of MLflow that other programs made are reported too, from what they "
        "recorded, and never written to. "
        "Example: vlatent report --study loss_weights",
    )
    parser.add_argument("--study", type=str | None, help="Name of the study, anybody's.")
    parser.add_argument("--ablation", type=str | None, help="Or name of the ablation.")
    parser.add_argument(
        "--experiment", type=str | None, help="Or name of an experiment of another program."
    )
    for way, better in (("maximize", "more"), ("minimize", "less")):
        parser.add_argument(
            f"--{way}",
            nargs="+",
            type=str,
            default=[],
            help=f"Metrics of the experiment of which {better} is better.",
        )
    parser.add_argument(
        "--storage", type=str, default=STORAGE, help="Optuna's database, or its journal."
    )
    parser.add_argument(
        "--out",
        type=Path | None,
        help="The HTML file; default: runs/reports/KIND_NAME/report.html.",
    )
    parser.add_class_arguments(TrackingConfig, nested_key="tracking", skip=WRITING)
    return parser


def _subject(given: Mapping[str, Any]) -> tuple[Subject, str]:
    """What is reported on, and its name.

    Raises:
        UserError: There is not exactly one, or metrics are named that it does not take.
    """
    kinds: tuple[Subject, ...] = ("study", "ablation", "experiment")
    named = [kind for kind in kinds if given[kind] is not None]
    if len(named) != 1:
        raise UserError(
            "give either --study NAME or --ablation NAME, or --experiment NAME for that of "
            "another program; see --help."
        )
    if named != ["experiment"] and (given["maximize"] or given["minimize"]):
        raise UserError(
            f"--maximize and --minimize are for --experiment: the {named[0]} has recorded itself "
            "what it optimises."
        )
    return named[0], given[named[0]]


def _report_foreign(
    read: Callable[[], Foreign | None], kind: Subject, name: str, out: Path
) -> bool:
    """Report on what another program made; False where it turns out to be ours."""
    study = read()
    if study is None:
        return False
    console.print(f"Reading {kind} {name}; what matters in it takes up to a minute ...")
    with progress_display() as progress:
        document = foreign_document(study, progress)
    _written(document, out)
    return True


def _report_own(kind: Kind, name: str, storage: str, tracking: TrackingConfig, out: Path) -> None:
    require_record(tracking)
    slow = "; what matters in it takes up to a minute" if kind == "study" else ""
    console.print(f"Reading {kind} {name}{slow} ...")
    study = read_study(storage, name) if kind == "study" else None
    parent = _parent(tracking, kind, name)
    with progress_display() as progress:  # the importances take a while
        document = (
            ablation_document(parent, tracking)
            if study is None
            else study_document(study, parent, tracking, progress)
        )
    _written(document, out)
    try:
        _attach(tracking, parent.run_id, parent.status, document)
    except UserError as error:  # the report itself is written
        console.print(f"Not attached to its run: {error}.")
    else:
        console.print(
            f"Attached to run {parent.name} ({parent.run_id[:8]}), under Artifacts: "
            f"{view_command(tracking)}"
        )
    if study is not None and storage != STORAGE:
        console.print(f"Trials from {shown(storage)}.")


def _written(document: Document, out: Path) -> None:
    """Write the report, and say what it found and where it is."""
    written = write(document, out)
    for answer in document.answers[1:3]:
        console.print(Markdown(f"**{answer.heading}**\n\n{answer.text}"))
    console.print(f"The report, one file that works offline: {out}")
    console.print(f"As Markdown: {written}")


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
