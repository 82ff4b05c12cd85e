"""Does punishing copies change what latents tell?

Who is not to repeat the words need not know them, so latents may forget the wording.
"""

from __future__ import annotations

from ablations.ablation import command
from ablations.arms import Arm
from ablations.question import Ablation
from ablations.result import Prediction
from ablations.terms import COPYING, changed, read_back, scaled
from vlatent.config import Config


def arms(base: Config) -> list[Arm]:
    """Copying off, weaker and stronger."""
    read_back(base, COPYING)
    return [
        changed("without copying", {f"{COPYING}.weight": 0.0}),
        *scaled(COPYING, base.terms.copying.weight),
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
