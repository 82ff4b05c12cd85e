"""The trials of a study as they are read back: from databases that Optuna wrote, and nothing else.

What counts as a trial is held to what `studies` itself counts.
"""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path
from typing import Any

import optuna
import pytest
import sqlalchemy
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages._rdb import models
from optuna.trial import TrialState, create_trial
from servers import Postgres

from analysis.trials import read_study, study_names
from studies import record
from studies.outcome import study_result
from studies.storage import open_storage
from vlatent.shapes import UserError

SPACE = {
    "priors.wavelet.weight": FloatDistribution(0.001, 1.0, log=True),
    "warmup_share": FloatDistribution(0.0, 0.5),
    "training.batch_size": CategoricalDistribution((16, 2, 4, 8)),
}
PARAMS = {"priors.wavelet.weight": 0.02, "warmup_share": 0.25, "training.batch_size": 4}


def criteria(*margins: float) -> list[dict[str, Any]]:
    names = ("spectrum", "kurtosis")
    return [
        {"name": name, "wanted": "w", "found": "f", "margin": margin}
        for name, margin in zip(names, margins, strict=True)
    ]


def evaluation(step: int) -> dict[str, Any]:
    return {"step": step, "metrics": {"alpha_distance": 0.1}, "channels": {"spectrum": [2.0, 1.9]}}


def write(url: str) -> None:
    """Every way in which a trial can end, one each, and a confirmation of trial 0."""
    study = optuna.create_study(
        study_name="weights", storage=open_storage(url), direction="maximize"
    )
    study.set_user_attr("identity", {"question": "loss_weights"})
    measured = {"criteria": criteria(-1.0, -0.5), "evaluation": evaluation(120), "seconds": 18.5}
    record = {"run_id": "abc", "config": "encoder:\n  hidden: 64\n"}

    def add(state: TrialState, value: float | None = None, **attributes: Any) -> None:
        reported = attributes.pop("reported", {})
        study.add_trial(
            create_trial(
                state=state,
                value=value,
                params=PARAMS,
                distributions=SPACE,
                user_attrs=attributes,
                intermediate_values=reported,
            )
        )

    passing = measured | record | {"steps_to_pass": 180, "stretch": 0.5}
    add(TrialState.COMPLETE, 6.8, ordinal=0, origin="config", **passing)
    add(TrialState.PRUNED, ordinal=1, reported={10: 3.0, 40: 5.5, 20: 4.0}, **measured)
    stopped = "stopped at step 30"  # trial 6 continues it
    add(TrialState.FAIL, ordinal=2, returned=stopped, last_attempt=True)
    add(TrialState.FAIL, ordinal=3, reason="diverged")
    add(TrialState.FAIL, ordinal=4)  # its worker died; somebody continues it
    add(TrialState.FAIL, ordinal=5, last_attempt=True)  # its worker died once too often
    violating = measured | {"criteria": criteria(-1.0, 0.25), "steps_to_pass": None}
    add(TrialState.COMPLETE, 4.0, ordinal=2, attempt=0, continues=2, **violating)
    add(TrialState.WAITING)
    again = optuna.create_study(
        study_name="weights/confirmation", storage=open_storage(url), direction="maximize"
    )
    cell = {"trial": IntDistribution(0, 10**6), "seed": IntDistribution(0, 2**31)}
    for seed, value, margin in ((3, 6.5, -0.1), (1, 6.7, -0.2), (2, 5.0, 0.4)):
        again.add_trial(
            create_trial(
                value=value,
                params={"trial": 0, "seed": seed},
                distributions=cell,
                user_attrs=measured | {"criteria": criteria(-1.0, margin), "ordinal": seed},
            )
        )
    again.add_trial(
        create_trial(
            state=TrialState.FAIL,
            params={"trial": 0, "seed": 4},
            distributions=cell,
            user_attrs={"reason": "diverged", "ordinal": 4},
        )
    )


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("written") / "studies.db"
    write(f"sqlite:///{file}")
    return file


