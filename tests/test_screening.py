"""Free latents under the priors, and what a study makes of them."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import optuna
import pytest
import torch
from inside import inside
from smoke import CONFIGS, smoke

from studies import screen
from studies.job import Job, create_study
from studies.loss_weights import QUESTION
from studies.question import Choice, Range
from studies.screen import candidates, check_screenable, evaluate_weights, first_of_screening
from studies.screening import main
from studies.settings import StudyConfig
from vlatent.config import Config, override
from vlatent.priors.variance import Variance
from vlatent.shapes import UserError
from vlatent.spectra import power_spectrum, whittle_slope

NAMES = ("spectrum", "total_variation", "wavelet", "kurtosis", "decorrelation", "variance")


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return override(smoke(tmp_path), {"encoder.height": 16, "encoder.width": 24})


def only(name: str, weight: float = 1.0) -> dict[str, float]:
    return {f"priors.{each}.weight": weight if each == name else 0.0 for each in NAMES}


def test_each_prior_alone_brings_its_own_statistic_to_its_target(config: Config) -> None:
    spectrum, variance, decorrelation = evaluate_weights(
        config, [only("spectrum"), only("variance"), only("decorrelation")]
    )
    assert all(1.5 < alpha < 2.5 for alpha in spectrum.evaluation.channels["spectrum"])
    assert all(abs(alpha) < 0.5 for alpha in variance.evaluation.channels["spectrum"])
    assert variance.evaluation.channels["variance"] == pytest.approx([1.0] * 6, rel=0.05)
    assert max(decorrelation.evaluation.channels["decorrelation"]) < 0.01
    assert not spectrum.verdict.passed


def test_candidates_know_nothing_of_each_other(config: Config) -> None:
    weights = candidates(QUESTION.space(config), 3, seed=0)
    together = evaluate_weights(config, weights)
    for each, row in zip(together, weights, strict=True):
        [alone] = evaluate_weights(config, [row])
        assert each.weights == row
        assert each.score == pytest.approx(alone.score, abs=1e-3)
        for name, values in alone.evaluation.channels.items():
            assert each.evaluation.channels[name] == pytest.approx(values, rel=1e-2, abs=1e-2)


def test_one_candidate_is_plain_adam_on_its_loss(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against a loop over a single weighted prior, written without any batch of rows."""
    monkeypatch.setattr(screen, "STEPS", 25)
    [found] = evaluate_weights(config, [only("variance", 3.0)], seed=7)
    noise = torch.randn(1, 1, 16, 24, 6, generator=torch.Generator().manual_seed(7))
    latent = (screen.START * noise)[0].clone().requires_grad_()
    adam = torch.optim.Adam([latent], betas=(0.9, 0.95))
    for step in range(25):
        cosine = 0.5 + 0.5 * math.cos(math.pi * step / 25)
        adam.param_groups[0]["lr"] = screen.RATE * cosine * min(1, (step + 1) / 10)
        adam.zero_grad()
        (3 * config.priors.variance.penalty(latent)).backward()
        adam.step()
    expected = Variance().statistic(latent.detach()).tolist()
    assert found.evaluation.channels["variance"] == pytest.approx(expected, rel=1e-4)
    alpha = whittle_slope(power_spectrum(latent.detach()).mean(0)).tolist()
    assert found.evaluation.channels["spectrum"] == pytest.approx(alpha, abs=1e-3)


def test_candidates_fill_the_logarithms_of_their_ranges() -> None:
    space = {"priors.wavelet.weight": Range(0.01, 100.0), "priors.kurtosis.weight": Range(1.0, 2.0)}
    drawn = candidates(space, 400, seed=0)
    for name, values in space.items():
        places = sorted(math.log(row[name] / values.low) for row in drawn)
        width = math.log(values.high / values.low)
        even = [(index + 0.5) / 400 * width for index in range(400)]
        assert max(abs(a - b) for a, b in zip(places, even, strict=True)) < 0.02 * width
    assert drawn == candidates(space, 400, seed=0)
    assert drawn != candidates(space, 400, seed=1)


def test_only_loss_weights_are_screened() -> None:
    check_screenable({"priors.wavelet.weight": Range(0.1, 1)})
    with pytest.raises(UserError, match=r"also searches training.batch_size; omit it"):
        check_screenable(
            {"priors.wavelet.weight": Range(0.1, 1), "training.batch_size": Choice((2, 4))}
        )


@pytest.mark.parametrize(
    ("settings", "first"),
    [
        ({}, 5),  # of 40 trials
        ({"trials": 7}, 0),
        ({"trials": 7, "rehearse": 2}, 2),
        ({"rehearse": 0}, 0),
        ({"sampler": "gp", "trials": 80}, 10),
        ({"sampler": "random"}, 0),  # it learns nothing from what it is given
        ({"warm_start": "another"}, 0),
    ],
)
def test_a_study_of_weights_begins_with_an_eighth_of_screened_ones(
    config: Config, settings: dict[str, object], first: int
) -> None:
    chosen = StudyConfig(**settings)  # type: ignore[arg-type]
    assert first_of_screening(config, QUESTION.space(config), chosen) == first


def test_what_screening_cannot_foretell_does_not_begin_with_it(config: Config) -> None:
    rates = QUESTION.space(config) | {"optimizer.learning_rate": Range(1e-4, 1e-2)}
    assert first_of_screening(config, rates, StudyConfig()) == 0
    seeing = override(config, {"terms.contrast.weight": 1.0})
    assert first_of_screening(seeing, QUESTION.space(seeing), StudyConfig()) == 0


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_what_was_screened_is_tried_right_after_the_baseline(
    config: Config, tmp_path: Path
) -> None:
    storage = f"sqlite:///{tmp_path / 'studies.db'}"
    settings = StudyConfig(storage=storage, folder=tmp_path, rehearse=2)
    space = QUESTION.space(config)
    job = Job(
        question_name="loss_weights",
        name="screened",
        config=config,
        settings=settings,
        space=space,
        corpus={"tokens": "corpus"},
    )
    best = candidates(space, 2, seed=3)
    create_study(job, best)
    study = create_study(job, candidates(space, 2, seed=4))
    waiting = study.get_trials(states=(optuna.trial.TrialState.WAITING,))
    assert [trial.user_attrs["origin"] for trial in waiting] == ["config", *["screening"] * 2]
    assert [trial.user_attrs["ordinal"] for trial in waiting] == [0, 1, 2]
    assert [trial.system_attrs["fixed_params"] for trial in waiting][1:] == best


def test_the_command_ranks_and_writes_all(tmp_path: Path) -> None:
    flags = ("--config", str(CONFIGS / "smoke.yaml"), "--candidates", "6")
    done = inside(tmp_path, main, *flags)
    assert done.returncode == 0, done.stderr
    assert "--study.rehearse 10" in done.stdout
    rows = list(csv.DictReader((tmp_path / "runs" / "screening.csv").open()))
    assert len(rows) == 6
    ranks = [(row["passed"] == "0", -float(row["score"])) for row in rows]
    assert ranks == sorted(ranks)
    assert {f"priors.{name}.weight" for name in NAMES if name != "spectrum"} < rows[0].keys()
