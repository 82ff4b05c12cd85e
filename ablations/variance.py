"""Does the variance prior keep the latent from collapsing?

Every other prior is blind to scale, so without it the variance should stay near that of the
untrained encoder, about 0.1, and nothing else should change much.
"""

from __future__ import annotations

from ablations.ablation import command
from ablations.question import ablation_of_prior
from ablations.result import Prediction

ABLATION = ablation_of_prior(
    "variance",
    "Does the variance prior keep the latent from collapsing?",
    Prediction("without variance", "variance", "below", 0.5),
    Prediction("without variance", "correlation", "stays", 0.05),
    Prediction("without variance", "alpha", "stays", 0.1),
    Prediction("without variance", "likeness", "stays", 0.05),
)

if __name__ == "__main__":
    command(ABLATION)
