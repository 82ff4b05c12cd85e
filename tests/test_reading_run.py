"""The decoder of a run: kept, gone on with, judged beside what can be known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from smoke import ENCODER
from torch import Tensor

from vlatent import reading_run
from vlatent.config import Config
from vlatent.corpus import DataConfig, load
from vlatent.decoder import Decoder, DecoderConfig
from vlatent.encoder import Encoder
from vlatent.reader import ReadingConfig
from vlatent.reading_run import Frozen, Shown, Source, judged, readings, source, trained_decoder
from vlatent.scenes import generate
from vlatent.shapes import UserError

TEXTS = [example.text for example in generate(60, seed=1)]
CONFIG = ReadingConfig(
    decoder=DecoderConfig(hidden=16, feed_forward=32, layers=1, heads=2, restricted=True),
    steps=6,
    batch_size=8,
)


@pytest.fixture
def run(tmp_path: Path) -> Frozen:
    """An encoder with first weights, and sentences about blocks."""
    (tmp_path / "blocks.txt").write_text("\n".join(TEXTS), encoding="utf-8")
    corpus = load(DataConfig(train=tmp_path / "blocks.txt", cache=tmp_path))
    torch.manual_seed(3)
    encoder = Encoder(ENCODER, corpus.vocabulary_size).eval().requires_grad_(False)
    return Frozen(tmp_path, Config(encoder=ENCODER), corpus, encoder, "0123456789abcdef")


def weights(decoder: Decoder) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in decoder.parameters()]


def test_a_stopped_training_goes_on_bitwise(run: Frozen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading_run, "SAVED_EVERY", 2)
    losses: dict[int, float] = {}
    whole = trained_decoder(run, CONFIG, report=losses.__setitem__)
    assert sorted(losses) == [1, 2, 3, 4, 5, 6]
    kept = run.place / "decoder-latent.pt"
    assert [path.name for path in run.place.glob("*.pt")] == [kept.name]
    again = trained_decoder(run, CONFIG, report=lambda step, loss: pytest.fail("it is trained"))
    assert all(map(torch.equal, weights(whole), weights(again)))

    def stop(step: int, loss: float) -> None:
        if step == 5:
            raise KeyboardInterrupt

    kept.unlink()
    with pytest.raises(KeyboardInterrupt):
        trained_decoder(run, CONFIG, report=stop)
    seen: dict[int, float] = {}
    resumed = trained_decoder(run, CONFIG, report=seen.__setitem__)
    assert seen == {5: losses[5], 6: losses[6]}
    assert all(map(torch.equal, weights(whole), weights(resumed)))


def test_of_many_sentences_some_are_read(run: Frozen, monkeypatch: pytest.MonkeyPatch) -> None:
    """Evenly spaced, so that the latents fit into the memory."""
    monkeypatch.setattr(reading_run, "MOST", 20)
    encoded: list[Sequence[str]] = []

    def spy(run: Frozen, shown: Shown, seed: int) -> Source:
        made = source(run, shown, seed)
        return made._replace(latents=lambda texts: encoded.append(texts) or made.latents(texts))

    monkeypatch.setattr(reading_run, "source", spy)
    trained_decoder(run, CONFIG)
    assert encoded[-1] == run.corpus.train.texts[::3]
    assert len(encoded[-1]) <= 20 < len(run.corpus.train.texts)


def test_a_decoder_of_something_else_is_refused(run: Frozen) -> None:
    trained_decoder(run, CONFIG)
    for other, config in (
        (run._replace(digest="f" * 16), CONFIG),
        (run, ReadingConfig(decoder=CONFIG.decoder, steps=7, batch_size=8)),
    ):
        with pytest.raises(UserError, match="other settings or on another encoder; remove it"):
            trained_decoder(other, config)


def test_what_is_shown(run: Frozen) -> None:
    own, moved, untrained, nothing = (
        source(run, shown, 0).latents(TEXTS[:4])
        for shown in ("latent", "permuted", "untrained", "nothing")
    )
    assert own.shape == (4, 8, 12, 6)
    assert not torch.equal(moved, own)
    torch.testing.assert_close(moved.sum((1, 2)), own.sum((1, 2)))
    assert not torch.equal(untrained, own)
    assert untrained.var(0).sum() > 0
    assert torch.equal(nothing, torch.zeros_like(own))
    assert torch.equal(source(run, "another", 0).latents(TEXTS[:4])[1:], own[:3])
    again = source(run, "untrained", 0).latents(TEXTS[:4])
    assert torch.equal(untrained, again)
    assert not torch.equal(untrained, source(run, "untrained", 1).latents(TEXTS[:4]))


def test_judged_beside_what_can_be_known(run: Frozen) -> None:
    decoder = trained_decoder(run, CONFIG)
    given = source(run, "latent", 0)
    scores = judged(run, decoder, given, TEXTS[:20])
    assert 0 <= scores["accuracy"] <= 1
    assert 0.3 < scores["floor"] < 0.6 < 0.88 < scores["ceiling"] < 1
    assert 0.05 < scores["cross_entropy_ceiling"] < 0.2 < scores["cross_entropy_floor"]
    assert scores["normalised"] == pytest.approx(
        (scores["accuracy"] - scores["floor"]) / (scores["ceiling"] - scores["floor"])
    )
    assert scores["fact_f1"] == scores["readable"] == 0  # after six steps
    assert judged(run, decoder, given, TEXTS[:20]) == scores
    assert judged(run, decoder, given, TEXTS[:20], 0.3)["cross_entropy"] != scores["cross_entropy"]
    other = judged(run, decoder, source(run, "another", 0), TEXTS[:20])
    assert other["cross_entropy"] != scores["cross_entropy"]
    assert other["cross_entropy_shuffled"] != scores["cross_entropy_shuffled"]
    shown = judged(run, decoder, source(run, "nothing", 0), TEXTS[:20])
    assert shown["cross_entropy"] == shown["cross_entropy_shuffled"]
    easier = judged(run, decoder, given, ["A red cube is on a blue sphere."], complexity=1)
    assert easier["cross_entropy_floor"] < scores["cross_entropy_floor"]
    texts = readings(run, decoder, given.latents(TEXTS[:2]), given.embed, 12)
    known = {token for text in TEXTS for token in text.lower().split()}
    assert all(word in known for text in texts for word in text.lower().split()[1:-1])


def test_a_word_is_right_if_all_its_tokens_are() -> None:
    pieces = ["A", " vio", "let", " cube", " is", " on", " a", " ring", "."]
    text, ids = "".join(pieces), list(range(len(pieces)))

    def decode(some: list[int]) -> str:
        return "".join(pieces[token] for token in some)

    def wrong(*places: int) -> list[str]:
        right = torch.tensor([place not in places for place in ids])
        found = reading_run._words_right(text, ids, right, decode)
        words = ["a", "violet", "cube", "is", "on", "a", "ring", "."]
        return [word for word, is_right in zip(words, found, strict=True) if not is_right]

    assert wrong() == []
    assert wrong(1) == wrong(2) == wrong(1, 2) == ["violet"]
    assert wrong(3, 8) == ["cube", "."]
