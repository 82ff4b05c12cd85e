"""Which parameters matter: one row a set of parameters, and branches by themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from rich.progress import Progress

from analysis.foreign.repeats import ParameterSet, identity
from analysis.foreign.result import Foreign, ForeignTrial, Parameters
from analysis.importance.compute import FEWEST, importance
from analysis.importance.result import Importance
from analysis.trials import Study, Trial
from studies.result import Counts, StudyResult
from vlatent.evaluation import Criterion
from vlatent.formatting import digits
from vlatent.search_space import Axis

BRANCHES = 2  # of the sets that have parameters which others lack, those with the most
MOST = 16  # parameters: beyond, pairs alone would take minutes, and few studies could tell


@dataclass(frozen=True)
class Branch:
    """Trials that have the same parameters, though not their values.

    Attributes:
        condition: Parameters that not all trials of the study have; none for all of them.
        sets: How many sets of parameters there are.
        among: How many parameters differ between them.
        importance: What matters among them; None where that are no parameters, or too many.
    """

    condition: tuple[str, ...]
    sets: int
    among: int
    importance: Importance | None


def what_matters(
    study: Foreign,
    parameters: Parameters,
    sets: Sequence[ParameterSet],
    progress: Progress | None = None,
) -> list[Branch]:
    """Importance among all trials of the parameters that all have, and within branches of all.

    Repeats are averaged before: a forest that has seen one of them would know the others.
    """
    rows = [*(_average(study, each) for each in sets), *_pruned(study, parameters)]
    having = [frozenset(parameters.space) & frozenset(row.params) for row in rows]
    common = frozenset.intersection(*having)
    branches = [_branch(study, parameters.space, rows, common, (), progress)]
    more = sorted({names for names in having if names > common}, key=having.count, reverse=True)
    for names in more[:BRANCHES]:
        inside = [row for row, theirs in zip(rows, having, strict=True) if names <= theirs]
        if sum(row.state == "complete" for row in inside) >= FEWEST:
            condition = tuple(name for name in parameters.space if name in names - common)
            branches.append(_branch(study, parameters.space, inside, names, condition, progress))
    return branches


def _branch(
    study: Foreign,
    space: dict[str, Axis],
    rows: Sequence[ForeignTrial],
    names: frozenset[str],
    condition: tuple[str, ...],
    progress: Progress | None,
) -> Branch:
    differing = {
        name: axis
        for name, axis in space.items()
        if name in names and len({repr(row.params[name]) for row in rows}) > 1
    }
    count = sum(row.state == "complete" for row in rows)
    if not 0 < len(differing) <= MOST:
        return Branch(condition, count, len(differing), None)
    result = importance(_as_study(study, differing, rows), progress=progress)
    return Branch(condition, count, len(differing), result)


def _average(study: Foreign, each: ParameterSet) -> ForeignTrial:
    """One trial with the means of a set."""
    trials = [trial for cell in each.cells for trial in cell]
    names = dict.fromkeys(name for trial in trials for name in trial.constraints)
    return replace(
        each.first,
        values=tuple(fmean(each.values(place)) for place in range(len(study.objectives))),
        constraints={
            name: fmean(t.constraints[name] for t in trials if name in t.constraints)
            for name in names
        },
    )


def _pruned(study: Foreign, known: Parameters) -> list[ForeignTrial]:
    """The pruned trials, one a set of parameters."""
    pruned = [trial for trial in study.trials if trial.state == "pruned"]
    return list({identity(trial, known): trial for trial in reversed(pruned)}.values())


def _as_study(study: Foreign, space: dict[str, Axis], rows: Sequence[ForeignTrial]) -> Study:
    """The rows as the analysis of our own studies knows trials."""
    complete = sum(row.state == "complete" for row in rows)
    nothing = StudyResult(
        name=study.name,
        question=study.name,
        text=study.name,
        objectives=study.objectives,
        budget=None,
        counts=Counts(complete, len(rows) - complete, 0, 0),
        steps_trained=0,
        steps_saved=0,
        ranking=(),
        front=(),
        finalists=(),
        leader=None,
        basis="none",
        undistinguished=(),
        optimism=None,
        evaluation=None,
    )
    trials = tuple(_row(study, space, row) for row in rows)
    return Study(study.name, space, trials, {}, nothing, corpus="")


def _row(study: Foreign, space: dict[str, Axis], row: ForeignTrial) -> Trial:
    return Trial(
        number=row.number,
        label=row.name,
        origin=None,
        state=row.state,
        params={name: axis.number(row.params[name]) for name, axis in space.items()},
        values=row.values,
        feasible=study.constrained and study.feasible(row),  # else nothing is known to be
        criteria=tuple(
            Criterion(name, "at most 0", digits(value), value)
            for name, value in row.constraints.items()
        ),
        evaluation=None,
        steps_to_pass=None,
        config="",
        seconds=None,
        run_id=None,
    )
