"""How do the priors work together? All subsets: main effects, interactions, Shapley values.

A full factorial design of two levels, weight 0 and the base's weight, of the priors that the base
trains with: six are 64 subsets, seven 128. Shapley values share out the difference between all and
none.
"""

from __future__ import annotations

from ablations.ablation import command
from ablations.arms import active, names, subsets, with_only
from ablations.question import Ablation

ABLATION = Ablation(
    name="design",
    question="How do the priors work together?",
    predictions=(),
    arms=lambda base: [with_only(present, names(base)) for present in subsets(active(base))],
)

if __name__ == "__main__":
    command(ABLATION)
