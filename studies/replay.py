"""Replay: one trial trained again from its record, and compared number by number."""

from __future__ import annotations

import contextlib
import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import optuna
import torch
from rich.text import Text

from studies.question import Question
from studies.questions import question_of
from vlatent import checkpoints
from vlatent.config import Config, RunConfig, from_yaml_of, override
from vlatent.console import console, empty_table, progress_display
from vlatent.corpus import changed_parts
from vlatent.evaluation import Evaluation, Verdict
from vlatent.own_sources import warn_of_changed_sources
from vlatent.shapes import UserError
from vlatent.tracking import MemoryTracker
from vlatent.workload import ENCODER, Workload


def replay(study: optuna.Study, number: int, out: Path | None = None) -> int:
    """Train a trial again as it was trained; 0 when every number is the same to the last bit.

    Args:
        study: Its study.
        number: Its number.
        out: Where its figures go; None: none are drawn.

    Raises:
        UserError: There is no such trial, or it has no evaluation to compare with.
    """
    trials = study.get_trials(deepcopy=False)
    if not 0 <= number < len(trials):
        raise UserError(f"study {study.study_name} has no trial {number}; it has {len(trials)}.")
    attributes = trials[number].user_attrs
    if not {"config", "evaluation"} <= attributes.keys():
        raise UserError(f"trial {number} never came to its end: there is nothing to compare with.")
    torch.set_num_threads(attributes["threads"])  # sums of other parts round differently
    question = _question(study)
    workload = ENCODER if question is None else question.workload
    run = workload.train if question is None else question.run
    config: RunConfig = from_yaml_of(attributes["config"], workload.config_type)
    _warn_of_changes(config, workload, attributes.get("sources", {}))
    recorded = Evaluation(**attributes["evaluation"])
    again: dict[int, Evaluation] = {}
    scores: dict[int, float] = {}

    class Reached(Exception):
        """The evaluation at which the trial was pruned."""

    def report(step: int, evaluation: Evaluation, verdict: Verdict) -> None:
        again[step], scores[step] = evaluation, workload.reported(evaluation, verdict)
        if step == recorded.step:
            raise Reached

    console.print(
        f"Trial {number} of {study.study_name}: {recorded.step} of {config.training.steps} steps "
        f"on {attributes['threads']} threads."
    )
    with tempfile.TemporaryDirectory() as folder, progress_display() as progress:
        place, tracker = Path(folder) / f"trial-{number:04d}", MemoryTracker()
        placed = workload.placed(config, place, None)
        placed = override(placed, {"tracking.figures": out is not None})
        with contextlib.suppress(Reached):
            run(placed, tracker, report, progress)
    if out is not None:
        drawn = [file for file in tracker.files if file.startswith("figures/")]
        for file in drawn:
            checkpoints.write(out / Path(file).name, tracker.files[file])
        console.print(f"Figures: {out}" if drawn else "It draws no figures.")
    was, now = _numbers(recorded), _numbers(again[recorded.step])
    stretch = attributes.get("stretch", 1.0)
    values = trials[number].intermediate_values
    if recorded.size is None and isinstance(
        config, Config
    ):  # of before likeness to photographs was a part of the score
        console.print("Its scores are not compared: they were computed in another way then.")
        values = {}
    for step, value in values.items():
        real = round(step / stretch)
        was[f"score at step {real}"], now[f"score at step {real}"] = value, scores[real]
    differing = {name: (was[name], now.get(name)) for name in was if was[name] != now.get(name)}
    if not differing:
        console.print(
            Text.assemble(("The same", "green"), f": all {len(was)} numbers agree to the last bit.")
        )
        return 0
    made = empty_table(
        f"{len(differing)} of {len(was)} numbers differ", "", "then", "now", left=("",)
    )
    for name, (before, after) in differing.items():
        made.add_row(name, f"{before!r}", f"{after!r}")
    console.print(made)
    return 1


def _question(study: optuna.Study) -> Question | None:
    """A question of the user's own, found by the path with which it was run; None for ours."""
    script = study.user_attrs.get("script")
    return None if script is None else question_of(script)


def _warn_of_changes(config: RunConfig, workload: Workload, sources: Mapping[str, str]) -> None:
    """Warn where a file of the user's own is not the one that the trial was trained with."""
    warn_of_changed_sources(config, sources)
    for name in changed_parts(sources, workload.own_file()):
        warnings.warn(f"{name} changed since; what is computed now may differ.", stacklevel=2)


def _numbers(evaluation: Evaluation) -> dict[str, float]:
    values = dict(asdict(evaluation)["metrics"])
    for name, channels in evaluation.channels.items():
        values |= {f"{name}, channel {index}": value for index, value in enumerate(channels)}
    return values
