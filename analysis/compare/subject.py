"""What is compared: a run, a trial, a study's winner, an arm of an ablation, or a checkpoint."""

from __future__ import annotations

import json
import math
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean

from analysis.runs import artifact, children, config_of, evaluations_of, find_run
from vlatent import checkpoints
from vlatent.config import Config, fingerprint, from_yaml
from vlatent.evaluation import Criterion, Evaluation, Verdict, judge, score
from vlatent.figures.mean_spectrum import NAME as SPECTRUM_FILE
from vlatent.figures.mean_spectrum import MeanSpectrum, from_text
from vlatent.shapes import UserError
from vlatent.tracking import RecordedRun, TrackingConfig, metric_history, recorded_runs

Curve = tuple[tuple[int, float], ...]  # step and value, rising

# What is drawn over the run, by the tracker's names; the penalties of all terms come with it. Not
# the loss: it is another thing under other weights.
CURVES = ("statistic/spectrum", "score", "margin/worst")
SAME = 1e-6  # margins that differ by no more are equal: what is left is rounding of other machines


@dataclass(frozen=True)
class Subject:
    """One thing that is compared.

    Attributes:
        label: What tables and pictures call it.
        what: What it is, in words.
        config: Of its run.
        evaluation: The last of its run.
        verdict: At that evaluation.
        curves: What is drawn over the run, by the tracker's names.
        seeds: Statistics of the same config on other seeds, by seed and the tracker's names.
        checkpoint: Where its weights are; None if they are gone.
        run: Its record; None of a checkpoint.
        spectrum: The mean spectrum that its run recorded.
        notes: What a reader has to know about it.
    """

    label: str
    what: str
    config: Config
    evaluation: Evaluation
    verdict: Verdict
    curves: Mapping[str, Curve]
    seeds: Mapping[int, Mapping[str, float]] = field(default_factory=dict)
    checkpoint: Path | None = None
    run: RecordedRun | None = None
    notes: tuple[str, ...] = ()
    spectrum: MeanSpectrum | None = None

    @property
    def score(self) -> float:
        return score(self.evaluation, self.verdict)


def subject_of(reference: str, tracking: TrackingConfig, storage: str) -> Subject:
    """What a reference means.

    Args:
        reference: A checkpoint or the folder of a run; `study:11`, a trial; `study`, its winner;
            id, beginning of an id, or name of a run in the tracker.
        tracking: Where runs are recorded.
        storage: Optuna's database, which is asked for trials that the tracker does not have.

    Raises:
        UserError: It means nothing, more than one thing, or something that cannot be compared.
    """
    path = Path(reference)
    if path.is_file() or (path / checkpoints.NAME).is_file():
        return _of_checkpoint(reference, path)
    if (path / "config.yaml").is_file():
        return _of_folder(reference, path, tracking)
    study, _, number = reference.rpartition(":")
    wanted = int(number) if study and number.isdecimal() else None
    tags = {"kind": "study", "study": reference}
    if wanted is not None:
        tags = {"kind": "trial", "study": study, "trial": number}
    found = recorded_runs(tracking, tags)
    try:
        run = found[-1] if found else find_run(tracking, reference)
    except UserError:
        from analysis.compare.storage import subject_in  # asks Optuna, which takes a second

        name = reference if wanted is None else study
        kept = subject_in(storage, name, wanted)
        if kept is None:
            raise
        return replace(kept, label=reference)
    label = run.name if run.run_id.startswith(reference) else reference
    return replace(of_run(run, tracking), label=label)


def of_run(run: RecordedRun, tracking: TrackingConfig) -> Subject:
    """A run of the tracker, or what it stands for: a study for its winner, an arm for its cells.

    Raises:
        UserError: It was never evaluated, is a whole ablation, or a study without a winner.
    """
    kind = run.tags.get("kind")
    if kind == "study":
        return _winner(run, tracking)
    if kind == "ablation":
        arms = ", ".join(f"{arm.name} ({arm.run_id[:8]})" for arm in children(tracking, run)[:8])
        raise UserError(
            f"{run.name} is a whole ablation; compare its arms: {arms or 'it has none'}"
        )
    if kind == "arm":
        return _arm(run, tracking)
    found = _single(run, tracking)
    if kind == "trial":
        study, number = run.tags["study"], run.tags["trial"]
        seeds = confirmed(run, tracking)
        again = f"; confirmed on {len(seeds)} new seeds" if seeds else ""
        return replace(found, what=f"trial {number} of study {study}{again}", seeds=seeds)
    return found


def confirmed(run: RecordedRun, tracking: TrackingConfig) -> dict[int, Mapping[str, float]]:
    """Statistics of a trial on the new seeds of its study's confirmation, by seed."""
    study, number = run.tags["study"], run.tags["trial"]
    again = recorded_runs(tracking, {"kind": "confirmation", "study": study})
    # Also as earlier versions called it.
    called = re.compile(rf"(?:trial {number},|{re.escape(study)} {number} on) seed (\d+)")
    named = ((called.fullmatch(each.tags.get("label", "")), each) for each in again)
    return {
        int(match[1]): each.metrics
        for match, each in named
        if match is not None and each.status == "FINISHED"
    }


