"""What the numbers of an ablation support, in sentences."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping

from ablations.result import AblationResult, ArmResult, passes
from vlatent.effects import NULL, UNBOUNDED, Effect, in_words, largest, worst_case
from vlatent.formatting import bounds
from vlatent.intervals import counted, proportion, unseen
from vlatent.power import detectable, detectable_by_interval


def paragraphs(result: AblationResult) -> list[str]:
    """What the numbers support, an arm a paragraph, the doses left to their figures."""
    said = []
    base = result.base_arm
    for arm in result.arms:
        if arm.group in ("base", "dose", "present"):
            continue
        mine = {statistic: arm.effects[statistic] for statistic in result.statistics}
        passed = counted(arm.passed, arm.n, "seeds")
        lines = [f"**{arm.name}**: {passed} pass (base: {passes(base)})."]
        if arm.n < len(result.seeds):
            lines.append(_missing(arm, len(result.seeds)))
        shown = {s: e for s, e in mine.items() if e.established or e.suggestive or e.n < 2}
        lines += [in_words(arm.name, statistic, effect) for statistic, effect in shown.items()]
        rest = {s: e for s, e in mine.items() if s not in shown}
        lines += _the_rest(rest)
        said.append(" ".join(lines))
    return said


def _missing(arm: ArmResult, seeds: int) -> str:
    """A caution that missing runs may matter, and what they could change at worst."""
    lost = seeds - arm.n
    least, most = proportion(arm.passed, seeds)[0], proportion(arm.passed + lost, seeds)[1]
    between = ", ".join(bounds(least, most, ".0%"))
    return (
        f"{lost} of its {seeds} runs {'is' if lost == 1 else 'are'} missing, which may be "
        "informative: what makes a run fail may also make it bad. Whatever they would have come "
        f"to, the share of seeds that pass is within [{between}]."
    )


def _the_rest(effects: Mapping[str, Effect]) -> list[str]:
    """Statistics on which no effect can be detected: the same in all pairs, or what is excluded."""
    lines = []
    same = [s for s, e in effects.items() if e.constant]
    if same:
        n = min(effects[statistic].n for statistic in same)
        unlike = bounds(0, unseen(n), ".0%")[1]
        lines.append(
            f"Exactly the same in all pairs, so that at most {unlike} of seeds differ (95 % "
            f"confidence): {', '.join(same)}."
        )
    rest = {s: e for s, e in effects.items() if s not in same}
    if rest:
        largest_of = ", ".join(f"{s} ({largest(e)})" for s, e in rest.items())
        lines.append(
            "No detectable effect (effects larger than the number in brackets are ruled out): "
            f"{largest_of}."
        )
    skewed = [s for s, e in rest.items() if e.skewed]
    if skewed:
        lines.append(f"Skewed differences, which p takes as symmetric: {', '.join(skewed)}.")
    worst = {s: worst_case(e) for s, e in effects.items() if e.worst is not None}
    if worst:
        bounded = [f"{s} {within}" for s, within in worst.items() if within != UNBOUNDED]
        others = [s for s, within in worst.items() if within == UNBOUNDED]
        said = bounded + [f"{UNBOUNDED} for {', '.join(others)}"] * bool(others)
        lines.append(f"Wherever the missing pairs lie, differences are: {', '.join(said)}.")
    return lines


def what_p_is(result: AblationResult) -> str:
    """Which test p comes from, what its null hypothesis is, and what it was corrected for."""
    trained = Counter(arm.family for arm in result.arms[1:])
    sizes = [
        f"{name}: {size} {'test' if size == 1 else 'tests'}"
        + f", {size - trained[name]} of arms not trained this time" * (size > trained[name])
        for name, size in families_of(result).items()
    ]
    return (
        f"p is that of the exact sign-flip test, whose null hypothesis is that {NULL} (a mean of 0 "
        "alone is not enough), after Holm's correction over the arms of one family on one "
        f"statistic ({'; '.join(sizes)})."
    )


def families_of(result: AblationResult) -> dict[str, int]:
    """Number of tests by family; of a record that lacks them, that of its own arms."""
    return result.families or dict(Counter(arm.family for arm in result.arms[1:]))


def power_lines(families: Mapping[str, int], seeds: int) -> list[str]:
    """The smallest effects that can be detected, in standard deviations of paired differences.

    Args:
        families: Number of tests by family.
        seeds: Number of pairs.
    """
    smallest = []
    for name, members in families.items():
        least = detectable(seeds, members)
        tests = f"{name}, {members} {'arm' if members == 1 else 'arms'}"
        smallest.append(f"{tests}: {least:.2f} SD" if math.isfinite(least) else f"{tests}: none")
    return [
        f"With {seeds} pairs, effects of at least this size are established with 80 % power, in "
        f"standard deviations (SD) of the paired differences: {'; '.join(smallest)}.",
        "An effect's own 95 % interval excludes 0 with 80 % power from "
        f"{detectable_by_interval(seeds):.2f} SD.",
    ]
