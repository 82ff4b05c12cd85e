"""Does the wavelet prior make the latent sparse?

It asks for the mean/rms of Haar coefficients that photographs have, 0.634 for their generalized
Gaussian of shape 0.7; a Gaussian field has 0.798. Kurtosis is another prior's, of gradients, so it
should hardly move.
"""

from __future__ import annotations

from ablations.ablation import main
from ablations.arms import of_prior
from ablations.question import Ablation
from ablations.result import Prediction
from vlatent.command_line import run

PREDICTIONS = (
    Prediction("without wavelet", "wavelet mean/rms", "rises"),
    Prediction("without wavelet", "kurtosis", "stays", 2),
    Prediction("without wavelet", "alpha", "stays", 0.1),
)

ABLATION = Ablation(
    name="wavelet",
    question="Does the wavelet prior make the latent sparse?",
    predictions=PREDICTIONS,
    arms=lambda base: of_prior(base, "wavelet"),
    retuned=("wavelet",),
)

if __name__ == "__main__":
    run(lambda arguments: main(ABLATION, arguments))
