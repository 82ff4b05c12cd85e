"""Runs side by side: what differs, the numbers of the runs themselves, SciPy's intervals."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from fields import power_law
from inside import inside
from PIL import Image
from scipy import stats
from smoke import CONFIGS, sentences

from analysis.compare.__main__ import main
from analysis.compare.compute import compare, config_differences, of_sentences, over_seeds
from analysis.compare.references import subject_of
from analysis.compare.result import Subject
from vlatent.commands import train_command
from vlatent.figures.mean_spectrum import from_text
from vlatent.priors import Priors
from vlatent.shapes import UserError
from vlatent.spectra import power_spectrum, whittle_slope
from vlatent.tracking import TrackingConfig, recorded_runs


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs that differ in a weight and a seed."""
    place = tmp_path_factory.mktemp("compared")
    short = ("--config", str(CONFIGS / "smoke.yaml"), "--training.steps", "12")
    short += ("--evaluation.count", "4", "--data.train", str(sentences(place)))
    short += ("--tracking.figures", "false")
    for name, changes in (
        ("plain", ("--training.seed", "1")),
        ("sharp", ("--priors.total_variation.weight", "0.003", "--training.seed", "2")),
    ):
        done = inside(place, train_command, *short, "--training.folder", name, *changes)
        assert done.returncode == 0, done.stderr
    return place


@pytest.fixture(scope="module")
def subjects(folder: Path) -> list[Subject]:
    tracking = TrackingConfig(uri=f"sqlite:///{folder / 'mlflow.db'}")
    return [subject_of(str(folder / name), tracking, "") for name in ("plain", "sharp")]


def test_only_settings_that_differ_are_shown(subjects: list[Subject]) -> None:
    assert config_differences(subjects) == {
        "priors.total_variation.weight": (subjects[0].config.priors.total_variation.weight, 0.003),
        "training.seed": (1, 2),
    }


def test_statistics_are_those_that_the_runs_recorded(folder: Path, subjects: list[Subject]) -> None:
    found = compare(subjects, 8).statistics
    tracking = TrackingConfig(uri=f"sqlite:///{folder / 'mlflow.db'}")
    runs = {run.name.split()[1]: run.metrics for run in recorded_runs(tracking, {"kind": "train"})}
    assert len(runs) == 2
    for subject, name in zip(subjects, ("plain", "sharp"), strict=True):
        assert found[subject.label]["score"] == pytest.approx(runs[name]["score"])
        assert found[subject.label]["channels in band"] == runs[name]["channels_in_band"]


def test_every_sentence_is_measured_by_itself() -> None:
    latent = torch.from_numpy(power_law(2.0, 6, 24, 40, seed=0).reshape(3, 2, 24, 40)).movedim(
        1, -1
    )
    found = of_sentences(latent, Priors())
    for sentence in range(3):
        slopes = whittle_slope(power_spectrum(latent[sentence : sentence + 1]))
        assert found["alpha"][sentence] == pytest.approx(slopes.mean().item())
        pixels = latent[sentence].reshape(-1, 2).numpy()
        assert found["variance"][sentence] == pytest.approx(pixels.var(0).mean())
        correlation = np.corrcoef(pixels[:, 0], pixels[:, 1])[0, 1]
        assert found["correlation"][sentence] == pytest.approx(abs(correlation), abs=1e-6)


def scored(subject: Subject, label: str, values: dict[int, float]) -> Subject:
    """As if its config had been trained on these seeds, with these scores."""
    seeds = {seed: {"score": value} for seed, value in values.items()}
    return replace(subject, label=label, seeds=seeds)


def test_seeds_are_paired_and_intervals_are_scipys(subjects: list[Subject]) -> None:
    first = dict(enumerate((1.0, 2.5, 2.0, 4.0, 3.5, 1.5, 2.2, 3.0)))
    other = {seed: value + 0.3 + 0.1 * (seed % 3) for seed, value in first.items()} | {99: -50.0}
    over = over_seeds([scored(subjects[0], "a", first), scored(subjects[1], "b", other)])
    shift = np.array([other[seed] - first[seed] for seed in first])
    expected = stats.ttest_1samp(shift, 0).confidence_interval(0.95)
    effect = over.effects["b"]["score"]
    assert effect.n == 8  # seed 99 has no partner
    assert (effect.low, effect.high) == pytest.approx(tuple(expected))
    mean = over.estimates["a"]["score"]
    interval = stats.ttest_1samp(list(first.values()), 0).confidence_interval(0.95)
    assert (mean.low, mean.high) == pytest.approx(tuple(interval))


@pytest.mark.parametrize(
    ("seeds", "why"),
    [({1: 2.0}, "b is a single run"), ({7: 1.0, 8: 2.0}, "a and b share no seed")],
)
def test_what_cannot_be_paired_is_said(
    subjects: list[Subject], seeds: dict[int, float], why: str
) -> None:
    over = over_seeds([scored(subjects[0], "a", {1: 2.0, 2: 3.0}), scored(subjects[1], "b", seeds)])
    assert why in over.unpaired["b"]
    assert not over.effects


def test_the_command_writes_tables_and_pictures(folder: Path) -> None:
    done = inside(folder, main, "plain", "sharp/checkpoint.pt", "--out", "out")
    assert done.returncode == 0, done.stderr
    screen = " ".join(done.stdout.split())
    for expected in ("priors.total_variation.weight", "FAIL", "What the numbers do not say"):
        assert expected in screen
    made = {file.name for file in (folder / "out").iterdir()}
    assert {"compare.md", "compare.csv", "spectra.png"} <= made
    for name in made:
        if name.endswith(".png"):
            with Image.open(folder / "out" / name) as image:
                assert np.asarray(image.convert("L")).std() > 5  # something is drawn
    rows = list(csv.DictReader(io.StringIO((folder / "out" / "compare.csv").read_text("utf-8"))))
    assert rows
    named = set(re.findall(r"!\[[^]]*\]\(([^)]+)\)", (folder / "out" / "compare.md").read_text()))
    assert named
    assert named <= made


def test_the_same_twice_differs_in_nothing(folder: Path) -> None:
    done = inside(folder, main, "plain", "plain", "--out", "same")
    assert done.returncode == 0, done.stderr
    assert "No key of their configs differs" in done.stdout


@pytest.mark.parametrize(
    ("runs", "says"),
    [
        (["plain"], "two runs or more are compared, but got plain alone"),
        (["plain", "plane"], "plane"),
        (["plain", "plain/config.yaml"], "config.yaml"),
    ],
)
def test_bad_references_are_one_clear_line(folder: Path, runs: list[str], says: str) -> None:
    done = inside(folder, main, *runs, "--out", "never")
    assert done.returncode == 2
    assert says in done.stderr
    assert len(done.stderr.splitlines()) <= 3
    assert not (folder / "never").exists()


def test_a_run_is_found_in_the_record_by_its_name(folder: Path) -> None:
    tracking = TrackingConfig(uri=f"sqlite:///{folder / 'mlflow.db'}")
    subject = subject_of("train plain", tracking, "")
    assert subject.config.training.seed == 1
    kept = (folder / "plain" / "spectrum.json").read_text("utf-8")
    assert subject.spectrum == from_text(kept)  # it is drawn without the weights
    with pytest.raises(UserError, match="train plan"):
        subject_of("train plan", tracking, "")
