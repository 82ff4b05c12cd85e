"""Does punishing copies change what latents tell?

Who is not to repeat the words need not know them, so latents may forget the wording.
"""

from __future__ import annotations

from ablations.ablation import command
from ablations.arms import Arm
from ablations.question import Ablation
from ablations.result import Prediction
from ablations.terms import COPYING, changed
from vlatent.config import Config
from vlatent.shapes import UserError


def arms(base: Config) -> list[Arm]:
    """Copying off, weaker and stronger."""
    weight = base.terms.copying.weight
    if weight == 0 or base.evaluation.read == 0:
        raise UserError(
            "this ablation needs terms.copying.weight and evaluation.read above 0 in its base: "
            "begin with --config round_trip."
        )
    return [
        changed("without copying", {f"{COPYING}.weight": 0.0}),
        *(
            changed(f"copying x {factor:g}", {f"{COPYING}.weight": factor * weight})
            for factor in (0.25, 4.0)
        ),
    ]


ABLATION = Ablation(
    name="copying",
    question="Does punishing copies change what latents tell?",
    predictions=(
        Prediction("without copying", "recall@1, compositional", "stays"),
        Prediction("copying x 4", "jitter cosine, random", "stays"),
    ),
    arms=arms,
)

if __name__ == "__main__":
    command(ABLATION)
