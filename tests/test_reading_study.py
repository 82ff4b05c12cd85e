"""The study of a decoder: its space, its objectives, and a whole one of a small run."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from inside import inside
from test_reading_back import config_in, few  # noqa: F401

from studies.__main__ import main as studies_main
from studies.question import Choice
from studies.reading import HIDDEN, NOISE, QUESTION, STEPS, apply, space
from studies.study import main
from vlatent import decoder_workload
from vlatent.config import from_yaml_of, override
from vlatent.decoder import DecoderConfig
from vlatent.decoder_run import DecoderRunConfig, judged_texts
from vlatent.decoder_workload import DECODER
from vlatent.evaluation import Evaluation, Verdict
from vlatent.reader import ReadingConfig
from vlatent.reading_back import of_encoder
from vlatent.reading_run import NotFinite, frozen
from vlatent.result import Result
from vlatent.shapes import UserError
from vlatent.step import Diverged
from vlatent.tracking import MemoryTracker
from vlatent.training import train

CONFIG = DecoderRunConfig(run=Path("run"))


def test_trial_0_is_the_config_itself() -> None:
    searched = QUESTION.narrowed(CONFIG, {})  # type: ignore[arg-type]
    start = QUESTION.start(CONFIG, searched)
    assert apply(CONFIG, start) == CONFIG
    assert repr(apply(CONFIG, start).reading.steps) == "1200"
    for name, values in searched.items():
        other = values.values[0] if isinstance(values, Choice) else values.high
        changed = apply(CONFIG, {**start, name: other})
        assert changed != CONFIG, name
    assert "noise" not in repr(space(override(CONFIG, {NOISE: 0.0})))


def test_sizes_stay_in_proportion_and_whole() -> None:
    sizes = DecoderConfig(hidden=24, heads=4, feed_forward=60)
    config = replace(CONFIG, reading=ReadingConfig(decoder=sizes, steps=1))
    searched = space(config)
    assert searched[HIDDEN] == Choice((24, 48))  # 12 is no multiple of twice the heads
    assert searched[STEPS] == Choice((1, 2))
    wide = apply(config, {**QUESTION.start(config, searched), HIDDEN: 48.0})
    assert repr(wide.reading.decoder.hidden) == "48"
    assert wide.reading.decoder.feed_forward == 120


def test_objectives_are_means_over_views() -> None:
    scores = {"random": 0.4, "random_noise": 0.2, "compositional": 0.2, "compositional_noise": 0.0}
    metrics = {f"reading/{view}/fact_f1": value for view, value in scores.items()}
    metrics |= {"reading/random/normalised": -0.2}  # of a run without unseen combinations
    result = Result([Evaluation(1, metrics, {})], Verdict(()), 0.0, None, Path(), 1.0)
    facts, accuracy = QUESTION.objectives
    assert facts.value(result) == pytest.approx(0.2)
    assert accuracy.value(result) == -0.2


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small encoder, trained on generated sentences."""
    folder = tmp_path_factory.mktemp("run")
    config = override(of_encoder(config_in(folder)), {"evaluation.sentences": 8})
    return train(config, MemoryTracker()).folder


@pytest.mark.processes
def test_confirmation_and_test_have_sentences_of_their_own(run: Path) -> None:
    config, opened = replace(CONFIG, run=run, sentences=8), frozen(run)
    parts = [
        judged_texts(opened, replace(config, held_out=part))
        for part in ("search", "confirmation", "test")
    ]
    for split in ("random", "compositional"):
        texts = [set(part[split]) for part in parts]
        assert [len(part) for part in texts] == [8, 8, 8]
        assert len(set().union(*texts)) == 24
    assert parts[0]["random"] == [line.text for line in opened.corpus.held_out_lines["random"]][:8]
    assert DECODER.divided(config, None)
    assert not DECODER.divided(replace(config, sentences=10**6), None)
    with pytest.raises(UserError, match=r"decoder\.patch must divide"):
        DECODER.completed(override(config, {"reading.decoder.patch": 3}))


@pytest.mark.processes
def test_a_decoder_that_diverges_is_a_failed_trial(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> Callable[..., object]:
        raise NotFinite("the decoder's loss is nan")

    monkeypatch.setattr(decoder_workload, "trained_decoder", broken)
    config = replace(CONFIG, run=run, folder=tmp_path, sentences=4)
    with pytest.raises(Diverged, match="the decoder's loss is nan"):
        DECODER.train(config, MemoryTracker(), lambda *_: None)


@pytest.mark.processes
def test_a_whole_study_of_decoders(run: Path, tmp_path: Path) -> None:
    sizes = {"hidden": 16, "feed_forward": 16, "heads": 2, "layers": 1}
    flags = [f"--reading.decoder.{name}={value}" for name, value in sizes.items()]
    flags += ["--run", str(run), "--sentences", "4", "--reading.steps", "2"]
    flags += ["--study.trials", "2", "--study.confirm", "1", "--study.confirmation_seeds", "1"]
    flags += ["--tracking.uri", f"sqlite:///{tmp_path / 'mlflow.db'}"]
    done = inside(tmp_path, lambda a: main("reading", a), "--config", "reading", *flags)
    assert done.returncode == 0, done.stderr
    place = tmp_path / "runs" / "reading"
    result = json.loads((place / "result.json").read_text(encoding="utf-8"))
    assert result["workload"] == "decoder"
    assert [objective["name"] for objective in result["objectives"]] == ["fact_f1", "normalised"]
    assert result["counts"]["complete"] == 2
    assert {line["name"] for line in result["ranking"][0]["criteria"]} == {
        *("accuracy", "fact F1", "shuffled pixels", "place", "leading components")
    }
    best = (place / "nearest.yaml").read_text(encoding="utf-8")
    assert from_yaml_of(best, DecoderRunConfig).run == run
    assert f"vlatent train --config {Path('runs/reading/nearest.yaml')} --folder" in done.stdout
    assert not list(place.rglob("*.pt"))
    assert not list(run.glob("decoder-*.pt"))
    again = inside(tmp_path, studies_main, "replay", "reading", "0")
    assert "The same" in again.stdout, again.stdout + again.stderr
