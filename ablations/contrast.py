"""Does contrast make the latent depend on the sentence, and what should be compared?

Without it nothing that is trained sees the text, so latents should not depend on the sentence. A
pooled embedding can carry the meaning while all latents look alike; contrast of the latents
themselves should be what moves them.
"""

from __future__ import annotations

from ablations.ablation import command
from ablations.arms import Arm
from ablations.question import Ablation
from ablations.result import Prediction
from ablations.terms import CONTRAST, changed, contrasted
from vlatent.config import Config


def arms(base: Config) -> list[Arm]:
    """Contrast off, weaker, stronger, sharper, softer, spread, and of other representations."""
    contrasted(base)
    contrast = base.terms.contrast
    others = [on for on in ("coarse", "latent", "embedding") if on != base.terms.on]
    return [
        changed("without contrast", {f"{CONTRAST}.weight": 0.0}),
        *(
            changed(f"contrast x {factor:g}", {f"{CONTRAST}.weight": factor * contrast.weight})
            for factor in (0.25, 4.0)
        ),
        *(
            changed(
                f"temperature x {factor:g}",
                {f"{CONTRAST}.temperature": factor * contrast.temperature},
            )
            for factor in (0.5, 2.0)
        ),
        *(changed(f"on {on}", {"terms.on": on}) for on in others),
        changed("with spread", {f"{CONTRAST}.spread": 0.1}),
    ]


ABLATION = Ablation(
    name="contrast",
    question="Does contrast make the latent depend on the sentence, and what should be compared?",
    predictions=(
        Prediction("without contrast", "recall@1, random", "falls"),
        Prediction("without contrast", "share between sentences (log10)", "below", -1),
        Prediction("on embedding", "share between sentences ignoring channel means", "falls"),
    ),
    arms=arms,
)

if __name__ == "__main__":
    command(ABLATION)
