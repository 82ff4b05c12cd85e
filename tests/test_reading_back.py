"""An encoder and its decoder as one run: config, seeds, scores, the ablation of what is read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields, replace
from functools import lru_cache
from pathlib import Path

import pytest
from inside import inside
from smoke import CONFIGS, smoke

from ablations import timing
from ablations.ablation import main, read
from ablations.cells import planned
from ablations.measurement import OF_READING
from ablations.reading import ABLATION, switched
from ablations.report import check
from vlatent import reading_back, reading_run
from vlatent.config import Config, from_yaml_of, override, to_yaml
from vlatent.corpus import changed_parts, loading
from vlatent.decoder import DecoderConfig
from vlatent.evaluation import Verdict
from vlatent.figures.page import Page
from vlatent.fingerprints import effective
from vlatent.reader import ReadingConfig
from vlatent.reading_back import READ_BACK, Follow, ReadBackConfig, of_encoder
from vlatent.result import Result
from vlatent.scenes.splits import draw_parts
from vlatent.shapes import UserError
from vlatent.workload import ENCODER

SMALL = DecoderConfig(hidden=16, feed_forward=16, heads=2, layers=1, restricted=True)


@pytest.fixture(scope="module", autouse=True)
def few() -> Iterator[None]:
    """Sixty sentences to learn from and of each split, instead of thousands."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loading, "parts_of", lru_cache(lambda unseen: draw_parts(unseen, 60, 60)))
        yield


def config_in(folder: Path, **changes: object) -> ReadBackConfig:
    """The smoke config on generated sentences, with a decoder of three steps."""
    own = {"data__train": None, "data__unseen": True, "data__cache": folder}
    short = {"training__steps": 3, "evaluation__count": 3, "evaluation__probed": 0}
    encoder = smoke(folder, **own, **short, tracking__figures=False)
    given = {field.name: getattr(encoder, field.name) for field in fields(Config)}
    reading = ReadingConfig(decoder=SMALL, steps=3, batch_size=8)
    config = ReadBackConfig(**given, reading=reading, sentences=6)
    return override(config, {name.replace("__", "."): value for name, value in changes.items()})


def test_a_decoder_is_a_part_of_the_config() -> None:
    names = ("quick_round_trip", "quick_reading")
    flags = [part for name in names for part in ("--config", str(CONFIGS / f"{name}.yaml"))]
    config, _ = read(ABLATION, [*flags, "--reading.steps", "7", "--encoder.height", "64"])
    assert isinstance(config, ReadBackConfig)
    assert (config.reading.steps, config.reading.decoder.hidden, config.sentences) == (7, 64, 100)
    assert config.terms.reconstruction.weight == 3
    assert config.encoder.height == 64  # type: ignore[union-attr]
    assert from_yaml_of(to_yaml(config), ReadBackConfig) == config
    assert type(of_encoder(config)) is Config
    assert effective(of_encoder(config)).items() < effective(config).items()
    others = effective(config).keys() - effective(of_encoder(config)).keys()
    assert {name.partition(".")[0] for name in others} == {"sentences", "reading"}


def test_what_cannot_be_read_is_refused_before_anything_is_trained(tmp_path: Path) -> None:
    config = config_in(tmp_path)
    assert READ_BACK.completed(config) == config
    for name, value, said in (
        ("data.unseen", False, "set --data.unseen true"),
        ("reading.decoder.patch", 3, "decoder.patch must divide"),
    ):
        with pytest.raises(UserError, match=said):
            READ_BACK.completed(override(config, {name: value}))


def test_terms_are_off_where_they_are_on_and_on_where_they_are_off(tmp_path: Path) -> None:
    config = override(config_in(tmp_path), {"terms.contrast.weight": 2.0})
    changes = {arm.name: dict(arm.changes) for arm in ABLATION.arms(config)[-3:]}
    assert changes == {
        "without contrast": {"terms.contrast.weight": 0.0},
        "with invariance": {"terms.invariance.weight": 0.5},
        "with reconstruction": {"terms.reconstruction.weight": 3.0},
    }


