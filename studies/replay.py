"""Replay: one trial trained again from its record, and compared number by number."""

from __future__ import annotations

import contextlib
import tempfile
from dataclasses import asdict
from pathlib import Path

import optuna
import torch
from rich.text import Text

from vlatent.config import from_yaml, override
from vlatent.console import console, empty_table, progress_display
from vlatent.evaluation import Evaluation, Verdict, score
from vlatent.shapes import UserError
from vlatent.tracking import MemoryTracker
from vlatent.training import train


def replay(study: optuna.Study, number: int) -> int:
    """Train a trial again as it was trained; 0 when every number is the same to the last bit.

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
    config = from_yaml(attributes["config"])
    recorded = Evaluation(**attributes["evaluation"])
    again: dict[int, Evaluation] = {}
    scores: dict[int, float] = {}

    class Reached(Exception):
        """The evaluation at which the trial was pruned."""

    def report(step: int, evaluation: Evaluation, verdict: Verdict) -> None:
        again[step], scores[step] = evaluation, score(evaluation, verdict)
        if step == recorded.step:
            raise Reached

    console.print(
        f"Trial {number} of {study.study_name}: {recorded.step} of {config.training.steps} steps "
        f"on {attributes['threads']} threads."
    )
    with tempfile.TemporaryDirectory() as folder, progress_display() as progress:
        here = {"training.folder": Path(folder), "evaluation.probed": 0, "training.resume": None}
        with contextlib.suppress(Reached):
            train(override(config, here), MemoryTracker(), report, progress)
    was, now = _numbers(recorded), _numbers(again[recorded.step])
    stretch = attributes.get("stretch", 1.0)
    values = trials[number].intermediate_values
    if recorded.size is None:  # of before likeness to photographs was a part of the score
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


def _numbers(evaluation: Evaluation) -> dict[str, float]:
    values = dict(asdict(evaluation)["metrics"])
    for name, channels in evaluation.channels.items():
        values |= {f"{name}, channel {index}": value for index, value in enumerate(channels)}
    return values