@pytest.fixture
def url(tmp_path: Path, written: Path) -> str:
    """A study in a folder whose name would mean something in an address."""
    folder = tmp_path / "50 % of #1 and more"
    folder.mkdir()
    shutil.copy(written, folder)
    return f"sqlite:///{folder / 'studies.db'}"


def known_study(url: str, name: str = "weights") -> optuna.Study:
    return optuna.load_study(study_name=name, storage=open_storage(url))


def test_trials_are_those_that_the_study_counts(url: str) -> None:
    written = known_study(url)
    study = read_study(url, "weights")
    assert [trial.number for trial in study.trials] == [0, 1, 6, 3, 5]
    assert [t.number for t in study.trials] == [t.number for t in record.counted(written)]
    states = ["complete", "pruned", "complete", "failed", "failed"]
    assert [trial.state for trial in study.trials] == states
    assert [t.feasible for t in study.trials] == [*map(record.feasible, record.counted(written))]
    assert [trial.feasible for trial in study.trials] == [True, False, False, False, False]


def test_what_is_known_of_a_trial(url: str) -> None:
    first, pruned, _, failed, _ = read_study(url, "weights").trials
    assert first.params == PARAMS
    assert first.values == (6.8,)
    assert (first.label, first.origin, first.run_id) == ("weights 0", "config", "abc")
    assert [(line.name, line.margin) for line in first.criteria] == [
        ("spectrum", -1.0),
        ("kurtosis", -0.5),
    ]
    assert first.evaluation is not None
    assert first.evaluation.channels == {"spectrum": [2.0, 1.9]}
    assert first.steps_to_pass == 90  # 180 steps of half the batch
    assert first.config.startswith("encoder:")
    assert first.seconds == 18.5
    assert pruned.values == (5.5,)  # reported last, at step 40
    assert (failed.values, failed.evaluation, failed.criteria) == ((), None, ())
    assert (failed.config, failed.seconds, failed.run_id) == ("", None, None)


def test_space_is_the_one_that_was_searched(url: str) -> None:
    space = read_study(url, "weights").space
    assert list(space) == list(SPACE)
    weight, share, batch = space.values()
    assert (weight.low, weight.high, weight.log, weight.values) == (0.001, 1.0, True, ())
    assert (share.low, share.high, share.log) == (0.0, 0.5, False)
    assert batch.values == (2, 4, 8, 16)
    assert [axis.position(PARAMS[name]) for name, axis in space.items()] == pytest.approx(
        [0.4337, 0.5, 1 / 3], abs=1e-4
    )


def test_confirmation_is_grouped_by_the_trial_it_confirms(url: str) -> None:
    study = read_study(url, "weights")
    (again,) = study.confirmed.values()
    assert list(study.confirmed) == [0]
    assert list(again) == [1, 2, 3]  # that of seed 4 failed
    assert [trial.values for trial in again.values()] == [(6.7,), (5.0,), (6.5,)]
    assert [trial.feasible for trial in again.values()] == [True, False, True]


def test_the_result_is_the_one_that_the_study_itself_has(url: str) -> None:
    confirmation = known_study(url, "weights/confirmation")
    result = read_study(url, "weights").result
    assert result == study_result(known_study(url), {"confirmation": confirmation})
    assert (result.leader, result.basis) == (0, "confirmed")
    (finalist,) = result.finalists
    assert [run.seed for run in finalist.confirmations] == [1, 2, 3, 4]
    assert finalist.passed == 2


def test_question_and_objectives_are_those_the_study_wrote_down(url: str) -> None:
    written = known_study(url)
    result = read_study(url, "weights").result
    assert (result.question, result.text) == ("loss_weights", "loss_weights")
    assert [(o.name, o.maximize) for o in result.objectives] == [("objective", True)]
    written.set_user_attr("question", "Which weights?")
    written.set_user_attr("objectives", [{"name": "score", "label": "the score"}])
    result = read_study(url, "weights").result
    assert result.text == "Which weights?"
    assert [(o.name, o.label) for o in result.objectives] == [("score", "the score")]


