"""The list of impostors: latents that are no photographs and must fail the verdict."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from numpy.random import Generator
from torch import Tensor

CHANNELS = 6

Latents = Float[Tensor, "sentence height width channel"]
Images = Float[Tensor, "count height width"]
Maker = Callable[[int, int, int, Generator], Latents]


@dataclass(frozen=True)
class Impostor:
    """Latents that look like no photograph.

    Attributes:
        name: That of the function, in words.
        make: (sentences, height, width, generator) -> latents, of any scale.
        shared: Whether it is an impostor too when all sentences have the latent of one.
    """

    name: str
    make: Maker
    shared: bool

    def latents(
        self, sentences: int, height: int, width: int, generator: Generator, *, shared: bool = False
    ) -> Latents:
        """Latents of so many sentences; `shared` gives all of them the latent of one."""
        made = self.make(1 if shared else sentences, height, width, generator)
        return made.expand(sentences, -1, -1, -1)


IMPOSTORS: dict[str, Impostor] = {}


def impostor(make: Maker) -> Maker:
    """Put a function on the list, and its latents shared by all sentences too."""
    return _listed(make, shared=True)


def impostor_by_sentence(make: Maker) -> Maker:
    """Put a function on the list that deceives by how its sentences differ."""
    return _listed(make, shared=False)


def _listed(make: Maker, *, shared: bool) -> Maker:
    name = make.__name__.replace("_", " ")
    assert name not in IMPOSTORS, name
    IMPOSTORS[name] = Impostor(name, make, shared)
    return make


def by_channel(images: Images) -> Latents:
    """Images as latents, six channels a sentence."""
    return images.unflatten(0, (-1, CHANNELS)).movedim(1, -1)


def torch_generator(generator: Generator) -> torch.Generator:
    """A generator of torch that continues one of NumPy."""
    return torch.Generator().manual_seed(int(generator.integers(2**62)))


def signs(sentences: int, generator: Generator) -> Float[Tensor, "sentence 1 1 channel"]:
    """+1 or -1 for every channel of every sentence."""
    return torch.from_numpy(generator.choice([-1.0, 1.0], (sentences, 1, 1, CHANNELS)))
