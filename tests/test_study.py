"""A whole study on the smoke config: real SQLite, real MLflow, the real command."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import mlflow
import optuna
import pytest
import yaml
from inside import inside
from mlflow.entities import Run
from optuna.trial import TrialState
from smoke import CONFIGS, sentences

from studies.__main__ import main as studies
from studies.record import counted
from studies.storage import open_storage
from studies.study import main
from vlatent.shapes import UserError

ROOT = Path(__file__).parent.parent
TRIALS = 6


def command(folder: Path, *flags: str) -> list[str]:
    return [
        *(sys.executable, "-m", "studies.loss_weights", "--config", str(CONFIGS / "smoke.yaml")),
        *("--training.steps", "12", "--evaluation.count", "4"),
        *("--data.train", str(sentences(folder)), "--data.max_length", "200"),
        *("--study.trials", str(TRIALS), "--study.confirm", "0"),
        *flags,
    ]


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def run(folder: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(folder, *flags),
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def again(folder: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    """The same in this process."""
    return inside(folder, lambda a: main("loss_weights", a), *command(folder, *flags)[3:])


@pytest.fixture(scope="module")
def studied(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A finished study: its folder and what it printed."""
    folder = tmp_path_factory.mktemp("study")
    done = run(folder)
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def trials(folder: Path) -> list[optuna.trial.FrozenTrial]:
    storage = open_storage(f"sqlite:///{folder / 'studies.db'}")
    return optuna.load_study(study_name="loss_weights", storage=storage).get_trials()


def client(folder: Path) -> tuple[mlflow.MlflowClient, list[Run]]:
    opened = mlflow.MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    experiment = opened.get_experiment_by_name("vlatent")
    return opened, opened.search_runs([experiment.experiment_id], max_results=1000)


def test_the_tracking_database_holds_one_parent_and_every_trial(studied: tuple[Path, str]) -> None:
    folder, _ = studied
    opened, runs = client(folder)
    parents = [run for run in runs if run.data.tags["kind"] == "study"]
    children = [run for run in runs if run.data.tags["kind"] == "trial"]
    assert len(parents) == 1
    assert len(children) == len(runs) - 1 == TRIALS
    assert {run.data.tags["mlflow.parentRunId"] for run in children} == {parents[0].info.run_id}
    expected = {"COMPLETE": "FINISHED", "PRUNED": "KILLED", "FAIL": "FAILED"}
    by_number = {int(run.data.tags["trial"]): run for run in children}
    assert sorted(by_number) == list(range(TRIALS))
    for trial in trials(folder):
        run = by_number[trial.number]
        assert run.info.status == expected[trial.state.name]
        assert trial.user_attrs["run_id"] == run.info.run_id
        for name, value in trial.params.items():
            assert float(run.data.params[name]) == pytest.approx(value)
        assert {"data.train", "encoder.hidden", "training.seed", "optimizer.clip"} <= set(
            run.data.params
        )
        assert {
            "mlflow.source.name",
            "version.torch",
            "version.optuna",
            "seed",
            "placement",
        } <= set(run.data.tags)
        assert run.inputs.dataset_inputs
        scores = opened.get_metric_history(run.info.run_id, "score")
        assert {row.step: pytest.approx(row.value) for row in scores if row.step} == (
            trial.intermediate_values
        )
        losses = opened.get_metric_history(run.info.run_id, "loss")
        assert [row.step for row in losses] == [0, 10][: 1 + (max(trial.intermediate_values) > 10)]
        files = {file.path for file in opened.list_artifacts(run.info.run_id)}
        assert {"config.yaml", "verdict.md", "spectrum.json"} <= files
        # MLflow's pages list metrics in this order, and Compare opens on the first.
        assert list(run.data.metrics)[:3] == ["score", "passed", "margin/worst"]
        at_first = opened.get_metric_history(run.info.run_id, "score")
        assert min(row.step for row in at_first) == 0
        assert run.info.run_name == f"trial {run.data.tags['trial']}"
        note = run.data.tags["mlflow.note.content"]
        assert note.startswith(("**PASS** after", "**FAIL** after"))
    pictures = {f.path for f in opened.list_artifacts(parents[0].info.run_id, "figures")}
    assert pictures == {
        f"figures/{name}.png"
        for name in ("history", "importances", "parallel_coordinates", "slices")
    }
    assert parents[0].info.status == "FINISHED"


