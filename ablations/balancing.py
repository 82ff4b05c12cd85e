"""Search or adapt: does an adaptive method of balancing do what a search of the weights does?

The base has weights that were found: the config's own, or where it has only the weights of
`configs/quick.yaml`, with which a search begins, those of `configs/winner.yaml`. Beside it stand
the weights with which the search began, equal weights, and each adaptive method on equal weights,
as who adapts knows of no others. Equal weights have the sum of the base's. Every arm, the base
included, has the best of five learning rates, tried on two seeds that judge nothing.
"""

from __future__ import annotations

from statistics import fmean
from typing import get_args

from ablations.ablation import command
from ablations.arms import Arm, active, weight, weight_of
from ablations.question import Ablation
from ablations.result import Prediction
from vlatent.config import Config, override, read_config
from vlatent.objective import Method

METHODS = tuple(method for method in get_args(Method) if method != "fixed")
FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)  # of the base's learning rate


def found(given: Config) -> Config:
    """The config with weights that a search has found, and fixed."""
    fixed = override(given, {"objective.balance": "fixed"})
    start = weights_of(fixed, read_config("quick"))
    if weights_of(fixed, fixed) != start:
        return fixed
    return override(fixed, weights_of(fixed, read_config("quick", "winner")))


def arms(base: Config) -> list[Arm]:
    start, own = weights_of(base, read_config("quick")), weights_of(base, base)
    equal: dict[str, object] = dict.fromkeys(own, fmean(own.values()))
    return [
        Arm("default weights", "default weights", dict(start)),
        Arm("equal weights", "setting", equal),
        *(Arm(method, "setting", {**equal, "objective.balance": method}) for method in METHODS),
    ]


def weights_of(base: Config, other: Config) -> dict[str, float]:
    """Another config's weights of the priors that the base trains with and both have, by name."""
    theirs = dict(other.priors)
    return {weight(name): weight_of(other, name) for name in active(base) if name in theirs}


ABLATION = Ablation(
    name="balancing",
    question="Search or adapt: do adaptive methods of balancing do what found weights do?",
    predictions=(
        # Where the search began, channels are copies of each other.
        Prediction("default weights", "criteria held", "falls"),
        # The search had 40 trials to find better than one that is as good as any.
        Prediction("equal weights", "likeness", "falls"),
        # Equal weights and noise, or factors that cannot move far in so few steps.
        Prediction("random", "likeness", "falls"),
        Prediction("uncertainty", "likeness", "falls"),
        Prediction("dwa", "likeness", "falls"),
        # Total variation can fall for ever: who gives each gradient the same say makes blobs.
        Prediction("gradnorm", "total variation", "falls"),
        Prediction("imtl_g", "total variation", "falls"),
        Prediction("nash_mtl", "total variation", "falls"),
        # The smallest gradient decides: that of a hinge that is nearly satisfied.
        Prediction("mgda", "score", "falls"),
        # Priors conflict little where each has directions of its own, so little is projected.
        Prediction("pcgrad", "likeness", "stays", 0.1),
        Prediction("upgrad", "likeness", "stays", 0.1),
        Prediction("cagrad", "likeness", "falls"),
        # A pass through every penalty, and a solver.
        Prediction("gradnorm", "sentences per second", "falls"),
        Prediction("cagrad", "sentences per second", "falls"),
    ),
    arms=arms,
    base=found,
    rates=FACTORS,
)

if __name__ == "__main__":
    command(ABLATION)
