"""What an ablation came to, from its table: answers to its predictions, and the whole result."""

from __future__ import annotations

from ablations.arms import BASE, Arm, family_sizes
from ablations.comparison import Table, effects
from ablations.looks import looks
from ablations.question import Ablation
from ablations.result import (
    HOLDS,
    AblationResult,
    Answered,
    ArmResult,
    MissingRun,
    Outcome,
    Prediction,
)
from vlatent.config import Config, RunConfig
from vlatent.fingerprints import fingerprint
from vlatent.intervals import interval


def answer(prediction: Prediction, table: Table) -> Answered:
    """The answer to a prediction: its outcome, the effect behind it, and the arm's own mean.

    `falls` and `rises` hold when the effect is established (Holm-adjusted p < 0.05) in that
    direction; `stays` when the interval of the difference lies within the bound; `below` and
    `above` when the interval of the arm itself lies there. Each is refuted when the opposite is
    shown in the same way, else open: what was not seen is not said to be absent, also where every
    seed came out the same.
    """
    effect = effects(table, prediction.statistic)[prediction.arm]
    statistic, bound = prediction.statistic, prediction.bound
    own = interval(table.of(prediction.arm, statistic), table.possible(statistic))
    _, low, high = own
    if effect.n < 2:
        return Answered(prediction, "open", effect, own)
    if prediction.says in ("falls", "rises"):
        sign = 1 if prediction.says == "rises" else -1
        right = effect.mean * sign > 0
        outcome: Outcome = ("held" if right else "refuted") if effect.established else "open"
    elif prediction.says == "stays":
        inside = -bound <= effect.low and effect.high <= bound
        outside = effect.low > bound or effect.high < -bound
        outcome = "held" if inside else "refuted" if outside else "open"
    else:
        below = prediction.says == "below"
        inside = high < bound if below else low > bound
        outside = low >= bound if below else high <= bound
        outcome = "held" if inside else "refuted" if outside else "open"
    return Answered(prediction, outcome, effect, own)


def result_of(
    ablation: Ablation,
    name: str,
    config: RunConfig,
    table: Table,
    earlier: AblationResult | None = None,
) -> AblationResult:
    """What an ablation came to.

    Args:
        ablation: What was asked.
        name: Name of its folder and of its run.
        config: Config of the base.
        table: What was measured.
        earlier: The result that was reported before under this name.
    """
    pairs = {  # seeds on which both an arm and the base were measured
        arm: [s for s in table.seeds if {(arm, s), (BASE.name, s)} <= table.cells.keys()]
        for arm in (arm.name for arm in table.arms[1:])
    }
    sizes = family_sizes((*table.arms, *table.untested))
    return AblationResult(
        name=name,
        script=ablation.script,
        question=ablation.question,
        base=fingerprint(config),
        steps=config.training.steps,
        batch_size=config.training.batch_size if isinstance(config, Config) else 0,
        workload="problem" if ablation.workload.kind == "problem" else "encoder",
        seeds=table.seeds,
        statistics=tuple(table.statistics),
        criteria=tuple(table.criteria),
        arms=tuple(_arm_result(arm, table) for arm in table.arms),
        answers=tuple(answer(prediction, table) for prediction in ablation.predictions),
        missing=tuple(MissingRun(arm, seed, why) for (arm, seed), why in table.missing.items()),
        families={
            name: size for name, size in sizes.items() if name in {arm.family for arm in table.arms}
        },
        looks=looks(ablation.script, fingerprint(config), pairs, earlier),
    )


def _arm_result(arm: Arm, table: Table) -> ArmResult:
    passed, n = table.passed(arm.name)
    held = {name: table.of(arm.name, HOLDS + name) for name in table.criteria}
    every = (*table.statistics, *(HOLDS + name for name in table.criteria))
    return ArmResult(
        name=arm.name,
        group=arm.group,
        family=arm.family,
        changes=dict(arm.changes),
        priors=arm.priors,
        n=n,
        passed=passed,
        held={name: (round(sum(values)), len(values)) for name, values in held.items()},
        means={name: interval(table.of(arm.name, name))[0] for name in every},
        effects={
            name: effect_of[arm.name]
            for name in every
            if arm.name in (effect_of := effects(table, name))
        },
    )
