"""What an ablation's result says: the report as Markdown, and its tables on the console."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.table import Table as Screen
from rich.text import Text

from ablations.figures import ForestRow, in_figures
from ablations.looks import look_lines
from ablations.result import AblationResult, Outcome, missing_lines, needed_for, passes
from ablations.sentences import families_of, paragraphs, power_lines, what_p_is
from ablations.tables import COST_COLUMNS
from vlatent.console import console, empty_table
from vlatent.effects import worst_case
from vlatent.intervals import bracket
from vlatent.tables import as_markdown

OF_LATENTS = (
    *("channels in band", "alpha", "total variation", "kurtosis", "correlation", "variance"),
)
OF_MEANING = (
    *("recall@1, random", "recall@1, compositional", "triplet accuracy, compositional"),
    *("share between sentences ignoring channel means", "channels in band", "alpha"),
)
OF_READING = (
    *("fact F1, compositional", "fact F1, compositional, noise", "order recall, compositional"),
    *("normalised accuracy, compositional", "normalised accuracy, compositional, noise"),
    "recall@1, compositional",
)
COLORS: dict[Outcome, str] = {"held": "green", "refuted": "red", "open": "yellow"}
CostRows = Sequence[tuple[str, ...]]


def on_screen(result: AblationResult) -> tuple[str, ...]:
    """The statistics for which a screen is wide enough."""
    if result.workload == "problem":
        return result.statistics[:6]
    for shown in (OF_READING, OF_MEANING):
        if set(shown) <= set(result.statistics):
            return shown
    return OF_LATENTS


def markdown(result: AblationResult, costs: CostRows) -> str:
    """The report.

    Args:
        result: What the ablation came to.
        costs: Rows of the table of costs, if any.
    """
    predicted = [
        (prediction, measured, str(outcome)) for prediction, measured, outcome in answers(result)
    ]
    columns, rows = effect_table(result, on_screen(result))
    first, last = result.seeds[0], result.seeds[-1]
    batch = f" at batch {result.batch_size}" if result.batch_size else ""
    parts = [
        f"# {result.question}",
        f"{len(result.arms)} arms on {len(result.seeds)} seeds ({first} to {last}), "
        f"{result.steps} steps{batch}; base config {result.base} "
        "(base.yaml). Differences are paired by seed, arm minus base; intervals are t intervals at "
        "95 %, exact ones (Clopper and Pearson) for counts, and bounds from what is possible where "
        f"all seeds came out the same; their ends are rounded outwards. {what_p_is(result)} "
        "Several statistics are tested, so about 1 in 20 families without an effect will look "
        "significant by chance.",
        *look_lines(result),
    ]
    if predicted:
        parts += ["## Predictions, written before the result"]
        parts += [as_markdown(("prediction", "measured", "outcome"), predicted)]
    said = paragraphs(result)
    parts += ["## What the numbers support", *said] if said else []
    parts += ["## What it costs", as_markdown(COST_COLUMNS, costs)] if costs else []
    needed = needed_for(result)
    if needed:
        parts += [
            f"## Which criterion needs which {result.part}",
            *(f"- {line}" for line in needed),
        ]
    parts += ["## Missing runs", *missing_lines(result)] if result.missing else []
    parts += [
        "## Effects",
        as_markdown(columns, rows),
        "All statistics: effects.csv, effects.md, effects.tex; every run: cells.csv.",
        "## Effects that could be detected",
        *(f"- {line}" for line in power_lines(families_of(result), len(result.seeds))),
    ]
    return "\n\n".join(parts).replace("\n\n- ", "\n- ") + "\n"


def show(
    result: AblationResult, designed: Sequence[ForestRow], costs: CostRows, seconds: float
) -> None:
    """Print means, answers, designs, costs, what is needed and what is missing."""
    console.rule(Text(result.question, "bold"))
    console.print(_means_screen(result))
    console.print(what_p_is(result))
    for line in look_lines(result):
        console.print(line)
    if result.answers:
        console.print(_answers_screen(result))
    if designed:
        console.print(_design_screen(result, designed))
    if costs:
        made = empty_table("What it costs", *COST_COLUMNS, left=("arm",))
        for row in costs:
            made.add_row(*row)
        console.print(made)
    for line in needed_for(result):
        console.print(f"- {line}")
    for line in missing_lines(result):
        console.print(Text.assemble(("missing", "red"), f" {line}"))
    measured = sum(arm.n for arm in result.arms)
    console.print(f"{measured} cells measured, {len(result.missing)} missing; {seconds:.0f} s.")


def effect_table(
    result: AblationResult, statistics: Sequence[str]
) -> tuple[list[str], list[list[str]]]:
    """The effects as people read them: a row an arm, `difference [95 % interval] p` a statistic."""
    rows = []
    for arm in result.arms:
        cells = [arm.name, passes(arm)]
        for statistic in statistics:
            effect = arm.effects.get(statistic)
            if effect is None:
                cells.append(_short(arm.means.get(statistic, math.nan)))
                continue
            said, _, p = in_figures(effect, len(result.seeds))
            worst = "" if effect.worst is None else f", worst case {worst_case(effect)}"
            star = "*" if effect.established else ""
            cells.append(f"{said}{star} p {p}{worst}" if p else f"{said}{worst}")
        rows.append(cells)
    return ["arm", "passes", *statistics], rows


def answers(result: AblationResult) -> list[tuple[str, str, Outcome]]:
    """What was predicted, what was measured, and whether it held."""
    rows: list[tuple[str, str, Outcome]] = []
    for answered in result.answers:
        effect, (own, low, high) = answered.effect, answered.own
        if effect.n < 2:
            measured = "fewer than two pairs"
        elif answered.prediction.says in ("below", "above"):
            measured = f"{bracket(own, low, high, '')}, n {effect.n}"
        else:
            said, n, p = in_figures(effect, len(result.seeds))
            measured = f"{said}, n {n}, p {p}"
        rows.append((str(answered.prediction), measured, answered.outcome))
    return rows


def _means_screen(result: AblationResult) -> Screen:
    """The means of every arm, an asterisk where the difference from the base is established.

    Not those of a design, which are too many for a screen; cells.csv has them.
    """
    seeds = len(result.seeds)
    title = (
        f"Means over {seeds} seeds (* established against the base, p < 0.05 after Holm; passes "
        "with their 95 % interval)"
    )
    shown = on_screen(result)
    made = empty_table(title, "arm", "passes", *shown, left=("arm",))
    made.columns[0].no_wrap = True
    before = result.base_arm.family
    for arm in result.arms:
        if arm.group == "present":
            continue
        if arm.family != before:
            made.add_section()
            before = arm.family
        cells = []
        for statistic in shown:
            effect = arm.effects.get(statistic)
            star = "*" if effect and effect.established else " "
            cells.append(_short(arm.means.get(statistic, math.nan)) + star)
        count = Text(passes(arm))
        if missing := seeds - arm.n:
            count.append(" (").append(f"{missing} missing", "red").append(")")
        made.add_row(arm.name, count, *cells)
    return made


def _answers_screen(result: AblationResult) -> Screen:
    made = empty_table("Predictions", "written before the result", "measured", "")
    for prediction, measured, outcome in answers(result):
        made.add_row(prediction, measured, Text(outcome, COLORS[outcome]))
    return made


def _design_screen(result: AblationResult, designed: Sequence[ForestRow]) -> Screen:
    """Shapley values, their sum, and the two ends that they lie between."""
    shown = [row for row in designed if row.statistic in on_screen(result)]
    title = "Shapley value of every prior: its share in the difference of all and none"
    made = empty_table(title, "prior", *(row.statistic for row in shown), left=("prior",))
    for prior in shown[0].effects:
        effects = [row.effects[prior] for row in shown]
        made.add_row(prior, *(f"{e.mean:+.3g}{'*' if e.established else ' '}" for e in effects))
    made.add_section()
    sums = [sum(effect.mean for effect in row.effects.values()) for row in shown]
    made.add_row("sum", *(f"{value:+.3g} " for value in sums))
    made.add_row("none", *(f"{row.base:.3g} " for row in shown))
    every = f"with {' + '.join(shown[0].effects)}"
    whole = next(arm for arm in result.arms if arm.name == every)
    made.add_row("all", *(f"{whole.means[row.statistic]:.3g} " for row in shown))
    return made


def _short(value: float) -> str:
    if math.isnan(value):
        return "-"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
