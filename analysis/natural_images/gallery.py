"""Judge latents of photographs, which must pass, and impostors, which must fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from jsonargparse.typing import NonNegativeInt, PositiveInt
from rich.table import Table

from analysis import files
from analysis.natural_images.gallery_figure import figure
from analysis.natural_images.impostors import IMPOSTORS
from analysis.natural_images.impostors.registry import Latents
from analysis.natural_images.photographs import scenes
from analysis.natural_images.sets import SCALES, Views, halves, sets_of_crops, views
from vlatent.command_line import Parser, run
from vlatent.console import console, progress_display
from vlatent.evaluation import CONSECUTIVE, Verdict, judge, measure, score
from vlatent.intervals import counted
from vlatent.priors import Priors
from vlatent.priors.base import standardized
from vlatent.tables import as_csv, as_markdown

SIZES = (16, 32, 48)
SENTENCES = 64
STEPS = 100  # of the run that is made up: three evaluations of the same latents
COLUMNS = ("latents", "size", "draws", "passed", "interval", "score", "likeness", "caught by")

Draw = Callable[[int, np.random.Generator], Latents]  # size, generator -> latents


@dataclass(frozen=True)
class Judged:
    """One latent under the verdict: its score, likeness, and the criteria that it fails."""

    passed: bool
    score: float
    likeness: float
    failed: tuple[str, ...]


@dataclass(frozen=True)
class Row:
    """Many draws of one kind of latent at one size."""

    name: str
    size: int
    draws: tuple[Judged, ...]

    @property
    def passed(self) -> int:
        return sum(judged.passed for judged in self.draws)

    def caught(self) -> dict[str, float]:
        """Criteria by the share of draws that fail them, most first."""
        names = [name for judged in self.draws for name in judged.failed]
        shares = {name: names.count(name) / len(self.draws) for name in dict.fromkeys(names)}
        return dict(sorted(shares.items(), key=lambda item: -item[1]))

    def mean(self, name: str) -> float:
        return float(np.mean([getattr(judged, name) for judged in self.draws]))


def main(arguments: Sequence[str]) -> int:
    parser = Parser(
        prog="python -m analysis.natural_images.gallery",
        description="Does the verdict tell photographs from impostors? Judges latents made of "
        "photographs, which must pass, and noise and patterns, which must fail, and draws both.",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("runs/natural_images"), help="Folder for table and figure."
    )
    parser.add_argument("--draws", type=PositiveInt, default=20, help="Of every impostor.")
    parser.add_argument(
        "--photographs", type=PositiveInt, default=100, help="Draws of photographs at every scale."
    )
    parser.add_argument("--seed", type=NonNegativeInt, default=0, help="Of all draws.")
    given = parser.checked(arguments)
    kinds = [(name, draw, given["photographs"]) for name, draw in of_photographs().items()]
    kinds += [(name, draw, given["draws"]) for name, draw in of_impostors().items()]
    with progress_display() as progress:
        rows = [
            drawn(name, draw, size, count, given["seed"])
            for name, draw, count in progress.track(kinds, description="Judging latents")
            for size in SIZES
        ]
    texts = {"gallery.md": markdown(rows) + "\n", "gallery.csv": csv(rows)}
    files.write(given["out"], texts, {"gallery": figure(shown(given["seed"])).png()})
    console.print(on_screen(rows))
    console.print(f"Written to {given['out']}: look at gallery.png.")
    return 0


def verdict(latent: Latents) -> tuple[Verdict, float, float]:
    """Verdict, score and likeness of latents as if a run had ended with them.

    Every channel of every sentence is brought to unit variance, which costs an impostor nothing.
    """
    evaluation = measure(STEPS, standardized(latent), Priors())
    steps = [STEPS - 10 * before for before in range(CONSECUTIVE)][::-1]
    found = judge([replace(evaluation, step=step) for step in steps], STEPS, Priors())
    return found, score(evaluation, found), evaluation.metrics["likeness"]


def judged(latent: Latents) -> Judged:
    """Judge latents as if a run had ended with them."""
    found, points, likeness = verdict(latent)
    failed = sorted((c for c in found.criteria if not c.holds), key=lambda c: -c.margin)
    return Judged(found.passed, points, likeness, tuple(c.name for c in failed))


def drawn(name: str, draw: Draw, size: int, count: int, seed: int) -> Row:
    """Judge so many draws of one kind, each by a generator of its own."""
    letters = list(name.encode())
    generators = [np.random.default_rng([seed, size, index, *letters]) for index in range(count)]
    return Row(name, size, tuple(judged(draw(size, generator)) for generator in generators))


def of_photographs() -> dict[str, Draw]:
    """Latents of 64 sentences of six crops: of all photographs and of the half without limits."""
    kinds: dict[str, Draw] = {}
    for whose in ("all photographs", "photographs without limits"):
        for scale in SCALES:
            kinds[f"{whose}, 1/{scale}"] = _of_scale(whose, scale)
    return kinds


def of_impostors() -> dict[str, Draw]:
    """Every impostor, and its latent shared by all sentences where that makes sense."""
    kinds: dict[str, Draw] = {}
    for name, impostor in IMPOSTORS.items():
        for shared in (False, True)[: 1 + impostor.shared]:

            def draw(
                size: int,
                generator: np.random.Generator,
                *,
                impostor: Impostor = impostor,
                shared: bool = shared,
            ) -> Latents:
                return impostor.latents(SENTENCES, size, size, generator, shared=shared)

            kinds[f"{name}, shared" if shared else name] = draw
    return kinds