def test_whatever_is_read_is_measured_and_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Page, "png", lambda page: b"drawn")
    monkeypatch.setattr("ablations.report.cost", lambda config: pytest.fail("not asked"))
    config = config_in(tmp_path)
    asked = ABLATION.restricted(["without any prior", "without kurtosis"], config)
    plan = planned(config, asked.all_arms(config), range(2), lambda _: "corpus")
    check(asked, config, plan)
    assert set(OF_READING) == {
        f"{label}, {view}"
        for label in ("normalised accuracy", "fact F1", "order recall")
        for view in ("random", "random, noise", "compositional", "compositional, noise")
    }
    statistics = {prediction.statistic for prediction in ABLATION.predictions}
    assert statistics <= set(OF_READING)


def test_cells_are_not_those_of_another_decoder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = config_in(tmp_path)
    learning = override(of_encoder(plain), {"terms.reconstruction.weight": 1.0})
    asked = ((READ_BACK, plain), (ENCODER, learning), (ENCODER, of_encoder(plain)))

    def read() -> list[dict[str, str]]:
        return [workload.digests(config, workload.corpus(config)) for workload, config in asked]

    before = read()
    monkeypatch.setattr("vlatent.workload.DECODER_VERSION", 99)
    changed = [changed_parts(*both) for both in zip(before, read(), strict=True)]
    assert changed == [["decoder"], ["decoder"], []]


def test_the_time_of_a_cell_counts_its_decoder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of an encoder that takes no time, a second of judging, a hundredth a decoder's step."""
    clock = [0.0]

    def read(folder: Path, config: ReadBackConfig, follow: Follow) -> None:
        clock[0] += 1.0
        for step in range(config.reading.steps):
            clock[0] += 0.01
            follow(step + 1, 0.0)

    trained = Result([], Verdict(()), 0.0, None, tmp_path, 0.0)
    monkeypatch.setattr(timing, "train", lambda config, tracker: trained)
    monkeypatch.setattr(timing, "read_back", read)
    monkeypatch.setattr(timing.time, "perf_counter", lambda: clock[0])
    config = config_in(tmp_path, reading__steps=500)
    assert timing.seconds_a_cell(config) == pytest.approx(6)
    assert timing.seconds_a_cell(of_encoder(config)) == 0


@pytest.mark.processes
def test_the_ablation_of_what_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seeds: list[int] = []
    trained = reading_run.trained_decoder

    def spy(run: object, config: ReadingConfig, **others: object) -> object:
        seeds.append(config.seed)
        return trained(run, config, **others)  # type: ignore[arg-type]

    monkeypatch.setattr(reading_back, "trained_decoder", spy)
    base = tmp_path / "base.yaml"
    base.write_text(to_yaml(config_in(tmp_path)), encoding="utf-8")
    flags = ("--config", str(base), "--ablation.seeds", "1")
    # Without terms, whose variants of all sentences take most of the time to make.
    asked = replace(ABLATION, arms=lambda _: [switched("reconstruction", 0.0, 0.7)], predictions=())
    done = inside(tmp_path, lambda a: main(asked, a), *flags)
    assert done.returncode == 0, done.stderr
    assert "2 cells measured, 0 missing" in done.stdout
    # The decoder's is the encoder's: in each cell to judge it, and to read what is shown.
    assert seeds[-4:] == [100] * 4
    place = tmp_path / "runs" / "ablations" / "reading"
    assert (place / "readings.png").read_bytes()[:4] == b"\x89PNG"
    result = json.loads((place / "result.json").read_text(encoding="utf-8"))
    assert set(OF_READING) - set(result["statistics"]) <= {"order recall"}
    assert result["workload"] == "encoder"
    names = ["accuracy", "fact F1", "shuffled pixels", "place", "leading components"]
    assert result["criteria"][-5:] == names
    assert not list((tmp_path / "runs" / "cells").rglob("*.pt"))
    again = inside(tmp_path, lambda a: main(asked, a), *flags)
    assert "2 of them known, 0 to train" in again.stdout
