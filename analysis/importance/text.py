"""Tables, sentences and files of the importance of a study's parameters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np
from rich.table import Table

from analysis.importance.result import Estimate, Finding, Importance
from vlatent.console import empty_table
from vlatent.figures.parameter_names import short_names
from vlatent.formatting import digits
from vlatent.intervals import bracket
from vlatent.search_space import Axis
from vlatent.tables import as_csv, as_markdown

COLUMNS = (
    *("study", "target", "among", "trials", "silent", "quantity", "parameter"),
    *("value", "low", "high"),
)
METHODS = {"forest": "forest", "fanova": "fANOVA", "ped_anova": "PED-ANOVA"}
EXPLAINED = (
    "R2 is the share of the variance of the ranks that a forest predicts in trials it has not "
    "seen. The forest's importance is the share of that variance lost without the parameter; "
    "fANOVA and PED-ANOVA share out 1 among all parameters, whether there is anything to share or "
    "not. Brackets hold 95 % intervals over trials."
)
NEAR = 0.1  # of a curve's span: an end this near to its extreme is where it rises or falls to


def groups(result: Importance) -> str:
    """Counts of the trials by how they ended."""
    states = result.states
    pruned = (
        f"; {states['pruned']} pruned ones were measured earlier in their runs, so only whether "
        "they were pruned is looked at"
        if states["pruned"]
        else ""
    )
    failed = f"; {states['failed']} failed" if states["failed"] else ""
    return (
        f"{states['complete']} complete trials, {states['feasible']} of them feasible (they "
        f"pass every criterion){pruned}{failed}."
    )


def table(result: Importance) -> Table:
    """Table of the targets: whether there is signal, and which parameters matter."""
    title = "What matters: share of the variance lost without the parameter"
    made = empty_table(title, "target", "trials", "R2", "what matters", right="trials")
    for mine in _by_group(result):
        made.add_section()
        for cells in _rows(result, mine):
            made.add_row(*cells)
    return made


def words(result: Importance, advice: bool = True) -> list[str]:
    """Conclusions that the numbers support, and what would say more of a study of ours."""
    said = []
    for mine in _by_group(result):
        among = mine[0].target.among
        if _silent_alike(mine):
            said.append(f"{among[0].upper()}{among[1:]} trials say nothing: {mine[0].silent}.")
            continue
        heard = [finding for finding in mine if not finding.silent]
        clear = [one for one in heard if mattering(one) or together(one)]
        said.append(
            f"Among {among} trials: {'; '.join(_sentence(result, one) for one in clear)}. No "
            "conclusion for the other parameters."
            if clear
            else f"{among[0].upper()}{among[1:]} trials do not say which parameters matter."
        )
        if len(clear) < len(heard):
            names = ", ".join(one.target.label for one in heard if one not in clear)
            said[-1] += f" Predictable, but not from any single parameter: {names}."
        reasons = dict.fromkeys(finding.silent for finding in mine if finding.silent)
        for reason in reasons:
            names = ", ".join(one.target.label for one in mine if one.silent == reason)
            said[-1] += f" {reason[0].upper()}{reason[1:]}: {names}."
    tested = sum(finding.r2 is not None for finding in result.findings)
    if tested:
        said.append(
            f"Targets tested for signal: {tested}, each at a level of 5 %. What is said holds over "
            "the values that the search tried, and for this model and budget."
        )
    if advice and not result.heard:
        said.append(
            "More complete trials say more: continue the study with a larger --study.trials and "
            "--study.pruner none."
        )
    return said


def markdown(result: Importance) -> str:
    """Page of Markdown with conclusions and tables."""
    rows = [cells for mine in _by_group(result) for cells in _rows(result, mine)]
    parts = [f"# Importance of the parameters: {result.study}", result.question, groups(result)]
    parts += [as_markdown(("target", "trials", "R2", "what matters"), rows), *words(result)]
    for finding in result.heard:
        shares = [
            (name, *(_bracket(getattr(finding, method)[row]) for method in METHODS))
            for row, name in enumerate(result.space)
        ]
        parts += [f"## {called(finding)}", as_markdown(("parameter", *METHODS.values()), shares)]
    return "\n\n".join([*parts, EXPLAINED]) + "\n"


def csv(result: Importance) -> str:
    """Lines of target, parameter and method; targets without signal have their R2 alone."""
    return as_csv(COLUMNS, (row for finding in result.findings for row in _lines(result, finding)))


def _lines(result: Importance, finding: Finding) -> Iterator[tuple[object, ...]]:
    target = finding.target
    about = (result.study, target.name, target.among, len(target.trials), finding.silent)
    if finding.r2 is None:
        yield (*about, "", "", "", "", "")
        return
    yield (*about, "r2", "", *_numbers(finding.r2))
    for method in METHODS:
        for name, estimate in zip(result.space, getattr(finding, method), strict=False):
            yield (*about, method, name, *_numbers(estimate))
    if finding.interactions is not None:
        for j, k in combinations(range(len(result.space)), 2):
            pair = " x ".join(list(result.space)[column] for column in (j, k))
            yield (*about, "interaction", pair, f"{finding.interactions.shares[j, k]:.6g}", "", "")
        limit = f"{finding.interactions.chance:.6g}"
        yield (*about, "interaction by chance", "", limit, "", "")


def called(finding: Finding) -> str:
    """The target and its trials."""
    return f"{finding.target.label}, {len(finding.target.trials)} {finding.target.among} trials"


def mattering(finding: Finding) -> list[int]:
    """The parameters without which the forest surely loses something, the first the most."""
    order = sorted(range(len(finding.forest)), key=lambda row: -finding.forest[row].value)
    return [row for row in order if finding.forest[row].above_zero]


def together(finding: Finding) -> list[tuple[int, int]]:
    """The pairs that act together more than chance makes the strongest of all seem to."""
    interactions = finding.interactions
    if interactions is None:
        return []
    pairs = combinations(range(len(interactions.shares)), 2)
    return [(j, k) for j, k in pairs if interactions.shares[j, k] > interactions.chance]


def _by_group(result: Importance) -> list[list[Finding]]:
    """The findings among the same trials together."""
    groups = dict.fromkeys(finding.target.among for finding in result.findings)
    return [[f for f in result.findings if f.target.among == among] for among in groups]


def _silent_alike(findings: Sequence[Finding]) -> bool:
    """Whether there is one reason why none of several targets can even be tested."""
    reasons = {finding.silent for finding in findings}
    return len(findings) > 1 and len(reasons) == 1 and findings[0].r2 is None


def _rows(result: Importance, findings: Sequence[Finding]) -> list[tuple[str, str, str, str]]:
    """Cells of the table: target, trials, R2, and what matters or why that is not known."""
    trials = [f"{len(finding.target.trials)} {finding.target.among}" for finding in findings]
    if _silent_alike(findings):
        return [(f"all {len(findings)} targets", trials[0], "", findings[0].silent)]
    return [
        (
            finding.target.label,
            which,
            "" if finding.r2 is None else _bracket(finding.r2),
            finding.silent or _matters(result, finding),
        )
        for finding, which in zip(findings, trials, strict=True)
    ]


def _sentence(result: Importance, finding: Finding) -> str:
    short = list(short_names(list(result.space)).values())
    parts = [f"{short[row]} ({_course(result, finding, row)})" for row in mattering(finding)]
    parts += [f"{short[j]} together with {short[k]}" for j, k in together(finding)]
    return f"{finding.target.label} goes with {' and '.join(parts)}"


def _course(result: Importance, finding: Finding, row: int) -> str:
    """Course of the target over the parameter, averaged over the others."""
    assert finding.curves is not None
    axis = list(result.space.values())[row]
    places, curve = finding.curves.positions[row], finding.curves.middle[row]
    if axis.labels:
        order = np.argsort(curve)
        ends = (f"{digits(curve[k])} at {axis.labels[k]}" for k in order[[0, -1]])
        return f"from {' to '.join(ends)}"
    first, last = (f"{digits(curve[end])} at {digits(value(axis, places[end]))}" for end in (0, -1))
    low, high = np.quantile(curve, [0, 1]) + np.array([1, -1]) * NEAR * np.ptp(curve)
    if curve[0] <= low and curve[-1] >= high:
        return f"rising from {first} to {last}"
    if curve[0] >= high and curve[-1] <= low:
        return f"falling from {first} to {last}"
    best = int(np.argmax(curve) if finding.target.better == "higher" else np.argmin(curve))
    place = f"{digits(curve[best])} near {digits(value(axis, places[best]))}"
    return f"{first}, {last}, best {place}"


def value(axis: Axis, position: float) -> float:
    """The value at a place of its scale: what `Axis.position` turns round."""
    if axis.values:
        return axis.values[round(position * (len(axis.values) - 1))]
    if axis.log:
        return float(axis.low * (axis.high / axis.low) ** position)
    return float(axis.low + (axis.high - axis.low) * position)


def _matters(result: Importance, finding: Finding) -> str:
    short = list(short_names(list(result.space)).values())
    singles = [f"{short[row]} {_bracket(finding.forest[row])}" for row in mattering(finding)]
    pairs = [f"{short[j]} with {short[k]}" for j, k in together(finding)]
    return ", ".join([*singles, *pairs]) or "no single parameter"


def _bracket(estimate: Estimate) -> str:
    value = round(estimate.value, 2)
    return bracket(value, estimate.low, estimate.high, ".2f")


def _numbers(estimate: Estimate) -> Sequence[str]:
    return [f"{number:.6g}" for number in (estimate.value, estimate.low, estimate.high)]
