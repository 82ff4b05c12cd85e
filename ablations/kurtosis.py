"""Does the kurtosis prior give the gradients heavy tails?

Its penalty begins below 6. Total variation and wavelet sparsity also reward few large steps, so
without it the kurtosis should fall below 6 and yet stay above a Gaussian's 3.
"""

from __future__ import annotations

from ablations.ablation import command
from ablations.question import ablation_of_prior
from ablations.result import Prediction

ABLATION = ablation_of_prior(
    "kurtosis",
    "Does the kurtosis prior give the gradients heavy tails?",
    Prediction("without kurtosis", "kurtosis", "falls"),
    Prediction("without kurtosis", "kurtosis", "below", 6),
    Prediction("without kurtosis", "kurtosis", "above", 3),
    Prediction("without kurtosis", "alpha", "stays", 0.1),
    Prediction("without kurtosis", "likeness", "falls"),
)

if __name__ == "__main__":
    command(ABLATION)
