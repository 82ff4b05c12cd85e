"""What an ablation asks, and what is predicted before the result is known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ablations.arms import BASE, Arm, of_prior
from ablations.result import Prediction
from vlatent import own_questions
from vlatent.config import RunConfig
from vlatent.shapes import UserError
from vlatent.workload import ENCODER, Workload


def as_given(config: RunConfig) -> RunConfig:
    return config


@dataclass(frozen=True)
class Ablation:
    """What an ablation asks.

    Attributes:
        name: Name of the ablation and of its file.
        question: The question in words.
        predictions: Written before the result.
        arms: What is compared with the base.
        retunes: Whether other weights, searched again, may make up for a prior that is left out.
        untested: Arms that are left out of this run: their families are as large as before.
        workload: What is trained: our encoder, or a problem of the user's own.
        base: The base, made of the config that was given.
        rates: Factors of the base's learning rate, at the best of which each arm is judged; none
            leaves all at the same rate.
    """

    name: str
    question: str
    predictions: Sequence[Prediction]
    arms: Callable[[Any], list[Arm]]
    retunes: bool = False
    untested: Sequence[Arm] = ()
    workload: Workload = ENCODER
    base: Callable[[Any], Any] = as_given
    rates: Sequence[float] = ()

    @property
    def script(self) -> str:
        """What follows `vlatent ablate`."""
        return own_questions.shown(self.workload.source) if self.workload.source else self.name

    def all_arms(self, base: RunConfig) -> list[Arm]:
        return [BASE, *self.arms(base)]

    def retuned(self, base: RunConfig) -> list[str]:
        """The priors that are left out, each with the other weights searched again."""
        left_out = (arm for arm in self.arms(base) if arm.group == "left out")
        return [arm.priors[0] for arm in left_out] if self.retunes else []

    def restricted(self, names: Sequence[str], base: RunConfig) -> Ablation:
        """The ablation with these of its arms, or all, and the predictions about them.

        The others stay in the families of tests: whoever names one arm, perhaps as it looked best
        among six, has no smaller family for it.

        Raises:
            UserError: It has no arm of such a name.
        """
        arms = {arm.name: arm for arm in self.arms(base)}
        for name in names:
            if name not in arms:
                raise UserError(
                    f"ablation.arms has {name!r}, which is no arm of {self.name}; there are "
                    f"{', '.join(arms)}."
                )
        chosen = {name: arm for name, arm in arms.items() if name in names or not names}
        kept = list(chosen.values())
        predictions = [prediction for prediction in self.predictions if prediction.arm in chosen]
        return replace(
            self,
            arms=lambda _: kept,
            predictions=predictions,
            retunes=self.retunes and not names,
            untested=[arm for name, arm in arms.items() if name not in chosen],
        )


def ablation_of_prior(name: str, question: str, *predictions: Prediction) -> Ablation:
    """The ablation of one prior, which is left out, alone, and at six doses."""
    return Ablation(name, question, predictions, lambda base: of_prior(base, name), True)
