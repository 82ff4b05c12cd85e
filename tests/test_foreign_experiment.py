"""Experiments that MLflow alone recorded: parents, children and texts become a report."""

from __future__ import annotations

import re
import shlex
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import mlflow
import numpy as np
import pytest
from inside import inside
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag

from analysis.foreign.from_mlflow import read_foreign_experiment
from analysis.foreign.repeats import parameter_sets
from analysis.foreign.result import parameters
from analysis.importance import surrogate
from analysis.report.__main__ import main
from vlatent.shapes import UserError
from vlatent.tracking import TrackingConfig

PAGE = Path(__file__).parents[1] / "docs" / "other_studies.md"
RATES, SEEDS = ("0.1", "1e-2", "0.001"), ("0", "1", "2")


@pytest.fixture(autouse=True, scope="module")
def fewer_repetitions() -> Iterator[None]:
    """The same rules, sooner."""
    with pytest.MonkeyPatch.context() as patch:
        for name, count in (("NOISE", 19), ("RESAMPLES", 5), ("TREES", 4), ("ADDITIVE", 19)):
            patch.setattr(surrogate, name, count)
        yield


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep whose parent holds what all children share, beside runs that end badly."""
    file = tmp_path_factory.mktemp("recorded") / "mlflow.db"
    client = MlflowClient(f"sqlite:///{file}", f"sqlite:///{file}")
    sweep = client.create_experiment("sweep")
    draw = np.random.default_rng(0)
    parent = client.create_run(sweep, run_name="grid").info.run_id
    client.log_param(parent, "data", "mnist")
    client.log_metric(parent, "best", 1.0)
    client.set_terminated(parent)
    begun = 1_000

    def add(params: dict[str, str], losses: list[float], status: str) -> None:
        nonlocal begun
        begun += 1
        tags = {"mlflow.parentRunId": parent}
        name = "twin" if status != "FINISHED" else f"child {begun}"
        run = client.create_run(sweep, begun, tags, name).info.run_id
        client.log_batch(
            run,
            [Metric("loss", loss, begun, 10 * step) for step, loss in enumerate(losses)],
            [Param(name, text) for name, text in params.items()],
            [RunTag("note", "x")],
        )
        client.set_terminated(run, status)

    for place, rate in enumerate(RATES):
        for seed in SEEDS:
            last = 0.5 * place + 0.1 * draw.standard_normal()
            named = {"out": f"runs/{rate}_{seed}", "activation": "relu" if place else "gelu"}
            add({"rate": rate, "seed": seed} | named, [last + 2, last + 1, last], "FINISHED")
    add({"rate": "0.1", "seed": "7", "out": "a", "activation": "gelu"}, [9.0], "KILLED")
    add({"rate": "0.1", "seed": "8", "out": "b", "activation": "gelu"}, [], "FAILED")
    add({"rate": "0.1", "seed": "9", "out": "c", "activation": "gelu"}, [], "FINISHED")
    client.create_run(sweep, 5_000, {"mlflow.parentRunId": parent})
    bad = client.create_experiment("bad")
    client.set_terminated(client.create_run(bad).info.run_id, "FAILED")
    failed = client.create_run(bad).info.run_id
    client.log_metric(failed, "loss", float("nan"))
    client.set_terminated(failed)
    client.create_experiment("empty")
    client.delete_experiment(client.create_experiment("deleted"))
    return file


def tracking(database: Path, experiment: str = "sweep") -> TrackingConfig:
    return TrackingConfig(uri=f"sqlite:///{database}", experiment=experiment)


def test_children_are_trials_and_texts_are_numbers(database: Path) -> None:
    study = read_foreign_experiment(tracking(database), [], ["loss"])
    assert (len(study.trials), len(study.complete)) == (12, 9)
    assert (study.count("pruned"), study.count("failed")) == (1, 2)
    assert (study.unfinished, study.not_finite, study.parents) == (1, 1, 1)
    names = [trial.name for trial in study.trials if "child" not in trial.name]
    assert names == ["twin (number 9)", "twin (number 10)"]  # a name of two says which it is
    first = study.trials[0]
    assert first.params == {
        "data": "mnist",
        "rate": 0.1,
        "seed": 0,
        "out": "runs/0.1_0",
        "activation": "gelu",
    }
    assert sorted(first.curve) == [0, 10, 20]
    assert first.values == (first.curve[20],)
    known = parameters(study)
    assert list(known.space) == ["rate", "activation"]
    assert (known.seeds, known.labels, known.fixed) == (("seed",), ("out",), {"data": "mnist"})
    sets = parameter_sets(study, known)
    assert [len(each.cells) for each in sets] == [3, 3, 3]
    assert [each.lost for each in sets] == [3, 0, 0]


def test_an_experiment_becomes_one_page_and_is_not_touched(tmp_path: Path, database: Path) -> None:
    before, beside = database.read_bytes(), sorted(database.parent.iterdir())
    given = ("--experiment", "sweep", "--minimize", "loss", "--tracking.uri")
    done = inside(tmp_path, main, *given, f"sqlite:///{database}")
    assert (done.returncode, done.stderr) == (0, "")
    assert database.read_bytes() == before
    assert sorted(database.parent.iterdir()) == beside
    page = tmp_path / "runs" / "reports" / "experiment_sweep" / "report.html"
    html = page.read_text("utf-8")
    assert "Report of an experiment" in html
    assert not re.findall(r'(?:src|href)="(?!data:|#)', html)
    text = page.with_suffix(".md").read_text("utf-8")
    assert "Minimise loss" in text
    assert "9 complete, 1 killed, 2 failed" in text
    assert "1 more only group others" in text
    assert "3 repeats were stopped early or failed" in text
    assert "over 3 repeats" in text
    assert "figures/curves.png" in text
    assert "| data | mnist |" in text
    assert "child 1001" in text


@pytest.mark.parametrize(
    ("experiment", "metrics", "says"),
    [
        ("swep", ["loss"], "there is no experiment swep in .*; it has Default, bad, empty, sweep"),
        ("deleted", ["loss"], "there is no experiment deleted"),
        ("empty", ["loss"], "experiment empty in .* has no run yet"),
        ("bad", ["loss"], "no finished run with a finite value of loss: 1 finished, 0 killed, 1 f"),
        ("sweep", ["los"], r"has a metric los; did you mean loss\? of its 13 runs"),
        ("sweep", [], r"which way is better: give --minimize METRIC .* have: loss \(10\)"),
        ("sweep", ["loss", "loss"], "named twice"),
    ],
)
def test_what_cannot_be_reported_says_why(
    database: Path, experiment: str, metrics: list[str], says: str
) -> None:
    with pytest.raises(UserError, match=says):
        read_foreign_experiment(tracking(database, experiment), metrics, [])


def test_a_store_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    sqlite3.connect(other).executescript("CREATE TABLE alembic_version (version_num TEXT);")
    for uri, says in (
        (f"sqlite:///{tmp_path / 'none.db'}", "there is no sqlite:///"),
        ("http://127.0.0.1:9", "cannot be used"),
        (f"sqlite:///{other}", "holds no runs of MLflow"),
        (str(tmp_path), "neither a database"),
    ):
        with pytest.raises(UserError, match=says):
            read_foreign_experiment(TrackingConfig(uri=uri, experiment="x"), [], ["loss"])
    assert [file.name for file in tmp_path.iterdir()] == ["other.db"]


@pytest.mark.parametrize(
    ("version", "says"),
    [("bd07f7e963c5", "written by an older MLflow"), ("ffffffffffff", "written by a newer MLflow")],
)
def test_tables_of_another_mlflow_have_one_line(
    tmp_path: Path, database: Path, version: str, says: str
) -> None:
    file = tmp_path / "other version.db"
    file.write_bytes(database.read_bytes())
    connection = sqlite3.connect(file)
    with connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", [version])
    connection.close()
    with pytest.raises(UserError, match=says):
        read_foreign_experiment(tracking(file), [], ["loss"])


def test_the_page_about_other_studies_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its Python makes what its commands report, with Optuna and MLflow alone."""
    monkeypatch.chdir(tmp_path)
    for name, value in (("MLFLOW_TRACKING_URI", ""), ("MLFLOW_EXPERIMENT_ID", "0")):
        monkeypatch.setenv(name, value)  # the page sets both
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    ran = 0
    try:
        for language, code in blocks:
            if language == "python":
                assert "vlatent" not in code
                exec(compile(code, str(PAGE), "exec"), {})
            else:
                program, command, *arguments = shlex.split(code)
                assert (program, command) == ("vlatent", "report")
                done = inside(tmp_path, main, *arguments)
                assert (done.returncode, done.stderr) == (0, "")
                ran += 1
    finally:
        mlflow.set_tracking_uri(None)
    assert ran == len(list(tmp_path.glob("runs/reports/*/report.html"))) == 2
