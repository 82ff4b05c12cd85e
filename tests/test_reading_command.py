"""`vlatent train --config reading`: decoders of a run and of controls, judged, recorded, said."""

from __future__ import annotations

import contextlib
import json
import math
from pathlib import Path

import pytest
from inside import inside
from smoke import smoke

from vlatent import reading_run
from vlatent.__main__ import main
from vlatent.evaluation.reading_criteria import judge_reading
from vlatent.tracking import MemoryTracker, recorded_runs
from vlatent.tracking.tracker import TrackingConfig
from vlatent.training import train

SMALL = ("hidden", "16"), ("feed_forward", "16"), ("heads", "2"), ("layers", "1")
DESERVING = {
    "normalised": 0.95,
    "fact_f1": 0.9,
    "leading_f1": 0.6,
    "cross_entropy": 0.15,
    "cross_entropy_shuffled": 0.9,
    "cross_entropy_ceiling": 0.13,
}


def test_what_deserves_it_passes_on_every_view() -> None:
    verdict = judge_reading({"random": DESERVING, "compositional": DESERVING})
    assert verdict.passed
    assert verdict.worst == pytest.approx(0.9 / 0.9 - 0.95 / 0.9)
    names = [criterion.name for criterion in verdict.criteria]
    assert names == ["accuracy", "fact F1", "shuffled pixels", "place", "leading components"]


@pytest.mark.parametrize(
    ("change", "violated", "margin"),
    [
        ({"normalised": 0.45}, ["accuracy"], 0.5),
        ({"fact_f1": 0.34}, ["fact F1"], 0.6),
        ({"cross_entropy_shuffled": 0.18}, ["shuffled pixels"], 1 / 3),
        # 30 % more, and yet place closes a tenth of the distance from the ceiling.
        (
            {"cross_entropy": 0.9, "cross_entropy_shuffled": 1.18, "cross_entropy_ceiling": -2.0},
            ["place"],
            1 - 0.28 / 3.18 / 0.3,
        ),
        ({"fact_f1": math.nan}, ["fact F1"], math.inf),
        ({"leading_f1": 0.1}, ["leading components"], 0.8),
    ],
)
def test_the_worst_view_counts(
    change: dict[str, float], violated: list[str], margin: float
) -> None:
    verdict = judge_reading({"random": DESERVING, "compositional": DESERVING | change})
    assert verdict.violated[-1:] == violated
    worst = next(each for each in verdict.criteria if each.name == violated[0])
    assert worst.margin == pytest.approx(margin)
    assert worst.found.startswith("compositional")


def small_run(folder: Path, name: str, **data: object) -> None:
    changes = {"training__steps": 2, "tracking__figures": False, "evaluation__probed": 0}
    with contextlib.chdir(folder):
        train(smoke(folder, training__folder=Path(name), **changes, **data), MemoryTracker())


def decoders_of(folder: Path, name: str, *flags: str) -> tuple[str, dict[str, float]]:
    """What the command prints of a run, and the metrics that it records."""
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    short = ["--run", name, "--reading.steps", "3", "--tracking.uri", uri, "--tracking.every", "1"]
    short += [part for key, value in SMALL for part in (f"--reading.decoder.{key}", value)]
    done = inside(folder, main, "train", "--config", "reading", *short, *flags)
    assert done.returncode == 0, done.stderr
    [run] = recorded_runs(TrackingConfig(uri=uri), {"kind": "read"})
    return done.stdout, run.metrics


@pytest.mark.processes
def test_decoders_are_trained_judged_and_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading_run, "MOST", 50)
    small_run(tmp_path, "run", data__train=None, data__unseen=True)
    printed, metrics = decoders_of(tmp_path, "run", "--sentences", "8")
    for said in (
        "FAIL after 3 steps",
        "another sentence's latent",
        "untrained encoder",
        "the meaning: ceiling",
        "Read right, compositional, noise: color 0%",
        "Attention, entropy in nats: content words ",
        "Attention, Moran's I: content words ",
        'Read a sentence: vlatent read run "A red cube is on a blue sphere."',
    ):
        assert said in printed
    for figure in ("decoder", "confusion"):
        assert (tmp_path / "run" / f"{figure}.png").read_bytes()[:4] == b"\x89PNG"
    assert "Attention, Moran's I" in (tmp_path / "run" / "reading.md").read_text(encoding="utf-8")
    measured = json.loads((tmp_path / "run" / "reading.json").read_text(encoding="utf-8"))
    assert list(measured) == ["latent", "another", "untrained", "permuted"]
    views = ["random", "random, noise", "compositional", "compositional, noise"]
    assert [*measured["latent"]] == [*measured["another"]] == views
    assert measured["latent"]["random"] != measured["untrained"]["random"]
    kept = sorted(path.name for path in (tmp_path / "run").glob("decoder-*.pt"))
    assert kept == ["decoder-latent.pt", "decoder-permuted.pt", "decoder-untrained.pt"]
    assert metrics["latent/random/fact_f1"] == measured["latent"]["random"]["fact_f1"]
    assert metrics["passed"] == 0
    assert metrics["margin/worst"] >= 1
    assert {"loss/latent", "loss/untrained", "loss/permuted"} <= set(metrics)


@pytest.mark.processes
def test_of_a_text_of_ones_own_it_is_said_how_much_is_read(tmp_path: Path) -> None:
    small_run(tmp_path, "own")
    printed, metrics = decoders_of(tmp_path, "own", "--folder", "beside")
    for said in ("nothing: language model", "another sentence's latent", "Left out, as they need"):
        assert said in printed
    assert not list((tmp_path / "own").glob("*decoder*"))
    place = tmp_path / "beside"
    kept = sorted(path.name for path in place.glob("decoder-*.pt"))
    shown = ("latent", "nothing", "permuted", "untrained")
    assert kept == [f"decoder-{each}.pt" for each in shown]
    measured = json.loads((place / "reading.json").read_text(encoding="utf-8"))
    assert [*measured] == ["nothing", "latent", "another", "untrained", "permuted"]
    for views in measured.values():
        assert [*views] == ["clean", "noise"]
        assert {"token_accuracy", "perplexity", "rouge_l", "exact"} <= views["clean"].keys()
        assert views["clean"]["perplexity"] > 1
    assert measured["latent"] != measured["another"]
    assert measured["nothing"]["clean"] == measured["nothing"]["noise"]  # of zeros there is none
    own = measured["latent"]["clean"]["perplexity"]
    assert metrics["latent/clean/perplexity"] == own
    assert "Left out" in (place / "reading.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--run", "nowhere"), "nowhere cannot be read"),
        (("--priors.spectrum.weight", "1"), "priors"),
        (("--reading.stepz", "1"), "reading.steps"),
        (("--reading.decoder.hidden", "0"), "hidden"),
    ],
)
def test_bad_input_is_one_line(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    done = inside(tmp_path, main, "train", "--config", "reading", *arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
