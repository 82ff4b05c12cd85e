"""Does the decorrelation prior keep channels apart?

No other prior looks at two channels at once, so without it they should show the same image. The
slopes are each channel's own and should not move.
"""

from __future__ import annotations

from ablations.ablation import command
from ablations.question import ablation_of_prior
from ablations.result import Prediction

ABLATION = ablation_of_prior(
    "decorrelation",
    "Does the decorrelation prior keep channels apart?",
    Prediction("without decorrelation", "correlation", "above", 0.1),
    Prediction("without decorrelation", "alpha", "stays", 0.1),
    Prediction("only decorrelation", "correlation", "below", 0.1),
    Prediction("without decorrelation", "likeness", "stays", 0.05),
)

if __name__ == "__main__":
    command(ABLATION)
