"""Does looking like an image help or hurt what can be read back from a latent?

An encoder is trained, with a decoder that learns beside it; then a new decoder on it once it is
frozen, both on the seed of the cell. Whole facts, content words between a language model and who
knows the meaning, and the order of arguments are judged on combinations that training never saw,
clean and under noise.
"""

from __future__ import annotations

from ablations.ablation import command
from ablations.arms import Arm, active, names, without, without_all
from ablations.question import Ablation
from ablations.result import Prediction
from ablations.terms import changed
from vlatent.reading_back import READ_BACK, ReadBackConfig

# Weights of what a base has not, as in configs/round_trip.yaml.
TERMS = {"contrast": 0.3, "invariance": 0.5, "reconstruction": 3.0}


def arms(base: ReadBackConfig) -> list[Arm]:
    """All priors off, each off; each term that sees the text off where it is on, else on."""
    return [
        without_all(names(base)),
        *(without(name) for name in active(base)),
        *(switched(name, getattr(base.terms, name).weight, TERMS[name]) for name in TERMS),
    ]


def switched(term: str, weight: float, other: float) -> Arm:
    """A term off, or on with another weight where it is off."""
    way, value = ("without", 0.0) if weight else ("with", other)
    return changed(f"{way} {term}", {f"terms.{term}.weight": value})


ABLATION = Ablation(
    name="reading",
    question="Does looking like an image help or hurt what can be read back?",
    predictions=(
        # Their gradients compete with the decoder's: at a fifth of the decoder's weight an encoder
        # reached less than half of the facts that it reached at twice.
        Prediction("without any prior", "normalised accuracy, compositional", "rises"),
        Prediction("without any prior", "normalised accuracy, compositional, noise", "rises"),
        Prediction("without any prior", "fact F1, random", "rises"),
        # Whole facts of unseen combinations are out of reach of so short a training, whatever
        # the latents look like.
        Prediction("without any prior", "fact F1, compositional", "below", 0.2),
        Prediction("without any prior", "order recall, compositional", "stays", 0.1),
        # A steep spectrum puts the variance where white noise is weak.
        Prediction("without spectrum", "normalised accuracy, compositional, noise", "falls"),
        # Their demands leave the coarse cells free, which the decoder's gradient fills.
        Prediction("without total_variation", "normalised accuracy, compositional", "stays", 0.1),
        Prediction("without wavelet", "normalised accuracy, compositional", "stays", 0.1),
        Prediction("without kurtosis", "normalised accuracy, compositional", "stays", 0.1),
        Prediction("without contours", "normalised accuracy, compositional", "stays", 0.1),
        # A reader knows no scale but the latent's own.
        Prediction("without variance", "normalised accuracy, compositional", "stays", 0.1),
        # Channels that repeat each other hold less, and average noise away.
        Prediction("without decorrelation", "normalised accuracy, compositional", "falls"),
        # It asks that sentences differ, not that one can tell what they say.
        Prediction("with contrast", "normalised accuracy, compositional", "falls"),
        Prediction("with contrast", "fact F1, random", "falls"),
        # A decoder reads details as well as coarse cells, and the noise spares neither.
        Prediction("with invariance", "normalised accuracy, compositional", "stays", 0.1),
        # Then nothing that is trained sees the text.
        Prediction("without reconstruction", "normalised accuracy, compositional", "falls"),
        Prediction("without reconstruction", "fact F1, random", "falls"),
    ),
    arms=arms,
    workload=READ_BACK,
)

if __name__ == "__main__":
    command(ABLATION)
