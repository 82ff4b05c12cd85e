"""Commands that are printed to be run next: one line each, with every name and place quoted."""

from __future__ import annotations

import shlex
from pathlib import Path

import numpy as np
import pytest
from smoke import smoke

from studies import report
from studies.job import Job
from studies.made_up import made_up
from studies.questions import question_of
from studies.settings import StudyConfig
from vlatent.console import console


def commands(shown: str) -> list[list[str]]:
    """What a shell makes of every line that ends in a command."""
    lines = (line.partition(": vlatent ") for line in shown.splitlines())
    return [["vlatent", *shlex.split(arguments)] for _, found, arguments in lines if found]


def test_a_study_ends_with_commands_that_a_shell_understands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "study_figures", lambda *_: {})
    folder, storage = tmp_path / "a b; c", f"sqlite:///{tmp_path / 'its studies.db'}"
    uri = f"sqlite:///{tmp_path}/it's.db"
    config = smoke(tmp_path, tracking__uri=uri)
    job = Job(
        question_name="loss_weights",
        name="a b",
        config=config,
        settings=StudyConfig(storage=storage),
        space=question_of("loss_weights").narrowed(config, {}),
        corpus={"tokens": "c"},
    )
    folder.mkdir()
    study = made_up(job, ("passes",), np.random.default_rng(0))
    with console.capture() as shown:
        report.conclude(job, study, {}, folder, 0.0)
    best, place = str(folder / "best.yaml"), ["--storage", storage]
    assert commands(shown.get()) == [
        ["vlatent", "train", "--config", best],  # its weights are not here
        ["vlatent", "train", "--config", best, "--training.seed", "99"],
        ["vlatent", "status", "a b", *place],
        ["vlatent", "report", "--study", "a b", *place, "--tracking.uri", uri],
    ]
