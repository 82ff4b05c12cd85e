"""Triples and variants: every sentence with its own, and what lacks them is said."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from smoke import smoke

from vlatent.corpus import Corpus, DataConfig, Sentences, load
from vlatent.corpus.files import read
from vlatent.corpus.wordings import Pool, triples, variants
from vlatent.preparation import corpus_for
from vlatent.scenes import Line, default_corpus, parse
from vlatent.shapes import UserError

SAME = "A blue sphere is under a red cube."  # what the first line says, in other words


def encode(texts: Sequence[str]) -> Sentences:
    """A token a word: its length."""
    tokens = [[len(word) for word in text.split()] for text in texts]
    return Sentences(
        list(texts),
        torch.tensor([token for some in tokens for token in some], dtype=torch.int32),
        torch.tensor([0, *map(len, tokens)]).cumsum(0),
        0,
    )


def lines(count: int = 8) -> list[Line]:
    made = [
        Line(
            example.text,
            tuple(variant.text for variant in example.paraphrases()),
            tuple(variant.text for variant in example.counterfactuals()),
        )
        for example in default_corpus(count, 1)[0]
    ]
    first = Line(
        "A red cube is on a blue sphere.",
        (SAME, "One red cube is on one blue sphere."),
        ("Other.",),
    )
    return [first, *made, Line(SAME, (first.text,), ("Other.",))]


def jsonl(path: Path, some: Sequence[Line]) -> Path:
    rows = [
        {"original": text, "paraphrases": same, "counterfactuals": other}
        for text, same, other, *_ in some
    ]
    path.write_text("\n".join(map(json.dumps, rows)) + "\n", encoding="utf-8")
    return path


def texts_of(sentences: Sentences, place: int) -> list[int]:
    return sentences.tokens[sentences.offsets[place] : sentences.offsets[place + 1]].tolist()


def test_draws_are_a_sentences_own_and_none_twice_where_there_are_enough() -> None:
    sentences = encode([f"variant {number}" for number in range(7)])
    pool = Pool(sentences, np.array([0, 1, 4, 7]), np.zeros(7, dtype=bool))
    seen: dict[int, set[int]] = {0: set(), 1: set(), 2: set()}
    for seed in range(60):
        drawn = pool.draw(np.array([2, 0, 1]), 2, np.random.default_rng(seed))
        assert drawn.shape == (3, 2)
        for row, sentence in zip(drawn.tolist(), (2, 0, 1), strict=True):
            seen[sentence] |= set(row)
            assert len(set(row)) == (1 if sentence == 0 else 2)
    assert seen == {0: {0}, 1: {1, 2, 3}, 2: {4, 5, 6}}
    assert pool.draw(np.array([1]), 0, np.random.default_rng(0)).shape == (1, 0)


def test_swaps_and_relations_are_drawn_before_others_where_that_is_asked() -> None:
    made = variants([line._replace(kinds=("swap",)) for line in lines(1)[:1]], encode, "here")
    assert made.counterfactuals.structure.tolist() == [True]
    sentences = encode([f"variant {number}" for number in range(9)])
    structure = np.isin(np.arange(9), [2, 4])
    pool = Pool(sentences, np.array([0, 1, 6, 9]), structure)
    seen: set[tuple[int, ...]] = set()
    for seed in range(80):
        first, second = pool.draw(np.array([1, 2]), 3, np.random.default_rng(seed), True).tolist()
        assert set(first[:2]) == {2, 4}
        assert first[2] in (1, 3, 5)
        assert set(second) == {6, 7, 8}  # it has none of these kinds
        seen.add(tuple(first))
    assert len(seen) == 2 * 3  # each in every order
    (row,) = pool.draw(np.array([0]), 2, np.random.default_rng(0), True).tolist()
    assert row == [0, 0]
    assert pool.draw(np.array([1]), 0, np.random.default_rng(0), True).shape == (1, 0)


def test_a_file_without_kinds_has_no_structure_to_draw_first(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "train.jsonl", lines(60))
    contrast = {"terms__contrast__weight": 1.0, "terms__contrast__kinds": "structure_first"}
    data = {"data__train": path, "data__max_length": 99}
    config = smoke(tmp_path, **contrast, **data)
    with pytest.raises(UserError, match=r"structure_first, but .*train\.jsonl.*kinds alike"):
        corpus_for(config)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_batch_is_sentences_paraphrases_and_counterfactuals_in_rows(count: int) -> None:
    some = lines()
    made = variants(some, encode, "here")
    train, index = encode([line.text for line in some]), torch.tensor([3, 0, 9])
    batch, same = made.batch(train, index, count, np.random.default_rng(4))
    assert len(batch.ids) == len(batch.mask) == 3 * (2 + count)
    rows = [ids[mask].tolist() for ids, mask in zip(batch.ids, batch.mask, strict=True)]
    assert not batch.ids[~batch.mask].any()
    assert batch.mask.sum(1).max() == batch.mask.shape[1]  # padded to the longest, no further

    def told(texts: Sequence[str]) -> list[list[int]]:
        return [texts_of(encode(texts), place) for place in range(len(texts))]

    for row, place in enumerate(index.tolist()):
        assert rows[row] in told([some[place].text])
        assert rows[3 + row] in told(some[place].paraphrases)
        for each in range(count):
            assert rows[6 + count * row + each] in told(some[place].counterfactuals)
    expected = torch.eye(3, dtype=torch.bool)
    expected[1, 2] = expected[2, 1] = True  # lines 0 and 9 say the same in other words
    assert torch.equal(same, expected)
    again, _ = made.batch(train, index, count, np.random.default_rng(4))
    assert torch.equal(again.ids, batch.ids)


def test_triples_are_one_of_each_meaning_with_variants_of_changing_kinds() -> None:
    some = lines()
    found = triples(some, encode, "here")
    assert found.originals.texts == [line.text for line in some[:-1]]  # the last repeats the first
    for place, line in enumerate(some[:-1]):
        assert found.paraphrases.texts[place] == line.paraphrases[place % len(line.paraphrases)]
        assert found.counterfactuals.texts[place] in line.counterfactuals
    bare = [Line("A sentence without any variant."), *some]
    assert triples(bare, encode, "here").originals.texts == found.originals.texts


def test_too_few_triples_are_an_error() -> None:
    with pytest.raises(UserError, match=r"here: 1 held-out .* two are needed.*--evaluation\.retr"):
        triples([lines()[0], Line("One.")], encode, "here")


@pytest.mark.parametrize("kind", ["paraphrases", "counterfactuals"])
def test_a_training_sentence_without_variants_is_an_error(kind: str) -> None:
    broken = [*lines(), lines()[1]._replace(text="A red cone touches.", **{kind: ()})]
    with pytest.raises(UserError, match=rf"here: 1 of 11 .* no {kind}.*'A red cone touches\.'"):
        variants(broken, encode, "here")


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    path = jsonl(tmp_path / "train.jsonl", lines(60))
    return load(DataConfig(train=path, cache=tmp_path / "cache", max_length=99))


def test_variants_of_a_file_are_those_of_its_training_sentences(corpus: Corpus) -> None:
    made, splits = corpus.variants, corpus.splits
    assert len(made.meanings) == len(corpus.train)
    assert len(made.paraphrases.bounds) == len(corpus.train) + 1
    assert splits.keys() == {"random"}
    held_out = {parse(text) for text in splits["random"].originals.texts}
    assert len(held_out) == len(splits["random"]) >= 2
    assert not held_out & {parse(text) for text in corpus.train.texts}
    assert not held_out & {parse(text) for text in made.paraphrases.sentences.texts}
    for same, text in zip(
        splits["random"].paraphrases.texts, splits["random"].originals.texts, strict=True
    ):
        assert parse(same) == parse(text)


def test_a_validation_file_is_the_random_split(tmp_path: Path) -> None:
    some = lines(30)
    train = jsonl(tmp_path / "train.jsonl", some[:20])
    validation = jsonl(tmp_path / "validation.jsonl", some[20:30])
    corpus = load(
        DataConfig(train=train, validation=validation, cache=tmp_path / "cache", max_length=99)
    )
    assert corpus.splits["random"].originals.texts == [line.text for line in some[20:30]]
    assert len(corpus.variants.meanings) == 20


def test_variants_that_are_cut_are_counted(tmp_path: Path) -> None:
    """A sentence that is cut may say the same as its counterfactual, whose end differs."""
    spoilt = lines(30)
    long = " ".join(["and another cube"] * 60)
    for place in (0, 1, 2):
        spoilt[place] = spoilt[place]._replace(paraphrases=(SAME, long))
    for place in (5, 27):
        spoilt[place] = spoilt[place]._replace(counterfactuals=(long,))
    data = DataConfig(
        train=jsonl(tmp_path / "train.jsonl", spoilt[:20]),
        validation=jsonl(tmp_path / "validation.jsonl", spoilt[20:30]),
        cache=tmp_path / "cache",
        max_length=150,
    )
    with warnings.catch_warnings(action="error"):
        corpus = load(data)  # its plain sentences are whole
    total = sum(len(line.paraphrases) for line in spoilt[:20])
    others = sum(len(line.counterfactuals) for line in spoilt[:20])
    with warnings.catch_warnings(record=True, action="always") as caught:
        _ = corpus.variants
        _ = corpus.splits
    messages = [str(warning.message) for warning in caught]
    assert messages[0].startswith(
        f"3 of {total} training paraphrases and 1 of {others} training counterfactuals are longer "
        "than 150 tokens"
    )
    assert messages[1].startswith("1 of 10 held-out counterfactuals are longer")
    assert len(messages) == 2
    assert all("--data.max_length" in message for message in messages)


def test_a_text_file_has_no_variants(tmp_path: Path) -> None:
    path = tmp_path / "train.txt"
    path.write_text("\n".join(line.text for line in lines(30)), encoding="utf-8")
    corpus = load(DataConfig(train=path, cache=tmp_path / "cache", max_length=99))
    with pytest.raises(UserError, match=r"train\.txt: .* have no paraphrases"):
        _ = corpus.variants
    with pytest.raises(UserError, match=r"train\.txt: 0 held-out sentences"):
        _ = corpus.splits


def test_counterfactuals_of_a_file_are_a_list_of_sentences(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    rows = [{"original": "One."}, {"original": "Two.", "counterfactuals": "three"}]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    with pytest.raises(UserError, match=r"train\.jsonl, line 2: 'counterfactuals' must be a list"):
        read(path)


def test_kinds_are_ours_or_a_files_own_or_none(tmp_path: Path) -> None:
    other = {"original": "One.", "counterfactuals": ["Two.", " ", "Three."]}
    given = [["color", "gone", "swap"], ["mood", "x", "tense_2"], [], None]
    path = tmp_path / "train.jsonl"
    rows = [*(other | {"counterfactual_kinds": kinds} for kinds in given), other]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    kinds = [line.kinds for line in read(path)]
    assert kinds == [("color", "swap"), ("mood", "tense_2"), (), (), ()]  # without the blank one
    for wrong in (["color"], ["a", "b c", "d"], "color", 5, [["color"], 1, 2], ["a", "", "b"]):
        rows[1] = other | {"counterfactual_kinds": wrong}
        path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
        with pytest.raises(UserError, match=r"line 2: 'counterfactual_kinds' must be .* 3 counter"):
            read(path)


def test_unseen_combinations_are_of_generated_sentences(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"data\.unseen .* data\.train is .*train\.txt"):
        DataConfig(unseen=True, train=tmp_path / "train.txt")
