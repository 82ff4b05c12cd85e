"""Runs of the tracker as what can be compared: a run, a trial, a study's leader or an arm."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping
from dataclasses import replace

from analysis import earlier
from analysis.compare.checkpoint import checkpoint_of
from analysis.compare.result import Subject
from analysis.runs import children, config_of, evaluations_of, recorded_text
from studies import result
from studies.result import Basis, StudyResult
from vlatent.evaluation import judge
from vlatent.figures.mean_spectrum import NAME as SPECTRUM_FILE
from vlatent.figures.mean_spectrum import MeanSpectrum, from_text
from vlatent.shapes import UserError
from vlatent.tracking import RecordedRun, TrackingConfig, metric_history, recorded_runs

# What is drawn over the run, by the tracker's names; the penalties of all terms come with it. Not
# the loss: it is another thing under other weights.
CURVES = ("statistic/spectrum", "score", "margin/worst")
BASIS: dict[Basis, str] = {
    "confirmed": "leads after confirmation",
    "knee": "the knee of the front",
    "search": "best in the search, not confirmed",
    "nearest": "nearest to passing, as no trial passes",
    "none": "not trained to the end",
}
OPTIMISTIC = (
    "was chosen among many trials for its good run, so its score is optimistic; means over new "
    "seeds less so"
)
SAME = 1e-6  # margins that differ by no more are equal: what is left is rounding of other machines


def of_run(run: RecordedRun, tracking: TrackingConfig) -> Subject:
    """A run of the tracker, or what it stands for: a study for its winner, an arm for its cells.

    Raises:
        UserError: It was never evaluated, is a whole ablation, or a study without a winner.
    """
    kind = run.tags.get("kind")
    if kind == "study":
        return _leader(run, tracking)
    if kind == "ablation":
        arms = ", ".join(f"{arm.name} ({arm.run_id[:8]})" for arm in children(tracking, run)[:8])
        raise UserError(
            f"{run.name} is a whole ablation; compare its arms: {arms or 'it has none'}"
        )
    if kind == "arm":
        return _arm(run, tracking)
    subject = _single(run, tracking)
    if kind == "trial":
        study, number = run.tags["study"], run.tags["trial"]
        seeds = confirmed(run, tracking)
        again = f"; confirmed on {len(seeds)} new seeds" if seeds else ""
        return replace(subject, what=f"trial {number} of study {study}{again}", seeds=seeds)
    return subject


def confirmed(run: RecordedRun, tracking: TrackingConfig) -> dict[int, Mapping[str, float]]:
    """Statistics of a trial on the new seeds of its study's confirmation, by seed."""
    study, number = run.tags["study"], run.tags["trial"]
    again = recorded_runs(tracking, {"kind": "confirmation", "study": study})
    tagged = [other for other in again if other.tags.get("confirms") == number]
    untagged = [other for other in again if "confirms" not in other.tags]
    runs = [*earlier.confirmations_of(run, untagged), *tagged]
    return {int(other.tags["seed"]): other.metrics for other in runs if other.status == "FINISHED"}


def _single(run: RecordedRun, tracking: TrackingConfig) -> Subject:
    """Subject of one run, with its weights if its folder still has them."""
    config = config_of(run, tracking)
    history = evaluations_of(run, tracking)
    last, steps = history[-1], config.training.steps
    verdict = judge(history, steps, config.priors)
    notes = []
    if run.status == "KILLED" and last.step < steps:
        notes.append(f"was stopped at step {last.step} of {steps}, so it is measured earlier")
    elif run.status != "FINISHED":
        notes.append(f"is {run.status}; its last evaluation is that of step {last.step} of {steps}")
    moved = [
        criterion.name
        for criterion in verdict.criteria
        if not math.isclose(
            run.metrics.get(f"margin/{criterion.name}", math.nan),
            criterion.margin,
            rel_tol=SAME,
            abs_tol=SAME,
        )
    ]
    if moved:
        notes.append(f"was recorded with another verdict on {', '.join(moved)}: criteria changed")
    names = [*CURVES, *(name for name in run.metrics if name.startswith("penalty/"))]
    curves = {
        name: tuple(dict(metric_history(tracking, run.run_id, name)).items()) for name in names
    }
    kind, name = run.tags.get("kind", "run"), run.tags.get("ablation") or run.tags.get("study")
    what = f"{kind}{f' of {name}' if name else ''}, seed {config.training.seed}"
    place = checkpoint_of(config)
    return Subject(
        *(run.name, what, config, last, verdict, curves, {}, place, run, tuple(notes)),
        spectrum=_spectrum(run, tracking),
    )


def _spectrum(run: RecordedRun, tracking: TrackingConfig) -> MeanSpectrum | None:
    """The mean spectrum that a run has kept; earlier versions kept none."""
    text = recorded_text(tracking, run, SPECTRUM_FILE)
    return None if text is None else from_text(text)


def _leader(parent: RecordedRun, tracking: TrackingConfig) -> Subject:
    """The trial that leads a study."""
    study = parent.tags["study"]
    number, basis = _named(parent, tracking)
    if number is None:
        raise UserError(
            f"study {study} has no leading trial yet; compare one of its trials, {study}:0 for "
            f"instance, or run it to its end (`vlatent status {shlex.quote(study)}`)."
        )
    trials = recorded_runs(tracking, {"kind": "trial", "study": study, "trial": str(number)})
    if not trials:
        raise UserError(f"the run of trial {number}, which leads study {study}, was deleted")
    subject = of_run(trials[-1], tracking)
    return replace(
        subject, what=f"{subject.what}; {BASIS[basis]}", notes=(*subject.notes, OPTIMISTIC)
    )


def _named(parent: RecordedRun, tracking: TrackingConfig) -> tuple[int | None, Basis]:
    """The trial that a study named at its end, and why."""
    text = recorded_text(tracking, parent, result.FILE)
    if text is None:
        return earlier.leader_of(parent) or (None, "none")
    study = StudyResult.from_json(text, f"{result.FILE} of study {parent.name}")
    return study.leader, study.basis


def _arm(arm: RecordedRun, tracking: TrackingConfig) -> Subject:
    """An arm: its runs on all seeds, of which that on the first is shown."""
    cells = {}
    for cell in children(tracking, arm):
        if cell.status == "FINISHED":
            cells[int(cell.tags["seed"])] = _trained(cell, tracking)
    if not cells:
        raise UserError(f"arm {arm.name} ({arm.run_id[:8]}) has no finished run yet")
    first = min(cells)
    subject = _single(cells[first], tracking)
    what = (
        f"arm {arm.name} of ablation {arm.tags['ablation']} on {len(cells)} seeds; where one run "
        f"is shown, that on seed {first}"
    )
    seeds = {seed: cells[seed].metrics for seed in sorted(cells)}
    return replace(subject, label=arm.name, what=what, seeds=seeds)


def _trained(cell: RecordedRun, tracking: TrackingConfig) -> RecordedRun:
    """The run in which a cell was trained, which may stand below another ablation's arm."""
    if "trained_by" not in cell.tags:
        return cell
    same = recorded_runs(tracking, {"kind": "cell", "cell": cell.tags["cell"]})
    return next(
        (e for e in reversed(same) if "trained_by" not in e.tags and e.status == "FINISHED"), cell
    )
