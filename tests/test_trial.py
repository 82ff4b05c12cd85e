"""One trial, in its study: what Optuna and the tracker are told of it, whoever is away."""

from __future__ import annotations

from pathlib import Path

import pytest
from mlflow import MlflowClient
from smoke import CONFIGS, sentences
from test_study import client, command, trials

from studies.job import load_study
from studies.study import main
from vlatent.tracking import mlflow_tracker


def test_a_trial_knows_its_run_as_soon_as_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tracker is away while trials begin, and back at the second evaluation of each."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(mlflow_tracker, "SHORTEST_WAIT", 0.0)
    monkeypatch.setattr(mlflow_tracker, "PATIENCE", 0)
    make, known = mlflow_tracker.make_run, dict[str, int]()

    def away_at_first(opened: MlflowClient, address: str, run: dict[str, object]) -> str:
        if run["name"] != "loss_weights":
            attempt = known[str(run["key"])] = known.get(str(run["key"]), 0) + 1
            if attempt < 4:
                raise ConnectionError("gone")
        return make(opened, address, run)

    monkeypatch.setattr(mlflow_tracker, "make_run", away_at_first)
    flags = ("--study.trials", "2", "--tracking.figures", "false")
    assert main("loss_weights", command(tmp_path, *flags)[3:]) == 0
    _, runs = client(tmp_path)
    by_trial = {run.data.tags.get("trial"): run.info.run_id for run in runs}
    told = {str(trial.number): trial.user_attrs["run_id"] for trial in trials(tmp_path)}
    assert told == {number: by_trial[number] for number in ("0", "1")}
    assert len(known) == 2
    assert {run.info.run_name for run in runs} == {"loss_weights", "trial 0", "trial 1"}


def test_how_far_from_passing_a_trial_is_stands_beside_every_score(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    flags = ("--study.trials", "1", "--study.confirm", "0", "--tracking.figures", "false")
    assert main("loss_weights", command(tmp_path, *flags)[3:]) == 0
    [trial] = trials(tmp_path)
    margins = {line["name"]: line["margin"] for line in trial.user_attrs["criteria"]}
    # These two need several evaluations: early on they are exceeded by any run.
    exceeded = [max(m, 0.0) for n, m in margins.items() if n not in ("spectrum", "plateau")]
    violations = trial.user_attrs["violations"]
    assert sorted(map(int, violations)) == sorted(trial.intermediate_values)
    last = str(max(trial.intermediate_values))
    assert violations[last] == pytest.approx(sum(min(value, 3.0) for value in exceeded))
    assert violations[last] > 0  # smoke trains far too short to pass


def test_every_objective_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = ("--config", str(CONFIGS / "smoke.yaml"), "--training.steps", "6")
    arguments += ("--data.train", str(sentences(tmp_path)), "--study.trials", "1")
    arguments += ("--study.confirm", "0", "--tracking.figures", "false")
    for asks in ("pareto", "learning_rates"):
        assert main(asks, arguments) == 0
        study = load_study(asks, "sqlite:///studies.db")
        named = study.user_attrs["objectives"]
        assert study.metric_names == [each["label"] for each in named]
        [line] = [line for line in capsys.readouterr().out.splitlines() if line.startswith("trial")]
        for each, value in zip(named, study.trials[0].values, strict=True):
            digits = ".3f" if len(named) == 1 else ".3g"
            assert f"{each['name']} {value:{digits}}" in line
