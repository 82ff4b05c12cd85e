"""Compare runs, trials, studies, arms or checkpoints side by side."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from jsonargparse.typing import PositiveInt
from rich.text import Text

from analysis import files
from analysis.compare import text as compare_text
from analysis.compare.compute import compare
from analysis.compare.figures import figures
from analysis.compare.references import subject_of
from analysis.compare.result import Comparison, labelled
from analysis.runs import artifact
from analysis.storages import STORAGE
from vlatent import checkpoints
from vlatent.command_line import Parser, run
from vlatent.config import override, to_yaml
from vlatent.console import console, progress_display, tracked
from vlatent.shapes import UserError
from vlatent.tracking import WRITING, TrackingConfig, view_command

SENTENCES = 64


def main(arguments: Sequence[str]) -> int:
    parser = Parser(
        prog="vlatent compare",
        description="Put two or more runs side by side: what differs in their configs, verdicts, "
        "statistics with intervals over seeds and over sentences, latents of the same sentences, "
        "spectra and curves. The first is what the others are compared with. Give the id (or its "
        "beginning) or the name of a run in MLflow, STUDY:NUMBER for a trial, STUDY for its "
        "winner, an arm of an ablation, or a checkpoint or its folder. "
        "Example: vlatent compare loss_weights:0 loss_weights",
    )
    parser.add_argument("runs", nargs="+", metavar="RUN", help="What is compared: two or more.")
    parser.add_class_arguments(TrackingConfig, nested_key="tracking", skip=WRITING)
    parser.add_argument(
        "--storage",
        type=str,
        default=STORAGE,
        help="Optuna's database, for trials that the tracker does not have.",
    )
    parser.add_argument(
        "--sentences",
        type=PositiveInt,
        default=SENTENCES,
        help="Largest number of held-out sentences to encode.",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("runs/compare"), help="Folder for tables and figures."
    )
    given = parser.checked(arguments)
    tracking: TrackingConfig = given["tracking"]
    if len(given["runs"]) < 2:
        raise UserError(f"two runs or more are compared, but got {given['runs'][0]} alone.")
    console.print(f"Reading {len(given['runs'])} runs and encoding with every checkpoint ...")
    with progress_display() as progress:
        subjects = [
            subject_of(reference, tracking, given["storage"])
            for reference in tracked(given["runs"], "reading", progress)
        ]
        comparison = compare(labelled(subjects), given["sentences"], progress)
    recorded, lacking = recorded_montages(comparison, tracking)
    folder: Path = given["out"]
    again = write_configs(comparison, folder)
    drawn = figures(comparison, recorded)
    texts = {
        "compare.md": compare_text.markdown(comparison, list(drawn), [*lacking, *again]),
        "compare.csv": compare_text.csv(comparison),
    }
    written = files.write(folder, texts, drawn)
    show(comparison, [*lacking, *again])
    console.print(f"Written to {folder}: {written}", soft_wrap=True)
    if any(subject.run for subject in comparison.subjects):
        console.print(f"The runs themselves: {view_command(tracking)}", soft_wrap=True)
    return 0


def show(comparison: Comparison, lacking: Sequence[str]) -> None:
    """The comparison in the terminal."""
    console.rule(Text("Side by side", "bold"))
    for subject in comparison.subjects:
        console.print(Text.assemble((subject.label, "bold"), f": {subject.what}"))
    if not comparison.config:
        console.print("No key of their configs differs that can change what is computed.")
    for table in compare_text.screens(comparison):
        console.print(table)
    for line in compare_text.dependences(comparison):
        console.print(line)
    for over in (comparison.seeds, comparison.sentences):
        if over.effects:
            console.print(f"Over {over.what}", style="bold")
            for line in compare_text.brief(comparison, over):
                console.print(f"- {line}")
    console.print("What the numbers do not say", style="bold")
    said = [*compare_text.cautions(comparison), *compare_text.not_encoded(comparison), *lacking]
    for line in said:
        console.print(f"- {line}")


def recorded_montages(
    comparison: Comparison, tracking: TrackingConfig
) -> tuple[dict[str, bytes], list[str]]:
    """Montages that runs without a checkpoint have kept, and why there are none of others."""
    kept, lacking = {}, []
    for subject in comparison.subjects:
        if subject.label in comparison.encoded or subject.run is None:
            continue
        try:
            kept[subject.label] = artifact(tracking, subject.run.run_id, "figures/montage.png")
        except UserError as error:
            lacking.append(f"{subject.label}: no figure was recorded ({error})")
    return kept, lacking


def write_configs(comparison: Comparison, folder: Path) -> list[str]:
    """The configs of what has no checkpoint, as files, and how they are trained again."""
    again = []
    for subject in comparison.subjects:
        if subject.label in comparison.encoded or subject.checkpoint is not None:
            continue
        name = "".join(c if c.isalnum() or c in "-_" else "-" for c in subject.label)
        place = folder / f"{name}.yaml"
        config = override(subject.config, {"training.folder": None, "training.resume": None})
        checkpoints.write(place, to_yaml(config))
        flags = ["--config", str(place), "--training.folder", str(folder / name)]
        again.append(shlex.join(["vlatent", "train", *flags]))
    if not again:
        return []
    return [
        "A study keeps the checkpoints of its best trials, an ablation none. For the latents of "
        f"others, train them again and compare their folders: {'; '.join(again)}"
    ]


if __name__ == "__main__":
    run(main)
