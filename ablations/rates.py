"""The learning rate of every arm, searched at an equal small budget on seeds that judge nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from ablations.arms import BASE, Arm
from ablations.question import Ablation, as_given
from ablations.result import AblationResult, ArmResult
from ablations.settings import AblationConfig
from vlatent.config import Config, override
from vlatent.console import console

RATE = "optimizer.learning_rate"
SEEDS = 2  # from seed 0 on, as a study's

Run = Callable[[Ablation, Config, AblationConfig], AblationResult | None]


def rated(
    ablation: Ablation, arms: Sequence[Arm], config: Config, settings: AblationConfig, run: Run
) -> tuple[Config, list[Arm]]:
    """The base and every arm at the best of the rates that the ablation tries.

    These runs are an ablation of their own, NAME-rates, whose cells are kept as all others.

    Args:
        ablation: What is asked; with factors of the base's rate.
        arms: All arms, the base first.
        config: The base.
        settings: How it is done.
        run: What carries an ablation through.
    """
    trying = replace(
        ablation,
        question=f"Which learning rate is best for each arm of {ablation.name}?",
        predictions=(),
        arms=lambda base: at_rates(arms, base, ablation.rates),
        base=as_given,
        rates=(),
    )
    name = f"{settings.name or ablation.name}-rates"
    asked = replace(settings, name=name, arms=[], first_seed=0, seeds=SEEDS)
    tried = run(trying, config, asked)
    assert tried is not None  # a plan does not come here
    rates = {arm.name: best(arm, config, ablation.rates, tried) for arm in arms}
    for arm, rate in rates.items():
        console.print(f"{arm}: learning rate {rate:.3g}", highlight=False)
    chosen = [replace(arm, changes={**arm.changes, RATE: rates[arm.name]}) for arm in arms[1:]]
    return override(config, {RATE: rates[BASE.name]}), [BASE, *chosen]


def at_rates(arms: Sequence[Arm], base: Config, factors: Sequence[float]) -> list[Arm]:
    """Every arm at every rate, but for what is the base itself."""
    return [
        Arm(label(arm, factor), "setting", {**arm.changes, RATE: rate_of(base, factor)})
        for arm in arms
        for factor in factors
        if (arm.name, factor) != (BASE.name, 1.0)
    ]


def best(arm: Arm, base: Config, factors: Sequence[float], tried: AblationResult) -> float:
    """The rate at which an arm passes most often, and of these the one with the highest score.

    A rate at which a run failed counts less than any at which none did.
    """
    results = {result.name: result for result in tried.arms}

    def worth(factor: float) -> tuple[float, ...]:
        at_base = (arm.name, factor) == (BASE.name, 1.0)
        result: ArmResult = results[BASE.name if at_base else label(arm, factor)]
        score = result.means.get("score", math.nan)
        return result.n, result.passed, score if math.isfinite(score) else -math.inf

    return rate_of(base, max(factors, key=worth))


def label(arm: Arm, factor: float) -> str:
    return f"{arm.name}, rate x {factor:g}"


def rate_of(base: Config, factor: float) -> float:
    return factor * base.optimizer.learning_rate
