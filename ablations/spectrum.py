"""Does the spectrum prior make the power spectrum fall like that of natural images?

What is left without it are priors that look at neighbouring pixels. They reward edges, which a few
frequencies can fake, so the slope should stay shallow; heavy tails are another prior's business.
"""

from __future__ import annotations

from ablations.ablation import main
from ablations.arms import of_prior
from ablations.question import Ablation
from ablations.result import Prediction
from vlatent.command_line import run

PREDICTIONS = (
    Prediction("without spectrum", "alpha", "below", 1),
    Prediction("without spectrum", "residual", "rises"),
    Prediction("without spectrum", "kurtosis", "stays", 2),
    Prediction("only spectrum", "alpha", "above", 1.5),
)

ABLATION = Ablation(
    name="spectrum",
    question="Does the spectrum prior make the power spectrum fall like that of natural images?",
    predictions=PREDICTIONS,
    arms=lambda base: of_prior(base, "spectrum"),
    retuned=("spectrum",),
)

if __name__ == "__main__":
    run(lambda arguments: main(ABLATION, arguments))
