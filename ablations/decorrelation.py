"""Does the decorrelation prior keep channels apart?

No other prior looks at two channels at once, so without it they should show the same image. The
slopes are each channel's own and should not move.
"""

from __future__ import annotations

from ablations.ablation import main
from ablations.arms import of_prior
from ablations.question import Ablation
from ablations.result import Prediction
from vlatent.command_line import run

PREDICTIONS = (
    Prediction("without decorrelation", "correlation", "above", 0.1),
    Prediction("without decorrelation", "alpha", "stays", 0.1),
    Prediction("only decorrelation", "correlation", "below", 0.1),
)

ABLATION = Ablation(
    name="decorrelation",
    question="Does the decorrelation prior keep channels apart?",
    predictions=PREDICTIONS,
    arms=lambda base: of_prior(base, "decorrelation"),
    retuned=("decorrelation",),
)

if __name__ == "__main__":
    run(lambda arguments: main(ABLATION, arguments))
