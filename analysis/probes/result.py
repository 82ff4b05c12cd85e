"""Results of probes, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from analysis.probes.linear_probe import Reading, Span
from analysis.probes.maps import Map


@dataclass(frozen=True)
class Structure:
    """One measure of how much the latents differ, between its values for two extremes.

    Attributes:
        value: The measure with a jackknife interval over scenes.
        same: What it is when every sentence gets the same latent.
        unrelated: What it is when every sentence gets white noise of its own.
    """

    value: Span
    same: float
    unrelated: float


@dataclass(frozen=True, eq=False)
class Probes:
    """Results of all probes of one run.

    Attributes:
        name: Name of the run.
        sentences: How many held-out sentences were encoded, paraphrases among them.
        scenes: How many different meanings they have.
        pairs: How many pairs of blocks were encoded, in four sentences each.
        readings: By target and representation; p adjusted over all but those of the words.
        structure: The measures of `vlatent.dependence`, of the sentences without paraphrases.
        maps: The sentences in two dimensions.
        labels: Which targets are labels of the user's own.
    """

    name: str
    sentences: int
    scenes: int
    pairs: int
    readings: Mapping[tuple[str, str], Reading]
    structure: Mapping[str, Structure]
    maps: tuple[Map, ...]
    labels: tuple[str, ...] = ()
