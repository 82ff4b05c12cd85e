"""Do loss weights that were found at one width hold at others, and does the best rate move?

Hidden width from 64 to the documented 384, with heads of 16 and a feed-forward layer of 4 times the
width, each at a quarter of the base's learning rate, at the rate itself and at four times. Under
Adam the best rate of a standard parametrisation falls with the width (Yang et al. 2021).
"""

from __future__ import annotations

from ablations.ablation import command
from ablations.arms import Arm
from ablations.question import Ablation
from ablations.result import Prediction
from vlatent.config import Config
from vlatent.own_encoder import our_settings

WIDTHS = (64, 128, 256, 384)
RATES = (0.25, 1.0, 4.0)
HEAD = 16


def arms(base: Config) -> list[Arm]:
    """Every width at every rate, but for the base's own."""
    hidden = our_settings(base.encoder, "ablation width").hidden
    rate = base.optimizer.learning_rate
    return [
        Arm(
            f"width {width}, rate {factor * rate:g}",
            "setting",
            {
                "encoder.hidden": width,
                "encoder.heads": width // HEAD,
                "encoder.feed_forward": 4 * width,
                "optimizer.learning_rate": factor * rate,
            },
        )
        for width in WIDTHS
        for factor in RATES
        if (width, factor) != (hidden, 1.0)
    ]


ABLATION = Ablation(
    name="width",
    question="Do the loss weights hold at other widths, and does the best learning rate move?",
    predictions=(
        Prediction("width 128, rate 0.004", "likeness", "stays", 0.05),
        Prediction("width 384, rate 0.001", "likeness", "stays", 0.05),
        Prediction("width 384, rate 0.004", "likeness", "falls"),
        Prediction("width 384, rate 0.016", "likeness", "falls"),
        Prediction("width 64, rate 0.001", "likeness", "falls"),
    ),
    arms=arms,
)

if __name__ == "__main__":
    command(ABLATION)
