"""Checkpoints as what can be compared."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import fmean

from analysis.compare.result import Curve, Subject
from vlatent import checkpoints
from vlatent.config import Config, from_yaml
from vlatent.evaluation import Evaluation, judge, score
from vlatent.fingerprints import fingerprint


def of_checkpoint(reference: str, path: Path) -> Subject:
    state = checkpoints.load(path)
    config = from_yaml(state["config"])
    history = [Evaluation(**evaluation) for evaluation in json.loads(state["history"])]
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


def checkpoint_of(config: Config) -> Path | None:
    """The checkpoint in the run's own folder or, of a trial, beside it, if of this very config."""
    folder = config.training.folder
    if folder is None:
        return None
    for place in (folder / checkpoints.NAME, folder.with_name(f"{folder.name}.pt")):
        if place.is_file():
            kept = from_yaml(checkpoints.load(place)["config"])
            return place if fingerprint(kept) == fingerprint(config) else None
    return None
