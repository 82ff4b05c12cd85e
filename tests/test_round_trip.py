"""Who passes the criteria of the round trip: who says the same in other words, and nobody else."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
import torch

from vlatent.corpus import Corpus, DataConfig, load
from vlatent.decoder import Decoder, DecoderConfig
from vlatent.encoder import Encoder, EncoderConfig
from vlatent.evaluation import Evaluation, Verdict, round_trip
from vlatent.evaluation.criteria import Criterion
from vlatent.evaluation.round_trip import scores
from vlatent.evaluation.round_trip_criteria import of_round_trip
from vlatent.scenes import generate
from vlatent.scenes.sentence import put_into_words
from vlatent.terms import Reconstruction, Terms

EXAMPLES = generate(60, seed=3)
TOLD = [example.text for example in EXAMPLES]
LEADING = {"random": 0.6, "compositional": 0.4}
ALL = ["fact F1", "other words", "round trip", "grammar", "diversity"]
Say = Callable[[list[str], int], list[str]]  # what is read of sentences, and drawn again


def reworded(told: list[str], draw: int) -> list[str]:
    """The same facts in words that know nothing of the sentence's."""
    known = {example.text: example for example in EXAMPLES}
    return [
        str(put_into_words(known[text].scene, "varied", random.Random(f"{text} {draw}")))
        for text in told
    ]


def copied(told: list[str], draw: int) -> list[str]:
    return told


def unrelated(told: list[str], draw: int) -> list[str]:
    return reworded(told[7:] + told[:7], draw)


def constant(told: list[str], draw: int) -> list[str]:
    return ["The red cube is on one blue orb."] * len(told)


def silent(told: list[str], draw: int) -> list[str]:
    return [""] * len(told)


def same_words_always(told: list[str], draw: int) -> list[str]:
    return reworded(told, 0)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    folder = tmp_path_factory.mktemp("blocks")
    texts = TOLD + [text for draw in range(4) for text in reworded(TOLD, draw)]
    (folder / "blocks.txt").write_text("\n".join(texts), encoding="utf-8")
    return load(DataConfig(train=folder / "blocks.txt", cache=folder, max_length=200))


def judged(corpus: Corpus, say: Say, monkeypatch: pytest.MonkeyPatch) -> Verdict:
    """The criteria, of an encoder with first weights whose readings somebody makes up."""
    sizes = EncoderConfig(
        hidden=16, layers=1, heads=2, feed_forward=16, height=8, width=12, grid_hidden=8,
        grid_feed_forward=16, embedding=8, initialisation="fan_in",
    )  # fmt: skip
    torch.manual_seed(0)
    encoder = Encoder(sizes, corpus.vocabulary_size)
    decoder = Decoder(DecoderConfig(hidden=16), corpus.vocabulary_size, (8, 12, 6), 8)
    draws = iter(range(100))

    def readings(*given: object) -> list[str]:
        return say(TOLD, next(draws))

    monkeypatch.setattr(round_trip, "texts_read", readings)
    held_out = {split: corpus.encoded(TOLD) for split in ("random", "compositional")}
    terms = Terms(on="latent", reconstruction=Reconstruction(weight=0.7))
    metrics = round_trip.round_trip(encoder, decoder, corpus, held_out, terms, len(TOLD), False)
    return Verdict(tuple(Criterion(*line) for line in of_round_trip(Evaluation(1, metrics, {}))))


@pytest.mark.parametrize(
    ("say", "violated"),
    [
        (reworded, []),
        (copied, ["other words", "diversity"]),
        (unrelated, ["fact F1", "other words", "round trip", "diversity", "leading components"]),
        (constant, ["fact F1", "other words", "round trip", "diversity", "leading components"]),
        (silent, [*ALL, "leading components"]),
        (same_words_always, ["diversity"]),
    ],
)
def test_impostors_fail_and_the_true_paraphrase_passes(
    corpus: Corpus, say: Say, violated: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    verdict = judged(corpus, say, monkeypatch)
    assert len(verdict.criteria) == 6
    assert verdict.violated == violated, verdict


def test_scores_worked_by_hand() -> None:
    told = ["A red cube is on a blue sphere."] * 3
    read = ["The blue orb supports the red cube.", "A red cube is on a red.", told[0]]
    found = scores(told, read, [told[0]] * 3, [read[0], told[0], "A gray cone is on a blue ring."])
    # Words in common and in order: "blue ... red cube" is no more than "red cube", 2 of 7 and 8;
    # what cannot be parsed has F1 0 and does not count; the copy has 1.
    assert found["rouge_l"] == pytest.approx((2 * 2 / 15 + 1) / 2)
    assert found["fact_f1"] == pytest.approx(2 / 3)
    assert found["readable"] == pytest.approx(2 / 3)
    # Two wordings of the meaning; twice the same; another meaning.
    assert found["diversity"] == pytest.approx(1 / 3)
    other = scores(["Call me Ishmael."], ["Call me."], ["Call me."], ["Call."])
    assert other == {"rouge_l": pytest.approx(0.8)}


def test_the_worst_view_counts_and_what_nobody_measured_is_not_judged() -> None:
    best = {"fact_f1": 0.9, "rouge_l": 0.5, "cosine": 0.95, "readable": 1.0, "diversity": 0.5}
    metrics = {f"reading/random{view}/{k}": v for view in ("", "_noise") for k, v in best.items()}
    lines = {name: margin for name, _, _, margin in of_round_trip(Evaluation(1, metrics, {}))}
    assert max(lines.values()) < 0
    metrics["reading/random_noise/fact_f1"] = 0.68
    found = {
        name: (said, margin) for name, _, said, margin in of_round_trip(Evaluation(1, metrics, {}))
    }
    assert found["fact F1"] == ("random, noise 0.68, random 0.90", pytest.approx(0.2))
    assert list(of_round_trip(Evaluation(1, {"likeness": 1.0}, {}))) == []
    metrics |= {f"reading/{split}_leading/fact_f1": f1 for split, f1 in LEADING.items()}
    *_, last = of_round_trip(Evaluation(1, metrics, {}))
    assert last[0] == "leading components"
    assert last[2:] == ("compositional, leading 0.40, random, leading 0.60", pytest.approx(0.2))
    of_text = {k: v for k, v in metrics.items() if k.endswith(("cosine", "rouge_l"))}
    assert list(of_round_trip(Evaluation(1, of_text, {}))) == []  # one latent for all has cosine 1
