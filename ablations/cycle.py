"""Does rewarding readings with the sentence's latent change what latents tell?

The encoder learns of it through the decoder's log probability alone, so little should change.
"""

from __future__ import annotations

from ablations.ablation import command
from ablations.arms import Arm
from ablations.question import Ablation
from ablations.result import Prediction
from ablations.terms import CYCLE, changed
from vlatent.config import Config
from vlatent.shapes import UserError


def arms(base: Config) -> list[Arm]:
    """Cycle off, weaker and stronger."""
    weight = base.terms.cycle.weight
    if weight == 0 or base.evaluation.read == 0:
        raise UserError(
            "this ablation needs terms.cycle.weight and evaluation.read above 0 in its base: "
            "begin with --config round_trip."
        )
    return [
        changed("without cycle", {f"{CYCLE}.weight": 0.0}),
        *(
            changed(f"cycle x {factor:g}", {f"{CYCLE}.weight": factor * weight})
            for factor in (0.25, 4.0)
        ),
    ]


ABLATION = Ablation(
    name="cycle",
    question="Does rewarding readings with the sentence's latent change what latents tell?",
    predictions=(
        Prediction("without cycle", "recall@1, compositional", "stays"),
        Prediction("cycle x 4", "relation AUC, compositional", "rises"),
    ),
    arms=arms,
)

if __name__ == "__main__":
    command(ABLATION)
