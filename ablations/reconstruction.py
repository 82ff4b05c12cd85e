"""Does a decoder that learns beside the encoder make latents tell more of their sentence?

Cross-entropy of all words asks for what contrast does not: everything that another word would
show. It may cost invariance to wording, since the words themselves help to guess the words.
"""

from __future__ import annotations

from ablations.ablation import command
from ablations.arms import Arm
from ablations.question import Ablation
from ablations.result import Prediction
from ablations.terms import COPYING, CYCLE, RECONSTRUCTION, changed, read_back, scaled
from vlatent.config import Config


def arms(base: Config) -> list[Arm]:
    """Reconstruction off, weaker, stronger, without noise, and of other words."""
    term = base.terms.reconstruction
    read_back(base, RECONSTRUCTION)
    other = "sentence" if term.says == "paraphrase" else "paraphrase"
    return [
        changed(
            "without reconstruction",  # nor what needs its decoder, which goes last
            {f"{name}.weight": 0.0 for name in (CYCLE, COPYING, RECONSTRUCTION)},
        ),
        *scaled(RECONSTRUCTION, term.weight),
        changed("without noise", {f"{RECONSTRUCTION}.noise": 0.0}),
        changed(f"says the {other}", {f"{RECONSTRUCTION}.says": other}),
    ]


ABLATION = Ablation(
    name="reconstruction",
    question="Does a decoder that learns beside the encoder make latents tell more?",
    predictions=(
        Prediction("without reconstruction", "triplet accuracy, compositional", "falls"),
        Prediction("without reconstruction", "relation AUC, compositional", "falls"),
    ),
    arms=arms,
)

if __name__ == "__main__":
    command(ABLATION)
