"""The console: tables, progress bars and what a run says at its end."""

from __future__ import annotations

import math
import shlex
from collections.abc import Collection, Iterable, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column, Table
from rich.text import Text

from vlatent.dependence import TARGETS, in_words
from vlatent.evaluation import Evaluation, Verdict
from vlatent.evaluation.round_trip import SPLITS
from vlatent.meaning import kinds_of
from vlatent.notebook import CellLog

# What a terminal would obey instead of showing it.
CONTROLS = {n: f"\\x{n:02x}" for n in [*range(32), *range(127, 160)] if chr(n) not in "\n\t"}


T = TypeVar("T")


class PlainConsole(Console):
    """A console to which every string is plain text; our own styles are `Text`s.

    Names, paths and reasons are other people's: rich would take what they have in brackets or
    between colons for styles and emoji, and a terminal obeys their control characters.
    """

    def render_str(self, text: str, **settings: Any) -> Text:
        return super().render_str(text.translate(CONTROLS), **settings)


PLAIN: dict[str, Any] = {"highlight": False, "markup": False, "emoji": False}
console = PlainConsole(**PLAIN)
if console.is_jupyter:  # where rich would make an output of every line
    console = PlainConsole(file=CellLog(), force_jupyter=False, force_terminal=False, **PLAIN)
if not console.is_terminal:
    console.width = 110  # a log file has no width of its own


def progress_display() -> Progress:
    """Progress display that shows nothing where there is no terminal."""
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )


def print_evaluation(step: int, evaluation: Evaluation, verdict: Verdict) -> None:
    """Print one line per evaluation, for logs and other places without a progress bar."""
    broken = verdict.violated
    alpha = evaluation.channels["spectrum"]
    read = [
        f", fact F1 {split} {evaluation.metrics[name]:.2f}"
        for split in SPLITS
        if (name := f"reading/{split}/fact_f1") in evaluation.metrics
    ]
    console.print(
        f"step {step}: alpha {min(alpha):.2f} to {max(alpha):.2f}, "
        f"{evaluation.metrics['channels_in_band']:.0f} of {len(alpha)} channels in band"
        + "".join(read)
        + (f"; violates {', '.join(broken)}" if broken else "; passes every criterion")
    )


def tracked(items: Sequence[T], what: str, progress: Progress | None) -> Iterable[T]:
    """The items one after another, with a bar where there is a display."""
    return items if progress is None else progress.track(items, description=what)


def empty_table(title: str, *headings: str, left: Collection[str] = (), right: str = "") -> Table:
    """An empty table; `left`, or all but `right`, are the headings of columns aligned left."""
    columns = [
        Column(
            heading,
            justify="right" if heading == right or (left and heading not in left) else "left",
        )
        for heading in headings
    ]
    return Table(*columns, title=title, title_justify="left", title_style="bold")


def verdict_table(verdict: Verdict, title: str) -> Table:
    """Table of the criteria: what is wanted and what was measured."""
    made = empty_table(title, "criterion", "wanted", "found", "margin", "", right="margin")
    for criterion in verdict.criteria:
        made.add_row(
            criterion.name,
            criterion.wanted,
            criterion.found,
            f"{criterion.margin:+.2f}",
            Text("pass", "green") if criterion.holds else Text("FAIL", "bold red"),
        )
    return made


# What a decoder is shown, by the end of the metric's name.
SHOWN = {
    "": "its latents",
    "_noise": "its latents, noise",
    "_leading": "its leading components",
    "_another": "another sentence's latent",
    "_shuffled": "pixels in another order",
}
READ = ("fact_f1", "exact", "readable", "rouge_l", "cosine", "diversity")


def reading_table(evaluation: Evaluation) -> Table | None:
    """Table of what a decoder that learned beside the encoder reads, and of controls."""
    metrics = evaluation.metrics
    names = [name for name in READ if any(key.endswith(f"/{name}") for key in metrics)]
    headings = ("split", "shown", *(name.replace("_", " ") for name in names))
    made = empty_table("Read back", *headings, left=headings[:2])
    for split in SPLITS:
        for view, said in SHOWN.items():
            before = f"reading/{split}{view}/"
            if f"{before}cosine" in metrics:
                values = (metrics.get(f"{before}{name}", math.nan) for name in names)
                shown = ("" if math.isnan(value) else f"{value:.2f}" for value in values)
                made.add_row(split, said, *shown)
    return made if made.rows else None


def reading_commands(evaluation: Evaluation, folder: Path) -> list[str]:
    """What to run next with a decoder that learned beside the encoder."""
    if not any(name.startswith("reading/") for name in evaluation.metrics):
        return []
    place = shlex.quote(str(folder))
    return [
        f'Read a sentence: vlatent read {place} "A red cube is on a blue sphere." --samples 3',
        "Is it read better than before? A new decoder on its frozen encoder, beside controls: "
        f"vlatent train --config reading --run {place}",
    ]


def dependence_lines(evaluation: Evaluation) -> list[str]:
    """Dependence on the text in words, and what linear probes find in the latent."""
    metrics = evaluation.metrics
    if "dependence/between_share" not in metrics:
        return []  # of a problem of the user's own, which reads no text
    lines = [in_words(metrics)]
    if "dependence/retrieval" in metrics:
        lines.append(
            f"With dropout on, {metrics['dependence/retrieval']:.1%} of latents are matched to "
            f"their own sentence (chance {metrics['dependence/retrieval_chance']:.1%})."
        )
    unseen = bool(kinds_of(metrics, "compositional"))
    split, sentences = (
        ("compositional", "unseen combinations") if unseen else ("random", "held-out sentences")
    )
    before = f"meaning/{split}/"
    kinds = {
        kind: (metrics[f"{before}gap_{kind}"], metrics[f"{before}triplet_accuracy_{kind}"])
        for kind in kinds_of(metrics, split)
    }
    if kinds:
        said = [
            f"{kind} {gap:.2f} ({accuracy:.0%})"
            for kind, (gap, accuracy) in sorted(kinds.items(), key=itemgetter(1))
        ]
        lines.append(
            f"Gap (and triplet accuracy) by kind of change, {sentences}: {', '.join(said)}."
        )
    probes = {"Linear probes": "dependence", "Unseen combinations": "meaning/compositional"}
    said = [
        f"{place}: {', '.join(seen)}"
        for place, prefix in probes.items()
        if (
            seen := [
                f"{name}s {metrics[key]:.2f}"
                for name in TARGETS
                if (key := f"{prefix}/{name}_auc") in metrics
            ]
        )
    ]
    if said:
        lines.append(
            f"{'. '.join(said)} (ROC AUC of linear probes on latents plus noise of equal strength; "
            "chance 0.5)."
        )
    return lines
