"""What an ablation came to, as data: `result.json`, from which console, report and note say it."""

from __future__ import annotations

import shlex
from collections import Counter
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from vlatent.effects import Effect
from vlatent.formatting import digits
from vlatent.intervals import bracket, counted
from vlatent.records import Record
from vlatent.tables import as_html

FILE = "result.json"
COLUMNS = 3  # statistics for which a notebook is wide enough
HOLDS = "holds: "  # before the name of a criterion: whether it holds, as a statistic
Outcome = Literal["held", "refuted", "open"]
Interval = tuple[float, float, float]  # mean, low, high


@dataclass(frozen=True)
class Prediction:
    """One statistic of one arm, as it is expected to come out.

    Attributes:
        arm: Name of the arm.
        statistic: Name of the statistic.
        says: `falls` or `rises` against the base; `stays` within `bound` of it; `below` or `above`
            the value `bound`, whatever the base has.
        bound: The difference or value that `stays`, `below` and `above` name.
    """

    arm: str
    statistic: str
    says: Literal["falls", "rises", "stays", "below", "above"]
    bound: float = 0.0

    def __str__(self) -> str:
        what = {
            "falls": "falls",
            "rises": "rises",
            "stays": f"stays within {self.bound:g} of the base",
            "below": f"is below {self.bound:g}",
            "above": f"is above {self.bound:g}",
        }
        return f"{self.arm}: {self.statistic} {what[self.says]}"


@dataclass(frozen=True)
class Answered:
    """A prediction and what came of it.

    Attributes:
        prediction: As it was written before the result.
        outcome: `held`, `refuted`, or `open` where the runs do not say.
        effect: The arm against the base, on the statistic.
        own: The arm's own mean with its 95 % interval.
    """

    prediction: Prediction
    outcome: Outcome
    effect: Effect
    own: Interval


@dataclass(frozen=True)
class ArmResult:
    """An arm and what was measured of it.

    Attributes:
        name: Its name in tables.
        group: Arms of a group answer the same kind of question.
        family: Arms whose tests are corrected together.
        changes: Dotted names of the config and their values.
        priors: Names of the priors that it is about.
        n: Number of seeds that were measured.
        passed: On how many of them every criterion holds.
        held: By criterion, on how many seeds it holds, and of how many.
        means: Mean over seeds by statistic; NaN where nothing was measured.
        effects: Its difference from the base by statistic, criteria as `holds: NAME` among them;
            empty for the base itself.
    """

    name: str
    group: str
    family: str
    changes: dict[str, object]
    priors: tuple[str, ...]
    n: int
    passed: int
    held: dict[str, tuple[int, int]]
    means: dict[str, float]
    effects: dict[str, Effect]