def _single(run: RecordedRun, tracking: TrackingConfig) -> Subject:
    """One run, with its weights if its folder still has them."""
    config = config_of(run)
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
    place = _weights(config)
    return Subject(
        *(run.name, what, config, last, verdict, curves, {}, place, run, tuple(notes)),
        spectrum=_spectrum(run, tracking),
    )


def _spectrum(run: RecordedRun, tracking: TrackingConfig) -> MeanSpectrum | None:
    """The mean spectrum that a run has kept; earlier versions kept none."""
    try:
        return from_text(artifact(tracking, run.run_id, SPECTRUM_FILE).decode())
    except UserError:
        return None


def _winner(parent: RecordedRun, tracking: TrackingConfig) -> Subject:
    """The trial that a study named at its end."""
    study = parent.tags["study"]
    best = parent.metrics.get("best/trial")
    if best is None:
        raise UserError(
            f"study {study} has not named a winner yet; compare one of its trials, {study}:0 for "
            f"instance, or run it to its end (`python -m studies status {shlex.quote(study)}`)."
        )
    tags = {"kind": "trial", "study": study, "trial": str(round(best))}
    found = recorded_runs(tracking, tags)
    if not found:
        raise UserError(f"the run of trial {best:.0f}, the winner of {study}, was deleted")
    subject = of_run(found[-1], tracking)
    note = (
        "was chosen among many trials because its run was good, so that run flatters it; means "
        "over new seeds do so less"
    )
    return replace(subject, what=f"{subject.what}; {_why(parent)}", notes=(*subject.notes, note))


def _why(parent: RecordedRun) -> str:
    """Why a study named its winner."""
    measured = {name for name in parent.metrics if name.startswith("best/")}
    if len(measured - {"best/trial", "best/feasible"}) > 1:
        return "the knee of the front"
    if not parent.metrics.get("best/feasible", 1.0):
        return "nearest to passing, as no trial passes"
    return "confirmed best" if "confirmed/mean" in parent.metrics else "found best, not confirmed"


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


def _of_folder(reference: str, folder: Path, tracking: TrackingConfig) -> Subject:
    """A folder whose checkpoint is gone, by the record of the run with its config."""
    config = from_yaml((folder / "config.yaml").read_text(encoding="utf-8"))
    same = recorded_runs(tracking, {"config": fingerprint(config)})
    if not same:
        raise UserError(
            f"{folder} holds no checkpoint, and no run in the tracker has its config; train it: "
            f"{shlex.join(['vlatent', 'train', '--config', str(folder / 'config.yaml')])} "
            "--training.folder NEW"
        )
    subject = of_run(same[-1], tracking)
    note = f"{folder} holds no checkpoint; shown is the record of its config, {same[-1].name}"
    return replace(subject, label=reference, notes=(*subject.notes, note))


def _of_checkpoint(reference: str, path: Path) -> Subject:
    state = checkpoints.load(path)
    config = from_yaml(state["config"])
    history = [Evaluation(**each) for each in json.loads(state["history"])]
    log: list[dict[str, float]] = json.loads(state["log"])
    steps, priors = config.training.steps, config.priors
    verdicts = [judge(history[: end + 1], steps, priors) for end in range(len(history))]
    judged = list(zip(history, verdicts, strict=True))
    curves: dict[str, Curve] = {
        "statistic/spectrum": tuple((e.step, fmean(e.channels["spectrum"])) for e in history),
        "score": tuple((e.step, score(e, verdict)) for e, verdict in judged),
        "margin/worst": tuple((e.step, verdict.worst) for e, verdict in judged),
    }
    for name in dict.fromkeys(key for row in log for key in row if key.startswith("penalty/")):
        curves[name] = tuple((int(row["step"]), row[name]) for row in log if name in row)
    unfinished = state["step"] < steps
    notes = (f"has done {state['step']} of {steps} steps",) if unfinished else ()
    return Subject(
        reference,
        f"checkpoint, seed {config.training.seed}",
        config,
        history[-1],
        verdicts[-1],
        curves,
        checkpoint=path,
        notes=notes,
    )


def _weights(config: Config) -> Path | None:
    """The checkpoint in the run's own folder or, of a trial, beside it, if of this very config."""
    folder = config.training.folder
    if folder is None:
        return None
    for place in (folder / checkpoints.NAME, folder.with_name(f"{folder.name}.pt")):
        if place.is_file():
            kept = from_yaml(checkpoints.load(place)["config"])
            return place if fingerprint(kept) == fingerprint(config) else None
    return None


def labelled(subjects: Sequence[Subject]) -> list[Subject]:
    """The same with labels of which no two are equal."""
    labels = [subject.label for subject in subjects]
    return [
        replace(subject, label=f"{subject.label} #{index + 1}")
        if labels.count(subject.label) > 1
        else subject
        for index, subject in enumerate(subjects)
    ]


def criteria_of(verdict: Verdict) -> dict[str, Criterion]:
    return {criterion.name: criterion for criterion in verdict.criteria}