def test_figures_are_drawn_of_trials_that_lead_when_they_end(studied: tuple[Path, str]) -> None:
    """Without a confirmation one is kept: the best so far. The others say what draws theirs."""
    folder, _ = studied
    opened, best, drawn = client(folder)[0], (2, 0.0), set[int]()
    for trial in trials(folder):
        run_id = trial.user_attrs["run_id"]
        worst = max(line["margin"] for line in trial.user_attrs["criteria"])
        place = (1, worst) if worst > 0 else (0, -(trial.value or 0.0))
        leads = trial.state == TrialState.COMPLETE and place < best
        figures = {file.path for file in opened.list_artifacts(run_id, "figures")}
        pages = ("overview", "spectrum", "montage", "gradients", "correlation", "training")
        expected = {f"figures/{name}.png" for name in (*pages, "slopes")} if leads else set()
        assert figures == expected, trial.number
        note = opened.get_run(run_id).data.tags["mlflow.note.content"]
        draws = f"`vlatent replay loss_weights {trial.number} --out figures` trains it again"
        assert (draws in note) != leads
        if leads:
            best = place
            drawn.add(trial.number)
    assert 0 < len(drawn) < TRIALS


def test_replay_draws_from_the_record_what_the_run_has_drawn(studied: tuple[Path, str]) -> None:
    folder, _ = studied
    done = inside(folder, studies, *("replay", "loss_weights", "0", "--out", "again"))
    assert "agree to the last bit" in done.stdout, done.stdout + done.stderr
    [first, *_] = trials(folder)
    opened, run_id = client(folder)[0], first.user_attrs["run_id"]
    kept = Path(opened.download_artifacts(run_id, "figures", str(folder)))
    drawn = {file.name: file.read_bytes() for file in (folder / "again").iterdir()}
    assert drawn == {file.name: file.read_bytes() for file in kept.iterdir()}
    assert len(drawn) == 7


def test_trial_0_has_the_starting_weights_and_every_trial_all_constraints(
    studied: tuple[Path, str],
) -> None:
    folder, _ = studied
    found = trials(folder)
    assert found[0].params == {
        "priors.total_variation.weight": 0.1,
        "priors.wavelet.weight": 0.1,
        "priors.kurtosis.weight": 0.05,
        "priors.decorrelation.weight": 0.05,
        "priors.variance.weight": 0.05,
    }
    names = {frozenset(trial.constraints) for trial in found}
    assert len(names) == 1
    assert {"spectrum", "decorrelation", "plateau", "checkerboard"} <= set(names.pop())


def test_the_last_screen_says_what_was_found_and_what_to_do_next(studied: tuple[Path, str]) -> None:
    folder, printed = studied
    assert "Trial 0, the starting values, against trial" in printed
    assert "criterion" in printed
    assert "of its variance; " in " ".join(printed.split())
    assert "vlatent train --config runs/loss_weights/" in printed
    assert "mlflow ui" in printed
    assert "Corpus " in printed
    kept = [each.name for each in (folder / "runs" / "loss_weights").glob("*.pt")]
    [best_weights] = [name for name in kept if not name.startswith("trial-")]
    assert len(kept) == 2  # and of its trial, as there is no confirmation
    assert f"vlatent evaluate --checkpoint runs/loss_weights/{best_weights}" in printed
    assert not list((folder / "runs").rglob("checkpoint.pt"))
    written = next((folder / "runs" / "loss_weights").glob("*.yaml"))
    config = yaml.safe_load(written.read_text())
    best = next(t for t in trials(folder) if f"against trial {t.number}" in printed)
    for name, value in best.params.items():
        _, prior, _ = name.split(".")
        assert config["priors"][prior]["weight"] == pytest.approx(value, rel=1e-3)


def test_running_again_trains_nothing_and_prints_the_same(studied: tuple[Path, str]) -> None:
    folder, printed = studied
    before = [(t.number, t.value, t.datetime_complete) for t in trials(folder)]
    once_more = again(folder)
    assert once_more.returncode == 0, once_more.stderr
    assert [(t.number, t.value, t.datetime_complete) for t in trials(folder)] == before
    verdict = printed[printed.index("Trial 0, the starting") :]
    assert verdict in once_more.stdout


