"""What came of an ablation, in words and in tables, from nothing but its numbers."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from statistics import median

from rich.table import Table as Screen
from rich.text import Text

from ablations.arms import BASE, PRIORS, Arm, families
from ablations.comparison import Table, answer, effects
from ablations.cost import Cost
from ablations.figures import Comparison, in_figures
from ablations.question import Ablation
from vlatent.effects import (
    Effect,
    detectable,
    detectable_by_interval,
    family,
    in_words,
    interactions,
    interval,
    main_effects,
    paired,
    shapley,
)

COLUMNS = (
    *("arm", "group", "family", "statistic", "n", "base", "arm's mean", "difference"),
    *("low", "high", "standardized", "p", "p after Holm", "share of seeds above"),
)
OF_PICTURES = (
    "channels in band",
    "alpha",
    "total variation",
    "kurtosis",
    "correlation",
    "variance",
)
OF_MEANING = (
    *("recall@1, random", "recall@1, compositional", "told apart, compositional"),
    *("share drawn", "channels in band", "alpha"),
)
Row = tuple[str | float, ...]


def on_screen(table: Table) -> tuple[str, ...]:
    """The statistics for which a screen is wide enough."""
    return OF_MEANING if set(OF_MEANING) <= set(table.statistics) else OF_PICTURES


def effect_rows(table: Table) -> list[Row]:
    """A row an arm and statistic, criteria included: what every plot and sentence is made from."""
    rows: list[Row] = []
    for statistic in (*table.statistics, *(f"holds: {name}" for name in table.criteria)):
        base = interval(table.of(BASE.name, statistic))[0]
        for name, effect in effects(table, statistic).items():
            arm = next(arm for arm in table.arms if arm.name == name)
            own = interval(table.of(name, statistic))[0]
            rows.append(
                (
                    *(name, arm.group, arm.family, statistic, effect.n, base, own, effect.mean),
                    *(effect.low, effect.high, effect.standardized, effect.p, effect.adjusted),
                    effect.improvement,
                )
            )
    return rows


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


def as_csv(columns: Sequence[str], rows: Sequence[Row]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()


def as_markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(
        "| " + " | ".join(c.replace("|", r"\|") for c in line) + " |" for line in lines
    )


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


def written(table: Table, statistics: Sequence[str]) -> tuple[list[str], list[Row]]:
    """The effects as people read them: a row an arm, `difference [95 % interval] p` a statistic."""
    found = {statistic: effects(table, statistic) for statistic in statistics}
    rows: list[Row] = []
    for arm in table.arms:
        passed, n = table.passed(arm.name)
        cells: list[str] = [arm.name, f"{passed} of {n}"]
        for statistic in statistics:
            if arm.name == BASE.name:
                cells.append(_short(interval(table.of(BASE.name, statistic))[0]))
                continue
            effect = found[statistic][arm.name]
            said, _, p = in_figures(effect, len(table.seeds))
            cells.append(f"{said}{'*' if effect.established else ''} p {p}" if p else said)
        rows.append(tuple(cells))
    return ["arm", "passes", *statistics], rows


def means_screen(table: Table) -> Screen:
    """The means of every arm, an asterisk where the difference from the base is established.

    Not those of a design, which are too many for a screen; cells.csv has them.
    """
    made = Screen(
        title=f"Means over {len(table.seeds)} seeds (* established against the base, p < 0.05 "
        "after Holm)",
        title_justify="left",
        title_style="bold",
    )
    made.add_column("arm", no_wrap=True)
    shown = on_screen(table)
    for heading in ("passes", *shown):
        made.add_column(heading, justify="right")
    found = {statistic: effects(table, statistic) for statistic in shown}
    before = BASE.family
    for arm in table.arms:
        if arm.group == "present":
            continue
        if arm.family != before:
            made.add_section()
            before = arm.family
        passed, n = table.passed(arm.name)
        cells = []
        for statistic in shown:
            mean = _short(interval(table.of(arm.name, statistic))[0])
            effect = found[statistic].get(arm.name)
            cells.append(mean + ("*" if effect and effect.established else " "))
        count = Text(f"{passed} of {n}")
        if lost := len(table.seeds) - n:
            count.append(" (").append(f"{lost} lost", "red").append(")")
        made.add_row(
            arm.name,
            count,
            *cells,
        )
    return made


def predictions_rows(ablation: Ablation, table: Table) -> list[tuple[str, str, str]]:
    """What was predicted, what was found, and whether it held."""
    rows: list[tuple[str, str, str]] = []
    for prediction in ablation.predictions:
        outcome, effect, own = answer(prediction, table)
        if effect.n < 2:
            found = "fewer than two pairs"
        elif prediction.says in ("below", "above"):
            found = f"{_short(own[0])} [{_short(own[1])}, {_short(own[2])}], n {effect.n}"
        else:
            said, n, p = in_figures(effect, len(table.seeds))
            found = f"{said}, n {n}, p {p}"
        rows.append((str(prediction), found, outcome))
    return rows


def paragraphs(table: Table) -> list[str]:
    """What the numbers support, an arm a paragraph, the doses left to their pictures."""
    said = []
    found = {statistic: effects(table, statistic) for statistic in table.statistics}
    for arm in table.arms:
        if arm.group in ("base", "dose", "present"):
            continue
        change = arm.name[0].upper() + arm.name[1:]
        mine = {statistic: found[statistic][arm.name] for statistic in table.statistics}
        (passed, n), (base, base_n) = table.passed(arm.name), table.passed(BASE.name)
        lines = [f"**{change}**: {passed} of {n} seeds pass (base: {base} of {base_n})."]
        shown = {s: e for s, e in mine.items() if e.established or e.suggestive or e.n < 2}
        lines += [in_words(change, statistic, effect) for statistic, effect in shown.items()]
        same = [s for s, e in mine.items() if e.low == e.high == 0 and s not in shown]
        if same:
            lines.append(f"Exactly the same in all pairs: {', '.join(same)}.")
        rest = {s: e for s, e in mine.items() if s not in shown and s not in same}
        if rest:
            bounds = ", ".join(f"{s} ({_short(max(-e.low, e.high))})" for s, e in rest.items())
            lines.append(
                f"No detectable effect, in brackets what the interval excludes to exceed: {bounds}."
            )
        said.append(" ".join(lines))
    return said


def needed_for(table: Table) -> list[str]:
    """For every criterion, which priors it needs, as far as leaving one out can tell."""
    left_out = [arm for arm in table.arms if arm.group == "left out"]
    if not left_out or not table.criteria:
        return []
    lines, free = [], []
    passed, n = table.passed(BASE.name)
    if passed < n or not n:
        lines.append(
            f"The base itself passes every criterion on {passed} of {n} seeds: where it fails, "
            "passing cannot tell which prior is needed; what each arm moves is still among the "
            "effects."
        )
    for criterion in table.criteria:
        statistic = f"holds: {criterion}"
        base = table.of(BASE.name, statistic)
        broken = {}
        for arm in left_out:
            values = table.of(arm.name, statistic)
            if sum(values) < len(values):
                broken[arm.name] = f"{sum(values):.0f} of {len(values)}"
        if not base or sum(base) < len(base):
            lines.append(
                f"{criterion}: holds on {sum(base):.0f} of {len(base)} seeds of the base itself; "
                + (", ".join(f"{name} on {held}" for name, held in broken.items()) or "on all else")
                + "."
            )
        elif broken:
            named = ", ".join(f"{name} on {held}" for name, held in broken.items())
            lines.append(f"{criterion}: holds on all seeds of the base, {named}.")
        else:
            free.append(criterion)
    if free:
        names = ", ".join(", ".join(arm.priors) for arm in left_out)
        lines.append(
            f"No single prior was needed for {', '.join(free)}: held on every seed whichever prior "
            f"was left out ({names})."
        )
    return lines


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
            f"{each.kept / 2**20:.1f} MiB",
            f"{each.parameters / 1e6:.2f} M",
        )
        for name, each in costs.items()
    ]


def power_lines(arms: Sequence[Arm], seeds: int) -> list[str]:
    """The smallest effects that can be seen, in standard deviations of the paired differences."""
    established = []
    for name, members in families(arms).items():
        least = detectable(seeds, len(members))
        tests = f"{name}, {len(members)} {'arm' if len(members) == 1 else 'arms'}"
        established.append(f"{tests}: {least:.2f}" if math.isfinite(least) else f"{tests}: none")
    return [
        f"Established with 80 % power by {seeds} pairs, in standard deviations of the paired "
        f"differences: {'; '.join(established)}.",
        f"Suggested by its own 95 % interval with 80 % power: {detectable_by_interval(seeds):.2f}.",
    ]


def shares(table: Table, statistic: str) -> dict[str, Effect] | None:
    """Shapley values of the priors over seeds whose design is whole; None when none is."""
    found: dict[str, list[float]] = {name: [] for name in PRIORS}
    for values in designs(table, statistic):
        for name, share in shapley(values, PRIORS).items():
            found[name].append(share)
    if not found[PRIORS[0]]:
        return None
    return {name: paired(list_of) for name, list_of in found.items()}


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
        if len(one) == 2 ** len(PRIORS):
            whole.append(one)
    return whole


def design_comparisons(table: Table) -> list[Comparison]:
    """Shapley values as the forest plot shows them; the base is what no prior brings."""
    shown = []
    for statistic in table.statistics:
        found = shares(table, statistic)
        if found is not None:
            none = interval(table.of("with none", statistic))[0]
            shown.append(Comparison(statistic, none, family(found), against="none"))
    return shown


def design_rows(table: Table) -> list[Row]:
    """Shapley value, main effect and pairwise interactions of the priors: means over seeds."""
    rows: list[Row] = []
    for statistic in table.statistics:
        whole = designs(table, statistic)
        contrasts = {
            "shapley": [shapley(values, PRIORS) for values in whole],
            "main effect": [main_effects(values, PRIORS) for values in whole],
            "interaction": [
                {" x ".join(pair): value for pair, value in interactions(values, PRIORS).items()}
                for values in whole
            ],
        }
        for kind, each in contrasts.items():
            for name in each[0] if each else ():
                mean, low, high = interval([one[name] for one in each])
                rows.append((kind, name, statistic, len(each), mean, low, high))
    return rows


COST_COLUMNS = (
    *("arm", "sentences per second", "of the base's", "kept for the backward pass", "parameters"),
)
DESIGN_COLUMNS = ("kind", "prior", "statistic", "n", "mean", "low", "high")


def _short(value: float) -> str:
    if math.isnan(value):
        return "-"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
