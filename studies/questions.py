"""Questions by name: those of this package, and those of the user's own by their path."""

from __future__ import annotations

import importlib

from studies.question import ObjectiveFunction, Question, Range
from vlatent.own_questions import is_path
from vlatent.problem import Problem
from vlatent.problem_workload import ProblemWorkload, asked_at


def question_of(name: str) -> Question:
    """The question of a module of this package, or one of the user's own by its path.

    Raises:
        UserError: There is no such thing, or it is no question.
    """
    if not is_path(name):
        question: Question = importlib.import_module(f"studies.{name}").QUESTION
        return question
    return asked_at(name, "vlatent study", Question, question_about)


def question_about(problem: Problem, source: str) -> Question:
    """The question of a problem of the user's own: which of its weights are best?

    Args:
        problem: The problem.
        source: Its path, by which other processes find it.
    """
    return Question(
        name=problem.name,
        text=problem.text,
        space=lambda config: {
            f"weights.{name}": Range(weight.low, weight.high)
            for name, weight in problem.weights.items()
            if config.weights[name] > 0
        },
        objectives=(
            ObjectiveFunction(
                name=problem.optimized,
                label=problem.label or problem.optimized,
                value=lambda result: result.history[-1].metrics[problem.optimized],
                maximize=problem.maximize is not None,
                scale=problem.scale,
            ),
        ),
        workload=ProblemWorkload(source=source, problem=problem),
    )
