"""Repeated looks at one question: whoever adds seeds until p is small finds too much."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ablations.result import AblationResult
from vlatent.intervals import ALPHA

Looks = dict[str, tuple[tuple[int, ...], ...]]


def looks(
    script: str, base: str, pairs: Mapping[str, Sequence[int]], earlier: AblationResult | None
) -> Looks:
    """The seeds on which every arm was compared with the base, report by report.

    A report on the same seeds as one before is no other look.

    Args:
        script: Name of the ablation's script.
        base: Fingerprint of the base's config.
        pairs: Seeds on which an arm and the base were measured now, by arm.
        earlier: The report before, which counts if script and base are the same.
    """
    seen: Looks = {}
    if earlier is not None and (earlier.script, earlier.base) == (script, base):
        seen = _so_far(earlier)
    for arm, seeds in pairs.items():
        before = seen.get(arm, ())
        if seeds and tuple(seeds) not in before:
            seen[arm] = (*before, tuple(seeds))
    return seen


def _so_far(result: AblationResult) -> Looks:
    """The looks of a report; of version 1, which kept none, the one that it is itself."""
    if result.version > 1:
        return dict(result.looks)
    missing = {(run.arm, run.seed) for run in result.missing}
    base = result.base_arm.name
    left = {
        arm.name: tuple(
            seed for seed in result.seeds if not {(arm.name, seed), (base, seed)} & missing
        )
        for arm in result.arms[1:]
    }
    return {arm: (seeds,) for arm, seeds in left.items() if seeds}


def look_lines(result: AblationResult) -> list[str]:
    """How often arms were looked at, with how many seeds, where it was more than once."""
    alike: dict[tuple[int, ...], list[str]] = {}
    for arm in result.arms[1:]:
        history = tuple(map(len, result.looks.get(arm.name, ())))
        alike.setdefault(history, []).append(arm.name)
    lines = []
    for history, arms in alike.items():
        if len(history) < 2:
            continue
        named = "all arms" if len(arms) == len(result.arms) - 1 else ", ".join(arms)
        most = min(ALPHA * len(history), 1.0)
        lines.append(
            f"This is look {len(history)} at {named} (with {', '.join(map(str, history[:-1]))} and "
            f"{history[-1]} seeds): p counts one look alone; over all of them, up to {most:.0%} of "
            "families without an effect show one.".replace("%", " %")
        )
    return lines


def count(result: AblationResult) -> int:
    """Looks at the arm that was looked at most often."""
    return max((len(result.looks.get(arm.name, ())) for arm in result.arms), default=0)
