"""What has to be paid for channels in band: the other criteria, or dependence on the text?

Three objectives without weights between them, so the answer is a front instead of a winner. No
trial is pruned, and none is worth less for violating a criterion: how far off it is, is what the
second objective says.
"""

from __future__ import annotations

import math

from studies.loss_weights import space
from studies.question import ObjectiveFunction, Question
from studies.study import main
from vlatent.command_line import run
from vlatent.result import Result
from vlatent.statistics import CHANNELS_NEEDED

OF_THE_SPECTRUM = ("spectrum", "residual")


def in_band(result: Result) -> float:
    """Channels in band, and below 1 how close alpha is to 2: 1 / (1 + mean |alpha - 2|)."""
    metrics = result.history[-1].metrics
    distance = metrics["alpha_distance"]
    closeness = 0.99 / (1 + distance) if math.isfinite(distance) else 0.0
    return metrics["channels_in_band"] + closeness


def others(result: Result) -> float:
    """The worst margin of the criteria that are not the spectrum's; 0 and below, all hold."""
    criteria = result.verdict.criteria
    return max(criterion.margin for criterion in criteria if criterion.name not in OF_THE_SPECTRUM)


def dependence(result: Result) -> float:
    """Share of the variance that lies between the shapes of different sentences."""
    share = result.history[-1].metrics["dependence/between_share_shapes"]
    return share if math.isfinite(share) else 0.0


QUESTION = Question(
    name="pareto",
    text="What do channels in band cost in the other criteria and in dependence on the text?",
    space=space,
    objectives=(
        ObjectiveFunction("in_band", "channels in band", in_band, limit=CHANNELS_NEEDED),
        ObjectiveFunction(
            *("others", "worst margin of the other criteria", others),
            maximize=False,
            scale="symlog",
            limit=0.0,
        ),
        ObjectiveFunction(
            "dependence", "share of variance between sentences", dependence, scale="log"
        ),
    ),
    constrained=False,
)

if __name__ == "__main__":
    run(lambda arguments: main("pareto", arguments))
