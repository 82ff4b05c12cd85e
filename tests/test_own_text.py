"""A user's own files: keys, paragraphs, folders, tables, repeats; and what is wrong with them."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pytest
import torch
from inside import inside
from pyarrow import ipc, parquet
from smoke import smoke

from studies import meaning as meaning_study
from vlatent.__main__ import main
from vlatent.config import Config, override
from vlatent.corpus import DataConfig, Sentences, load
from vlatent.corpus.files import read
from vlatent.corpus.wordings import triples, variants
from vlatent.encoder import Encoder
from vlatent.evaluation import Evaluation
from vlatent.evaluation.meaning_criteria import of_meaning
from vlatent.fingerprints import effective
from vlatent.meaning import kinds_of, meaning
from vlatent.preparation import corpus_for, corpus_lines
from vlatent.scenes import Line
from vlatent.shapes import UserError

Rows = Sequence[Mapping[str, object]]
TEXTS = [f"Sentence {word} goes here." for word in "one two three four five six seven".split()]  # noqa: SIM905
ROWS: Rows = [{"text": text, "stars": 3} for text in TEXTS]


def jsonl(path: Path, rows: Rows) -> Path:
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


def arrow(folder: Path, rows: Rows, shards: int = 1) -> Path:
    """One split as `datasets.save_to_disk` leaves it, with a stale cache beside it."""
    folder.mkdir(parents=True)
    names = [f"data-{place:05d}-of-{shards:05d}.arrow" for place in range(shards)]
    for place, name in enumerate(names):
        table = pa.Table.from_pylist(list(rows)[place::shards])
        with ipc.new_stream(str(folder / name), table.schema) as writer:
            writer.write_table(table, max_chunksize=2)
    (folder / "cache-123.arrow").write_bytes(b"of datasets.map")
    state = {"_data_files": [{"filename": name} for name in names], "_split": folder.name}
    (folder / "state.json").write_text(json.dumps(state), encoding="utf-8")
    return folder


def test_a_key_of_ones_own(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", ROWS)
    assert [line.text for line in read(path, "text")] == TEXTS
    with pytest.raises(UserError, match=r"line 1: has no key 'original'; .*: --data\.key text\.$"):
        read(path)
    with pytest.raises(UserError, match=r"line 1: 'stars' must be a sentence, but is 3\."):
        read(path, "stars")


def test_blank_texts_are_left_out_and_reported(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", [{"text": "one"}, {"text": " "}, {"text": ""}, *ROWS])
    with pytest.warns(UserWarning, match=r"a\.jsonl: 2 texts are blank .* first at .*, line 2\.$"):
        assert [line.text for line in read(path, "text")] == ["one", *TEXTS]


def test_paragraphs_become_sentences(tmp_path: Path) -> None:
    path = tmp_path / "book.txt"
    path.write_text("It was I. He\nsaw it.\n\nThe end\n", encoding="utf-8")
    assert [line.text for line in read(path)] == ["It was I. He", "saw it.", "The end"]
    found = read(path, split="sentence")
    assert [line.text for line in found] == ["It was I.", "He saw it.", "The end"]
    assert len({line.group for line in found}) == 2  # a paragraph each
    labels = {"topic": "law", "year": 1900, "none": None, "empty": ""}
    row = {"text": "It was I. He\nsaw it.", "labels": labels}
    found = read(jsonl(tmp_path / "a.jsonl", [row, row | {"group": "g"}]), "text", "sentence")
    assert [line.text for line in found] == ["It was I.", "He saw it."] * 2
    assert {line.labels for line in found} == {(("topic", "law"), ("year", "1900"))}
    assert [line.group == "g" for line in found] == [False, False, True, True]
    with pytest.raises(UserError, match=r"line 1: paraphrases .* makes 2 of it; set --data\.split"):
        read(jsonl(tmp_path / "b.jsonl", [row | {"paraphrases": ["x"]}]), "text", "sentence")


def test_a_long_paragraph_is_no_long_sentence(tmp_path: Path) -> None:
    path = tmp_path / "book.txt"
    path.write_text("It rains in here. " * 2000, encoding="utf-8")
    with pytest.raises(UserError, match=r"book\.txt, line 1 has 35,999 char.* --data\.split sent"):
        read(path)
    assert len(read(path, split="sentence")) == 2000
    path.write_text("Short one.\n\n" + "no end " * 4000, encoding="utf-8")
    with pytest.raises(UserError, match=r"book\.txt, line 3 has 27,999 characters"):
        read(path, split="sentence")


def test_a_folder_of_documents(tmp_path: Path) -> None:
    folder = tmp_path / "documents"
    (folder / "deep").mkdir(parents=True)
    (folder / "b.txt").write_text("three\n", encoding="utf-8")
    (folder / "a.txt").write_text("one\ntwo\n", encoding="utf-8")
    (folder / "deep" / "c.TXT").write_text("four\n", encoding="utf-8")
    (folder / "empty.txt").touch()
    (folder / ".hidden.txt").write_text("no\n", encoding="utf-8")
    (folder / "figure.png").write_bytes(b"\xff")
    assert [line.text for line in read(folder)] == ["one", "two", "three", "four"]
    jsonl(folder / "d.jsonl", ROWS)
    with pytest.raises(UserError, match=r"documents holds \.jsonl and \.txt files; put those of"):
        read(folder)


@pytest.mark.parametrize("suffix", ["parquet", "arrow", "folder", "shards"])
def test_tables(suffix: str, tmp_path: Path) -> None:
    """What pyarrow wrote comes back, with variants, labels and groups."""
    rows: list[dict[str, Any]] = [
        {"text": text, "paraphrases": ["same"], "labels": {"topic": None}, "group": 4, "stars": 1}
        for text in TEXTS
    ]
    rows[1] |= {"text": None}
    rows[2] |= {"paraphrases": None, "labels": {"topic": "law"}}
    table = pa.Table.from_pylist(rows)
    if suffix == "parquet":
        path = tmp_path / "a.parquet"
        parquet.write_table(table, path, row_group_size=3)
    elif suffix == "arrow":
        path = tmp_path / "a.arrow"
        with ipc.new_file(str(path), table.schema) as writer:
            writer.write_table(table)
    else:
        path = arrow(tmp_path / "train", rows, 1 if suffix == "folder" else 7)
    with pytest.warns(UserWarning, match=r"1 texts are blank and left out, the first at .*, row "):
        found = read(path, "text")
    expected = [Line(text, ("same",), group="4") for text in TEXTS]
    expected[2] = Line(TEXTS[2], labels=(("topic", "law"),), group="4")
    assert found == [expected[0], *expected[2:]]


def test_splits_of_a_dataset(tmp_path: Path) -> None:
    books = tmp_path / "books"
    for name in ("train", "test"):
        arrow(books / name, ROWS)
    (books / "dataset_dict.json").write_text('{"splits": ["train", "test"]}', encoding="utf-8")
    with pytest.raises(UserError, match=r"books holds 2 splits, .*books/test, .*books/train; give"):
        read(books, "text")
    assert [line.text for line in read(books / "test", "text")] == TEXTS
    hub = tmp_path / "hub"
    hub.mkdir()
    for name in ("test", "train"):
        parquet.write_table(
            pa.Table.from_pylist(list(ROWS)), hub / f"{name}-00000-of-00001.parquet"
        )
    with pytest.raises(UserError, match=r"hub holds 2 splits, test, train; give one of them"):
        read(hub, "text")
    only = tmp_path / "only"
    arrow(only / "train", ROWS)
    (only / "dataset_dict.json").touch()
    assert [line.text for line in read(only, "text")] == TEXTS


def test_broken_tables_and_folders(tmp_path: Path) -> None:
    def refused(path: Path, match: str) -> None:
        with pytest.raises(UserError, match=match) as raised:
            read(path, "words")
        assert "\n" not in str(raised.value)

    refused(tmp_path / "no.parquet", r"no\.parquet does not exist; give")
    for name in ("a.parquet", "a.arrow"):
        (tmp_path / name).write_bytes(b"neither one nor the other")
        refused(tmp_path / name, rf"{name} cannot be read as a table \(.*\); write it again")
    good = arrow(tmp_path / "good", ROWS)
    refused(good, r"has no column 'words', but text, stars; choose one: --data\.key text\.$")
    (good / "data-00000-of-00001.arrow").unlink()
    refused(good, r"data-00000-of-00001\.arrow does not exist")
    for state in ("{", "{}", "[]", '{"_data_files": [{}]}'):
        (good / "state.json").write_text(state, encoding="utf-8")
        refused(good, r"state\.json is damaged \(.*\); save the dataset again")
    (tmp_path / "bare").mkdir()
    refused(tmp_path / "bare", r"bare is a folder without a file that ends in \.txt .* \.parquet")
    refused(tmp_path / ("x" * 300), r"cannot be read: File name too long; give one that can")


WRONG: list[tuple[dict[str, object], str]] = [
    ({"labels": ["law"]}, r"'labels' must be an object such as .*but 'label' is \['law'\]"),
    ({"labels": {"topic": ["law"]}}, r"'labels' must be .*but 'topic' is \['law'\]"),
    ({"labels": {"topic": 1.5}}, r"'labels' must .* a whole number .*but 'topic' is 1\.5"),
    ({"labels": {" ": "law"}}, r"'labels' must be .*but ' ' is 'law'"),
    ({"group": ["a"]}, r"'group' must be a text or a number, but is \['a'\]"),
]


@pytest.mark.parametrize(("beside", "match"), WRONG)
def test_wrong_labels(beside: dict[str, object], match: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=rf"a\.jsonl, line 8: {match}"):
        read(jsonl(tmp_path / "a.jsonl", [*ROWS, {"text": "x"} | beside]), "text")


def test_one_label_needs_no_name(tmp_path: Path) -> None:
    found = read(jsonl(tmp_path / "a.jsonl", [{"text": "x", "labels": 3}, *ROWS]), "text")
    assert found[0].labels == (("label", "3"),)


# --- repeats --------------------------------------------------------------------------------


def test_duplicates_are_counted_and_dropped(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("\n".join([*TEXTS, TEXTS[0], TEXTS[0], TEXTS[3]]), encoding="utf-8")
    kept = load(DataConfig(train=path, cache=tmp_path, max_length=99))
    assert f"{path}: 10 sentences (3 duplicates), " in str(kept)
    corpus = load(DataConfig(train=path, cache=tmp_path, max_length=99, duplicates="drop"))
    assert f"{path}: 7 sentences (3 duplicates left out), " in str(corpus)
    assert sorted(corpus.train.texts + corpus.validation.texts) == sorted(TEXTS)
    assert corpus.held_out_lines["random"] == [Line(text) for text in corpus.validation.texts]


def test_dropped_are_also_held_out_sentences_that_training_has(tmp_path: Path) -> None:
    train, held_out = tmp_path / "train.txt", tmp_path / "held_out.txt"
    train.write_text("\n".join(TEXTS[:4]), encoding="utf-8")
    held_out.write_text("\n".join([*TEXTS[2:], TEXTS[6]]), encoding="utf-8")
    data = DataConfig(train=train, validation=held_out, cache=tmp_path, max_length=99)
    with pytest.warns(UserWarning, match=r"2 of 6 .* training .* set --data\.duplicates drop"):
        load(data)
    with warnings.catch_warnings(action="error"):
        corpus = load(DataConfig(**vars(data) | {"duplicates": "drop"}))
    assert corpus.validation.texts == TEXTS[4:]
    assert corpus.dropped == 3
    held_out.write_text("\n".join(TEXTS[:3]), encoding="utf-8")
    with pytest.raises(UserError, match=r"every sentence of .*held_out\.txt is in the training"):
        load(DataConfig(**vars(data) | {"duplicates": "drop"}))
    train.write_text("same\nsame\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"train\.txt has only one sentence; it needs two differe"):
        load(DataConfig(train=train, cache=tmp_path, duplicates="drop"))


def test_settings_that_came_later_leave_identities_alone() -> None:
    later = {"data.key": "text", "data.split": "sentence", "data.duplicates": "drop"}
    assert later.keys().isdisjoint(effective(Config()))
    assert later.items() <= effective(override(Config(), later)).items()


def test_what_is_cut_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("\n".join([*TEXTS, "The longest of all of them " * 9]), encoding="utf-8")
    with pytest.warns(UserWarning, match=r"longer than 20 .* longest begins 'The longest of all"):
        load(DataConfig(train=path, cache=tmp_path, max_length=20, vocabulary=258))


# --- wordings without our grammar -----------------------------------------------------------

OWN = [
    {
        "original": f"The {animal} saw the {other} at noon.",
        "paraphrases": [f"At noon the {animal} noticed the {other}."],
        "counterfactuals": [f"The {other} saw the {animal} at noon.", f"No {animal} saw it."],
        "counterfactual_kinds": ["swap", "denial"],
    }
    for animal in ("cat", "dog", "hen", "fox", "owl", "cow", "bee", "ant")
    for other in ("mouse", "crow", "toad", "wolf", "goat")
]
PAIRS = [{key: row[key] for key in ("original", "paraphrases")} for row in OWN]
FLAGS = {"terms.contrast.weight": 1.0, "evaluation.retrieved": 4, "data.max_length": 99}


def configured(tmp_path: Path, rows: Rows, **changes: object) -> Config:
    return override(
        smoke(tmp_path), FLAGS | {"data.train": jsonl(tmp_path / "own.jsonl", rows)} | changes
    )


def test_what_needs_the_grammar_is_left_out_and_said(tmp_path: Path) -> None:
    config = configured(tmp_path, OWN)
    corpus = corpus_for(config)
    assert corpus.variants.counterfactuals.structure.sum() == len(corpus.train)  # their swaps
    model = Encoder(config.encoder, corpus.vocabulary_size)
    found = meaning(model, corpus.splits, "coarse", 4, 4, corpus.validation)
    assert kinds_of(found, "random") == ["swap", "denial"]
    last = Evaluation(0, found, {})
    judged = {name: said for name, _, said, _ in of_meaning(last, last)}
    assert list(judged) == [
        *("recall@1", "recall@5", "gap", "triplet accuracy", "jitter", "jitter recall")
    ]
    assert judged["gap"].startswith("random swap") or judged["gap"].startswith("random denial")
    worst = min(found["meaning/random/gap_swap"], found["meaning/random/gap_denial"])
    assert f"{worst:.2f}" in judged["gap"]
    said = corpus_lines(config, corpus).splitlines()
    assert said[0] == str(corpus)
    assert said[1] == (
        "Not judged: color, shape and relation AUC, splits of unseen combinations and wordings."
    )
    nameless = [{key: row[key] for key in row if key != "counterfactual_kinds"} for row in OWN]
    config = configured(tmp_path, nameless)
    assert "for want of counterfactual_kinds." in corpus_lines(config, load(config.data))
    assert corpus_lines(override(config, {"evaluation.retrieved": 0}), corpus) == str(corpus)
    told = {"evaluation.retrieved": 0, "evaluation.read": 2, "terms.reconstruction.weight": 1.0}
    assert corpus_lines(override(config, told), corpus).splitlines()[1:] == [
        "Not judged: what is read back, as its facts are not known."
    ]


def test_pairs_without_counterfactuals(tmp_path: Path) -> None:
    """Retrieval, cosines of paraphrases and shifts are measured; distinction is not."""
    with pytest.raises(UserError, match=r"counterfactuals is 2, but no sentence in .*own\.jsonl"):
        corpus_for(configured(tmp_path, PAIRS))
    config = configured(tmp_path, PAIRS, **{"terms.contrast.counterfactuals": 0})
    corpus = corpus_for(config)
    said = "; gap and triplet accuracy, for want of counterfactuals."
    assert said in corpus_lines(config, corpus)
    made = corpus.variants
    batch, _ = made.batch(corpus.train, torch.arange(3), 0, np.random.default_rng(0))
    assert len(batch.ids) == 6
    model = Encoder(config.encoder, corpus.vocabulary_size)
    whole = load(override(config, {"data.train": jsonl(tmp_path / "all.jsonl", OWN)}).data)
    pairs, both = (
        meaning(model, {"random": triples(lines, corpus.encoded, "here")}, "coarse", 4, 4)
        for lines in (corpus.held_out_lines["random"], whole.held_out_lines["random"])
    )
    assert not any("counterfactual" in name or "gap" in name for name in pairs)
    assert {name: both[name] for name in pairs} == pytest.approx(pairs)
    assert {name.rpartition("/")[2] for name in both.keys() - pairs.keys()} == {
        f"{name}{kind}"
        for name in ("gap", "triplet_accuracy", "cosine")
        for kind in ("", "_swap", "_denial")
        if name + kind != "cosine"
    } | {"cosine_counterfactual"}
    space = meaning_study.space(config)
    assert "terms.contrast.counterfactuals" not in space
    assert meaning_study.apply(config, {"terms.contrast.weight": 2.0}).terms.contrast.weight == 2.0


def test_some_counterfactuals_are_no_reason_to_do_without() -> None:
    lines = [Line("A.", ("B.",), ("C.",)), Line("D.", ("E.",)), Line("F.", ("G.",), ("H.",))]

    def encode(texts: Sequence[str]) -> Sentences:
        ones = torch.ones(len(texts), dtype=torch.int32)
        return Sentences(list(texts), ones, torch.arange(len(texts) + 1), 0)

    assert triples(lines, encode, "here").originals.texts == ["A.", "F."]
    with pytest.raises(UserError, match=r"here: 1 of 3 training sentences have no counterfactuals"):
        variants(lines, encode, "here")


# --- the command ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--data.train", "no"), r"error: no must end in \.txt .* or be a folder of such files\."),
        (("--data.train", "rows.jsonl"), r"rows\.jsonl, line 1: has no key 'original'; .* text\."),
        (("--data.train", "rows.jsonl", "--data.split", "word"), r"data\.split must be one of "),
        (("--data.train", "rows.jsonl", "--data.duplicates", "x"), r"data\.duplicates must be one"),
        (("--data.train", "rows.jsonl", "--data.unseen", "true"), r"set --data\.unseen false, and"),
        (("--data.train", "rows.jsonl", "--data.key", "null"), r"data\.key "),
    ],
)
def test_one_line_and_status_2(flags: tuple[str, ...], message: str, tmp_path: Path) -> None:
    jsonl(tmp_path / "rows.jsonl", ROWS)
    result = inside(tmp_path, main, "train", "--config", "smoke", *flags)
    assert result.returncode == 2
    (line,) = cast(str, result.stderr).splitlines()
    with pytest.raises(AssertionError, match=message):
        raise AssertionError(line)
    assert [file.name for file in tmp_path.iterdir()] == ["rows.jsonl"]
