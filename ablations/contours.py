"""Does the contours prior make edges continue?

The six others fix how large gradients are and how often, and not where they point: photographs'
total variation and kurtosis came out of them as blots and specks. So without contours coherence
and likeness should fall, and with contours alone nothing should be like a photograph. The slope is
the spectrum prior's business.
"""

from __future__ import annotations

from ablations.ablation import main
from ablations.question import ablation_of_prior
from ablations.result import Prediction
from vlatent.command_line import run

ABLATION = ablation_of_prior(
    "contours",
    "Does the contours prior make edges continue?",
    Prediction("without contours", "coherence", "falls"),
    Prediction("without contours", "local coherence", "below", 0.6),
    Prediction("without contours", "likeness", "falls"),
    Prediction("without contours", "speckle", "rises"),
    Prediction("without contours", "alpha", "stays", 0.1),
    Prediction("only contours", "likeness", "below", 0.5),
)

if __name__ == "__main__":
    run(lambda arguments: main(ABLATION, arguments))
