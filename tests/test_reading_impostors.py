"""Who passes the criteria of reading: a decoder that is shown the scene, and nobody else."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from vlatent.config import Config
from vlatent.corpus import Corpus, DataConfig, load
from vlatent.decoder import DecoderConfig
from vlatent.encoder import EncoderConfig
from vlatent.evaluation import Verdict
from vlatent.evaluation.reading_criteria import judge_reading
from vlatent.optimization import OptimizerConfig
from vlatent.reader import ReadingConfig
from vlatent.reading_run import Frozen, Shown, judged, source, trained_decoder
from vlatent.scenes import Fact, generate, parse

pytestmark = pytest.mark.processes

COLORS, SHAPES = ["red", "green", "blue", "yellow"], ["cube", "sphere", "cylinder"]
EXAMPLES = generate(6000, 1)
TEXTS = [example.text for example in EXAMPLES]
UNSEEN = [text for text in TEXTS if "red cube" in text and "blue sphere" in text]
SEEN = [text for text in TEXTS if not ("red cube" in text and "blue sphere" in text)]
HELD_OUT = {"random": SEEN[:60], "compositional": UNSEEN[:60]}
ENCODER = EncoderConfig(
    hidden=32, layers=1, heads=2, feed_forward=32, height=8, width=12, grid_hidden=8,
    grid_feed_forward=16, embedding=32, initialisation="fan_in",
)  # fmt: skip


class Shower(nn.Module):
    """Shows of a sentence what a function makes of its facts; nothing is trained."""

    def __init__(self, corpus: Corpus, show: Callable[[list[Fact]], Tensor]) -> None:
        super().__init__()
        self.corpus, self.show = corpus, show
        self.here = nn.Parameter(torch.zeros(()))  # says on which device

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        texts = [
            self.corpus.tokenizer.decode(row[known].tolist())
            for row, known in zip(ids, mask, strict=True)
        ]
        return torch.stack([self.show(sorted(parse(text))) for text in texts])


def scene(facts: list[Fact]) -> Tensor:
    """One fact in each quarter on the left, in 16 channels."""
    latent = torch.zeros(4, 4, 16)
    for place, fact in enumerate(facts):
        found = [1.0, float(fact.relation == "on")]
        for block in (fact.subject, fact.object):
            found += [float(block.color == color) for color in COLORS]
            found += [float(block.shape == shape) for shape in SHAPES]
        latent[2 * place : 2 * place + 2, :2] = torch.tensor(found)
    return latent


def noise(facts: list[Fact]) -> Tensor:
    return torch.randn(4, 4, 16)


def opened(folder: Path, show: Callable[[list[Fact]], Tensor]) -> Frozen:
    (folder / "blocks.txt").write_text("\n".join(SEEN[60:]), encoding="utf-8")
    corpus = load(DataConfig(train=folder / "blocks.txt", cache=folder, max_length=200))
    return Frozen(folder, Config(encoder=ENCODER), corpus, Shower(corpus, show), "0" * 16)


def verdict(run: Frozen, trained_on: Shown, shown: Shown, steps: int, patch: int) -> Verdict:
    config = ReadingConfig(
        decoder=DecoderConfig(hidden=64, feed_forward=128, patch=patch),
        optimizer=OptimizerConfig(learning_rate=3e-3, warmup_steps=steps // 20),
        steps=steps,
        batch_size=60,
    )
    decoder = trained_decoder(run, config, trained_on)
    given = source(run, shown, config.seed)
    return judge_reading(
        {
            f"{split}{said}": judged(run, decoder, given, texts, strength, 1)
            for split, texts in HELD_OUT.items()
            for said, strength in (("", 0.0), (", noise", 0.3))
        }
    )


def test_who_is_shown_the_scene_passes_and_who_is_shown_another_does_not(tmp_path: Path) -> None:
    run = opened(tmp_path, scene)
    own = verdict(run, "latent", "latent", 1600, 2)
    assert own.passed, own
    other = verdict(run, "latent", "another", 1600, 2)
    assert {"accuracy", "fact F1"} <= set(other.violated)


def test_noise_in_the_place_of_latents_fails(tmp_path: Path) -> None:
    """However long a decoder is trained: that it says more than a language model is no question."""
    failed = verdict(opened(tmp_path, noise), "latent", "latent", 200, 2)
    assert len(failed.violated) == 5


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_one_picture_with_a_small_message_fails(tmp_path: Path) -> None:
    """The message is the scene, which is read, and the picture shows nothing of it."""
    picture = torch.randn(4, 4, 16, generator=torch.Generator().manual_seed(0))
    run = opened(tmp_path, lambda facts: picture + 0.75 * scene(facts))
    failed = verdict(run, "latent", "latent", 1600, 2)
    assert "leading components" in failed.violated, failed
    read = next(each for each in failed.criteria if each.name == "fact F1")
    assert min(map(float, re.findall(r"[.\d]+", read.found))) > 0.5, failed


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_a_picture_by_hash_with_a_message_in_it_fails(tmp_path: Path) -> None:
    """Another picture for every meaning, and in it the scene, which is not read through it."""

    def show(facts: list[Fact]) -> Tensor:
        seed = int.from_bytes(hashlib.sha256(repr(facts).encode()).digest()[:4])
        picture = torch.randn(4, 4, 16, generator=torch.Generator().manual_seed(seed))
        return picture + 0.75 * scene(facts)

    failed = verdict(opened(tmp_path, show), "latent", "latent", 1600, 2)
    assert len(failed.violated) == 5, failed


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_an_untrained_encoder_fails(tmp_path: Path) -> None:
    """By facts: behind the true words before, it says most words right."""
    failed = verdict(opened(tmp_path, scene), "untrained", "untrained", 800, 4)
    assert "fact F1" in failed.violated
