"""What does each prior buy? Every prior left out, alone, and at six doses; all predictions at once.

Two priors left out together are `ablations.pairs`, all 64 subsets `ablations.design`.
"""

from __future__ import annotations

from ablations import decorrelation, kurtosis, spectrum, total_variation, variance, wavelet
from ablations.ablation import main
from ablations.arms import PRIORS, Arm, alone, of_prior, without
from ablations.question import Ablation
from vlatent.command_line import run
from vlatent.config import Config

OF_PRIORS = (spectrum, total_variation, wavelet, kurtosis, decorrelation, variance)


def arms(base: Config) -> list[Arm]:
    """The arms of every prior's own ablation, those of a kind together."""
    doses = [arm for name in PRIORS for arm in of_prior(base, name) if arm.group == "dose"]
    return [*(without(name) for name in PRIORS), *(alone(name) for name in PRIORS), *doses]


ABLATION = Ablation(
    name="suite",
    question="What does each prior buy?",
    predictions=[each for module in OF_PRIORS for each in module.PREDICTIONS],
    arms=arms,
    retuned=PRIORS,
)

if __name__ == "__main__":
    run(lambda arguments: main(ABLATION, arguments))