@dataclass(frozen=True)
class MissingRun:
    """A run of an arm on a seed that was not measured, and why."""

    arm: str
    seed: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class AblationResult(Record):
    """What an ablation came to.

    Attributes:
        version: Format of this record.
        name: Name of the ablation: that of its folder and of its run.
        script: Name of its script: `vlatent ablate SCRIPT`.
        question: The question in words.
        base: Fingerprint of the base's config.
        steps: Training steps of a run.
        batch_size: Sentences of a training step; 0 where there are none.
        seeds: The seeds on which every arm was to be trained.
        statistics: Names of what was measured.
        criteria: Names of the criteria.
        arms: The arms, the base first.
        answers: The predictions, answered.
        missing: The runs that are missing.
        families: Number of tests by family, of the arms that were not trained this time too; empty
            in a record of version 1.
        looks: The seeds on which each arm was compared with the base, a row a report, the first
            first; empty in a record of version 1. Whoever looks again with more seeds until p is
            small finds too much: of looks at 5 % each, two find something in 8 % of cases without
            an effect, three in 11, five in 14 (Armitage, McPherson and Rowe 1969), never more than
            5 % times their number.
        workload: What was trained: our `encoder`, or a `problem` of the user's own.
    """

    readable: ClassVar[tuple[int, ...]] = (1, 2)

    version: int = 2
    name: str
    script: str
    question: str
    base: str
    steps: int
    batch_size: int
    seeds: tuple[int, ...]
    statistics: tuple[str, ...]
    criteria: tuple[str, ...]
    arms: tuple[ArmResult, ...]
    answers: tuple[Answered, ...]
    missing: tuple[MissingRun, ...]
    families: dict[str, int] = field(default_factory=dict)
    looks: dict[str, tuple[tuple[int, ...], ...]] = field(default_factory=dict)
    workload: Literal["encoder", "problem"] = "encoder"

    @property
    def part(self) -> str:
        """What an arm leaves out."""
        return "prior" if self.workload == "encoder" else "weight"

    @property
    def base_arm(self) -> ArmResult:
        return self.arms[0]

    def outcomes(self) -> dict[Outcome, int]:
        """How many predictions were held, refuted and left open."""
        counts = Counter(answered.outcome for answered in self.answers)
        return {"held": counts["held"], "refuted": counts["refuted"], "open": counts["open"]}

    def _repr_html_(self) -> str:
        """The same as a table, for notebooks."""
        shown = self.statistics[:COLUMNS]
        rows = []
        for arm in self.arms:
            cells = [arm.name, counted(arm.passed, arm.n)]
            for statistic in shown:
                effect = arm.effects.get(statistic)
                if effect is None:
                    cells.append(digits(arm.means[statistic]) if statistic in arm.means else "")
                else:
                    star = " *" if effect.established else ""
                    cells.append(f"{bracket(effect.mean, effect.low, effect.high, '+.3g')}{star}")
            rows.append(cells)
        outcomes = ", ".join(f"{count} {name}" for name, count in self.outcomes().items())
        facts = [
            ("arms", "the base: means over seeds; others: differences from it, paired by seed"),
            ("*", "established: p < 0.05 after Holm's correction"),
            ("predictions", outcomes),
            ("missing runs", str(len(self.missing))),
            ("all of it on one page", f"vlatent report --ablation {shlex.quote(self.name)}"),
        ]
        title = f"Ablation {self.name}: {self.question}"
        return as_html(title, ("arm", "passes", *shown), rows, as_html("", (), facts))


def needed_for(result: AblationResult) -> list[str]:
    """For every criterion, which priors or weights it needs, as far as leaving one out tells."""
    left_out = [arm for arm in result.arms if arm.group == "left out"]
    if not left_out or not result.criteria:
        return []
    lines, free = [], []
    base = result.base_arm
    if base.passed < base.n or not base.n:
        lines.append(
            f"The base itself passes every criterion on {counted(base.passed, base.n, 'seeds')}: "
            f"where it fails, passing cannot tell which {result.part} is needed; what each arm "
            "moves is still among the effects."
        )
    for criterion in result.criteria:
        held, of = base.held[criterion]
        broken = ", ".join(
            f"{arm.name} on {counted(*arm.held[criterion])}"
            for arm in left_out
            if arm.held[criterion][0] < arm.held[criterion][1]
        )
        if held < of or not of:
            lines.append(
                f"{criterion}: holds on {counted(held, of, 'seeds')} of the base itself; "
                f"{broken or 'on all else'}."
            )
        elif broken:
            whole = counted(held, of, "seeds")
            lines.append(f"{criterion}: holds on {whole} of the base, {broken}.")
        else:
            free.append(criterion)
    if free:
        names = ", ".join(", ".join(arm.priors) for arm in left_out)
        lines.append(
            f"No single {result.part} was needed for {', '.join(free)}: held on every seed "
            f"whichever {result.part} was left out ({names}), of the base on "
            f"{counted(base.n, base.n)}."
        )
    return lines


def missing_lines(result: AblationResult) -> list[str]:
    """Why runs are missing, with what that costs."""
    by_reason: dict[str, list[str]] = {}
    for run in result.missing:
        by_reason.setdefault(run.reason, []).append(f"{run.arm} on {run.seed}")
    return [
        f"{why}: {', '.join(runs)}. A missing run is left out together with its partner"
        + (
            "."
            if why == "not trained yet"
            else " and may be informative: what made it fail may also have moved what is measured, "
            "so worst cases stand with the effects; --ablation.again true trains it again."
        )
        for why, runs in by_reason.items()
    ]


def passes(arm: ArmResult) -> str:
    """On how many seeds an arm passes every criterion: `7 of 8 [47 %, 100 %]`."""
    return counted(arm.passed, arm.n)
