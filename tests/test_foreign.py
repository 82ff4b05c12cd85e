"""Studies that Optuna alone made: reported with what they cannot say, and never touched."""

from __future__ import annotations

import re
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import optuna
import pytest
import sqlalchemy
from inside import inside
from optuna.distributions import (
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState, create_trial
from servers import Postgres

from analysis.foreign.from_optuna import read_foreign_study
from analysis.importance import surrogate
from analysis.report.__main__ import main
from vlatent.shapes import UserError

SPACE = {
    "rate": FloatDistribution(1e-4, 1.0, log=True),
    "depth": IntDistribution(1, 6),
    "optimizer": CategoricalDistribution(("adam", "$s^$", None)),
    "seed": IntDistribution(0, 9),
}
MOMENTUM = {"momentum": FloatDistribution(0.0, 1.0)}


@pytest.fixture(autouse=True, scope="module")
def fewer_repetitions() -> Iterator[None]:
    """The same rules, sooner."""
    with pytest.MonkeyPatch.context() as patch:
        for name, count in (("NOISE", 19), ("RESAMPLES", 5), ("TREES", 4), ("ADDITIVE", 19)):
            patch.setattr(surrogate, name, count)
        yield


def write(storage: optuna.storages.BaseStorage | str) -> None:
    """A study of 12 sets on 3 seeds with two ways to end badly, and three that say nothing."""
    draw = np.random.default_rng(1)
    one = optuna.create_study(study_name="one", storage=storage, direction="maximize")
    trials = []
    for k in range(12):
        params = {"rate": 10.0 ** -(k % 4), "depth": k % 6 + 1}
        params |= {"optimizer": ("adam", "$s^$", None)[k // 4]}
        space = SPACE | (MOMENTUM if k // 4 == 1 else {})
        params |= {"momentum": 0.1 * k} if k // 4 == 1 else {}
        for seed in range(3):
            value = -(((k % 4) - 1.0) ** 2) + 0.3 * draw.standard_normal()
            trials.append(
                create_trial(
                    value=value,
                    params=params | {"seed": seed},
                    distributions=space,
                    intermediate_values={step: value - 1 / step for step in (1, 2, 3)},
                )
            )
    unlike = {"params": trials[0].params | {"seed": 9}, "distributions": trials[0].distributions}
    reported = {1: -5.0, 2: -4.0}
    trials.append(create_trial(state=TrialState.PRUNED, intermediate_values=reported, **unlike))
    trials.append(create_trial(state=TrialState.FAIL, **unlike))
    trials.append(create_trial(value=float("inf"), **unlike))
    one.add_trials(trials)
    one.enqueue_trial({"rate": 0.5})
    optuna.create_study(study_name="empty", storage=storage)
    failed = optuna.create_study(study_name="failed", storage=storage)
    failed.add_trials([create_trial(state=TrialState.FAIL) for _ in range(2)])


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("written") / "others.db"
    write(f"sqlite:///{file}")
    return file


@pytest.fixture
def database(tmp_path: Path, written: Path) -> Path:
    folder = tmp_path / "50 % of #1"
    folder.mkdir()
    return Path(shutil.copy(written, folder))


def test_a_study_becomes_one_page_and_is_not_touched(tmp_path: Path, database: Path) -> None:
    before, own = database.read_bytes(), tmp_path / "mine"
    own.mkdir()
    done = inside(own, main, "--study", "one", "--storage", str(database))
    assert (done.returncode, done.stderr) == (0, "")
    assert database.read_bytes() == before
    assert [file.name for file in database.parent.iterdir()] == [database.name]
    assert [file.name for file in own.iterdir()] == ["runs"]  # no record of it is made
    html = (own / "runs/reports/study_one/report.html").read_text("utf-8")
    assert set(re.findall(r'src="([a-z]+:)', html)) == {"data:"}
    assert not re.findall(r'(?:src|href)="(?!data:|#)', html)
    text = (own / "runs/reports/study_one/report.md").read_text("utf-8")
    assert "Maximise value" in text
    assert "12 different sets" in text
    assert "36 complete, 1 pruned, 2 failed (1 of them came to their end without" in text
    assert "1 not ended" in text
    assert "12 sets of parameters stand for 36 complete trials" in text
    assert "## What cannot be said\n\n- 3 repeats were stopped early or failed" in text
    assert "No constraints are recorded" in text
    assert "figures/curves.png" in text
    assert "momentum" in text
    assert f"--storage '{database}'" in text
    with pytest.raises(UserError, match="there is no study two"):
        read_foreign_study(str(database), "two")


def test_two_objectives_with_constraints(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'two.db'}"
    study = optuna.create_study(study_name="two", storage=url, directions=["minimize", "maximize"])
    study.set_metric_names(["loss", "speed"])

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        width = trial.suggest_int("width", 1, 6)
        trial.set_constraint("memory", width - 5.0)
        return 1.0 / width, -float(width)

    study.sampler = optuna.samplers.BruteForceSampler(seed=0)
    study.optimize(objective, n_trials=6)
    made = read_foreign_study(url, "two")
    assert made is not None
    assert [(o.label, o.maximize) for o in made.objectives] == [("loss", False), ("speed", True)]
    done = inside(tmp_path, main, "--study", "two", "--storage", url, "--out", "r.html")
    assert (done.returncode, done.stderr) == (0, "")
    text = (tmp_path / "r.md").read_text("utf-8")
    assert "6 complete, 5 of which keep every constraint" in text
    assert "5 trials are on the front" in text
    front = text.partition("## Front")[2].partition("## ")[0]
    assert len(re.findall(r"^\| \d ", front, re.MULTILINE)) == 5
    assert "constraint memory" in front
    assert "figures/front.png" in front
    assert "No constraints are recorded" not in text


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("on", "there is no study on in .*; did you mean one?"),
        ("x", "there is no study x in .*; there is empty, failed, one"),
        ("empty", "no complete trial with a value .*: 0 pruned, 0 failed, 0 running"),
        ("failed", "no complete trial with a value .*: 0 pruned, 2 failed"),
    ],
)
def test_a_study_that_cannot_be_reported_says_why(
    tmp_path: Path, database: Path, name: str, says: str
) -> None:
    done = inside(tmp_path, main, "--study", name, "--storage", f"{database}")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert re.search(says, done.stderr)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--study", "one", "--storage", "sqlite:///none.db"], "there is no file none.db"),
        (["--study", "one", "--storage", "none.log"], "neither a SQLite file nor a PostgreSQL"),
        (["--study", "one", "--storage", "damaged.log"], "cannot be read"),
        (["--study", "one", "--minimize", "loss"], "are for --experiment"),
        (["--study", "one", "--experiment", "two"], "give either --study NAME"),
    ],
)
def test_what_cannot_be_read_says_so(tmp_path: Path, arguments: list[str], says: str) -> None:
    (tmp_path / "damaged.log").write_text("{\n{}\n{}\n")
    done = inside(tmp_path, main, *arguments)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert says in done.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["damaged.log"]


