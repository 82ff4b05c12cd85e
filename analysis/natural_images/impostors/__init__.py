"""Latents that are no photographs: a new impostor is one function in one of these files."""

from analysis.natural_images.impostors import noise, photographs  # noqa: F401  (they list theirs)
from analysis.natural_images.impostors.registry import IMPOSTORS, Impostor

__all__ = ["IMPOSTORS", "Impostor"]
