"""A module of priors and a term as users write them, and files of them for tests."""

from __future__ import annotations

from pathlib import Path

SOURCE = '''"""Priors and a term of a user's own."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from vlatent import Prior, Term


@dataclass(frozen=True, kw_only=True)
class Sharpness(Prior):
    """Energy of second differences over that of first ones.

    Attributes:
        weight: Factor of the penalty.
        target: Wanted sharpness.
    """

    weight: float = 0.0
    target: float = 1.0
    search = (0.01, 1.0)

    def statistic(self, latent):
        first = latent.diff(dim=-2)
        energy = first.diff(dim=-2).square().mean((-4, -3, -2))
        return energy / (first.square().mean((-4, -3, -2)) + 1e-6)

    def penalty(self, latent):
        return (self.statistic(latent) - self.target).square().mean(-1)


@dataclass(frozen=True, kw_only=True)
class Judged(Sharpness):
    label: ClassVar[str] = "own sharpness"
    accepted = (0.5, 2.0)
    criterion = "from 0.5 to 2"


@dataclass(frozen=True, kw_only=True)
class Closeness(Term):
    """Squared distance of a sentence's latent to its paraphrase's.

    Attributes:
        weight: Factor of the penalty.
    """

    weight: float = 0.0
    search = (0.01, 1.0)

    def penalty(self, views):
        apart = views.represent(views.sentences) - views.represent(views.paraphrases)
        return apart.square().sum(-1).mean()


@dataclass(frozen=True, kw_only=True)
class Required(Sharpness):
    strength: int


@dataclass(frozen=True, kw_only=True)
class Listed(Sharpness):
    levels: list[int] = (1, 2)


@dataclass(frozen=True, kw_only=True)
class Picky(Sharpness):
    def __post_init__(self):
        if self.target > 5:
            raise ValueError("a target above 5")


class Undecorated(Sharpness):
    blur = 1.0


@dataclass(frozen=True, kw_only=True)
class Searchless(Prior):
    weight: float = 0.0
    statistic = Sharpness.statistic
    penalty = Sharpness.statistic


@dataclass(frozen=True, kw_only=True)
class Abstract(Prior):
    weight: float = 0.0


@dataclass(frozen=True, kw_only=True)
class ByChannel(Sharpness):
    def penalty(self, latent):
        return self.statistic(latent)


@dataclass(frozen=True, kw_only=True)
class Broken(Sharpness):
    def penalty(self, latent):
        return self.statistic(latent).mean(-1) / 0


@dataclass(frozen=True, kw_only=True)
class Detached(Sharpness):
    def penalty(self, latent):
        return self.statistic(latent.detach()).mean(-1)


@dataclass(frozen=True, kw_only=True)
class Number(Sharpness):
    def penalty(self, latent):
        return self.statistic(latent).mean(-1).long()


@dataclass(frozen=True, kw_only=True)
class Failing(Sharpness):
    def penalty(self, latent):
        return latent.reshape(7, -1).mean()


@dataclass(frozen=True, kw_only=True)
class Whole(Sharpness):
    def statistic(self, latent):
        return latent.mean()


@dataclass(frozen=True, kw_only=True)
class Namesake(Sharpness):
    label: ClassVar[str] = "variance"


@dataclass(frozen=True, kw_only=True)
class Pooled(Sharpness):
    def penalty(self, latent):
        return (self.statistic(latent) - self.target).square().mean()


@dataclass(frozen=True, kw_only=True)
class PerSentence(Closeness):
    def penalty(self, views):
        return views.represent(views.sentences).sum(-1)
'''


def own_module(folder: Path, name: str = "own_sharpness") -> Path:
    """The module as a file in this folder."""
    file = folder / f"{name}.py"
    file.write_text(SOURCE, encoding="utf-8")
    return file


def installed(folder: Path, name: str = "sharp_package") -> Path:
    """The module as an installed package: its folder, with entry points, is to be in sys.path."""
    own_module(folder, name)
    about = folder / f"{name}-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(
        f"[vlatent.priors]\nsharpness = {name}:Sharpness\n\n"
        f"[vlatent.terms]\ncloseness = {name}:Closeness\n"
    )
    return folder
