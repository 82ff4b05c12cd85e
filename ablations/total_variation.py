"""Does the total variation prior make regions smooth?

It charges for every difference between neighbours, so without it there should be more of them, and
more of the finest stripes. The spectrum prior fixes the slope anyway.
"""

from __future__ import annotations

from ablations.ablation import command
from ablations.question import ablation_of_prior
from ablations.result import Prediction

ABLATION = ablation_of_prior(
    "total_variation",
    "Does the total variation prior make regions smooth?",
    Prediction("without total_variation", "total variation", "rises"),
    Prediction("without total_variation", "checkerboard", "rises"),
    Prediction("without total_variation", "alpha", "stays", 0.1),
    Prediction("without total_variation", "likeness", "falls"),
)

if __name__ == "__main__":
    command(ABLATION)
