"""What does it cost in image-likeness that an encoder learns to be read?

Encoder and decoder learn together. Two objectives without weights between them: fact F1 on
sentences that combine what training never combined, and the score, which is channels in band with
likeness to photographs. Facts count clean or under noise, whichever is worse, as their criterion
takes them: a mean would hide what only a reader without noise can find. All criteria are
constraints. `--training.start FOLDER` has every trial begin with the weights of a run.
"""

from __future__ import annotations

from dataclasses import replace

from studies import meaning
from studies.question import SCORE, Choice, ObjectiveFunction, Question, Range
from studies.study import main
from vlatent.command_line import run
from vlatent.config import Config
from vlatent.evaluation.reading_criteria import FACT_F1
from vlatent.result import Result
from vlatent.shapes import UserError
from vlatent.statistics import CHANNELS_NEEDED


def space(config: Config) -> dict[str, Range | Choice]:
    """What `studies.meaning` searches; the rates of encoder and decoder about their own.

    Raises:
        UserError: If no decoder learns, or no unseen combination is read back.
    """
    decoder, judged = config.terms.reconstruction, config.evaluation
    if not all((decoder.weight, judged.read, judged.retrieved, config.data.unseen)):
        raise UserError(
            "studies.round_trip needs terms.reconstruction.weight, evaluation.read and "
            "evaluation.retrieved above 0 and data.unseen true: begin with --config round_trip."
        )
    rates = {
        "optimizer.learning_rate": config.optimizer.learning_rate,
        "terms.reconstruction.learning_rate": decoder.learning_rate,
    }
    about = {name: Range(rate / 5, rate * 5) for name, rate in rates.items()}
    return meaning.searched(config) | about


def facts(result: Result) -> float:
    """Fact F1 on the compositional split, clean or under noise, where it is worse."""
    metrics = result.history[-1].metrics
    views = (f"reading/compositional{view}/fact_f1" for view in ("", "_noise"))
    return min(metrics[view] for view in views if view in metrics)


QUESTION = Question(
    name="round_trip",
    text="What does an encoder that learns to be read cost in channels in band and likeness?",
    space=space,
    apply=meaning.apply,
    objectives=(
        ObjectiveFunction("fact_f1", "fact F1, unseen combinations", facts, limit=FACT_F1),
        replace(SCORE, label="channels in band + likeness", limit=CHANNELS_NEEDED),
    ),
)

if __name__ == "__main__":
    run(lambda arguments: main("round_trip", arguments))
