"""Does the total variation prior make regions smooth?

It charges for every difference between neighbours, so without it there should be more of them, and
more of the finest stripes. The spectrum prior fixes the slope anyway.
"""

from __future__ import annotations

from ablations.ablation import main
from ablations.arms import of_prior
from ablations.question import Ablation
from ablations.result import Prediction
from vlatent.command_line import run

PREDICTIONS = (
    Prediction("without total_variation", "total variation", "rises"),
    Prediction("without total_variation", "checkerboard", "rises"),
    Prediction("without total_variation", "alpha", "stays", 0.1),
)

ABLATION = Ablation(
    name="total_variation",
    question="Does the total variation prior make regions smooth?",
    predictions=PREDICTIONS,
    arms=lambda base: of_prior(base, "total_variation"),
    retuned=("total_variation",),
)

if __name__ == "__main__":
    run(lambda arguments: main(ABLATION, arguments))
