"""The ablation of a problem of the user's own: weights left out, at doses, or at their defaults."""

from __future__ import annotations

import importlib

from ablations.arms import Arm, doses_of
from ablations.question import Ablation
from vlatent.own_questions import is_path
from vlatent.problem import Problem, ProblemConfig, config_of
from vlatent.problem_workload import ProblemWorkload, asked_at


def ablation_at(path: str) -> Ablation:
    """The ablation of a module of this package, or of a path: the user's own, or a problem's.

    Raises:
        UserError: There is no such thing, or it is neither.
    """
    if not is_path(path):
        ours: Ablation = importlib.import_module(f"ablations.{path}").ABLATION
        return ours
    return asked_at(path, "vlatent ablate", Ablation, ablation_of_problem)


def ablation_of_problem(problem: Problem, source: str) -> Ablation:
    """What does each weight of a problem buy?

    Every weight above 0 is left out, and multiplied at five doses. Where the base has other
    weights than the problem's defaults, as those that a study found, these are an arm too.
    """

    def arms(base: ProblemConfig) -> list[Arm]:
        active = {name: value for name, value in base.weights.items() if value > 0}
        defaults = config_of(problem).weights
        starting = {f"weights.{name}": value for name, value in defaults.items()}
        return [
            *(
                Arm(f"without {name}", "left out", {f"weights.{name}": 0.0}, (name,))
                for name in active
            ),
            *(
                [Arm("default weights", "default weights", starting)]
                if base.weights != defaults
                else []
            ),
            *(
                arm
                for name, value in active.items()
                for arm in doses_of(name, f"weights.{name}", value)
            ),
        ]

    return Ablation(
        name=problem.name,
        question=f"What does each weight buy? {problem.text}",
        predictions=(),
        arms=arms,
        workload=ProblemWorkload(source=source, problem=problem),
    )
