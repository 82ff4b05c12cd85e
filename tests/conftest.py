"""One thread, and every annotation of the library, shapes too, is checked while tests run."""

from __future__ import annotations

from pathlib import Path

import jsonargparse.typing
import torch
from beartype import BeartypeConf, FrozenDict, beartype
from jaxtyping import install_import_hook

# jsonargparse's numbers are plain ones; that they lie in their range is the parser's to check.
PLAIN = {
    "PositiveInt": int,
    "NonNegativeInt": int,
    "PositiveFloat": float | int,
    "NonNegativeFloat": float | int,
    "ClosedUnitInterval": float | int,
}
checked = beartype(
    conf=BeartypeConf(
        is_pep484_tower=True,  # 1 is a float
        is_random=False,  # looking into a list must not draw from Python's generator
        hint_overrides=FrozenDict(
            {getattr(jsonargparse.typing, name): plain for name, plain in PLAIN.items()}
        ),
    )
)

# Warnings that point at their caller count frames, and a checked function has more of them.
COUNTS_FRAMES = "vlatent.corpus.loading"


def hooked() -> list[str]:
    """Every module of the library but one; a package's name would stand for all inside it."""
    library = Path(__file__).parents[1] / "vlatent"
    files = [file.relative_to(library.parent).with_suffix("") for file in library.rglob("*.py")]
    modules = [".".join(file.parts).removesuffix(".__init__") for file in files]
    return [name for name in modules if not f"{COUNTS_FRAMES}.".startswith(f"{name}.")]


install_import_hook(hooked(), f"{__name__}.checked")
torch.set_num_threads(1)
