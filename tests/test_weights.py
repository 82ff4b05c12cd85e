"""The weights that a study keeps: of its best trials, whole or not at all, and no other's."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest
import torch
from inside import inside
from optuna.trial import TrialState, create_trial
from smoke import smoke

from studies.weights import JUDGED, keep_best, kept_weights, write_best
from vlatent import checkpoints
from vlatent.__main__ import main as vlatent
from vlatent.config import from_yaml
from vlatent.shapes import UserError
from vlatent.tracking import MemoryTracker
from vlatent.training import train


def study_of(folder: Path, *rows: tuple[float, float]) -> optuna.Study:
    """A study of complete trials, each with a value, a margin and the checkpoint of its run."""
    study = optuna.create_study(direction="maximize")
    for number, (value, margin) in enumerate(rows):
        attributes = {"criteria": [{"name": "gap", "margin": margin}], "worker": "host:1"}
        study.add_trial(create_trial(value=value, user_attrs=attributes))
        checkpoint(folder, number)
    return study


def checkpoint(folder: Path, number: int) -> Path:
    place = folder / f"trial-{number:04d}" / checkpoints.NAME
    state = dict.fromkeys((*JUDGED, "model", "optimizer", "random"), torch.tensor(float(number)))
    checkpoints.save(place, state)
    return place


def files(folder: Path) -> list[str]:
    return sorted(str(each.relative_to(folder)) for each in folder.rglob("*.pt"))


def test_the_best_keep_what_judges_them_and_the_others_nothing(tmp_path: Path) -> None:
    rows = [(6.9, 0.5), (6.1, -0.1), (6.3, -0.1), (6.2, -0.1)]
    study = study_of(tmp_path, *rows)
    running = study.ask()
    checkpoint(tmp_path, running.number)
    keep_best(study, tmp_path, 2)
    of_running = f"trial-{running.number:04d}/checkpoint.pt"
    assert files(tmp_path) == ["trial-0002.pt", "trial-0003.pt", of_running]
    assert set(checkpoints.load(kept_weights(tmp_path, 2))) == set(JUDGED)
    study.add_trial(study_of(tmp_path / "other", (6.8, -1.0)).trials[0])
    checkpoint(tmp_path, 5)
    keep_best(study, tmp_path, 2)  # a better one came
    assert files(tmp_path / "other") == ["trial-0000/checkpoint.pt"]
    left = [name for name in files(tmp_path) if not name.startswith("other")]
    assert left == ["trial-0002.pt", of_running, "trial-0005.pt"]


def test_without_confirmation_the_best_is_kept_and_without_trials_nothing_happens(
    tmp_path: Path,
) -> None:
    keep_best(optuna.create_study(directions=["maximize", "maximize"]), tmp_path, 3)
    keep_best(study_of(tmp_path, (6.9, 0.5), (6.1, 0.1)), tmp_path, 0)
    assert files(tmp_path) == ["trial-0001.pt"]


def test_a_full_disk_costs_weights_and_no_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> None:
        raise UserError("no space left")

    study = study_of(tmp_path, (6.0, -1.0))
    monkeypatch.setattr(checkpoints, "save", full)
    keep_best(study, tmp_path, 1)
    assert "the weights of trial 0 are not kept: no space left" in caplog.text
    assert study.trials[0].state == TrialState.COMPLETE


def test_weights_of_another_machine_are_said_with_the_command_that_makes_them(
    tmp_path: Path,
) -> None:
    study = study_of(tmp_path, (6.0, -1.0))
    (tmp_path / "nearest.pt").write_bytes(b"of an earlier winner")
    config, place = smoke(tmp_path), tmp_path / "best.yaml"
    said = write_best(study.trials[0], config, tmp_path, place)
    assert "trial 0 was trained on host)" in said
    assert f"vlatent train --config {place}" in said
    assert not (tmp_path / "nearest.pt").exists()
    assert not (tmp_path / "best.pt").exists()


def test_the_winners_weights_are_judged_but_not_continued(tmp_path: Path) -> None:
    config = smoke(tmp_path, evaluation__probed=0, tracking__figures=False)
    result = train(config, MemoryTracker())
    study = optuna.create_study(direction="maximize")
    attributes = {"criteria": [{"name": "gap", "margin": -1.0}]}
    study.add_trial(create_trial(value=6.0, user_attrs=attributes))
    (tmp_path / "trial-0000").mkdir()
    whole = result.folder / checkpoints.NAME
    whole.rename(tmp_path / "trial-0000" / checkpoints.NAME)
    size = (tmp_path / "trial-0000" / checkpoints.NAME).stat().st_size
    keep_best(study, tmp_path, 1)
    config = smoke(tmp_path, evaluation__probed=8, tracking__figures=False)
    said = write_best(study.trials[0], config, tmp_path, tmp_path / "best.yaml")
    best = tmp_path / "best.pt"
    assert f"vlatent evaluate --checkpoint {best}" in said
    assert best.stat().st_size < size / 2
    assert from_yaml(checkpoints.load(best)["config"]) == config
    judged = inside(tmp_path, vlatent, "evaluate", "--checkpoint", str(best), "--out", "judged")
    assert judged.returncode == 0, judged.stderr
    assert "after 12 steps" in judged.stdout
    assert (tmp_path / "judged" / "spectrum.json").exists()
    more = ("--training.resume", str(best), "--data.train", str(config.data.train))
    refused = inside(tmp_path, vlatent, "train", *more)
    assert refused.returncode == 2
    assert "can be judged" in refused.stderr
    assert "Traceback" not in refused.stderr
