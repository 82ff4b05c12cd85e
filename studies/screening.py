"""Which loss weights are worth training? Screening by the priors alone, without an encoder.

Screens a few hundred weight vectors in about a minute, on free latents (studies/screen.py).
How well that predicts what training finds: benchmarks/screening.py, and docs/log.md.
"""

from __future__ import annotations

import csv
import time
from collections.abc import Sequence
from pathlib import Path

from jsonargparse.typing import NonNegativeInt, PositiveInt
from rich.table import Table
from rich.text import Text

from studies.loss_weights import QUESTION
from studies.screen import Screened, screen
from vlatent.command_line import Parser, run
from vlatent.config import add_settings, build
from vlatent.console import console, empty_table, progress_display

SHOWN = 10


def main(arguments: Sequence[str]) -> int:
    """Screen from the command line: print the best as a table, write all to a file."""
    parser = Parser(
        prog="vlatent screen",
        description="Screens loss weights without an encoder: for each of many weight vectors the "
        "priors alone shape a free latent, which is judged like a trained one. Example: "
        "vlatent screen --config quick",
    )
    add_settings(parser)
    parser.add_argument("--candidates", type=PositiveInt, default=256, help="Weight vectors.")
    parser.add_argument(
        "--seed", type=NonNegativeInt, default=0, help="Seed of candidates and noise."
    )
    parser.add_argument(
        "--out", type=Path, default=Path("runs/screening.csv"), help="All of them, the best first."
    )
    given = parser.checked(arguments)
    config = build(given)
    began = time.perf_counter()
    with progress_display() as progress:
        space = QUESTION.space(config)
        screened = screen(config, space, given["candidates"], given["seed"], progress)
    seconds = time.perf_counter() - began
    console.rule(Text("Which loss weights are worth training?", "bold"))
    console.print(_table(screened))
    passed = sum(vector.verdict.passed for vector in screened)
    console.print(
        f"{passed} of {len(screened)} weight vectors would pass every criterion; {seconds:.0f} s. "
        "This is a forecast: no encoder was trained."
    )
    _write(given["out"], screened)
    console.print(f"All of them: {given['out']}")
    console.print(
        "Train the best ten first: vlatent study loss_weights --config … --study.rehearse 10"
    )
    return 0


def _table(screened: Sequence[Screened]) -> Table:
    names = [name.split(".")[1] for name in screened[0].weights]
    title = f"The best {min(SHOWN, len(screened))}"
    best = empty_table(title, "score", *names, "violates", left=("violates",))
    for vector in screened[:SHOWN]:
        broken = vector.verdict.violated
        weights = (f"{value:.3g}" for value in vector.weights.values())
        best.add_row(f"{vector.score:.3f}", *weights, ", ".join(broken) or "nothing")
    return best


def _write(place: Path, screened: Sequence[Screened]) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    margins = [f"margin/{line.name}" for line in screened[0].verdict.criteria]
    with place.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["score", "passed", *screened[0].weights, *margins])
        for vector in screened:
            lines = (line.margin for line in vector.verdict.criteria)
            rows.writerow(
                [vector.score, int(vector.verdict.passed), *vector.weights.values(), *lines]
            )


if __name__ == "__main__":
    run(main)