@pytest.mark.parametrize(
    ("version", "says"),
    [("v2.6.0.a", "made by an older Optuna"), ("v9.0.0.a", "made by a newer Optuna than")],
)
def test_tables_of_another_optuna_have_one_line(database: Path, version: str, says: str) -> None:
    connection = sqlite3.connect(database)
    with connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", [version])
    connection.close()
    before = database.read_bytes()
    with pytest.raises(UserError, match=says):
        read_foreign_study(str(database), "one")
    assert database.read_bytes() == before


def test_a_file_in_write_ahead_mode_gets_no_files_beside_it(database: Path) -> None:
    connection = sqlite3.connect(database)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.close()
    assert read_foreign_study(str(database), "one") is not None
    assert [file.name for file in database.parent.iterdir()] == [database.name]


def test_a_journal_is_read_like_a_file(tmp_path: Path, database: Path) -> None:
    file = tmp_path / "journal.log"
    write(JournalStorage(JournalFileBackend(str(file))))
    before = file.read_bytes()
    journal = read_foreign_study(str(file), "one")
    assert journal is not None
    assert file.read_bytes() == before
    same = read_foreign_study(str(database), "one")
    assert same is not None
    assert journal.trials == same.trials
    assert journal.ranges == same.ranges


def test_a_role_that_may_only_read_is_enough(tmp_path: Path, database: Path) -> None:
    with Postgres(tmp_path / "postgres") as server:
        url = server.url("others")
        write(url)
        engine = sqlalchemy.create_engine(url)
        with engine.begin() as connection:
            for command in (
                "CREATE ROLE reader LOGIN PASSWORD 'reads'",
                "GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader",
            ):
                connection.execute(sqlalchemy.text(command))
        engine.dispose()
        reader = sqlalchemy.make_url(url).set(username="reader", password="reads")
        read = read_foreign_study(reader.render_as_string(hide_password=False), "one")
        own = read_foreign_study(url, "one")
    same = read_foreign_study(str(database), "one")
    assert read is not None
    assert own is not None
    assert same is not None
    assert read.trials == own.trials == same.trials
    assert "reads" not in read.command + read.place
