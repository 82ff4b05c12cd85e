"""Made-up trials, on which the end of a study is tried before any trial is trained."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Literal

import numpy as np
import optuna
from optuna.samplers import RandomSampler
from optuna.trial import TrialState

from studies.confirmation import racing, to_confirm, to_test, to_verify
from studies.job import Job, describe
from studies.question import distributions
from studies.racing import Cell
from studies.record import CONFIRMATION, TEST, VERIFICATION
from studies.report import conclude
from vlatent.config import to_yaml
from vlatent.console import console

Kind = Literal["passes", "violates", "pruned", "failed", "died"]

# As a study mostly ends, long enough for its importances; and with nothing that passes.
USUAL: tuple[Kind, ...] = (*("passes", "violates") * 5, "pruned", "failed")
POOR: tuple[Kind, ...] = ("died", "violates", "pruned", "failed")


def check_report(job: Job) -> None:
    """Close this study on made-up trials, and keep nothing of it.

    What raises here would have raised after hours of training.
    """
    draw = np.random.default_rng(0)
    for kinds in (USUAL, POOR):
        search = made_up(job, kinds, draw)
        with tempfile.TemporaryDirectory() as folder, console.capture():
            conclude(job, search, made_beside(job, search, draw), Path(folder), 0.0)


def made_up(job: Job, kinds: Sequence[Kind], draw: np.random.Generator) -> optuna.Study:
    """A study of such trials, the first with the starting values, which is kept nowhere."""
    study = _in_memory(job)
    describe(study, job)
    study.set_user_attr("confirm", job.settings.confirm)
    study.set_user_attr("racing", racing(job.settings, job.config.training.seed))
    study.enqueue_trial(dict(job.question.start(job.config, job.space)))
    evaluation, lines = job.question.workload.made_up(job.config, draw)
    for ordinal, kind in enumerate(kinds):
        trial = study.ask() if kind == "died" else study.ask(distributions(job.space))
        trial.set_user_attr("ordinal", ordinal)
        if kind in ("died", "failed"):
            trial.set_user_attr("reason", "made up")
            study.tell(trial, state=TrialState.FAIL)
            continue
        margins = [1.0 if kind == "violates" and line is lines[0] else -1.0 for line in lines]
        judged = [replace(line, margin=margin) for line, margin in zip(lines, margins, strict=True)]
        attributes = {
            **{"seconds": 1.0, "steps": job.config.training.steps, "steps_to_pass": None},
            **{"evaluation": asdict(evaluation), "criteria": list(map(asdict, judged))},
            "config": to_yaml(job.question.apply(job.config, trial.params)),
        }
        for name, value in attributes.items():
            trial.set_user_attr(name, value)
        values = draw.uniform(size=len(study.directions)).tolist()
        if kind == "pruned":
            if len(values) == 1:
                trial.report(values[0], job.config.training.steps // 2)
            study.tell(trial, state=TrialState.PRUNED)
        else:
            study.tell(trial, values)
    return study


def made_beside(
    job: Job, search: optuna.Study, draw: np.random.Generator
) -> dict[str, optuna.Study]:
    """What trains a search's trials again, by kind: confirmation, test, verification."""
    seed, settings = job.config.training.seed, job.settings
    cells = to_confirm(search, _in_memory(job), settings, seed)
    # One of them on a single seed.
    few = [cell for cell in cells if cell[0] != cells[-1][0]] + cells[-1:]
    confirmation = _again(job, search, few, draw)
    leader = to_test(search, confirmation)
    tested = [] if leader is None else [(leader, 1), (leader, 2)]
    verification = _again(job, search, [(n, 1) for n in to_verify(search, confirmation)], draw)
    verification.set_user_attr("verifies", settings.verify)
    return {
        CONFIRMATION: confirmation,
        TEST: _again(job, search, tested, draw),
        f"{VERIFICATION}/0": verification,
    }


def _again(
    job: Job, search: optuna.Study, cells: Sequence[Cell], draw: np.random.Generator
) -> optuna.Study:
    """Trials of a search again, as if they had been trained on these seeds."""
    again = _in_memory(job)
    for number, seed in cells:
        again.enqueue_trial({"trial": number, "seed": seed})
        trial = again.ask()
        trial.suggest_int("trial", 0, 10**6)
        trial.suggest_int("seed", 0, 2**31)
        trial.set_user_attr("criteria", search.trials[number].user_attrs.get("criteria", []))
        again.tell(trial, draw.uniform(size=len(again.directions)).tolist())
    return again


def _in_memory(job: Job) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna.create_study(directions=job.question.directions, sampler=RandomSampler(seed=0))
