"""Does jitter invariance keep the meaning of a latent that is shifted?

It asks for equal representations of a shifted latent, so a shifted one should be matched as
often; details that a shift destroys cannot carry meaning then, which may cost retrieval.
"""

from __future__ import annotations

from ablations.ablation import command
from ablations.arms import Arm
from ablations.question import Ablation
from ablations.result import Prediction
from ablations.terms import INVARIANCE, changed, contrasted, scaled
from vlatent.config import Config
from vlatent.shapes import UserError


def arms(base: Config) -> list[Arm]:
    """Invariance off, weaker, stronger, and to shifts alone."""
    contrasted(base)
    weight = base.terms.invariance.weight
    if weight == 0:
        raise UserError(
            "terms.invariance.weight is 0 in the base: there is nothing to leave out. Give it a "
            "weight, or begin with --config meaning."
        )
    return [
        changed("without invariance", {f"{INVARIANCE}.weight": 0.0}),
        *scaled(INVARIANCE, weight),
        changed("without shift", {f"{INVARIANCE}.shift": 0}),
        changed("without blur", {f"{INVARIANCE}.blur": 0.0}),
    ]


ABLATION = Ablation(
    name="invariance",
    question="Does jitter invariance keep the meaning of a latent that is shifted?",
    predictions=(
        Prediction("without invariance", "jitter fall, random", "rises"),
        Prediction("without invariance", "jitter cosine, random", "falls"),
    ),
    arms=arms,
)

if __name__ == "__main__":
    command(ABLATION)
