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


def scaled(term: str, weight: float) -> list[Arm]:
    """A quarter of a term's weight, and four times as much."""
    name = term.rpartition(".")[2]
    return [
        changed(f"{name} x {factor:g}", {f"{term}.weight": factor * weight})
        for factor in (0.25, 4.0)
    ]


def read_back(base: Config, term: str) -> None:
    """Check that the base has a term of what a decoder says, and counts what is read back.

    Raises:
        UserError: If either is 0.
    """
    weight = getattr(base.terms, term.rpartition(".")[2]).weight
    if weight == 0 or base.evaluation.read == 0:
        raise UserError(
            f"this ablation needs {term}.weight and evaluation.read above 0 in its base: begin "
            "with --config round_trip."
        )


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
