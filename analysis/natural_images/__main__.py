"""Measure natural images: the evidence behind every target and threshold of the priors.

The six statistics, the slope by every estimator and the residual gate: of photographs at several
scales, of Gaussian fields of known slope, and of images that must not pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jsonargparse.typing import NonNegativeInt, PositiveInt

from analysis import files
from analysis.natural_images import text as natural_images_text
from analysis.natural_images.evidence import Evidence
from analysis.natural_images.figures import figures
from analysis.natural_images.photographs import bundled, from_folder
from analysis.natural_images.table import CHANNELS, ImageKind, natural, synthetic
from vlatent.command_line import Parser, run
from vlatent.console import console, progress_display
from vlatent.shapes import UserError

FEWEST = 10 * CHANNELS  # images: ten sentences of six channels


def main(arguments: Sequence[str]) -> int:
    parser = Parser(
        prog="python -m analysis.natural_images",
        description="What are natural images like? Measures the statistics of all priors on "
        "photographs, on fields of known slope and on artefacts, and says which targets and "
        "thresholds the evidence supports. Example: python -m analysis.natural_images --images "
        "~/Pictures --patches 600",
    )
    parser.add_argument(
        "--images",
        type=Path | None,
        help="Folder of photographs, measured beside the five that come with scikit-learn and "
        "PyWavelets.",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("runs/natural_images"),
        help="Folder for tables and figures.",
    )
    parser.add_argument(
        "--patches", type=PositiveInt, default=600, help="Images of 32x32 of every kind."
    )
    parser.add_argument("--seed", type=NonNegativeInt, default=0, help="Of fields and crops.")
    given = parser.checked(arguments)
    if given["patches"] < FEWEST:
        raise UserError(f"patches must be at least {FEWEST}, but got {given['patches']}.")
    photographs = bundled() + (from_folder(given["images"]) if given["images"] else [])
    console.print(f"Measuring {len(photographs)} photographs and fields; this takes minutes ...")
    with progress_display() as progress:
        cells = natural(photographs, given["patches"], given["seed"], progress)
        cells = synthetic(given["patches"], given["seed"], progress) + cells
    evidence = natural_images_text.all_targets(cells)
    write(cells, evidence, given["out"])
    for sheet in natural_images_text.sheets(cells):
        console.print(natural_images_text.on_screen(sheet))
    console.print(natural_images_text.targets_on_screen(evidence))
    for line in natural_images_text.summary(evidence):
        console.print(line)
    console.print(f"Written to {given['out']}: look at natural_images.png, then at estimators.png")
    if given["images"] is None:
        console.print(f"{len(photographs)} photographs are few: measure yours with --images FOLDER")
    return 0


def write(cells: Sequence[ImageKind], evidence: Sequence[Evidence], folder: Path) -> None:
    """Write tables and figures.

    Raises:
        UserError: The folder cannot be written.
    """
    texts = {
        "natural_images.csv": natural_images_text.csv(cells),
        "targets.csv": natural_images_text.targets_csv(evidence),
        "natural_images.md": natural_images_text.markdown(cells, evidence),
    }
    files.write(folder, texts, figures(cells))


if __name__ == "__main__":
    run(main)
