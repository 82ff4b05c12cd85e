"""What do counterfactuals buy: are small changes of the meaning seen without them?

Other sentences of a batch differ in most words; only a counterfactual forces a latent to show who
is on whom. So without them paraphrases should still be found, and counterfactuals no longer be told
apart.
"""

from __future__ import annotations

from ablations.ablation import command
from ablations.arms import Arm
from ablations.question import Ablation
from ablations.result import Prediction
from ablations.terms import CONTRAST, changed, contrasted
from vlatent.config import Config

COUNTS = (0, 1, 2, 4)


def arms(base: Config) -> list[Arm]:
    """Other numbers of counterfactuals than the base's."""
    contrasted(base)
    return [
        changed(f"{count} counterfactuals", {f"{CONTRAST}.counterfactuals": count})
        for count in COUNTS
        if count != base.terms.contrast.counterfactuals
    ]


ABLATION = Ablation(
    name="counterfactuals",
    question="What do counterfactuals buy?",
    predictions=(
        Prediction("0 counterfactuals", "triplet accuracy, random", "falls"),
        Prediction("0 counterfactuals", "triplet accuracy, compositional", "falls"),
        Prediction("0 counterfactuals", "recall@1, random", "stays", 0.1),
    ),
    arms=arms,
)

if __name__ == "__main__":
    command(ABLATION)