def test_hours_end_a_search_that_goes_on_with_more_of_them(tmp_path: Path) -> None:
    flags = ("--tracking.figures", "false", "--study.trials", "2", "--study.hours")
    done = again(tmp_path, *flags, "1e-6")
    assert done.returncode == 0, done.stderr
    printed = " ".join(done.stdout.split())
    assert "2 trials of 12 steps in at most 1e-6 h" in printed
    assert "The search ended, as its 1e-6 h are spent" in printed
    assert [trial.state.name for trial in trials(tmp_path)] == ["COMPLETE"]
    above = printed.split("goes on with --study.hours above ")[1].split()[0].rstrip(".")
    status = inside(tmp_path, studies, "status", "loss_weights")
    assert f"--study.hours above {above}." in " ".join(status.stdout.split())
    assert "12 steps trained, " in status.stdout
    more = again(tmp_path, *flags, str(2 * float(above)))
    assert more.returncode == 0, more.stderr
    assert [trial.state.name for trial in trials(tmp_path)] == ["COMPLETE"] * 2
    assert "The search ended" not in more.stdout  # its trials ended it
    assert again(tmp_path, *flags, "0").returncode == 2


def test_another_space_or_corpus_under_the_same_name_is_refused(
    studied: tuple[Path, str],
) -> None:
    folder, _ = studied
    other = again(folder, "--optimizer.learning_rate", "1e-3")
    assert other.returncode == 2
    assert "optimizer.learning_rate was 0.004, is 0.001" in other.stderr
    assert "--study.name loss_weights-2" in other.stderr
    assert "Traceback" not in other.stderr
    assert len(trials(folder)) == TRIALS


@pytest.mark.processes
def test_interrupted_three_times_a_study_continues_to_the_same_trials(
    studied: tuple[Path, str], tmp_path: Path
) -> None:
    folder, _ = studied
    for ended, delay, signals in ((1, 0.2, 1), (1, 0.3, 2), (1, 0.2, 1)):
        process = subprocess.Popen(
            command(tmp_path, "--tracking.figures", "false"),
            cwd=tmp_path,
            env=environment(),
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("trial"):
                ended -= 1
            if ended == 0:
                break
        time.sleep(delay)  # somewhere inside a trial
        for _ in range(signals):  # the first lets a trial come to its next evaluation
            process.send_signal(signal.SIGINT)
            time.sleep(0.05)
        printed = process.stdout.read()
        assert process.wait(60) == 130, printed
        assert "the same command goes on from there" in printed
    done = again(tmp_path, "--tracking.figures", "false")
    assert done.returncode == 0, done.stderr

    def books(place: Path) -> list[object]:
        study = optuna.load_study(
            study_name="loss_weights", storage=open_storage(f"sqlite:///{place / 'studies.db'}")
        )
        kept = counted(study)
        return [
            (t.params, t.values, t.state, t.intermediate_values, t.user_attrs["evaluation"])
            for t in kept
        ]

    assert books(tmp_path) == books(folder)
    _, runs = client(tmp_path)
    assert {run.info.status for run in runs} <= {"FINISHED", "KILLED"}
    assert len([run for run in runs if run.data.tags["kind"] == "study"]) == 1
    continued = [each for each in runs if "continues" in each.data.tags]
    assert continued
    by_trial = {each.data.tags.get("trial"): each for each in runs}
    pairs = [(by_trial.get(each.data.tags["continues"]), each) for each in continued]
    begun = [(before, after) for before, after in pairs if before]  # not stopped before its run was
    assert begun
    for before, after in begun:
        assert before.data.tags["continued_by"] == after.info.run_id


def test_a_study_with_something_left_to_do_does_not_end_as_if_it_were_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studies.study.carry_out", lambda *_: None)  # its workers are gone
    done = again(tmp_path)
    assert done.returncode == 2
    assert f"no worker is left after 0 of {TRIALS} trials" in done.stderr
    assert "vlatent status" not in done.stdout  # of the closing screen
    [run] = client(tmp_path)[1]
    assert run.info.status == "FAILED"


def test_failing_trials_are_recorded_with_their_traceback_and_end_the_study(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("a bug in the loss")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("vlatent.step.loss", broken)
    with pytest.raises(UserError, match=r"all 5 trials failed.*a bug in the loss"):
        main("loss_weights", command(tmp_path, "--tracking.figures", "false")[3:])
    opened, runs = client(tmp_path)
    failed = [run for run in runs if run.data.tags["kind"] == "trial"]
    assert [run.info.status for run in failed] == ["FAILED"] * 5
    for run in failed:
        trace = opened.download_artifacts(run.info.run_id, "traceback.txt", str(tmp_path))
        assert "ZeroDivisionError: a bug in the loss" in Path(trace).read_text()
    assert [t.state.name for t in trials(tmp_path)] == ["FAIL"] * 5
    assert {t.user_attrs["reason"] for t in trials(tmp_path)} == {
        "ZeroDivisionError('a bug in the loss')"
    }
