"""Which runs of a study get figures: those that someone will open, worked by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from optuna.trial import create_trial
from smoke import smoke
from test_job import job

from studies.job import create_study
from studies.tasks import Search
from studies.trial_figures import draws, trained_without
from studies.worker import carry_out
from vlatent import training
from vlatent.config import flatten, from_yaml, override, to_yaml
from vlatent.evaluation import Criterion, Verdict
from vlatent.fingerprints import fingerprint
from vlatent.runtime.interruption import Stop
from vlatent.step import Diverged
from vlatent.tracking import TrackingConfig, artifact_paths


def verdict(margin: float) -> Verdict:
    return Verdict((Criterion("kurtosis", "above 3", "4", margin),))


def study(*trials: tuple[float, ...], margins: tuple[float, ...] = ()) -> optuna.Study:
    made = optuna.create_study(directions=["maximize", "minimize"][: len(trials[0])])
    for values, margin in zip(trials, margins or (-1.0,) * len(trials), strict=True):
        criteria = [{"name": "kurtosis", "margin": margin}]
        made.add_trial(create_trial(values=values, user_attrs={"criteria": criteria}))
    return made


@pytest.mark.parametrize(
    ("confirm", "value", "margin", "expected"),
    [
        (2, 2.5, -1.0, True),  # second of 3.0, 2.5, 2.0, 1.0
        (2, 1.5, -1.0, False),
        (2, 9.0, 0.1, False),  # violates a criterion: behind those that pass
        (0, 2.5, -1.0, False),  # the weights of one are kept
        (0, 3.5, -1.0, True),
        (9, 9.0, 0.1, True),
    ],
)
def test_a_trial_of_the_search_is_drawn_while_it_is_among_the_best(
    tmp_path: Path, confirm: int, value: float, margin: float, expected: bool
) -> None:
    made = study((1.0,), (3.0,), (2.0,))
    assert draws(made.ask(), job(tmp_path, confirm=confirm), [value], verdict(margin)) == expected


@pytest.mark.parametrize(
    ("values", "margin", "expected"),
    [
        ((1.5, 0.15), -1.0, True),  # between two of the front
        ((1.5, 0.25), -1.0, False),
        ((9.0, 0.0), 0.1, False),  # does not pass, and others do
    ],
)
def test_of_several_objectives_the_front_is_drawn(
    tmp_path: Path, values: tuple[float, float], margin: float, expected: bool
) -> None:
    made = study((1.0, 0.1), (2.0, 0.2), (9.0, 9.0), margins=(-1.0, -1.0, 0.5))
    assert draws(made.ask(), job(tmp_path), values, verdict(margin)) == expected
    nothing = study((1.0, 0.1), (2.0, 0.2), margins=(0.5, 0.5))
    assert draws(nothing.ask(), job(tmp_path), values, verdict(0.5)) == (values[1] != 0.25)


def test_of_what_is_trained_again_the_first_seed_is_drawn(tmp_path: Path) -> None:
    mine = replace(job(tmp_path), kind="confirmation")
    made = optuna.create_study(direction="maximize")
    for seed in (6, 5, 7):
        for number in (4, 2):
            made.enqueue_trial({"trial": number, "seed": seed})
    drawn = set()
    for _ in range(6):
        trial = made.ask()
        cell = trial.suggest_int("trial", 0, 10**6), trial.suggest_int("seed", 0, 2**31)
        if draws(trial, mine, [1.0], verdict(-1.0)):
            drawn.add(cell)
    assert drawn == {(4, 5), (2, 5)}


def test_true_and_false_keep_their_meaning_and_no_identity_depends_on_it(tmp_path: Path) -> None:
    assert TrackingConfig().figures == "finalists"
    configs = {
        value: override(smoke(tmp_path), {"tracking.figures": value})
        for value in (True, False, "finalists")
    }
    for value, config in configs.items():
        assert from_yaml(to_yaml(config)).tracking.figures is value or value == "finalists"
        assert flatten(from_yaml(to_yaml(config)))["tracking.figures"] == value
        assert trained_without(config).tracking.figures is (value is True)
    assert len({fingerprint(config) for config in configs.values()}) == 1
    mine = job(tmp_path)
    identities = [replace(mine, config=config).identity() for config in configs.values()]
    assert identities[0] == identities[1] == identities[2]


def test_a_failed_trial_is_drawn_as_it_was_at_its_last_evaluation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = replace(job(tmp_path, trials=1), config=smoke(tmp_path, training__steps=8))
    step: Callable[..., None] = training._Run._step

    def diverges(run: object, number: int) -> None:
        if number == 5:  # evaluated at 0, 3, 5 and 8
            raise Diverged("loss is not finite at step 5")
        step(run, number)

    monkeypatch.setattr(training._Run, "_step", diverges)
    found = create_study(mine)
    carry_out(
        Search(replace(mine, settings=replace(mine.settings, trials=1))), Stop(), lambda: None, None
    )
    [failed] = [trial for trial in found.trials if trial.state.name == "FAIL"]
    paths = artifact_paths(mine.config.tracking, failed.user_attrs["run_id"])
    assert "figures/overview.png" in paths
    assert failed.user_attrs["reason"] == "loss is not finite at step 5"
    assert not list((tmp_path / "runs").rglob("checkpoint.pt"))
