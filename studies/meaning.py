"""What does it cost in image-likeness that latents differ by sentence?

Two objectives without weights between them: sentences found again by a paraphrase where they
combine what training never combined, and channels in band. The criteria of all phases are
constraints, so the front is one of trials that pass, or, while none does, of all.
"""

from __future__ import annotations

import math

from studies import loss_weights
from studies.pareto import in_band
from studies.question import Choice, ObjectiveFunction, Params, Question, Range
from studies.study import main
from vlatent.command_line import run
from vlatent.config import Config, override
from vlatent.result import Result
from vlatent.shapes import UserError
from vlatent.statistics import CHANNELS_NEEDED, MEANING

COUNTERFACTUALS = "terms.contrast.counterfactuals"


def space(config: Config) -> dict[str, Range | Choice]:
    """What `searched` finds.

    Raises:
        UserError: If there is no contrast in the config, or no sentence is retrieved.
    """
    if config.terms.contrast.weight == 0 or config.evaluation.retrieved == 0:
        raise UserError(
            "studies.meaning needs terms.contrast.weight and evaluation.retrieved above 0: begin "
            "with --config meaning."
        )
    return searched(config)


def searched(config: Config) -> dict[str, Range | Choice]:
    """Terms, learning rate and prior weights; a term or prior whose weight is 0 is omitted."""
    weights: dict[str, Range | Choice] = {
        f"terms.{name}.weight": Range(*term.search)
        for name, term in config.terms
        if term.weight > 0
    }
    others: dict[str, Range | Choice] = {}
    if config.terms.contrast.weight > 0:
        others["terms.contrast.temperature"] = Range(0.02, 0.3)
    others["optimizer.learning_rate"] = Range(1e-3, 1e-2)
    if config.terms.counterfactuals:  # 0 where a file has none
        others[COUNTERFACTUALS] = Choice((1, 2, 3, 4))
    return weights | others | loss_weights.space(config)


def apply(config: Config, params: Params) -> Config:
    """Every value in its place; numbers of counterfactuals are whole."""
    counts = {name: int(value) for name, value in params.items() if name == COUNTERFACTUALS}
    return override(config, {**params, **counts})


def retrieval(result: Result) -> float:
    """Recall at 1 on the compositional split; on the random one where there is no other."""
    metrics = result.history[-1].metrics
    recall = metrics.get("meaning/compositional/recall_at_1", metrics["meaning/random/recall_at_1"])
    return recall if math.isfinite(recall) else 0.0


WANTED = MEANING["recall_at_1"].accepted[0]

QUESTION = Question(
    name="meaning",
    text="What do latents that differ by sentence cost in channels in band?",
    space=space,
    apply=apply,
    objectives=(
        ObjectiveFunction("retrieval", "recall@1, unseen combinations", retrieval, limit=WANTED),
        ObjectiveFunction("in_band", "channels in band", in_band, limit=CHANNELS_NEEDED),
    ),
)

if __name__ == "__main__":
    run(lambda arguments: main("meaning", arguments))
