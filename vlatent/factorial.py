"""Factorial designs: main effects, interactions and Shapley values of parts, from all subsets."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import combinations


def main_effects(values: Mapping[frozenset[str], float], names: Sequence[str]) -> dict[str, float]:
    """Mean over all subsets with a part minus mean over all without it (Yates 1937).

    Args:
        values: The statistic of every subset of the parts that are present: 2^k values. One that
            lacks or is not finite is a ValueError.
        names: The k parts.
    """
    _refuse_incomplete(values, names)
    return {name: _contrast(values, {name}) for name in names}


def interactions(
    values: Mapping[frozenset[str], float], names: Sequence[str]
) -> dict[tuple[str, str], float]:
    """Half of how much more one part does where the other is present than where it is absent.

    The usual convention of 2^k designs (Box, Hunter and Hunter 2005), symmetric in the two: mean
    over the subsets with both or neither minus mean over those with one of them. Above 0 they
    help each other, below 0 one replaces the other. Arguments as of `main_effects`.
    """
    _refuse_incomplete(values, names)
    return {pair: _contrast(values, set(pair)) for pair in combinations(names, 2)}


def shapley(values: Mapping[frozenset[str], float], names: Sequence[str]) -> dict[str, float]:
    """Each part's share in the difference between all parts and none (Shapley 1953).

    Mean over all k! orders of what it changes when it joins those before it. The shares sum to
    value(all) - value(none). Arguments as of `main_effects`.
    """
    _refuse_incomplete(values, names)
    k = len(names)
    shares = {}
    for name in names:
        others = [other for other in names if other != name]
        shares[name] = math.fsum(
            (values[frozenset({name, *before})] - values[frozenset(before)])
            / (k * math.comb(k - 1, size))
            for size in range(k)
            for before in combinations(others, size)
        )
    return shares


def _contrast(values: Mapping[frozenset[str], float], parts: set[str]) -> float:
    """Mean of the values with an even number of these parts absent, minus that of the others."""
    signed = [(-1) ** len(parts - present) * value for present, value in values.items()]
    return math.fsum(signed) / (len(signed) / 2)


def _refuse_incomplete(values: Mapping[frozenset[str], float], names: Sequence[str]) -> None:
    subsets = [frozenset(part) for k in range(len(names) + 1) for part in combinations(names, k)]
    for subset in subsets:
        value = values.get(subset, math.nan)
        if not math.isfinite(value):
            called = " + ".join(sorted(subset)) or "none"
            state = f"is {value}" if subset in values else "is not there"
            raise ValueError(f"a factorial design needs every subset, but {called} {state}.")
    if len(values) != len(subsets):
        raise ValueError(f"{len(names)} parts have {len(subsets)} subsets, but got {len(values)}.")
