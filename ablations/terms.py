"""Arms that change the terms which see the text."""

from __future__ import annotations

from ablations.arms import Arm
from vlatent.config import Config
from vlatent.shapes import UserError

CONTRAST, INVARIANCE = "terms.contrast", "terms.invariance"
RECONSTRUCTION, CYCLE, COPYING = "terms.reconstruction", "terms.cycle", "terms.copying"


def changed(name: str, changes: dict[str, object]) -> Arm:
    """One setting of a term."""
    return Arm(name, "setting", changes)


def contrasted(base: Config) -> None:
    """Check that the base has something to ablate.

    Raises:
        UserError: If it has no contrast, or retrieves no sentence.
    """
    if base.terms.contrast.weight == 0 or base.evaluation.retrieved == 0:
        raise UserError(
            "this ablation needs terms.contrast.weight and evaluation.retrieved above 0 in its "
            "base: begin with --config meaning."
        )
