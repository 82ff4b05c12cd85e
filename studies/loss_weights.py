"""Which loss weights make the latent image-like?

Under Adam the overall scale of the loss nearly cancels, so six free weights would have about five
useful dimensions: the spectrum's weight is held at its value in the config, the others are
searched around it.
"""

from __future__ import annotations

from studies.question import Choice, Question, Range
from studies.study import main
from vlatent.command_line import run
from vlatent.config import Config


def space(config: Config) -> dict[str, Range | Choice]:
    """The weight of every prior but the spectrum's, over the range that its file names.

    A prior whose weight is 0 is left out and stays so.
    """
    return {
        f"priors.{name}.weight": Range(*prior.search)
        for name, prior in config.priors
        if name != "spectrum" and prior.weight > 0
    }


QUESTION = Question(
    name="loss_weights",
    text="Which loss weights make the latent image-like? (The spectrum's weight is held fixed.)",
    space=space,
)

if __name__ == "__main__":
    run(lambda arguments: main("loss_weights", arguments))
