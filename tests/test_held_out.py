"""Held out thrice: search, confirmation and test have no sentence in common."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path

import pytest
from smoke import smoke

from vlatent.config import from_yaml, override, to_yaml
from vlatent.corpus import Corpus, DataConfig, Part, held_out, load
from vlatent.encoder import Encoder
from vlatent.evaluation import encode_judged
from vlatent.fingerprints import effective, fingerprint
from vlatent.scenes import parse
from vlatent.shapes import UserError

PARTS: tuple[Part, ...] = ("search", "confirmation", "test")


@pytest.fixture(scope="module")
def blocks() -> Corpus:
    return load(DataConfig(unseen=True, vocabulary=300, max_length=200))


def texts_of(part: Part, corpus: Corpus, sentences: int, retrieved: int) -> set[str]:
    """Every sentence that a run may see when it is judged on a set: of the search's, the first."""
    found = held_out(corpus, part, sentences, retrieved)
    assert found.judged is not None
    texts = {*found.judged.texts, *(corpus.fixed if part == "search" else found.probed).texts}
    for triples in found.splits.values():
        for some in (triples.originals, triples.paraphrases):
            texts.update(some.texts[: retrieved if part == "search" else None])
    return texts


def test_no_meaning_is_in_two_sets_of_any_split(blocks: Corpus) -> None:
    found = {part: held_out(blocks, part, 64, 100) for part in PARTS}
    meanings = {part: set(map(parse, texts_of(part, blocks, 64, 100))) for part in PARTS}
    for one, other in combinations(PARTS, 2):
        assert not meanings[one] & meanings[other], (one, other)
    for part in PARTS[1:]:
        assert set(found[part].splits) == {"random", "compositional", "wording"}
        assert all(160 < len(triples) < 240 for triples in found[part].splits.values())
        for name, triples in found[part].splits.items():
            whole = blocks.splits[name]
            rows = zip(whole.originals.texts, whole.counterfactuals.texts, whole.kinds, strict=True)
            kept = zip(
                *(triples.originals.texts, triples.counterfactuals.texts, triples.kinds),
                strict=True,
            )
            assert set(kept) <= set(rows)


def test_the_search_sees_what_every_run_saw(blocks: Corpus) -> None:
    found = held_out(blocks, "search", 64, 100)
    assert found.judged is not None
    assert found.judged.texts == blocks.validation.texts[:64]
    assert found.probed is blocks.validation
    assert found.splits is blocks.splits


def test_a_sentence_stays_in_its_set_whatever_the_search_sees(blocks: Corpus) -> None:
    for part in PARTS[1:]:
        few, many = (held_out(blocks, part, count, 0).probed for count in (16, 256))
        assert set(many.texts) < set(few.texts)


@pytest.mark.parametrize("part", PARTS)
def test_as_many_sentences_are_judged_in_every_set(part: Part, tmp_path: Path) -> None:
    """The latents, worked out from the sentences themselves."""
    config = smoke(tmp_path, data__train=None, data__max_length=64, evaluation__held_out=part)
    corpus = load(config.data)
    model = Encoder(config.encoder, corpus.vocabulary_size).eval()
    latent, fixed = encode_judged(model, corpus, config.evaluation)
    own = held_out(corpus, part, 8, 0).judged
    assert own is not None
    wanted = own.texts + (corpus.fixed.texts if part == "search" else [])
    assert len(latent) == len(wanted) == 24
    for place in (0, 7, 23):
        batch = corpus.encoded([wanted[place]]).batch([0])
        alone = model(batch.ids, batch.mask).detach()[0]
        assert (latent[place] - alone).abs().max() < 1e-4
    assert len(fixed) == 16


def test_too_few_sentences_are_one_clear_line(tmp_path: Path) -> None:
    corpus = load(smoke(tmp_path).data)  # 40 sentences, 4 of them held out
    assert held_out(corpus, "search", 8, 0).judged is None
    with pytest.raises(UserError, match=r"of 4 held-out .* 0 are left .* 16 are needed"):
        held_out(corpus, "test", 8, 0)


def test_sentences_that_are_said_twice_are_in_one_set(tmp_path: Path) -> None:
    place = tmp_path / "held_out.txt"
    lines = [f"sentence number {n}" for n in range(120)]
    place.write_text("\n".join(lines * 2), encoding="utf-8")
    corpus = load(smoke(tmp_path, data__validation=place).data)
    seen = {*corpus.fixed.texts, *(corpus.judged.texts[:8] if corpus.judged else ())}
    both = [held_out(corpus, part, 8, 0).probed.texts for part in PARTS[1:]]
    assert not set(both[0]) & set(both[1])
    assert {*both[0], *both[1]} == set(lines) - seen


def test_sentences_that_mean_the_same_are_in_one_set(tmp_path: Path) -> None:
    """Blocks by what they mean, other sentences by the paraphrases that a file lists."""
    place = tmp_path / "held_out.jsonl"
    colors, shapes = ("red", "blue", "green", "gray"), ("cube", "cone", "ring", "prism", "sphere")
    pairs = [
        (f"a {c} {s} is next to a {d} pyramid.", f"a {d} pyramid is next to a {c} {s}.")
        for c in colors
        for s in shapes
        for d in colors
    ]
    assert all(len(set(map(parse, pair))) == 1 for pair in pairs)
    listed = [(f"what {n} says first", f"{n} put another way") for n in range(80)]
    lines = [{"original": one} for one, _ in pairs + listed]
    lines += [{"original": other} for _, other in pairs]
    lines += [{"original": other, "paraphrases": [one]} for one, other in listed]
    place.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    corpus = load(smoke(tmp_path, data__validation=place).data)
    confirmation, test = (set(held_out(corpus, part, 8, 0).probed.texts) for part in PARTS[1:])
    both = [pair for pair in pairs + listed if not {*pair}.isdisjoint(confirmation | test)]
    assert len(both) > 100
    assert all({*pair} <= confirmation or {*pair} <= test for pair in both)
    seen = {*corpus.fixed.texts, *corpus.validation.texts} - confirmation - test
    assert len(seen) <= 2 * (8 + 16)


def test_the_search_set_is_no_part_of_the_identity(tmp_path: Path) -> None:
    config = smoke(tmp_path)
    assert "evaluation.held_out" not in effective(config)
    test = override(config, {"evaluation.held_out": "test"})
    assert effective(test)["evaluation.held_out"] == "test"
    assert fingerprint(test) != fingerprint(config)
    earlier = to_yaml(config).replace("  held_out: search\n", "")
    assert earlier != to_yaml(config)
    assert from_yaml(earlier) == config
