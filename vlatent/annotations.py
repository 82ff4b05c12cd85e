"""Types of annotations: shapes of arrays, and ranges of numbers that the command line checks.

The encoder, the priors and the terms need PyTorch and NumPy alone: where jaxtyping or jsonargparse
is not installed, an annotation says its shape or range to the reader only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

try:
    from jaxtyping import Bool as Bool
    from jaxtyping import Float as Float
    from jaxtyping import Int as Int
    from jsonargparse.typing import (
        ClosedUnitInterval as ClosedUnitInterval,
    )
    from jsonargparse.typing import (
        NonNegativeFloat as NonNegativeFloat,
    )
    from jsonargparse.typing import (
        NonNegativeInt as NonNegativeInt,
    )
    from jsonargparse.typing import (
        PositiveFloat as PositiveFloat,
    )
    from jsonargparse.typing import (
        PositiveInt as PositiveInt,
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
