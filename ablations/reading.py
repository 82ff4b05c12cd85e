"""Does looking like an image help or hurt what can be read back from a latent?

An encoder is trained, then a decoder on it once it is frozen, both on the seed of the cell. Whole
facts, content words between a language model and who knows the meaning, and the order of arguments
are judged on combinations that training never saw, clean and under noise.
"""

from __future__ import annotations

from ablations.ablation import command
from ablations.arms import Arm, active, names, without, without_all
from ablations.question import Ablation
from ablations.result import Prediction
from ablations.terms import CONTRAST, INVARIANCE, RECONSTRUCTION, changed, contrasted
from vlatent.reading_back import READ_BACK, ReadBackConfig
from vlatent.shapes import UserError

# As in configs/round_trip.yaml; what is read is judged by a new decoder here too.
FROM_THE_START = changed("with a decoder from the start", {f"{RECONSTRUCTION}.weight": 0.7})


def arms(base: ReadBackConfig) -> list[Arm]:
    """All priors off, each off, contrast off, invariance off, reconstruction on where it is off."""
    contrasted(base)
    if base.terms.invariance.weight == 0:
        raise UserError(
            "terms.invariance.weight is 0 in the base: there is nothing to leave out. Give it a "
            "weight, or begin with --config quick_meaning."
        )
    return [
        without_all(names(base)),
        *(without(name) for name in active(base)),
        changed("without contrast", {f"{CONTRAST}.weight": 0.0}),
        changed("without invariance", {f"{INVARIANCE}.weight": 0.0}),
        *([] if base.terms.reconstruction.weight else [FROM_THE_START]),
    ]


ABLATION = Ablation(
    name="reading",
    question="Does looking like an image help or hurt what can be read back?",
    predictions=(
        # Without priors twice as much of the variance lies between sentences, and noise counts in
        # standard deviations of the whole latent.
        Prediction("without any prior", "normalised accuracy, compositional", "rises"),
        Prediction("without any prior", "normalised accuracy, compositional, noise", "rises"),
        Prediction("without any prior", "fact F1, random", "rises"),
        # Whole facts of unseen combinations are out of reach of so short a training, whatever
        # the latents look like.
        Prediction("without any prior", "fact F1, compositional", "below", 0.2),
        Prediction("without any prior", "order recall, compositional", "stays", 0.1),
        # A steep spectrum puts the variance where white noise is weak.
        Prediction("without spectrum", "normalised accuracy, compositional, noise", "falls"),
        # Their demands leave the coarse cells free, which contrast fills.
        Prediction("without total_variation", "normalised accuracy, compositional", "stays", 0.1),
        Prediction("without wavelet", "normalised accuracy, compositional", "stays", 0.1),
        Prediction("without kurtosis", "normalised accuracy, compositional", "stays", 0.1),
        Prediction("without contours", "normalised accuracy, compositional", "stays", 0.1),
        # A reader knows no scale but the latent's own.
        Prediction("without variance", "normalised accuracy, compositional", "stays", 0.1),
        # Channels that repeat each other hold less, and average noise away.
        Prediction("without decorrelation", "normalised accuracy, compositional", "falls"),
        # Nothing else that is trained sees the text.
        Prediction("without contrast", "normalised accuracy, compositional, noise", "falls"),
        Prediction("without contrast", "fact F1, random", "falls"),
        # A decoder reads details as well as coarse cells, and the noise spares neither.
        Prediction("without invariance", "normalised accuracy, compositional", "stays", 0.1),
        # What a decoder lacks is what its gradient asks of the encoder, also of new combinations.
        Prediction("with a decoder from the start", "normalised accuracy, compositional", "rises"),
        Prediction("with a decoder from the start", "fact F1, random", "rises"),
    ),
    arms=arms,
    workload=READ_BACK,
)

if __name__ == "__main__":
    command(ABLATION)
