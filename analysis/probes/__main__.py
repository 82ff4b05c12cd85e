"""Which properties of a sentence can be predicted from its latent? Beside chance levels."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from jsonargparse.typing import PositiveInt
from rich.text import Text

from analysis import files
from analysis.probes import text as probes_text
from analysis.probes.compute import probe
from analysis.probes.encoding import open_checkpoint
from analysis.probes.figures import figures
from vlatent.command_line import Parser, run
from vlatent.console import console, progress_display
from vlatent.shapes import UserError


def main(arguments: Sequence[str]) -> int:
    parser = Parser(
        prog="vlatent probe",
        description="What does the latent know about the sentence? Color, shape, relation and "
        "argument order, or labels of your own, by linear probes, and sentences searched by their "
        "paraphrase, beside what shuffled answers reach. Example: vlatent probe runs/FOLDER",
    )
    parser.add_argument(
        "checkpoints", type=Path, nargs="+", help="Checkpoints, or the folders of runs."
    )
    parser.add_argument(
        "--sentences",
        type=Path | None,
        help="Other sentences (.txt, or .jsonl with paraphrases or labels) than those that the run "
        "held out.",
    )
    parser.add_argument(
        "--count", type=PositiveInt, default=200, help="Held-out sentences, and pairs of blocks."
    )
    parser.add_argument("--tsne", type=bool, default=False, help="Draw a t-SNE map too.")
    parser.add_argument(
        "--out",
        type=Path | None,
        help="Where files go, for several checkpoints a folder each; default: probes in the run's "
        "folder.",
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="Seed of splits, shuffles and resamples."
    )
    given = parser.checked(arguments)
    places: list[Path] = given["checkpoints"]
    for place, name, folder in zip(
        places, names(places), folders(places, given["out"]), strict=True
    ):
        console.print(f"Encoding and probing {name}; this takes up to a few minutes ...")
        with progress_display() as progress:
            sets = open_checkpoint(place, given["sentences"], given["count"], progress)
            result = probe(name, *sets, given["tsne"], given["seed"], progress)
        texts = {"probes.csv": probes_text.csv(result), "probes.md": probes_text.markdown(result)}
        files.write(folder, texts, figures(result))
        console.rule(Text(name, "bold"))
        for shown in probes_text.tables(result):
            console.print(shown)
        for paragraph in probes_text.words(result):
            console.print(paragraph)
        console.print(f"Written to {folder}: look at readings.png first, then at map_pca.png")
    console.print(
        "See the latents: vlatent evaluate --checkpoint "
        f"{shlex.quote(str(places[0]))} --out latents",
        soft_wrap=True,
    )
    console.print(
        "See when they begin to differ: metric dependence/between_share of the run in mlflow ui"
    )
    return 0


def names(places: Sequence[Path]) -> list[str]:
    """A name for every run: its folder's, or as much of its path as tells it from the others."""
    runs = [_run_folder(place) for place in places]
    if len(set(runs)) < len(runs):
        raise UserError("the same checkpoint is given twice; name each once.")
    if len(runs) == 1:
        return [runs[0].name]
    common = Path(os.path.commonpath(runs))
    return [str(folder.relative_to(common)).replace(os.sep, "-") for folder in runs]


def folders(places: Sequence[Path], out: Path | None) -> list[Path]:
    """Folder for the files of every run."""
    if out is None:
        return [_run_folder(place) / "probes" for place in places]
    return [out] if len(places) == 1 else [out / name for name in names(places)]


def _run_folder(place: Path) -> Path:
    return (place if place.is_dir() else place.parent).resolve()


if __name__ == "__main__":
    run(main)
