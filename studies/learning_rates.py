"""Which learning rate, and what goes with it, trains the latent fastest?

The loss weights are those of the config: take them from `studies.loss_weights`. Every trial sees
equally many sentences, so a larger batch makes fewer steps. Once many trials pass, what tells good
from very good is how early they do: a trial that passes gains the share of its run that was left
when it began to hold every criterion for good.
"""

from __future__ import annotations

from studies.question import Choice, ObjectiveFunction, Params, Question, Range, Space
from studies.study import main
from vlatent.command_line import run
from vlatent.config import Config, override
from vlatent.result import Result


def space(config: Config) -> dict[str, Range | Choice]:
    """Ranges around the config's own values; derived names are explained in `apply`."""
    optimizer, batch = config.optimizer, config.training.batch_size
    return {
        "optimizer.learning_rate": Range(optimizer.learning_rate / 10, optimizer.learning_rate * 5),
        "warmup_share": Range(0.0, max(0.5, start_of(config)["warmup_share"]), log=False),
        "optimizer.weight_decay": Range(1e-4, 0.3),
        "average_steps": Range(5.0, 2000.0),
        "optimizer.clip": Range(0.1, 10.0),
        "training.batch_size": Choice(
            tuple(sorted({max(1, batch // 2), batch, 2 * batch, 4 * batch}))
        ),
    }


def apply(config: Config, params: Params) -> Config:
    """Steps from the batch size, warm-up from its share of them, the average from its memory."""
    batch = int(params["training.batch_size"])
    ratio = config.training.batch_size / batch
    steps = max(config.evaluation.count, round(config.training.steps * ratio))
    return override(
        config,
        {
            "optimizer.learning_rate": params["optimizer.learning_rate"],
            "optimizer.warmup_steps": round(params["warmup_share"] * steps),
            "optimizer.weight_decay": params["optimizer.weight_decay"],
            "optimizer.average_decay": 1 - 1 / params["average_steps"],
            "optimizer.clip": params["optimizer.clip"],
            "training.batch_size": batch,
            "training.steps": steps,
            "training.blur_steps": round(config.training.blur_steps * ratio),
        },
    )


def start_of(config: Config) -> dict[str, float]:
    """The config's own values of what is searched."""
    optimizer = config.optimizer
    return {
        "optimizer.learning_rate": optimizer.learning_rate,
        "warmup_share": optimizer.warmup_steps / config.training.steps,
        "optimizer.weight_decay": optimizer.weight_decay,
        "average_steps": 1 / (1 - optimizer.average_decay),
        "optimizer.clip": optimizer.clip,
        "training.batch_size": config.training.batch_size,
    }


def start(config: Config, space: Space) -> dict[str, float]:
    values = start_of(config)
    return {name: values[name] for name in space}


def early(result: Result) -> float:
    """The score, and for a run that passes the share of it that was left when it began to."""
    steps = result.history[-1].step
    passed_at = steps if result.steps_to_pass is None else result.steps_to_pass
    return result.score + (1 - passed_at / steps)


EARLY = ObjectiveFunction("score_and_speed", "score + share of the run left when it passed", early)

QUESTION = Question(
    name="learning_rates",
    text="Which learning rate, warm-up, decay, average, clipping and batch size pass earliest?",
    space=space,
    apply=apply,
    start=start,
    objectives=(EARLY,),
)

if __name__ == "__main__":
    run(lambda arguments: main("learning_rates", arguments))
