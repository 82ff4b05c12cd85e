"""Latents that are no photographs: a new impostor is one function in one of these files."""

# They list theirs.
from analysis.natural_images.impostors import directed, noise, photographs  # noqa: F401
from analysis.natural_images.impostors.registry import IMPOSTORS, Impostor

__all__ = ["IMPOSTORS", "Impostor"]
