"""Bounds of settings: every number is finite and of a size that can make sense."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from vlatent.shapes import UserError

SEED = 2**63 - 1  # what NumPy and PyTorch take alike
MOST = 10**9  # of every other number that has no bound of its own
LONGEST = 4096  # characters of a path or a name


def require_bounds(
    group: str, settings: Any, least: Mapping[str, float] = {}, most: Mapping[str, float] = {}
) -> None:
    """Hold a dataclass's numbers, and the length of its texts, to their bounds.

    Args:
        group: Name of the settings, `encoder` for instance.
        settings: The dataclass.
        least: Smallest values by name.
        most: Largest values by name; `MOST` where there is none.

    Raises:
        UserError: One is out of them; names it, its value and the bound.
    """
    for name in (field.name for field in fields(settings)):
        value = getattr(settings, name)
        key = f"{group}.{name}"
        _require_finite(key, value)
        if isinstance(value, int | float):
            largest = most.get(name, SEED if name.endswith("seed") else MOST)
            if value > largest:
                raise UserError(f"{key} must be at most {largest:,}, but got {_shown(value)}.")
            if value < least.get(name, -math.inf):
                raise UserError(f"{key} must be at least {least[name]:,}, but got {value}.")
        if isinstance(value, Path | str) and (len(str(value)) > LONGEST or "\0" in str(value)):
            raise UserError(
                f"{key} must be a text of at most {LONGEST:,} characters without NUL, but has "
                f"{len(str(value)):,}."
            )


def _require_finite(key: str, value: object) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise UserError(f"{key} must be finite, but got {value}.")
    if isinstance(value, dict | list | tuple):
        for inner in value.values() if isinstance(value, dict) else value:
            _require_finite(key, inner)


def _shown(value: float) -> str:
    return f"{value}" if value < 10**30 else "one of more than 30 digits"
