"""Does rewarding readings with the sentence's latent change what latents tell?

The encoder learns of it through the decoder's log probability alone, so little should change.
"""

from __future__ import annotations

from ablations.ablation import command
from ablations.arms import Arm
from ablations.question import Ablation
from ablations.result import Prediction
from ablations.terms import CYCLE, changed, read_back, scaled
from vlatent.config import Config


def arms(base: Config) -> list[Arm]:
    """Cycle off, weaker and stronger."""
    read_back(base, CYCLE)
    return [
        changed("without cycle", {f"{CYCLE}.weight": 0.0}),
        *scaled(CYCLE, base.terms.cycle.weight),
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
