"""Identity of a corpus: what differs is named, and nothing else than what is read counts."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from smoke import smoke

from ablations.arms import BASE, Arm
from ablations.cells import planned
from vlatent.config import Config
from vlatent.corpus import Corpus, DataConfig, changed_parts, corpus_fingerprint, load
from vlatent.fingerprints import corpus_digests
from vlatent.scenes import default_corpus

Records = list[dict[str, Any]]
KEYS = ("original", "paraphrases", "counterfactuals", "counterfactual_kinds")


@pytest.fixture(scope="module")
def records() -> Records:
    made = default_corpus(30, 1)[0]
    return [{key: example.record()[key] for key in KEYS} for example in made]


def saved(folder: Path, training: Records, held_out: Records) -> DataConfig:
    """The settings of a corpus of these records, in files of its own."""
    folder.mkdir(parents=True)
    for name, some in (("training", training), ("held_out", held_out)):
        text = "\n".join(map(json.dumps, some))
        (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")
    return DataConfig(
        train=folder / "training.jsonl",
        validation=folder / "held_out.jsonl",
        cache=folder.parent / "cache",
        max_length=200,
    )


def spoilt(records: Records, key: str) -> Records:
    """One value of one sentence is another."""
    *others, last = records
    first, *rest = last[key]
    other = ("swap" if first != "swap" else "color") if key.endswith("kinds") else f"{first} No."
    return [*others, last | {key: [other, *rest]}]


def cells(config: Config, corpus: Corpus) -> dict[str, str]:
    """Keys of cells that read no variants, those of training and those of held-out sentences."""
    terms = {"terms.contrast.weight": 1.0}
    retrieved = {"evaluation.retrieved": 5}
    arms = [BASE, Arm("terms", "setting", terms), Arm("retrieved", "setting", retrieved)]

    def read(each: Config) -> str:
        return corpus_fingerprint(corpus_digests(each, corpus))

    return {cell.arm.name: cell.key for cell in planned(config, arms, [0], read)}


@pytest.mark.parametrize("key", KEYS[1:])
@pytest.mark.parametrize("which", ["training", "held-out"])
def test_corpora_that_differ_only_in_variants_differ(
    which: str, key: str, records: Records, tmp_path: Path
) -> None:
    training, held_out = records[:20], records[20:]
    one = load(saved(tmp_path / "one", training, held_out))
    if which == "training":
        other = load(saved(tmp_path / "other", spoilt(training, key), held_out))
    else:
        other = load(saved(tmp_path / "other", training, spoilt(held_out, key)))
    kinds = key == "counterfactual_kinds"
    part = f"kinds of {which} counterfactuals" if kinds else f"{which} {key}"
    everything = [corpus.digests(variants=True, splits=True) for corpus in (one, other)]
    assert changed_parts(*everything) == [part]
    assert corpus_fingerprint(everything[0]) != corpus_fingerprint(everything[1])
    first, second = (cells(smoke(tmp_path), corpus) for corpus in (one, other))
    assert first["base"] == second["base"]  # it reads no variants
    assert (first["terms"] == second["terms"]) == (which == "held-out")
    assert (first["retrieved"] == second["retrieved"]) == (which == "training")


def test_corpora_that_differ_in_nothing_are_one(records: Records, tmp_path: Path) -> None:
    training, held_out = records[:20], records[20:]
    turned = [dict(reversed(record.items())) for record in training]
    assert json.dumps(turned) != json.dumps(training)
    one = load(saved(tmp_path / "one", training, held_out))
    other = load(saved(tmp_path / "other", turned, held_out))
    assert one.digests(variants=True, splits=True) == other.digests(variants=True, splits=True)
    assert cells(smoke(tmp_path), one) == cells(smoke(tmp_path), other)


def test_other_sentences_are_named_and_not_what_follows(records: Records, tmp_path: Path) -> None:
    training, held_out = records[:20], records[20:]
    turned = [*training[1:], training[0]]
    one, two, three = (
        load(saved(tmp_path / name, *parts))
        for name, parts in {
            "one": (training, held_out),
            "two": (turned, held_out),
            "three": (training, held_out[:-1]),
        }.items()
    )
    first, second, third = (each.digests(variants=True, splits=True) for each in (one, two, three))
    assert changed_parts(first, second) == ["training sentences"]
    assert changed_parts(first, third) == ["held-out sentences", "splits"]
    base = [cells(smoke(tmp_path), each)["base"] for each in (one, two, three)]
    assert len(set(base)) == 3


def test_another_tokenizer_or_length_is_named(records: Records, tmp_path: Path) -> None:
    data = saved(tmp_path / "one", records[:20], records[20:])

    def digests(**settings: int) -> dict[str, str]:
        return load(DataConfig(**vars(data) | settings)).digests(False, False)

    whole = digests()
    assert changed_parts(whole, digests(vocabulary=280)) == ["tokenizer"]
    assert changed_parts(whole, digests(max_length=10**5)) == []
    with pytest.warns(UserWarning, match="longer than"):
        assert changed_parts(whole, digests(max_length=5)) == ["tokens"]


def test_where_no_variants_are_read_the_fingerprint_is_as_ever(
    records: Records, tmp_path: Path
) -> None:
    """Cells and studies that were recorded before variants counted keep their identity."""
    corpus = load(saved(tmp_path / "one", records[:20], records[20:]))
    expected = hashlib.sha256(str(corpus.vocabulary_size).encode())
    for part in (corpus.train, corpus.validation, corpus.fixed):
        expected.update(json.dumps(part.texts).encode())
        expected.update(part.tokens.numpy().tobytes())
        expected.update(part.offsets.numpy().tobytes())
    plain = corpus_fingerprint(corpus_digests(smoke(tmp_path), corpus))
    assert plain == expected.hexdigest()[:16]
