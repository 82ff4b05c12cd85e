"""How do the priors work together? All 64 subsets: main effects, interactions, Shapley values.

A full factorial design of two levels, weight 0 and the base's weight. The Shapley values of the six
priors share out the difference between all of them and none.
"""

from __future__ import annotations

from ablations.ablation import command
from ablations.arms import subsets, with_only
from ablations.question import Ablation

ABLATION = Ablation(
    name="design",
    question="How do the priors work together?",
    predictions=(),
    arms=lambda base: [with_only(present) for present in subsets()],
)

if __name__ == "__main__":
    command(ABLATION)
