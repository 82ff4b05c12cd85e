"""Latents under the verdict: photographs, which must pass, and impostors, which must fail."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial

import numpy as np

from analysis.natural_images.impostors import IMPOSTORS
from analysis.natural_images.impostors.registry import Latents
from analysis.natural_images.photographs import scenes
from analysis.natural_images.sets import Views, halves, sets_of_crops, views
from vlatent.evaluation import CONSECUTIVE, judge, measure, score
from vlatent.priors import Priors
from vlatent.priors.base import standardized

SIZES = (16, 32, 48)
SENTENCES = 64
STEPS = 100  # of the run that is made up: its last evaluations see the same latents

Draw = Callable[[int, np.random.Generator], Latents]  # size, generator -> latents


@dataclass(frozen=True)
class Judged:
    """Latents under the verdict.

    Attributes:
        passed: Whether all criteria hold.
        score: Of a run that ends with them.
        likeness: To photographs.
        failed: The criteria that do not hold, that with the largest margin first.
    """

    passed: bool
    score: float
    likeness: float
    failed: tuple[str, ...]


@dataclass(frozen=True)
class Row:
    """Many draws of one kind of latent at one size."""

    name: str
    size: int
    draws: Sequence[Judged]

    @property
    def passed(self) -> int:
        return sum(judged.passed for judged in self.draws)

    def caught(self) -> dict[str, float]:
        """Criteria by the share of draws that fail them, most first."""
        names = [name for judged in self.draws for name in judged.failed]
        shares = {name: names.count(name) / len(self.draws) for name in dict.fromkeys(names)}
        return dict(sorted(shares.items(), key=lambda item: -item[1]))


def judged(latent: Latents) -> Judged:
    """Judge latents as if a run had ended with them and its total variation stood still.

    Every channel of every sentence is brought to unit variance, which costs an impostor nothing.
    """
    evaluation = measure(STEPS, standardized(latent), Priors())
    steps = [STEPS - 10 * before for before in reversed(range(CONSECUTIVE))]
    verdict = judge([replace(evaluation, step=step) for step in steps], STEPS, Priors())
    failed = sorted((c for c in verdict.criteria if not c.holds), key=lambda c: -c.margin)
    likeness = evaluation.metrics["likeness"]
    names = tuple(criterion.name for criterion in failed)
    return Judged(verdict.passed, score(evaluation, verdict), likeness, names)


def row(name: str, draw: Draw, size: int, count: int, seed: int = 0) -> Row:
    """Judge so many draws of one kind, each from a generator of its own."""
    key = [seed, size, *name.encode()]
    generators = [np.random.default_rng([*key, index]) for index in range(count)]
    return Row(name, size, [judged(draw(size, generator)) for generator in generators])


def of_photographs(size: int) -> dict[str, Draw]:
    """Six crops a sentence, of all photographs and of the half that gave no limit, at each scale.

    A scale at which fewer than six photographs are as large as a crop is left out.
    """
    return {
        f"{whose}, 1/{scale}": partial(_crops, whose, scale)
        for whose in ("all photographs", "photographs that gave no limit")
        for scale in sorted({view.scale for view in _seen(whose, size)})
    }


def of_impostors() -> dict[str, Draw]:
    """Every impostor, and where that makes sense the latent of one sentence shared by all."""
    kinds: dict[str, Draw] = {}
    for impostor in IMPOSTORS.values():
        for shared in (False, True)[: 1 + impostor.shared]:
            name = f"{impostor.name}, shared" if shared else impostor.name
            kinds[name] = partial(_impostors, impostor.name, shared)
    return kinds


def _impostors(name: str, shared: bool, size: int, generator: np.random.Generator) -> Latents:
    return IMPOSTORS[name].latents(SENTENCES, size, size, generator, shared=shared)


def _crops(whose: str, scale: int, size: int, generator: np.random.Generator) -> Latents:
    seen = [view for view in _seen(whose, size) if view.scale == scale]
    return sets_of_crops(seen, SENTENCES, size, size, generator)


@lru_cache(maxsize=8)
def _seen(whose: str, size: int) -> list[Views]:
    photographs = scenes() if whose == "all photographs" else halves(scenes())[1]
    return views(photographs, size, size)
