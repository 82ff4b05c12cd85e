"""Probes on a user's own labels: found where they are, chance where only the group is known."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from inside import inside
from smoke import smoke

from analysis.probes import linear_probe
from analysis.probes.__main__ import main
from analysis.probes.compute import probe
from analysis.probes.encoding import EncodedSentences
from analysis.probes.sentences import Asked, scenes
from analysis.probes.text import markdown, tables, words
from vlatent import checkpoints
from vlatent.config import override, to_yaml
from vlatent.corpus import load
from vlatent.encoder import Encoder
from vlatent.optimization import MovingAverage
from vlatent.scenes import Line
from vlatent.shapes import UserError

TOPICS = ("law", "love", "war")
COUNT = 120
# Eight sentences a chapter; a chapter has one mood.
LINES = [
    Line(
        f"Text number {place}.",
        labels=(
            ("topic", TOPICS[place % 3]),
            ("mood", ("merry", "sad")[(place // 8) % 2]),
            *((("rare", TOPICS[place % 2]),) if place % 4 else ()),
        ),
        group=f"chapter {place // 8}",
    )
    for place in range(COUNT)
]


@pytest.fixture(autouse=True)
def fewer_shuffles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linear_probe, "SHUFFLES", 199)
    monkeypatch.setattr(linear_probe, "RESAMPLES", 200)
    monkeypatch.setattr(linear_probe, "FEWEST", 12)


def latents(codes: Sequence[int], noise: float = 0.3) -> torch.Tensor:
    """A pattern for each code, and noise."""
    generator = torch.Generator().manual_seed(0)
    patterns = torch.randn(max(codes) + 1, 4, 6, 2, generator=generator)
    return patterns[list(codes)] + noise * torch.randn(len(codes), 4, 6, 2, generator=generator)


def encoded(asked: Asked, latent: torch.Tensor) -> EncodedSentences:
    return EncodedSentences(asked, latent, latent.mean((1, 2)))


def test_labels_are_answers_and_groups_stay_together() -> None:
    asked = scenes(LINES)
    assert list(asked.answers) == list(asked.labels) == ["topic", "mood", "rare"]
    assert asked.answers["topic"] == tuple(TOPICS[place % 3] for place in range(COUNT))
    assert asked.answers["rare"].count("") == COUNT // 4
    expected = np.arange(COUNT) // 8
    assert (np.unique(asked.groups, return_inverse=True)[1] == expected).all()
    apart = scenes([line._replace(group="") for line in LINES])
    assert len(np.unique(apart.groups)) == COUNT


def test_a_label_is_found_where_it_is_and_what_few_lack_is_probed_on_the_others() -> None:
    result = probe("run", encoded(scenes(LINES), latents([place % 3 for place in range(COUNT)])))
    topic = result.readings["topic", "latent"]
    assert topic.value.value > 0.95
    assert topic.verdict == "above chance"
    assert topic.control.low < 1 / 3 < topic.control.high
    assert (topic.groups, topic.rows) == (15, COUNT)
    assert result.readings["rare", "latent"].rows == COUNT - COUNT // 4
    assert result.readings["mood", "latent"].verdict != "above chance"
    assert result.labels == ("topic", "mood", "rare")
    page = markdown(result)
    assert "120 held-out sentences in 15 groups." in page
    assert "topic, mood and rare: labels of the file." in page
    assert "held out by group, with a bootstrap interval over groups" in page
    assert "Color" not in page
    assert any("topic" in paragraph for paragraph in words(result))
    assert len(tables(result)) == 2


def test_who_knows_only_the_group_knows_nothing_of_its_label() -> None:
    """Without groups, a latent that merely tells chapters apart would seem to know their mood."""
    chapters = latents([place // 8 for place in range(COUNT)])
    apart = [line._replace(group="") for line in LINES]
    naive, honest = (
        probe("run", encoded(scenes(lines), chapters)).readings["mood", "latent"]
        for lines in (apart, LINES)
    )
    assert naive.value.value > 0.95
    assert naive.verdict == "above chance"
    assert honest.value.value < 0.8
    assert honest.verdict != "above chance"
    assert honest.control.high - honest.control.low > 2 * (naive.control.high - naive.control.low)


@pytest.mark.parametrize("name", ["recall@1", "median rank", "word order"])
def test_names_of_ours_are_taken(name: str) -> None:
    with pytest.raises(UserError, match=rf"the label '{name}' has the name of a probe of ours"):
        scenes([line._replace(labels=((name, "x"),)) for line in LINES])


def test_a_label_may_be_called_color_where_no_block_is(tmp_path: Path) -> None:
    assert list(scenes([Line("One.", labels=(("color", "red"),))]).answers) == ["color"]
    blocks = Line("A red cube is on a blue sphere.", labels=(("color", "red"),))
    with pytest.raises(UserError, match="the label 'color' has the name"):
        scenes([blocks])
    assert list(scenes([blocks._replace(labels=(("tone", "red"),))]).answers) == [
        *("color", "shape", "relation", "tone")
    ]


def test_a_file_that_is_sorted_by_its_label_is_probed_for_it(tmp_path: Path) -> None:
    """From file to page: the held-out sentences are not the first ones, of one label."""
    rows = [
        {"text": f"{word} {place}", "labels": {"topic": word}}
        for word in ("law", "war")
        for place in range(300)
    ]
    path = tmp_path / "own.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    own = {"data.train": path, "data.key": "text", "data.cache": tmp_path / "cache"}
    config = override(smoke(tmp_path), own)
    corpus = load(config.data)
    torch.manual_seed(0)
    average = MovingAverage(Encoder(config.encoder, corpus.vocabulary_size), config.optimizer)
    state = {"config": to_yaml(config), "average": average.state_dict(), "step": 0}
    (tmp_path / "run").mkdir()
    checkpoints.save(tmp_path / "run" / checkpoints.NAME, state | {"corpus": {}})
    result = inside(tmp_path, main, "run", "--count", "30")
    assert result.returncode == 0, result.stderr
    page = (tmp_path / "run" / "probes" / "probes.md").read_text(encoding="utf-8")
    assert "30 held-out sentences in 30 groups." in page
    with (tmp_path / "run" / "probes" / "probes.csv").open(encoding="utf-8") as file:
        [found] = [row for row in csv.DictReader(file) if row["representation"] == "words"]
    assert found["target"] == "topic"
    assert float(found["value"]) > 0.9
    assert float(found["trivial"]) < 0.8
