"""One thread, and every annotation of the library, shapes too, is checked while tests run."""

from __future__ import annotations

import jsonargparse.typing
import torch
from beartype import BeartypeConf, BeartypeHintOverrides, beartype
from jaxtyping import install_import_hook

# jsonargparse's numbers are plain ones that it has looked at: their range is the parser's business.
RANGES = {
    "PositiveInt": int,
    "NonNegativeInt": int,
    "PositiveFloat": float | int,
    "NonNegativeFloat": float | int,
    "ClosedUnitInterval": float | int,
}
checked = beartype(
    conf=BeartypeConf(
        is_pep484_tower=True,  # 1 is a float
        hint_overrides=BeartypeHintOverrides(
            {getattr(jsonargparse.typing, name): plain for name, plain in RANGES.items()}
        ),
    )
)

install_import_hook("vlatent", f"{__name__}.checked")
torch.set_num_threads(1)
