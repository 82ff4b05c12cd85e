"""What is read of a text of one's own: scores worked by hand, and sacrebleu's beside them."""

from __future__ import annotations

import json
import math
import sys
from collections import Counter
from dataclasses import replace

import pytest
import torch
from smoke import ENCODER
from test_reading_run import CONFIG, TEXTS, run  # noqa: F401

from vlatent.corpus import DataConfig, load
from vlatent.decoder_run import DecoderRunConfig
from vlatent.encoder import Encoder
from vlatent.evaluation.chrf import chrf
from vlatent.own_text_reading import read_own_text, text_scores
from vlatent.reader import Told, tokens_read
from vlatent.reading_run import Frozen, source, trained_decoder
from vlatent.shapes import UserError
from vlatent.tracking import TrackingConfig


def test_scores_are_those_of_followed_and_free_readings(run: Frozen) -> None:  # noqa: F811
    decoder, given = trained_decoder(run, CONFIG), source(run, "latent", 0)
    texts = TEXTS[:3]
    batch = run.corpus.encoded(texts).batch(range(3))
    right, count, nats = 0, 0, 0.0
    for row in range(3):  # one sentence after the other, without padding
        length = int(batch.mask[row].sum())
        ids, mask = batch.ids[row : row + 1, :length], batch.mask[row : row + 1, :length]
        read = tokens_read(
            decoder, given.embed, Told(given.latents(texts[row : row + 1]), ids, mask)
        )
        right, count = right + int(read.right.sum()), count + length + 1
        nats -= float(read.log_probability.sum())
    scores = text_scores(run, decoder, given, texts)
    assert scores["token_accuracy"] == pytest.approx(right / count)
    assert scores["perplexity"] == pytest.approx(math.exp(nats / count), rel=1e-4)
    assert scores["exact"] == 0
    noisy = text_scores(run, decoder, given, texts, 3.0)
    assert noisy["perplexity"] != scores["perplexity"]
    blank = source(run, "nothing", 0)
    assert torch.equal(blank.latents(texts), torch.zeros(3, 8, 12, 6))
    assert text_scores(run, decoder, blank, texts) == text_scores(run, decoder, blank, texts, 3.0)


def test_what_a_restricted_decoder_cannot_say_is_refused_before_it_is_trained(
    run: Frozen,  # noqa: F811
) -> None:
    """Else its perplexity were infinite."""
    other = run.place / "other.txt"
    other.write_text("\n".join([TEXTS[0], "A zebra & a lynx.", TEXTS[1]]), encoding="utf-8")
    data = DataConfig(train=run.place / "blocks.txt", validation=other, cache=run.place)
    corpus = load(data)
    encoder = Encoder(ENCODER, corpus.vocabulary_size).eval().requires_grad_(False)
    strange = run._replace(corpus=corpus, encoder=encoder)
    tracking = TrackingConfig(uri=f"sqlite:///{run.place / 'mlflow.db'}")
    config = DecoderRunConfig(run=run.place, reading=CONFIG, tracking=tracking)
    with pytest.raises(UserError, match=r"1 of 3 held-out .* 'A zebra & a lynx\.'; give --reading"):
        read_own_text(strange, config)
    assert not list(run.place.glob("*.pt"))
    assert not (run.place / "mlflow.db").exists()
    free = replace(CONFIG, decoder=replace(CONFIG.decoder, restricted=False))
    assert read_own_text(strange, replace(config, reading=free)) == 0
    found = json.loads((run.place / "reading.json").read_text())
    views = [view for shown in found.values() for view in shown.values()]
    assert all(math.isfinite(view["perplexity"]) for view in views)


def test_without_sacrebleu_there_is_no_chrf(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sacrebleu.metrics.chrf", None)
    assert math.isnan(chrf(["a"], ["a"]))


def test_chrf_is_the_published_formula() -> None:
    pytest.importorskip("sacrebleu")
    told = ["A red cube is on a blue sphere.", "Go to the ant, thou sluggard."]
    read = ["A red cone is on a blue sphere.", "Go to the aunt, sluggard."]
    assert chrf(told, told) == pytest.approx(1)
    assert chrf(["xxxx"], ["aaaa"]) == 0
    precisions, recalls = [], []
    for n in range(1, 7):
        grams = [sum((_grams(text, n) for text in texts), Counter[str]()) for texts in (read, told)]
        both = sum((_grams(a, n) & _grams(b, n)).total() for a, b in zip(read, told, strict=True))
        precisions.append(both / grams[0].total())
        recalls.append(both / grams[1].total())
    precision, recall = sum(precisions) / 6, sum(recalls) / 6
    assert chrf(read, told) == pytest.approx(5 * precision * recall / (4 * precision + recall))


def _grams(text: str, n: int) -> Counter[str]:
    letters = "".join(text.split())
    return Counter(letters[place : place + n] for place in range(len(letters) - n + 1))
