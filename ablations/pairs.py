"""Do two priors stand in for each other? Every one and every two of them left out.

Where one prior does the work of another, leaving out both costs more than leaving out either.
"""

from __future__ import annotations

from ablations.ablation import command
from ablations.arms import active, pairs, without
from ablations.question import Ablation

ABLATION = Ablation(
    name="pairs",
    question="Do two priors stand in for each other?",
    predictions=(),
    arms=lambda base: [*(without(name) for name in active(base)), *pairs(base)],
)

if __name__ == "__main__":
    command(ABLATION)
