"""Does looking like an image help or hurt what a latent shows of the text?

With contrast on, every image prior left out, and all six at once. The priors take what contrast
could spend: a slope, sparse gradients and channels that differ are demands on the same pixels. So
without them sentences should be found again more often, and the spectrum, which forbids most of
the fine detail, should cost most.
"""

from __future__ import annotations

from ablations.ablation import command
from ablations.arms import Arm, active, names, without, without_all
from ablations.question import Ablation
from ablations.result import Prediction
from ablations.terms import contrasted
from vlatent.config import Config


def arms(base: Config) -> list[Arm]:
    contrasted(base)
    return [without_all(names(base)), *(without(name) for name in active(base))]


ABLATION = Ablation(
    name="image_priors",
    question="Does looking like an image help or hurt what a latent shows of the text?",
    predictions=(
        Prediction("without any prior", "recall@1, random", "rises"),
        Prediction("without any prior", "recall@1, compositional", "rises"),
        Prediction("without any prior", "channels in band", "falls"),
        Prediction("without spectrum", "recall@1, compositional", "rises"),
        Prediction("without total_variation", "recall@1, compositional", "stays", 0.1),
        Prediction("without wavelet", "recall@1, compositional", "stays", 0.1),
        Prediction("without kurtosis", "recall@1, compositional", "stays", 0.1),
        Prediction("without decorrelation", "recall@1, compositional", "stays", 0.1),
        Prediction("without variance", "recall@1, compositional", "stays", 0.1),
    ),
    arms=arms,
)

if __name__ == "__main__":
    command(ABLATION)
