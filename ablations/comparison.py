"""From finished cells to effects: every statistic of every arm against the base, paired by seed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from ablations.arms import BASE, FACTORS, Arm, families
from ablations.cells import Cell
from ablations.figures import Dose, ForestRow
from ablations.measurement import BY_LABEL, STATISTICS, Measured
from ablations.result import HOLDS
from vlatent.config import Config
from vlatent.effects import Effect, family, paired
from vlatent.encoder import EncoderConfig
from vlatent.intervals import interval
from vlatent.preparation import size_of_latents
from vlatent.statistics import ANY, SHARE, Limits, Statistic, of_own_priors


@dataclass(frozen=True, eq=False)  # known by itself, so that what follows from it can be kept
class Table:
    """All that was measured, arm by arm and seed by seed.

    Attributes:
        arms: The base first.
        seeds: Seeds on which every arm was to be trained.
        cells: What was measured, by arm and seed; a cell that failed is not there.
        missing: Why it is not, by arm and seed.
        untested: Arms of the same families that were not to be trained.
        channels: Number of channels, of the latent that has most; 0 of a problem without latents.
        own: Statistics of the user's own priors, by label.
    """

    arms: tuple[Arm, ...]
    seeds: tuple[int, ...]
    cells: Mapping[tuple[str, int], Measured]
    missing: Mapping[tuple[str, int], str]
    untested: tuple[Arm, ...] = ()
    channels: int = EncoderConfig.channels
    own: Mapping[str, Statistic] = field(default_factory=dict)

    @property
    def criteria(self) -> list[str]:
        """The names of the criteria."""
        return list(dict.fromkeys(line.name for c in self.cells.values() for line in c.criteria))

    @property
    def statistics(self) -> list[str]:
        """The names of what was measured of some cell."""
        every = (name for cell in self.cells.values() for name in cell.statistics)
        return list(dict.fromkeys(every)) or list(STATISTICS)

    def possible(self, statistic: str) -> Limits:
        """Lowest and highest value of a statistic, or of `holds: NAME`."""
        if statistic.startswith(HOLDS):
            return SHARE
        return self.known(statistic).limits(self.channels, len(self.criteria))

    def known(self, label: str) -> Statistic:
        """The statistic with this label; one without limits if it is none of today."""
        ours = {**BY_LABEL, **self.own} if self.channels else {}
        return ours.get(label) or Statistic(label, label, possible=ANY)

    def possible_difference(self, statistic: str) -> Limits:
        """Lowest and highest difference of a statistic between two runs."""
        low, high = self.possible(statistic)
        return low - high, high - low

    def values(self, statistic: str) -> dict[tuple[str, int], float]:
        """One statistic, or `holds: NAME` of a criterion, of every cell that has it."""
        return _values(self, statistic)

    def of(self, arm: str, statistic: str) -> list[float]:
        """One statistic on every seed of an arm that has it."""
        values = self.values(statistic)
        return [values[arm, seed] for seed in self.seeds if (arm, seed) in values]

    def passed(self, arm: str) -> tuple[int, int]:
        """On how many of its seeds an arm passes every criterion, and how many there are."""
        cells = [self.cells[arm, seed] for seed in self.seeds if (arm, seed) in self.cells]
        return sum(cell.passed for cell in cells), len(cells)


def table_of(
    cells: Sequence[Cell],
    results: Mapping[str, Measured],
    why: Mapping[str, str],
    untested: Sequence[Arm] = (),
) -> Table:
    """The cells in their places.

    Args:
        cells: As they were planned.
        results: What was measured, by the cell's key.
        why: Why a cell failed, by its key.
        untested: Arms of their families that are not among the cells.
    """
    base = cells[0].config
    return Table(
        tuple({cell.arm.name: cell.arm for cell in cells}.values()),
        tuple(dict.fromkeys(cell.seed for cell in cells)),
        {(c.arm.name, c.seed): results[c.key] for c in cells if c.key in results},
        {(c.arm.name, c.seed): why[c.key] for c in cells if c.key in why},
        tuple(untested),
        max(size_of_latents(c.config)[2] if isinstance(c.config, Config) else 0 for c in cells),
        {own.label: own for own in of_own_priors(base.priors)} if isinstance(base, Config) else {},
    )


@lru_cache(maxsize=256)
def _values(table: Table, statistic: str) -> dict[tuple[str, int], float]:
    values = {}
    for place, cell in table.cells.items():
        if statistic.startswith(HOLDS):
            name = statistic.removeprefix(HOLDS)
            value = next((float(c.holds) for c in cell.criteria if c.name == name), math.nan)
        elif statistic == "sentences per second" and table.channels:
            value = cell.sentences_per_second
        else:
            value = cell.statistics.get(statistic, math.nan)
        if math.isfinite(value):
            values[place] = value
    return values


def differences(table: Table, arm: str, statistic: str) -> list[float]:
    """Arm minus base on every seed on which both were measured."""
    values = table.values(statistic)
    return [
        values[arm, seed] - values[BASE.name, seed]
        for seed in table.seeds
        if (arm, seed) in values and (BASE.name, seed) in values
    ]


def missing_differences(table: Table, arm: str, statistic: str) -> list[Limits]:
    """Lowest and highest difference that there can have been on every seed that has none."""
    values, every = table.values(statistic), table.possible(statistic)
    missing = []
    for seed in table.seeds:
        places = (arm, seed), (BASE.name, seed)
        if not all(place in values for place in places):
            (low, high), (least, most) = (
                (values[place],) * 2 if place in values else every for place in places
            )
            missing.append((low - most, high - least))
    return missing


@lru_cache(maxsize=256)  # tables, sentences and figures ask for the same
def effects(table: Table, statistic: str) -> dict[str, Effect]:
    """Every arm against the base, p corrected within each family of the script's arms.

    Also over those that were not to be trained this time: naming an arm makes no family smaller.
    """
    effect_of: dict[str, Effect] = {}
    trained, span = {arm.name for arm in table.arms}, table.possible_difference(statistic)
    for arms in families((*table.arms, *table.untested)).values():
        tests = {arm.name: paired([]) for arm in arms}
        for name in tests.keys() & trained:
            missing = missing_differences(table, name, statistic)
            tests[name] = paired(differences(table, name, statistic), span, missing)
        effect_of |= family(tests)
    return {arm.name: effect_of[arm.name] for arm in table.arms if arm.name in effect_of}


def comparisons(table: Table) -> list[ForestRow]:
    """What the forest plot shows."""
    shown = []
    for statistic in table.statistics:
        base = interval(table.of(BASE.name, statistic))[0]
        shown.append(ForestRow(statistic, base, effects(table, statistic)))
    return shown


def doses(table: Table, statistics: Sequence[str]) -> dict[str, list[Dose]]:
    """Every statistic that was measured against those factors of a prior's weight that were."""
    curves: dict[str, list[Dose]] = {}
    for prior in dict.fromkeys(arm.priors[0] for arm in table.arms if arm.group == "dose"):
        named = {1.0: BASE.name, 0.0: f"without {prior}"} | {
            arm.factor: arm.name
            for arm in table.arms
            if arm.group == "dose" and arm.priors == (prior,)
        }
        at = {f: named[f] for f in FACTORS if named.get(f) in {arm.name for arm in table.arms}}
        drawn = []
        for statistic in statistics:
            values = {factor: table.of(arm, statistic) for factor, arm in at.items()}
            if any(values.values()):
                known = table.known(statistic)
                wanted = known.accepted if known.judged else None  # the verdict is stricter
                drawn.append(Dose(statistic, values, wanted, table.possible(statistic)))
        if drawn:
            curves[prior] = drawn
    return curves
