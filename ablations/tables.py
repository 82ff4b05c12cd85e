"""The tables of an ablation as files: every run, every effect, costs, designs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import median

from ablations.arms import BASE, PRIORS
from ablations.comparison import Table
from ablations.cost import Cost
from ablations.figures import ForestRow
from ablations.result import AblationResult
from vlatent.effects import Effect, family, paired
from vlatent.factorial import interactions, main_effects, shapley
from vlatent.intervals import interval

EFFECT_COLUMNS = (
    *("arm", "group", "family", "statistic", "n", "base", "arm's mean", "difference"),
    *("low", "high", "standardized", "p", "p after Holm", "share of seeds above"),
    *("skewness", "worst low", "worst high", "looks"),
)
COST_COLUMNS = (
    *("arm", "sentences per second", "of the base's", "kept for the backward pass", "parameters"),
)
DESIGN_COLUMNS = ("kind", "prior", "statistic", "n", "mean", "low", "high")
Row = tuple[str | float, ...]


def effect_rows(result: AblationResult) -> list[Row]:
    """A row an arm and statistic, criteria included: what every plot and sentence is made from."""
    return [
        (
            *(arm.name, arm.group, arm.family, statistic, effect.n),
            *(result.base_arm.means[statistic], arm.means[statistic], effect.mean),
            *(effect.low, effect.high, effect.standardized, effect.p, effect.adjusted),
            *(effect.improvement, effect.skewness, *_worst(effect, len(result.seeds))),
            len(result.looks.get(arm.name, ())),
        )
        for statistic in result.base_arm.means
        for arm in result.arms
        if (effect := arm.effects.get(statistic)) is not None
    ]


def _worst(effect: Effect, seeds: int) -> tuple[float, float]:
    """The worst case that missing pairs allow; NaN where a record of version 1 does not say."""
    if effect.worst is None:
        return (effect.low, effect.high) if effect.n == seeds else (math.nan, math.nan)
    return effect.worst


def cell_rows(table: Table) -> list[Row]:
    """A row a cell: what the effects are made from."""
    return [
        (
            *(arm.name, seed, float(cell.passed)),
            *(cell.statistics.get(name, math.nan) for name in table.statistics),
            -1 if cell.steps_to_pass is None else cell.steps_to_pass,
            cell.seconds,
        )
        for arm in table.arms
        for seed in table.seeds
        if (cell := table.cells.get((arm.name, seed))) is not None
    ]


def cell_columns(table: Table) -> tuple[str, ...]:
    return ("arm", "seed", "passed", *table.statistics, "steps to pass (-1: never)", "seconds")


def as_latex(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    r"""A tabular for booktabs; needs \usepackage{booktabs}."""
    special = str.maketrans({c: rf"\{c}" for c in "&%$#_{}"})
    body = [" & ".join(str(c).translate(special) for c in row) + r" \\" for row in (columns, *rows)]
    return "\n".join(
        [
            rf"\begin{{tabular}}{{l{'r' * (len(columns) - 1)}}}",
            *(r"\toprule", body[0], r"\midrule", *body[1:], r"\bottomrule", r"\end{tabular}", ""),
        ]
    )


def cost_rows(table: Table, costs: Mapping[str, Cost]) -> list[tuple[str, ...]]:
    """Throughput beside what is counted of every arm.

    The median over seeds, evaluations included: the first cell of a process is slow.
    """
    speed = {
        name: median(table.of(name, "sentences per second") or [math.nan])
        for name in (BASE.name, *costs)
    }
    return [
        (
            name,
            f"{speed[name]:.3g}",
            f"{speed[name] / speed[BASE.name]:.2f} x",
            f"{price.kept / 2**20:.1f} MiB",
            f"{price.parameters / 1e6:.2f} M",
        )
        for name, price in costs.items()
    ]


def shares(table: Table, statistic: str) -> dict[str, Effect] | None:
    """Shapley values of the priors over seeds whose design is whole; None when none is."""
    names, whole = designed(table), designs(table, statistic)
    if not whole:
        return None
    shared_out = [shapley(values, names) for values in whole]
    shares_of = {name: [share[name] for share in shared_out] for name in names}
    span = table.possible_difference(statistic)
    return {
        name: paired(values, span, [span] * (len(table.seeds) - len(values)))
        for name, values in shares_of.items()
    }


def designed(table: Table) -> list[str]:
    """The priors of a factorial design, in their order."""
    present = {name for arm in table.arms if arm.group == "present" for name in arm.priors}
    own = sorted(present.difference(PRIORS))
    return [*(name for name in PRIORS if name in present), *own]


def designs(table: Table, statistic: str) -> list[dict[frozenset[str], float]]:
    """The values of all subsets of the priors, for every seed that lacks none."""
    values = table.values(statistic)
    arms = [arm for arm in table.arms if arm.group == "present"]
    whole = []
    for seed in table.seeds:
        one = {
            frozenset(arm.priors): values[arm.name, seed]
            for arm in arms
            if (arm.name, seed) in values
        }
        if arms and len(one) == 2 ** len(designed(table)):
            whole.append(one)
    return whole


def design_comparisons(table: Table) -> list[ForestRow]:
    """Shapley values as the forest plot shows them; the base is what no prior brings."""
    shown = []
    for statistic in table.statistics:
        shapley = shares(table, statistic)
        if shapley is not None:
            none = interval(table.of("with none", statistic))[0]
            shown.append(ForestRow(statistic, none, family(shapley), against="none"))
    return shown


def design_rows(table: Table) -> list[Row]:
    """Shapley value, main effect and pairwise interactions of the priors: means over seeds."""
    rows: list[Row] = []
    for statistic in table.statistics:
        names, whole = designed(table), designs(table, statistic)
        contrasts = {
            "shapley": [shapley(values, names) for values in whole],
            "main effect": [main_effects(values, names) for values in whole],
            "interaction": [
                {" x ".join(pair): value for pair, value in interactions(values, names).items()}
                for values in whole
            ],
        }
        for kind, contrast in contrasts.items():
            for name in contrast[0] if contrast else ():
                span = table.possible_difference(statistic)
                mean, low, high = interval([one[name] for one in contrast], span)
                rows.append((kind, name, statistic, len(contrast), mean, low, high))
    return rows