def test_several_objectives_have_their_directions(url: str) -> None:
    storage = open_storage(url)
    front = optuna.create_study(
        study_name="front", storage=storage, directions=["maximize", "minimize"]
    )
    front.add_trial(create_trial(values=[5.0, 0.5], params=PARAMS, distributions=SPACE))
    study = read_study(url, "front")
    assert [(o.label, o.maximize) for o in study.result.objectives] == [
        ("objective 1", True),
        ("objective 2", False),
    ]
    assert study.trials[0].values == (5.0, 0.5)
    assert not study.trials[0].feasible  # nothing says that it passes
    assert study.confirmed == {}


def test_names_are_those_of_searches(url: str) -> None:
    optuna.create_study(study_name="rates", storage=open_storage(url))
    assert study_names(url) == ["rates", "weights"]


def test_reading_writes_nothing_and_waits_for_nobody(url: str) -> None:
    file = Path(url.removeprefix("sqlite:///"))
    before = file.read_bytes()
    writer = open_storage(url)
    with writer.engine.begin():  # the lock of a worker that begins a trial
        assert len(read_study(url, "weights").trials) == 5
    assert file.read_bytes() == before
    assert {each.name for each in file.parent.iterdir()} == {"studies.db"}


def test_no_warning_reaches_the_reader(url: str) -> None:
    with warnings.catch_warnings(action="error"):
        read_study(url, "weights")


def test_a_database_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    file = tmp_path / "none.db"
    with pytest.raises(UserError, match=r"there is no file .*none\.db.*--storage"):
        read_study(f"sqlite:///{file}", "weights")
    assert not file.exists()


def test_a_database_of_something_else_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "other.db"
    file.touch()
    with pytest.raises(UserError, match="holds no studies of Optuna"):
        study_names(f"sqlite:///{file}")
    assert file.read_bytes() == b""


def test_a_database_that_is_still_being_made_holds_no_studies(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'new.db'}"
    with open_storage(url).engine.begin() as connection:
        connection.execute(sqlalchemy.text("DELETE FROM alembic_version"))  # what is written last
    with pytest.raises(UserError, match="holds no studies of Optuna"):
        study_names(url)


@pytest.mark.parametrize(
    ("storage", "message"),
    [
        ("mysql://me@host/db", "neither a SQLite file nor a PostgreSQL server"),
        ("postgresql+psycopg://me:secret@127.0.0.1:9/x", r"me:\*\*\*@127.*cannot be read"),
    ],
)
def test_a_server_that_cannot_be_read_says_so(storage: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_study(storage, "weights")


def test_a_study_that_is_not_there_offers_the_nearest(url: str) -> None:
    with pytest.raises(UserError, match=r"no study wieghts in .*; did you mean weights?"):
        read_study(url, "wieghts")
    with pytest.raises(
        UserError, match=r"no study x in .*; there is weights, weights/confirmation"
    ):
        read_study(url, "x")


def test_a_study_without_trials_says_so(url: str) -> None:
    study = optuna.create_study(study_name="new", storage=open_storage(url))
    study.enqueue_trial(PARAMS)
    with pytest.raises(UserError, match=r"study new in .* has no trial that ended"):
        read_study(url, "new")


def test_words_are_places_among_the_choices(url: str) -> None:
    study = optuna.create_study(study_name="words", storage=open_storage(url))
    words = {"activation": CategoricalDistribution(("relu", "gelu"))}
    study.add_trial(create_trial(value=1.0, params={"activation": "gelu"}, distributions=words))
    [trial] = read_study(url, "words").trials
    assert trial.params == {"activation": 1}


def test_a_server_is_read_like_a_file(tmp_path: Path, url: str) -> None:
    with Postgres(tmp_path / "postgres") as server:
        shared = server.url("analysis")
        write(shared)
        assert read_study(shared, "weights") == read_study(url, "weights")
        assert study_names(shared) == ["weights"]
        empty = server.url("empty")
        with pytest.raises(UserError, match="holds no studies of Optuna"):
            study_names(empty)
        begun = server.url("begun")
        engine = sqlalchemy.create_engine(begun)
        models.BaseModel.metadata.create_all(engine)
        with pytest.raises(UserError, match="holds no studies of Optuna"):
            study_names(begun)
        assert not sqlalchemy.inspect(engine).has_table("alembic_version")  # its maker's to make
