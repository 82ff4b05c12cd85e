"""Which loss weights and learning rate, searched together, pass earliest?

The best rate depends on the weights, so searching one after the other can miss what both together
reach; it costs a space of eleven dimensions.
"""

from __future__ import annotations

from studies import learning_rates, loss_weights
from studies.question import Choice, Params, Question, Range, Space, from_config
from studies.study import main
from vlatent.command_line import run
from vlatent.config import Config, override


def space(config: Config) -> dict[str, Range | Choice]:
    return loss_weights.space(config) | learning_rates.space(config)


def apply(config: Config, params: Params) -> Config:
    weights = {name: value for name, value in params.items() if name.startswith("priors.")}
    return learning_rates.apply(override(config, weights), params)


def start(config: Config, space: Space) -> dict[str, float]:
    weights = {name: values for name, values in space.items() if name.startswith("priors.")}
    rates = {name: values for name, values in space.items() if name not in weights}
    return from_config(config, weights) | learning_rates.start(config, rates)


QUESTION = Question(
    name="joint",
    text="Which loss weights and learning rate, searched together, pass earliest?",
    space=space,
    apply=apply,
    start=start,
    objectives=(learning_rates.EARLY,),
)

if __name__ == "__main__":
    run(lambda arguments: main("joint", arguments))
