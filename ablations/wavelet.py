"""Does the wavelet prior make the latent sparse?

It asks for the mean/rms of Haar coefficients that photographs have, 0.634 for their generalized
Gaussian of shape 0.7; a Gaussian field has 0.798. Kurtosis is another prior's, of gradients, so it
should hardly move.
"""

from __future__ import annotations

from ablations.ablation import command
from ablations.question import ablation_of_prior
from ablations.result import Prediction

ABLATION = ablation_of_prior(
    "wavelet",
    "Does the wavelet prior make the latent sparse?",
    Prediction("without wavelet", "wavelet mean/rms", "rises"),
    Prediction("without wavelet", "kurtosis", "stays", 2),
    Prediction("without wavelet", "alpha", "stays", 0.1),
    Prediction("without wavelet", "likeness", "stays", 0.05),
)

if __name__ == "__main__":
    command(ABLATION)
