"""What an ablation asks, and what is predicted before the result is known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ablations.arms import BASE, Arm
from ablations.result import Prediction
from vlatent.config import Config


@dataclass(frozen=True)
class Ablation:
    """What an ablation asks.

    Attributes:
        name: Its own and its file's.
        question: In words.
        predictions: Written before the result.
        arms: What is compared with the base.
        retuned: Priors whose loss may be made up for by searching the other weights again.
    """

    name: str
    question: str
    predictions: Sequence[Prediction]
    arms: Callable[[Config], list[Arm]]
    retuned: Sequence[str] = ()

    def all_arms(self, base: Config) -> list[Arm]:
        return [BASE, *self.arms(base)]
