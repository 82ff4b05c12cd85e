"""Does the kurtosis prior give the gradients heavy tails?

Its penalty begins below 6. Total variation and wavelet sparsity also reward few large steps, so
without it the kurtosis should fall below 6 and yet stay above a Gaussian's 3.
"""

from __future__ import annotations

from ablations.ablation import main
from ablations.arms import of_prior
from ablations.question import Ablation
from ablations.result import Prediction
from vlatent.command_line import run

PREDICTIONS = (
    Prediction("without kurtosis", "kurtosis", "falls"),
    Prediction("without kurtosis", "kurtosis", "below", 6),
    Prediction("without kurtosis", "kurtosis", "above", 3),
    Prediction("without kurtosis", "alpha", "stays", 0.1),
)

ABLATION = Ablation(
    name="kurtosis",
    question="Does the kurtosis prior give the gradients heavy tails?",
    predictions=PREDICTIONS,
    arms=lambda base: of_prior(base, "kurtosis"),
    retuned=("kurtosis",),
)

if __name__ == "__main__":
    run(lambda arguments: main(ABLATION, arguments))
