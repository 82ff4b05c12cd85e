"""What a study came to, as data: `result.json`; `studies.text` puts it into words.

`studies.outcome.study_result` makes it from Optuna's studies, also from those of earlier versions.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from studies.finalist import Confirmation as Confirmation
from studies.finalist import Finalist as Finalist
from studies.search_result import Cost as Cost
from studies.search_result import Counts as Counts
from studies.search_result import Objective as Objective
from studies.search_result import TrialResult as TrialResult
from vlatent.evaluation import Evaluation, Verdict
from vlatent.formatting import digits
from vlatent.intervals import ALPHA, bracket, counted
from vlatent.own_questions import is_path
from vlatent.records import Record
from vlatent.tables import as_html

FILE = "result.json"
Basis = Literal["confirmed", "knee", "search", "nearest", "none"]
BASES: dict[Basis, str] = {
    "confirmed": "the best of the finalists on new seeds",
    "knee": "the best compromise of the front",
    "search": "the best of the search, confirmed on no new seed",
    "nearest": "the nearest: no trial passes every criterion",
}


@dataclass(frozen=True)
class Optimism:
    """How much better the search measured its best trial than new seeds do: the winner's curse.

    Attributes:
        trial: The finalist whose first objective was best in the search.
        found: Its first objective in the search.
        confirmed: Its mean over new seeds.
        mean: The difference, found minus confirmed.
        low: Lower end of the 95 % interval of the difference.
        high: Upper end.
    """

    trial: int
    found: float
    confirmed: float
    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Comparison:
    """The leader beside another finalist, by differences paired by seed.

    Attributes:
        trial: The other one.
        mean: By how much the leader's first objective is the better one; NaN without a pair.
        low: Lower end of the 95 % t interval of the difference.
        high: Upper end.
        adjusted: Two-sided p of the paired t test, after Holm's correction over all pairs of
            finalists: which of them leads was chosen by the same numbers. 1 without a spread. Of a
            race, which ends when it likes, p is 1 / `studies.racing.evidence`, times all pairs.
        pairs: Number of seeds on which both ended well.
    """

    trial: int
    mean: float
    low: float
    high: float
    adjusted: float
    pairs: int

    @property
    def ahead(self) -> bool:
        """Whether the leader is better, and that is established."""
        return self.adjusted < ALPHA and self.mean > 0

    @property
    def behind(self) -> bool:
        """Whether the other one is better in this, though it passes on fewer seeds."""
        return self.adjusted < ALPHA and self.mean < 0


@dataclass(frozen=True)
class Selection:
    """How much being the best of several flatters the leader's mean over the confirmation seeds.

    Attributes:
        among: Number of finalists.
        seeds: Number of seeds on which the leader ended well.
        standard_errors: The expected largest of so many standard normal numbers: the bias, in
            standard errors of the mean, if the finalists are alike; less if they differ.
        bias: The same in units of the objective; None where there is no spread to go by.
    """

    among: int
    seeds: int
    standard_errors: float
    bias: float | None


@dataclass(frozen=True)
class Verification:
    """Values of the study on another config.

    Attributes:
        name: The config, as the command line named it.
        key: Ends the name of the study that holds its trials.
        trials: The trials whose values were trained, in the order in which they were begun.
    """

    name: str
    key: str
    trials: tuple[Finalist, ...]


@dataclass(frozen=True, kw_only=True)
class StudyResult(Record):
    """What a study came to.

    Attributes:
        version: Format of this record.
        name: Name of the study.
        question: Name of the question, or its path: the script is `vlatent study QUESTION`.
        text: The question in words.
        objectives: What it optimises.
        budget: Trials that it was to do; None where that was not written down.
        counts: How its trials ended.
        steps_trained: Steps that the search trained, of the config's own batch size.
        steps_saved: Steps that pruning saved.
        ranking: Complete trials, the best first.
        front: Numbers of the trials on the front; only of several objectives.
        finalists: Confirmed trials, the best first.
        leader: The trial that everything names; None if no trial was trained to the end.
        basis: Why it leads: `confirmed` best, the `knee` of the front, best of the `search`,
            `nearest` to feasible as nothing is; `none` without a leader.
        undistinguished: Confirmed trials from which no paired difference tells the leader.
        optimism: Optimism of the search; None if nothing was confirmed.
        evaluation: The last evaluation of the leader.
        comparisons: The leader beside every other finalist; of one objective only.
        selection: What being the best of the finalists does to the leader's mean; None of one.
        tested: The trials that were judged on the test set, in that order: each is a look at it.
        verifications: What came of the values on other configs.
        workload: What was trained: our `encoder`, a `decoder` of one, or a `problem` of the user's
            own.
        confirmation: Whether finalists had equal seeds, or raced for them.
        cost: What each part has cost: `search`, `confirmation`, `test`, `verification on NAME`;
            none of a result of earlier versions.
    """

    version: int = 1
    name: str
    question: str
    text: str
    objectives: tuple[Objective, ...]
    budget: int | None
    counts: Counts
    steps_trained: int
    steps_saved: int
    ranking: tuple[TrialResult, ...]
    front: tuple[int, ...]
    finalists: tuple[Finalist, ...]
    leader: int | None
    basis: Basis
    undistinguished: tuple[int, ...]
    optimism: Optimism | None
    evaluation: Evaluation | None
    comparisons: tuple[Comparison, ...] = ()
    selection: Selection | None = None
    tested: tuple[Finalist, ...] = ()
    verifications: tuple[Verification, ...] = ()
    workload: Literal["encoder", "decoder", "problem"] = "encoder"
    confirmation: Literal["equal", "racing"] = "equal"
    cost: Mapping[str, Cost] = field(default_factory=dict)

    @property
    def test(self) -> Finalist | None:
        """The leader on the test set."""
        return next((each for each in self.tested if each.number == self.leader), None)

    def interval(self, trained: Finalist, objective: int = 0) -> tuple[float, float, float]:
        """Mean and 95 % interval of a trial on new seeds.

        The test has few of them, so its spread over seeds is pooled with that of the finalists.
        """
        return trained.interval(objective, self.finalists if trained in self.tested else ())

    @property
    def leading(self) -> TrialResult | None:
        return next((trial for trial in self.ranking if trial.number == self.leader), None)

    @property
    def form(self) -> str:
        """The format of an objective's values: three places of a score, three digits of others."""
        return ".3f" if len(self.objectives) == 1 and self.workload == "encoder" else ".3g"

    def _repr_html_(self) -> str:
        """The same as a table, for notebooks."""
        counts, name = self.counts, shlex.quote(self.name)
        ended = f"{counts.complete} complete ({counts.feasible} pass), {counts.stopped}"
        rows = [("trials", f"{ended}, {counts.failed} failed")]
        rows += [(f"cost of {part}", cost.words) for part, cost in self.cost.items()]
        if self.leading is not None:
            rows += self._rows_of(self.leading)
        if self.leading is not None and self.basis != "nearest":
            own = shlex.quote(self.question) if is_path(self.question) else None
            part, what = ("prior", "suite") if self.workload == "encoder" else ("weight", own)
            command = f"vlatent ablate {what} --ablation.from_study {name}"
            rows += [(f"what each {part} buys", command)] if what else []
        rows += [("all of it on one page", f"vlatent report --study {name}")]
        return as_html(f"Study {self.name}: {self.text}", (), rows)

    def _rows_of(self, leader: TrialResult) -> list[tuple[str, str]]:
        """The leader: why it leads, how good it is on which seeds, and its values."""
        violated = ", ".join(Verdict(leader.criteria).violated)
        verdict = f"violates {violated}" if violated else "passes every criterion"
        labels = [objective.label for objective in self.objectives]
        values = (f"{value:{self.form}}" for value in leader.values)
        found = ", ".join(f"{label} {value}" for label, value in zip(labels, values, strict=True))
        rows = [
            ("leader", f"trial {leader.number}, {BASES[self.basis]}"),
            ("in the search", f"{verdict}; {found}"),
        ]
        confirmed = next((each for each in self.finalists if each.number == leader.number), None)
        for place, trained in (("on confirmation seeds", confirmed), ("on test seeds", self.test)):
            if trained is not None and trained.runs:
                said = [
                    f"{label} {bracket(*self.interval(trained, index), self.form)}"
                    for index, label in enumerate(labels)
                ]
                passes = f"passes on {counted(trained.passed, len(trained.runs), 'seeds')}"
                rows.insert(1, (place, "; ".join([passes, *said])))
        for name, value in leader.params.items():
            rows += [(name, digits(value) if isinstance(value, float) else str(value))]
        return rows
