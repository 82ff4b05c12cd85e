"""What are natural images like? The evidence behind every target and threshold of the priors.

The six statistics, the slope by every estimator and the residual gate: of photographs at several
scales, of Gaussian fields of known slope, and of pictures that must not pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jsonargparse.typing import NonNegativeInt, PositiveInt

from analysis.natural_images import figures as natural_images_figure
from analysis.natural_images import text as natural_images_text
from analysis.natural_images.evidence import Evidence
from analysis.natural_images.photographs import bundled, from_folder
from analysis.natural_images.table import CHANNELS, ImageKind, natural, synthetic
from vlatent.command_line import Parser, run
from vlatent.screen import console, progress_display
from vlatent.shapes import UserError

FEWEST = 10 * CHANNELS  # pictures: ten sentences of six channels


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
        help="Folder for tables and pictures.",
    )
    parser.add_argument(
        "--patches", type=PositiveInt, default=600, help="Pictures of 32x32 of every kind."
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
    found = natural_images_text.all_targets(cells)
    write(cells, found, given["out"])
    for sheet in natural_images_text.sheets(cells):
        console.print(natural_images_text.on_screen(sheet))
    console.print(natural_images_text.targets_on_screen(found))
    for line in natural_images_text.summary(found):
        console.print(line)
    console.print(f"Written to {given['out']}: look at natural_images.png, then at estimators.png")
    if given["images"] is None:
        console.print(f"{len(photographs)} photographs are few: measure yours with --images FOLDER")
    return 0


def write(cells: Sequence[ImageKind], found: Sequence[Evidence], folder: Path) -> None:
    """Tables and pictures.

    Raises:
        UserError: The folder cannot be written.
    """
    files = {
        "natural_images.csv": natural_images_text.csv(cells).encode(),
        "targets.csv": natural_images_text.targets_csv(found).encode(),
        "natural_images.md": natural_images_text.markdown(cells, found).encode(),
    }
    pages = natural_images_figure.pictures(cells)
    files |= {f"{name}.png": png for name, png in pages.items()}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (folder / name).write_bytes(content)
    except OSError as error:
        raise UserError(
            f"cannot write to {folder}: {error.strerror}; choose another folder with --out."
        ) from None


if __name__ == "__main__":
    run(main)
