"""The gallery: does the verdict tell photographs from impostors?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jsonargparse.typing import NonNegativeInt, PositiveInt
from rich.table import Table

from analysis import files
from analysis.natural_images.gallery_figure import Shown, figure
from analysis.natural_images.judging import (
    SENTENCES,
    SIZES,
    Row,
    judged,
    of_impostors,
    of_photographs,
    row,
)
from vlatent.command_line import Parser, run
from vlatent.console import console, progress_display
from vlatent.formatting import percent
from vlatent.intervals import counted
from vlatent.tables import as_csv, as_markdown

COLUMNS = ("latents", "size", "passed", "score", "likeness", "caught by")
NAMED = 4  # criteria in a cell
DRAWN = 32  # pixels of a side in the figure


def main(arguments: Sequence[str]) -> int:
    parser = Parser(
        prog="python -m analysis.natural_images.gallery",
        description="Does the verdict tell photographs from impostors? Judges latents made of "
        "photographs, which must pass, and noise, patterns and spoiled photographs, which must "
        f"fail: {SENTENCES} sentences each, at {', '.join(map(str, SIZES))} pixels.",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("runs/natural_images"), help="Folder for table and figure."
    )
    parser.add_argument("--draws", type=PositiveInt, default=10, help="Of every impostor.")
    parser.add_argument(
        "--photographs", type=PositiveInt, default=100, help="Draws of photographs at every scale."
    )
    parser.add_argument("--seed", type=NonNegativeInt, default=0, help="Of all draws.")
    given = parser.checked(arguments)
    seed = given["seed"]
    photographs = {size: of_photographs(size) for size in SIZES}
    kinds = [
        *((name, given["photographs"]) for name in photographs[min(SIZES)]),
        *((name, given["draws"]) for name in of_impostors()),
    ]
    with progress_display() as progress:
        rows = [
            row(name, draw, size, count, seed)
            for name, count in progress.track(kinds, description="Judging latents")
            for size in SIZES
            if (draw := (photographs[size] | of_impostors()).get(name))
        ]
    figures = {"gallery": figure(shown(seed)).png()}
    files.write(given["out"], {"gallery.md": markdown(rows), "gallery.csv": csv(rows)}, figures)
    console.print(on_screen(rows))
    console.print(f"Written to {given['out']}: look at gallery.png.")
    return 0


def shown(seed: int) -> list[Shown]:
    """One draw of photographs at every scale and of every impostor that sentences do not share."""
    rows = []
    for name, draw in (of_photographs(DRAWN) | of_impostors()).items():
        if not name.endswith(", shared") and not name.startswith("photographs that"):
            latent = draw(DRAWN, np.random.default_rng([seed, *name.encode()]))
            rows.append(Shown(name, latent[0].numpy(), judged(latent)))
    return rows


def on_screen(rows: Sequence[Row]) -> Table:
    """For a terminal."""
    table = Table(*COLUMNS, title="Photographs must pass, impostors must fail")
    for cells in _cells(rows):
        table.add_row(*cells)
    return table


def markdown(rows: Sequence[Row]) -> str:
    """The table as a page."""
    return as_markdown(COLUMNS, _cells(rows)) + "\n"


def csv(rows: Sequence[Row]) -> str:
    """One line a kind of latent, size and criterion that fails: in which share of the draws."""
    return as_csv(
        ("latents", "size", "draws", "passed", "criterion", "share of draws that fail it"),
        [
            (found.name, found.size, len(found.draws), found.passed, name, share)
            for found in rows
            for name, share in (found.caught() or {"": 0.0}).items()
        ],
    )


def _cells(rows: Sequence[Row]) -> list[list[str]]:
    return [
        [
            found.name,
            str(found.size),
            counted(found.passed, len(found.draws)),
            f"{np.mean([judged.score for judged in found.draws]):.2f}",
            f"{np.mean([judged.likeness for judged in found.draws]):.2f}",
            _said(found.caught()),
        ]
        for found in rows
    ]


def _said(caught: dict[str, float]) -> str:
    """Criteria with the share of the draws that they catch, if that is not all."""
    said = [
        name if share == 1 else f"{name} ({percent(share)})"
        for name, share in list(caught.items())[:NAMED]
    ]
    rest = len(caught) - len(said)
    return ", ".join(said) + (f" and {rest} more" if rest else "")


if __name__ == "__main__":
    run(main)
