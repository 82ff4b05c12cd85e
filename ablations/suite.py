"""What does each prior buy? Every prior left out, alone, and at six doses; all predictions at once.

Two priors left out together are `ablations.pairs`, all 64 subsets `ablations.design`.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

from ablations.ablation import command
from ablations.arms import PRIORS, Arm, active, alone, doses, names, without
from ablations.question import Ablation
from ablations.result import Prediction
from vlatent.config import Config


def arms(base: Config) -> list[Arm]:
    """Arms of every active prior's own ablation, those of a kind together."""
    left = active(base)
    return [
        *(without(name) for name in left),
        *(alone(name, names(base)) for name in left),
        *(arm for name in left for arm in doses(base, name)),
    ]


def predictions() -> list[Prediction]:
    """Predictions of every prior's own ablation."""
    modules = [f"ablations.{name}" for name in PRIORS]
    return [
        p for name in modules if find_spec(name) for p in import_module(name).ABLATION.predictions
    ]


ABLATION = Ablation(
    name="suite",
    question="What does each prior buy?",
    predictions=predictions(),
    arms=arms,
    retunes=True,
)

if __name__ == "__main__":
    command(ABLATION)
