"""Rank the parameters of a study: which matter for the score and for every criterion?"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from rich.text import Text

from analysis import files
from analysis.importance import text as importance_text
from analysis.importance.compute import importance
from analysis.importance.figures import figures
from analysis.storages import STORAGE
from analysis.trials import read_study
from vlatent.command_line import Parser, run
from vlatent.console import console, progress_display
from vlatent.runtime.addresses import without_password


def main(arguments: Sequence[str]) -> int:
    parser = Parser(
        prog="vlatent importance",
        description="Which weight and which rate matter for the score and for every criterion, "
        "with intervals, and whether the trials say anything about it at all. "
        "Example: vlatent importance loss_weights",
    )
    parser.add_argument("study", type=str, help="Name of the study.")
    parser.add_argument("--storage", type=str, default=STORAGE, help="Optuna's database.")
    parser.add_argument(
        "--out", type=Path | None, help="Where files go; default: runs/STUDY/importance."
    )
    parser.add_argument("--seed", type=int, default=0, help="Seed of folds, forests and resamples.")
    given = parser.checked(arguments)
    study = read_study(given["storage"], given["study"])
    count = len(study.trials)
    console.print(
        f"Growing forests on {count} trials of {study.name}; this takes up to a minute ..."
    )
    with progress_display() as progress:
        result = importance(study, given["seed"], progress)
    folder = given["out"] or Path("runs") / study.name / "importance"
    texts = {
        "importance.csv": importance_text.csv(result),
        "importance.md": importance_text.markdown(result),
    }
    written = files.write(folder, texts, figures(result))
    console.rule(Text(study.name, "bold"))
    console.print(importance_text.groups(result))
    console.print(importance_text.table(result))
    for paragraph in importance_text.words(result):
        console.print(paragraph)
    console.print(f"Written to {folder}: {written}")
    kept = (
        ""
        if given["storage"] == STORAGE
        else f" --storage {shlex.quote(without_password(given['storage']))}"
    )
    again = f"vlatent status {shlex.quote(study.name)}{kept}"
    console.print(f"The trials themselves: {again}", soft_wrap=True)
    return 0


if __name__ == "__main__":
    run(main)
