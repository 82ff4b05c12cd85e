"""Does the spectrum prior make the power spectrum fall like that of natural images?

What is left without it are priors that look at neighbouring pixels. They reward edges, which a few
frequencies can fake, so the slope should stay shallow; heavy tails are another prior's business.
"""

from __future__ import annotations

from ablations.ablation import command
from ablations.question import ablation_of_prior
from ablations.result import Prediction

ABLATION = ablation_of_prior(
    "spectrum",
    "Does the spectrum prior make the power spectrum fall like that of natural images?",
    Prediction("without spectrum", "alpha", "below", 1),
    Prediction("without spectrum", "residual", "rises"),
    Prediction("without spectrum", "kurtosis", "stays", 2),
    Prediction("only spectrum", "alpha", "above", 1.5),
    Prediction("without spectrum", "likeness", "falls"),
)

if __name__ == "__main__":
    command(ABLATION)
