"""What do parts beside the priors buy: head, curriculum, average, spectrum loss, size?"""

from __future__ import annotations

from ablations.ablation import command
from ablations.arms import Arm
from ablations.question import Ablation
from ablations.result import Prediction
from vlatent.config import Config
from vlatent.encoder import EncoderConfig

LARGER: dict[str, object] = {"encoder.height": 48, "encoder.width": 48, "encoder.channels": 8}


def arms(base: Config) -> list[Arm]:
    """One part changed at a time: what the base has on is switched off, and the other way round."""
    blur = 0 if base.training.blur_steps else max(base.training.steps // 4, 1)
    match = "curve" if base.priors.spectrum.match == "slope" else "slope"
    head: dict[str, dict[str, object]] = {}
    size: dict[str, dict[str, object]] = {}
    if isinstance(base.encoder, EncoderConfig):  # one of the user's own has other settings
        smooth = base.encoder.smoothing
        head = {f"smoothing head {'off' if smooth else 'on'}": {"encoder.smoothing": not smooth}}
        size = {"latent 48x48x8": LARGER}
    changes = (
        head
        | {
            f"blur in the first {blur} steps": {"training.blur_steps": blur},
            "no moving average": {"optimizer.average_decay": 0.0},
            f"spectrum matched by its {match}": {"priors.spectrum.match": match},
        }
        | size
    )
    return [Arm(name, "setting", change) for name, change in changes.items()]


ABLATION = Ablation(
    name="architecture",
    question="What do the parts beside the priors buy?",
    predictions=(
        Prediction("smoothing head on", "checkerboard", "falls"),
        Prediction("spectrum matched by its slope", "residual", "rises"),
    ),
    arms=arms,
)

if __name__ == "__main__":
    command(ABLATION)
