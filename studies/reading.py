"""Which decoder reads most from the latents of a frozen encoder?

Sizes, rate, noise and steps of its training are searched; the encoder of the run that `--run` names
stays as it is. Two objectives without weights between them, as content words can be guessed where
whole facts cannot be read. The criteria of reading are constraints, so the front is one of trials
that pass, or, while none does, of all.
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import fmean

from studies.question import Choice, ObjectiveFunction, Params, Question, Range
from studies.study import main
from vlatent.command_line import run
from vlatent.config import override
from vlatent.decoder_run import DecoderRunConfig
from vlatent.decoder_workload import DECODER
from vlatent.evaluation.reading_criteria import FACT_F1, NORMALISED
from vlatent.reading_back import VIEWS
from vlatent.result import Result
from vlatent.statistics import READING

HIDDEN, LAYERS = "reading.decoder.hidden", "reading.decoder.layers"
RATE, NOISE, STEPS = "reading.optimizer.learning_rate", "reading.noise", "reading.steps"


def space(config: DecoderRunConfig) -> dict[str, Range | Choice]:
    """Half and double the width and the steps, one to four layers, a rate and a noise about theirs.

    A noise of 0 stays.
    """
    reading, sizes = config.reading, config.reading.decoder
    halves = 2 if sizes.hidden % (4 * sizes.heads) == 0 else 1
    rate, noise = reading.optimizer.learning_rate, reading.noise
    found: dict[str, Range | Choice] = {
        HIDDEN: Choice(tuple(sorted({sizes.hidden // halves, sizes.hidden, 2 * sizes.hidden}))),
        LAYERS: Choice(tuple(sorted({1, 2, 4, sizes.layers}))),
        RATE: Range(rate / 5, rate * 5),
        STEPS: Choice(
            tuple(sorted({max(reading.steps // 2, 1), reading.steps, 2 * reading.steps}))
        ),
    }
    return found | ({NOISE: Range(noise / 4, noise * 4)} if noise else {})


def apply(config: DecoderRunConfig, params: Params) -> DecoderRunConfig:
    """Every value in its place, sizes whole; the feed-forward part keeps its share of the width."""
    sizes = config.reading.decoder
    whole = {name: int(params[name]) for name in (HIDDEN, LAYERS, STEPS)}
    inner = sizes.feed_forward * whole[HIDDEN] // sizes.hidden
    return override(config, {**params, **whole, "reading.decoder.feed_forward": inner})


def mean_of(name: str) -> Callable[[Result], float]:
    """A statistic of reading, its mean over splits, clean and under noise."""
    names = [READING[name].of_split(view).name for view in VIEWS]

    def value(result: Result) -> float:
        metrics = result.history[-1].metrics
        return fmean(metrics[known] for known in names if known in metrics)

    return value


QUESTION = Question(
    name="reading",
    text="Which decoder reads most from the latents of a frozen encoder?",
    space=space,
    apply=apply,
    objectives=(
        ObjectiveFunction("fact_f1", "fact F1, mean of views", mean_of("fact_f1"), limit=FACT_F1),
        ObjectiveFunction(
            *("normalised", "normalised accuracy, mean of views", mean_of("normalised")),
            limit=NORMALISED,
        ),
    ),
    workload=DECODER,
)

if __name__ == "__main__":
    run(lambda arguments: main("reading", arguments))
