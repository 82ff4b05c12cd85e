"""Evaluation of an encoder without any weight: statistics, criteria, verdict, score."""

from vlatent.evaluation.criteria import VIOLATED, Criterion, Verdict, judge, score, steps_to_pass
from vlatent.evaluation.measure import (
    CONSECUTIVE,
    Evaluation,
    EvaluationConfig,
    evaluate,
    evaluation_steps,
    in_band,
    measure,
    paint_judged,
)

__all__ = [
    "CONSECUTIVE",
    "VIOLATED",
    "Criterion",
    "Evaluation",
    "EvaluationConfig",
    "Verdict",
    "evaluate",
    "evaluation_steps",
    "in_band",
    "judge",
    "measure",
    "paint_judged",
    "score",
    "steps_to_pass",
]
