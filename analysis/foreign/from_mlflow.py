"""An experiment that another program recorded in MLflow."""

from __future__ import annotations

import difflib
import math
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence

from analysis.foreign.result import Foreign, ForeignTrial, State, Value, is_number, is_seed
from studies.result import Objective
from vlatent.runtime.addresses import shown, without_password
from vlatent.shapes import UserError
from vlatent.tracking import RecordedRun, TrackingConfig, foreign_curves, foreign_runs, uri_flag

PARENT = "mlflow.parentRunId"
STATES: dict[str, State] = {"FINISHED": "complete", "KILLED": "pruned", "FAILED": "failed"}
OFFERED = 12  # metrics that an error names


def read_foreign_experiment(
    tracking: TrackingConfig, maximize: Sequence[str], minimize: Sequence[str]
) -> Foreign:
    """An experiment whose runs another program recorded.

    A run that others stand below only groups them: what it was given holds for those that were
    not given another value. The last value of a metric is the run's value.

    Args:
        tracking: The store and the experiment.
        maximize: Metrics of which more is better; MLflow does not record which way is better.
        minimize: Metrics of which less is better.

    Raises:
        UserError: There is no such store, experiment or metric, or no run has a value.
    """
    runs = foreign_runs(tracking)
    by_id = {run.run_id: run for run in runs}
    parents = {run.tags[PARENT] for run in runs if run.tags.get(PARENT) in by_id}
    leaves = [run for run in runs if run.run_id not in parents]
    where = f"experiment {tracking.experiment}"
    if not leaves:
        raise UserError(f"{where} in {shown(tracking.uri or 'this folder')} has no run yet.")
    names = _metrics(where, leaves, [*maximize, *minimize])
    ended = [run for run in leaves if run.status in STATES]
    finished = [run.run_id for run in ended if run.status == "FINISHED"]
    curves = foreign_curves(tracking, finished, names[0])
    params = _typed({run.run_id: _params(run, by_id) for run in ended})
    times = Counter(run.name for run in ended)
    trials = tuple(
        _trial(
            number,
            run.name if times[run.name] == 1 else f"{run.name} (number {number})",
            run,
            names,
            params[run.run_id],
            curves.get(run.run_id, {}),
        )
        for number, run in enumerate(ended)
    )
    made = Foreign(
        kind="experiment",
        program="MLflow",
        name=tracking.experiment,
        place=without_password(tracking.uri or "the store of this folder"),
        command=_command(tracking, maximize, minimize),
        objectives=tuple(Objective(name, name, name in maximize) for name in names),
        trials=trials,
        unfinished=len(leaves) - len(ended),
        not_finite=len(finished) - sum(trial.state == "complete" for trial in trials),
        parents=len(parents),
    )
    if not made.complete:
        raise UserError(
            f"{where} has no finished run with a finite value of {' and '.join(names)}: "
            f"{len(finished)} finished, {made.count('pruned')} killed, "
            f"{len(ended) - len(finished) - made.count('pruned')} failed, {made.unfinished} "
            "running."
        )
    return made


def _metrics(where: str, runs: Sequence[RecordedRun], names: Sequence[str]) -> Sequence[str]:
    """The metrics that were named, if some run has each of them."""
    counts = Counter(name for run in runs for name in run.metrics)
    have = ", ".join(f"{name} ({count})" for name, count in counts.most_common(OFFERED))
    have = f"of its {len(runs)} runs, so many have: {have}" if have else "its runs have no metric"
    if not names:
        raise UserError(
            f"MLflow does not record which metric counts and which way is better: give --minimize "
            f"METRIC or --maximize METRIC. In {where}, {have}."
        )
    for name in names:
        if name not in counts:
            near = difflib.get_close_matches(name, counts, n=1)
            meant = f"did you mean {near[0]}? " if near else ""
            raise UserError(f"no run of {where} has a metric {name}; {meant}{have}.")
    if len(set(names)) < len(names):
        raise UserError("a metric is named twice in --minimize and --maximize.")
    return names


def _params(run: RecordedRun, by_id: Mapping[str, RecordedRun]) -> dict[str, str]:
    """What a run was given, by itself or above it; seeds also where they are only tags."""
    above = by_id.get(run.tags.get(PARENT, ""))
    given = {} if above is None else _params(above, by_id)
    seeds = {name: text for name, text in run.tags.items() if is_seed(name)}
    return given | seeds | dict(run.params)


def _typed(params: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, Value]]:
    """Numbers for the texts that MLflow keeps, of every parameter that is a number everywhere."""
    texts: dict[str, set[str]] = {}
    for given in params.values():
        for name, text in given.items():
            texts.setdefault(name, set()).add(text)
    numeric = {name for name, found in texts.items() if all(is_number(_number(t)) for t in found)}
    return {
        run_id: {name: _number(text) if name in numeric else text for name, text in given.items()}
        for run_id, given in params.items()
    }


def _number(text: str) -> Value:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _trial(
    number: int,
    name: str,
    run: RecordedRun,
    names: Sequence[str],
    params: Mapping[str, Value],
    curve: Mapping[int, float],
) -> ForeignTrial:
    state = STATES[run.status]
    values = tuple(run.metrics.get(name, math.nan) for name in names)
    finite = all(map(math.isfinite, values))
    if state == "complete" and not finite:
        state = "failed"
    return ForeignTrial(
        number=number,
        name=name,
        state=state,
        params=params,
        values=values if finite and state != "failed" else (),
        curve={step: value for step, value in curve.items() if math.isfinite(value)},
    )


def _command(tracking: TrackingConfig, maximize: Sequence[str], minimize: Sequence[str]) -> str:
    parts = [f"vlatent report --experiment {shlex.quote(tracking.experiment)}"]
    for flag, names in (("maximize", maximize), ("minimize", minimize)):
        if names:
            parts.append(f"--{flag} {' '.join(map(shlex.quote, names))}")
    return " ".join(parts) + uri_flag(tracking)
