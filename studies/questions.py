"""Questions by name: those of this package, and those of the user's own by their path."""

from __future__ import annotations

import importlib
from dataclasses import replace

from studies.question import ObjectiveFunction, Question, Range
from vlatent import own_questions
from vlatent.problem import Problem
from vlatent.shapes import UserError
from vlatent.workload import ProblemWorkload


def question_of(name: str) -> Question:
    """The question of a module of this package, or one of the user's own by its path.

    Raises:
        UserError: There is no such thing, or it is no question.
    """
    if not own_questions.is_path(name):
        question: Question = importlib.import_module(f"studies.{name}").QUESTION
        return question
    thing = own_questions.found(name, "vlatent study")
    if isinstance(thing, Problem):
        return question_about(thing, name)
    if isinstance(thing, Question):
        return replace(thing, workload=replace(thing.workload, source=name))
    kind, shown = type(thing).__name__, own_questions.shown(name)
    raise UserError(f"vlatent study: {shown} is {kind}, not a Problem or a Question.")


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
