"""Types of annotations: shapes of arrays, and ranges of numbers that the command line checks.

The encoder, the priors and the terms need PyTorch and NumPy alone: where jaxtyping or jsonargparse
is not installed, an annotation says its shape or range to the reader only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

try:
    from jaxtyping import Bool, Float, Int
    from jsonargparse.typing import (
        ClosedUnitInterval,
        NonNegativeFloat,
        NonNegativeInt,
        PositiveFloat,
        PositiveInt,
    )
except ModuleNotFoundError:
    if not TYPE_CHECKING:

        class _Unchecked:
            """`Float[Tensor, "height width"]` is Tensor."""

            def __class_getitem__(cls, item: tuple[Any, str]) -> Any:
                return item[0]

        Bool = Float = Int = _Unchecked
        ClosedUnitInterval = NonNegativeFloat = PositiveFloat = float
        NonNegativeInt = PositiveInt = int

__all__ = [
    "Bool",
    "ClosedUnitInterval",
    "Float",
    "Int",
    "NonNegativeFloat",
    "NonNegativeInt",
    "PositiveFloat",
    "PositiveInt",
]
