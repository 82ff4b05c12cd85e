"""Arms: what is changed about the base, and under which name it stands in every table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import combinations
from typing import Literal

from vlatent.config import Config
from vlatent.priors import Priors
from vlatent.shapes import UserError

PRIORS = tuple(field.name for field in fields(Priors))
FACTORS = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0)  # of a weight; 0 leaves the prior out, 1 is the base

Group = Literal[
    "base",
    "left out",
    "all left out",
    "alone",
    "dose",
    "two left out",
    "retuned",
    "present",
    "setting",
    "default weights",
]


@dataclass(frozen=True)
class Arm:
    """One way to train.

    Attributes:
        name: Name in tables, figures and the record.
        group: Arms that answer the same kind of question; tests are corrected within one.
        changes: Dotted names of the config and their values.
        priors: Those that the arm is about; of a problem of the user's own, its weights.
        factor: Factor of the prior's weight, in the group `dose`.
    """

    name: str
    group: Group
    changes: Mapping[str, object]
    priors: tuple[str, ...] = ()
    factor: float = 1.0

    @property
    def family(self) -> str:
        """Arms whose tests are corrected together: a group, or the doses of one prior."""
        return f"dose of {self.priors[0]}" if self.group == "dose" else self.group


BASE = Arm("base", "base", {})


def without(*priors: str) -> Arm:
    """The base without a prior, or without two."""
    changes = {weight(name): 0.0 for name in priors}
    group: Group = "left out" if len(priors) == 1 else "two left out"
    return Arm(f"without {' and '.join(priors)}", group, changes, priors)


def without_all(names: Sequence[str] = PRIORS) -> Arm:
    """The base without any prior: a question, and a family, of its own."""
    changes = {weight(name): 0.0 for name in names}
    return Arm("without any prior", "all left out", changes, tuple(names))


def alone(prior: str, names: Sequence[str] = PRIORS) -> Arm:
    """Nothing but one of these priors."""
    changes = {weight(name): 0.0 for name in names if name != prior}
    return Arm(f"only {prior}", "alone", changes, (prior,))


def doses(base: Config, prior: str) -> list[Arm]:
    """The prior's weight times every factor but 0 and 1, which other arms are."""
    return doses_of(prior, weight(prior), weight_of(base, prior))


def doses_of(prior: str, name: str, value: float) -> list[Arm]:
    """The arms that change a weight, by its dotted name, from its value in the base."""
    return [
        Arm(f"{prior} x {factor:g}", "dose", {name: factor * value}, (prior,), factor)
        for factor in FACTORS
        if factor not in (0, 1)
    ]


def pairs(base: Config) -> list[Arm]:
    """The base without two priors, for every two that it has."""
    return [without(*two) for two in combinations(active(base), 2)]


def subsets(names: Sequence[str] = PRIORS) -> Iterator[frozenset[str]]:
    """Every set of these priors, the smallest first."""
    for size in range(len(names) + 1):
        yield from (frozenset(subset) for subset in combinations(names, size))


def with_only(present: frozenset[str], names: Sequence[str] = PRIORS) -> Arm:
    """Nothing but those priors that are present."""
    changes = {weight(name): 0.0 for name in names if name not in present}
    kept = tuple(name for name in names if name in present)
    return Arm(f"with {' + '.join(kept) or 'none'}", "present", changes, kept)


def of_prior(base: Config, prior: str) -> list[Arm]:
    """Every arm that the ablation of one prior has beside the base."""
    if prior not in names(base):
        raise UserError(
            f"there is no prior {prior} in the base; there are {', '.join(names(base))}."
        )
    if weight_of(base, prior) == 0:
        raise UserError(
            f"{weight(prior)} is 0 in the base: there is nothing to leave out. Give it a weight, "
            "or begin from another config."
        )
    return [without(prior), alone(prior, names(base)), *doses(base, prior)]


def names(base: Config) -> list[str]:
    """Every prior of the base, a user's own ones last."""
    return [name for name, _ in base.priors]


def active(base: Config) -> list[str]:
    """Priors that the base trains with: one of weight 0 cannot be left out."""
    return [name for name, prior in base.priors if prior.weight > 0]


def weight(prior: str) -> str:
    """The dotted name of a prior's weight."""
    return f"priors.{prior}.weight"


def weight_of(base: Config, prior: str) -> float:
    return dict(base.priors)[prior].weight


def family_sizes(arms: Sequence[Arm]) -> dict[str, int]:
    """How many tests every family has."""
    return {name: len(members) for name, members in families(arms).items()}


def families(arms: Sequence[Arm]) -> dict[str, list[Arm]]:
    """The arms beside the base by their family, in their order."""
    by_family: dict[str, list[Arm]] = {}
    for arm in arms:
        if arm.group != "base":
            by_family.setdefault(arm.family, []).append(arm)
    return by_family
