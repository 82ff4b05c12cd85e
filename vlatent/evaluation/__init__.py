"""Evaluation of an encoder without any weight: statistics, criteria, verdict, score."""

from vlatent.evaluation.criteria import (
    SEVERAL_EVALUATIONS,
    VIOLATED,
    Criterion,
    Verdict,
    judge,
    score,
    steps_to_pass,
)
from vlatent.evaluation.measure import (
    CONSECUTIVE,
    Evaluation,
    EvaluationConfig,
    encode_judged,
    evaluate,
    evaluation_steps,
    in_band,
    measure,
)

__all__ = [
    "CONSECUTIVE",
    "SEVERAL_EVALUATIONS",
    "VIOLATED",
    "Criterion",
    "Evaluation",
    "EvaluationConfig",
    "Verdict",
    "encode_judged",
    "evaluate",
    "evaluation_steps",
    "in_band",
    "judge",
    "measure",
    "score",
    "steps_to_pass",
]
