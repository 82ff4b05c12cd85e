"""Files, tokenizers and batches: what goes in comes out, once, and in a known order."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import random
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest
import tokenizers
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from vlatent import text_files
from vlatent.corpus import (
    FIXED_SENTENCES,
    Corpus,
    DataConfig,
    Sentences,
    Tokenizer,
    batches,
    corpus_fingerprint,
    encoding,
    load,
    loading,
    stream,
)
from vlatent.corpus.files import hold_out, read
from vlatent.corpus.tokenizer import default_cache, trained
from vlatent.scenes import Line, default_corpus, generate, parse
from vlatent.scenes.splits import draw_parts
from vlatent.shapes import UserError

BOOK = """\
The house at the end of the quay had no number, and the postman — a patient man — never asked.
“You'll want the other door,” she said; “this one is painted on.”
Später fragte niemand, wem die Bücher gehörten: sie standen einfach da, größer als zuvor.
Le garçon avait dessiné un phare, une forêt, et trois bœufs très étonnés.

São João à beira-mar: café, pão, açúcar.
東の窓には雨、西の窓には月。
那只猫坐在红色的盒子上,看着雪。
Вечером он снова открыл тетрадь и написал: «ничего не произошло».
Το παλιό ρολόι χτύπησε δεκατρείς φορές.
القارب الأزرق يقترب من الشاطئ.
दीवार पर एक नीला घेरा था।
“Three of them?” – “No… four. 🐙🐙🐙🐙”
Family of four, one character for the eye: 👨‍👩‍👧‍👦, and a flag: 🇵🇹.
Cafe\u0301 with a combining accent is not café without one.
A line\u2028separator and a\u0085next line inside a sentence split nothing.
  Indented,\twith a tab,  and two  spaces.\x20\x20
x² + y² = r² ⇒ the circle ∮ closes; 50 µm ± 3 %.
end
e
It was not raining, it was not snowing, and it was not, as far as one could tell, doing anything.
On the third day the tide brought a chair, on the fourth a table, on the fifth a guest.
He counted: one, two, two, three, five, eight, and fell asleep.
No.
No.
No!
The lamp smoked. The stair creaked. The map, when they unrolled it, showed another side of the hill.
Wherever the road went, it went without them, past the mill, past the lock, past the last window.
All the same, the bread was good.
"""  # noqa: RUF001
BOOK_LINES = [line.strip() for line in BOOK.split("\n") if line.strip()]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def blocks(cache: Path) -> Corpus:
    return load(DataConfig(cache=cache))


@pytest.fixture
def book(tmp_path: Path) -> Path:
    path = tmp_path / "book.txt"
    path.write_text(BOOK, encoding="utf-8")
    return path


def ids_of(sentences: Sentences, place: int) -> list[int]:
    batch = sentences.batch([place])
    return batch.ids[0][batch.mask[0]].tolist()


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


# --- the default corpus ---------------------------------------------------------------------


def test_default_corpus(blocks: Corpus, cache: Path) -> None:
    training, validation = default_corpus()
    assert blocks.train.texts == [example.text for example in training]
    assert blocks.validation.texts == [example.text for example in validation]
    assert blocks.fixed.texts == list(FIXED_SENTENCES)
    fixed = {parse(text) for text in FIXED_SENTENCES}
    assert fixed.isdisjoint(map(parse, blocks.train.texts + blocks.validation.texts))
    assert blocks.train.truncated == blocks.validation.truncated == blocks.fixed.truncated == 0
    assert 256 < blocks.vocabulary_size == blocks.tokenizer.size < 8192
    assert int(blocks.train.tokens.max()) < blocks.vocabulary_size


def test_default_corpus_is_quick_when_cached(blocks: Corpus, cache: Path) -> None:
    start = time.perf_counter()
    again = load(DataConfig(cache=cache))
    assert time.perf_counter() - start < 8  # a second on an idle machine
    assert again.digests(False, False) == blocks.digests(False, False)


def test_fingerprint_follows_sentences_and_tokens(book: Path, cache: Path) -> None:
    def fingerprint(**settings: int) -> str:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            corpus = load(DataConfig(train=book, cache=cache, **settings))  # type: ignore[arg-type]
        return corpus_fingerprint(corpus.digests(variants=False, splits=False))

    first = fingerprint()
    assert len(first) == 16
    assert int(first, 16)
    assert fingerprint() == first
    assert fingerprint(max_length=5) != first
    assert fingerprint(vocabulary=270) != first
    write(book, BOOK.replace("creaked", "groaned"))
    assert fingerprint() != first


# --- files ----------------------------------------------------------------------------------


def test_a_book_comes_back_from_its_tokens(book: Path, cache: Path) -> None:
    corpus = load(DataConfig(train=book, cache=cache, max_length=1000))
    assert sorted(corpus.train.texts + corpus.validation.texts) == sorted(BOOK_LINES)
    for part in (corpus.train, corpus.validation, corpus.fixed):
        for place, text in enumerate(part.texts):
            ids = ids_of(part, place)
            assert corpus.tokenizer.decode(ids) == text
            assert ids[-1] == 1  # the end token
            assert 0 not in ids  # padding


@pytest.mark.parametrize("suffix", [".txt", ".jsonl"])
@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_blank_lines_and_byte_order_mark(
    suffix: str, start: bytes, end: str, tmp_path: Path
) -> None:
    texts = ["first of all", "", "a\u2028b", "   ", "last one", ""]
    lines = [
        json.dumps({"original": text}, ensure_ascii=False) if suffix == ".jsonl" and text.strip()
        else text
        for text in texts
    ]  # fmt: skip
    path = write(tmp_path / f"file{suffix}", start + end.join(lines).encode())
    assert [line.text for line in read(path)] == ["first of all", "a\u2028b", "last one"]


def test_generated_files_are_readable(tmp_path: Path, cache: Path) -> None:
    examples = generate(30, "all", "varied")
    jsonl = write(tmp_path / "a.jsonl", "\n".join(json.dumps(e.record()) for e in examples))
    text = write(tmp_path / "a.txt", "\n".join(e.text for e in examples))
    assert [line.text for line in read(jsonl)] == [line.text for line in read(text)]
    assert read(jsonl)[0].paraphrases == tuple(text for _, text in examples[0].paraphrases())


GOOD = '{"original": "one"}\n'
BAD_FILES: list[tuple[str, bytes | str, str]] = [
    ("a.txt", "", r"a\.txt is empty"),
    ("a.txt", " \n\t\r\n\n", r"a\.txt has only blank lines"),
    ("a.jsonl", "\n\n", r"a\.jsonl has only blank lines"),
    ("a.txt", "only this\n\n", r"a\.txt has only one sentence"),
    ("a.txt", b"one\ntwo\nth\xffree", r"a\.txt is not UTF-8: byte 0xff at offset 10, line 3"),
    ("a.txt", b"\xef\xbb\xbfone\n\xc3", r"a\.txt is not UTF-8: byte 0xc3 at offset 4, line 2"),
    ("a.txt", "one\ntwo".encode("utf-16"), r"a\.txt is not UTF-8 but UTF-16; .*iconv -f UTF-16 "),
    ("a.txt", "one\ntwo".encode("utf-32"), r"a\.txt is not UTF-8 but UTF-32; .*iconv -f UTF-32 "),
    ("a.txt", "one\ntwo".encode("utf-16-le"), r"NUL character in line 1, .*iconv -f UTF-16LE"),
    ("a.txt", "one\ntwo".encode("utf-16-be"), r"NUL character in line 1, .*iconv -f UTF-16BE"),
    ("a.txt", "one\ntwo\0\n", r"NUL character in line 2"),
    (
        "a.txt",
        "one\n" + "two " * 10**6,
        r"a\.txt, line 2 has 3,999,999 characters, but at most 20,",
    ),
    ("a.txt", "one\n" + "x" * 3_000_000, r"a\.txt, line 2 has 3,000,000 .*: fold -s"),
    ("a.jsonl", GOOD + '{"original": "' + "x" * 30_000 + '"}', r"line 2 has 30,000 characters"),
    ("a.jsonl", GOOD + '{"original": "' + "x" * 2 * 10**6 + '"}', r"line 2 has 2,000,016 char"),
    ("a.jsonl", GOOD + '{"original": ' + "9" * 100_000 + "}", r"line 2: not JSON that can be read"),
    ("a.jsonl", GOOD + '{"original": "a", "original": "b"}', r"'original' stands there twice"),
    ("a.jsonl", GOOD + '{"original": "a\\u0000b"}', r"line 2: a NUL character"),
    ("a.jsonl", '[{"original": "a"}, {"original": "b"}]', r"is one JSON array.*jq -c '\.\[\]'"),
    ("a.jsonl", '[\n{"original": "a"},\n{"original": "b"}\n]\n', r"is one JSON array"),
    ("a.csv", "one\ntwo\n", r"a\.csv must end in \.txt .*\.jsonl .* or be a folder of such files"),
    ("a.jsonl", GOOD + '\n{"original": }', r"a\.jsonl, line 3: not JSON, .* at column 14"),
    ("a.jsonl", GOOD + "[" * 200_000, r"a\.jsonl, line 2: "),
    ("a.jsonl", GOOD + '["one"]', r"a\.jsonl, line 2: must be an object .* but is a list"),
    ("a.jsonl", GOOD + '{"Original": "x"}', r"a\.jsonl, line 2: has no key 'original'"),
    ("a.jsonl", GOOD + '{"original": 3}', r"line 2: 'original' must be a sentence, but is 3"),
    ("a.jsonl", GOOD + '{"original": null}', r"line 2: 'original' must be a sentence, but is None"),
    (
        "a.jsonl",
        GOOD + '{"original": "x", "paraphrases": "y"}',
        r"line 2: 'paraphrases' must be a list of sentences, but is 'y'",
    ),
    (
        "a.jsonl",
        GOOD + '{"original": "x", "paraphrases": ["y", null]}',
        r"line 2: 'paraphrases' must be a list of sentences, but is \['y', None\]",
    ),
    ("a.jsonl", GOOD + '{"original": "x \\ud83d"}', r"line 2: half a surrogate pair"),
    ("a.txt", "same\nsame\nsame\n", r"a\.txt has only one sentence, said 3 times; .*--data\.valid"),
]


@pytest.mark.parametrize(("name", "content", "message"), BAD_FILES)
def test_bad_files(name: str, content: bytes | str, message: str, tmp_path: Path) -> None:
    path = write(tmp_path / name, content)
    with pytest.raises(UserError, match=message) as raised:
        load(DataConfig(train=path, cache=tmp_path / "cache"))
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "cache").exists()


def test_missing_file_and_folder(tmp_path: Path, book: Path) -> None:
    with pytest.raises(UserError, match=r"no\.txt does not exist; vlatent scenes"):
        load(DataConfig(train=tmp_path / "no.txt"))
    with pytest.raises(UserError, match=r"no\.txt does not exist"):
        load(DataConfig(train=book, validation=tmp_path / "no.txt"))
    (tmp_path / "folder.txt").mkdir()
    with pytest.raises(UserError, match=r"folder\.txt is a folder without a file that ends"):
        load(DataConfig(train=tmp_path / "folder.txt"))


@pytest.mark.parametrize(("name", "least"), [("max_length", 1), ("vocabulary", 258)])
def test_impossible_settings(name: str, least: int) -> None:
    with pytest.raises(UserError, match=rf"data\.{name} must be at least {least}, but got 0"):
        DataConfig(**{name: 0})  # type: ignore[arg-type]


def test_validation_file_and_what_it_shares(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = write(tmp_path / "train.txt", "one\ntwo\nthree\nfour\n")
    apart = write(tmp_path / "apart.txt", "five\nsix\n")
    shared = write(tmp_path / "shared.txt", "five\ntwo\n four \n")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        corpus = load(DataConfig(train=train, validation=apart, cache=cache, max_length=999))
    assert corpus.train.texts == ["one", "two", "three", "four"]
    assert corpus.validation.texts == ["five", "six"]
    with pytest.warns(UserWarning, match=r"2 of 3 sentences in .*shared\.txt are in the training"):
        load(DataConfig(train=train, validation=shared, cache=cache, max_length=999))
    monkeypatch.setattr(loading, "parts_of", lambda unseen: draw_parts(unseen, 30, 10))
    corpus = load(DataConfig(validation=apart, cache=cache, max_length=999))
    assert (len(corpus.train), corpus.validation.texts) == (30, ["five", "six"])


def test_sentences_of_another_file_are_judged_with_the_same_tokens(
    book: Path, tmp_path: Path, cache: Path
) -> None:
    """The tokenizer stays the one of the run, though the run holds a part of its own file out."""
    corpus = load(DataConfig(train=book, cache=cache, max_length=999))
    texts = corpus.validation.texts
    again = corpus.judging(write(tmp_path / "again.txt", "\n".join(texts)))
    assert again.validation.texts == texts
    assert torch.equal(again.validation.tokens, corpus.validation.tokens)
    assert again.fixed.texts == corpus.fixed.texts
    assert again.digests(False, False) == corpus.digests(False, False)
    with warnings.catch_warnings(action="ignore"):
        anew = load(DataConfig(train=book, validation=tmp_path / "again.txt", cache=cache))
    assert anew.tokenizer.digest != corpus.tokenizer.digest  # it has read all of the book
    with pytest.warns(UserWarning, match=r"2 of 2 sentences in .*known\.txt are in the training"):
        corpus.judging(write(tmp_path / "known.txt", "\n".join(corpus.train.texts[:2])))
    with pytest.warns(UserWarning, match="1 of 2 sentences are longer than 999 tokens"):
        corpus.judging(write(tmp_path / "long.txt", f"{'so ' * 1500}\nbrief"))


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    (tmp_path / "zeros.txt").symlink_to("/dev/zero")
    for name in ("pipe.txt", "zeros.txt"):
        with pytest.raises(UserError, match=rf"{name} is a pipe or a device, not a regular file"):
            load(DataConfig(train=tmp_path / name))


def test_suffixes_in_capitals(tmp_path: Path) -> None:
    assert len(read(write(tmp_path / "A.TXT", "one\ntwo\n"))) == 2
    assert len(read(write(tmp_path / "A.JSONL", GOOD * 2))) == 2


def test_a_file_that_changes_meanwhile(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "a.txt", "one\ntwo\nthree\n")
    real, calls = os.fstat, itertools.count()

    def later(descriptor: int) -> os.stat_result:
        if next(calls) == 1:
            write(path, "one\ntwo\nthree\nfour\n")
        return real(descriptor)

    with monkeypatch.context() as patched:
        patched.setattr(text_files.os, "fstat", later)
        with pytest.raises(UserError, match=r"a\.txt changed while it was read"):
            read(path)
    line = '{"original": "%s", "paraphrases": ["p %s"], "counterfactuals": ["c %s"]}\n'
    lines = [line % (name, name, name) for name in "abcdefghijklmnopqrstuvw"]
    path = write(tmp_path / "a.jsonl", "".join(lines))
    corpus = load(DataConfig(train=path, cache=cache, max_length=200))
    write(path, "".join(lines[:-1]))
    with pytest.raises(UserError, match=r"a\.jsonl changed since it was read first"):
        _ = corpus.variants


def test_few_sentences_are_encoded_at_once(blocks: Corpus) -> None:
    """What the tokenizer knows of each token is a hundred times what is kept."""
    asked: list[int] = []

    def encode(texts: list[str]) -> list[list[int]]:
        asked.append(len(texts))
        return blocks.tokenizer.encode(texts)

    counting = Tokenizer(encode, blocks.tokenizer.decode, blocks.tokenizer.size, "")
    again = encoding.encoded(blocks.train.texts, counting, 64)
    assert max(asked) <= encoding.TOGETHER < len(again)
    assert torch.equal(again.tokens, blocks.train.tokens)
    assert torch.equal(again.offsets, blocks.train.offsets)


def test_without_a_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", nobody)
    path = write(tmp_path / "a.txt", "one\ntwo\nthree\n")
    with pytest.raises(UserError, match=r"no home folder .* --data\.cache"):
        load(DataConfig(train=path))
    assert len(load(DataConfig(train=path, cache=tmp_path / "cache", max_length=200)).train) == 2


@pytest.mark.parametrize("content", ["{", "{}", '{"version": "1.0", "model": {"type": "BPE"}}'])
def test_a_broken_tokenizer_folder(content: str, tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", "one\ntwo\nthree\n")
    (tmp_path / "tokenizer").mkdir()
    write(tmp_path / "tokenizer" / "tokenizer.json", content)
    config = '{"tokenizer_class": "PreTrainedTokenizerFast"}'
    write(tmp_path / "tokenizer" / "tokenizer_config.json", config)
    with pytest.raises(UserError, match=r"the folder .*tokenizer' holds no tokenizer that can"):
        load(DataConfig(train=path, tokenizer=str(tmp_path / "tokenizer")))


# --- holding out ----------------------------------------------------------------------------

WORDS = [f"word {number}" for number in range(12)]


@settings(deadline=None, max_examples=150)
@given(
    records=st.lists(
        st.tuples(st.sampled_from(WORDS), st.lists(st.sampled_from(WORDS), max_size=1)), min_size=2
    ),
    shuffle=st.randoms(use_true_random=False),
)
def test_held_out_by_content(records: list[tuple[str, list[str]]], shuffle: random.Random) -> None:
    """Nothing is lost; sides share no text, however it is linked; the order does not matter."""
    lines = [Line(text, tuple(others)) for text, others in records]
    # Spread over links until nothing changes: slow, plain, and not how the code does it.
    group = {text: {text} for text in WORDS}
    for text, others in records * len(WORDS):
        joined = set().union(*(group[member] for member in (text, *others)))
        for member in joined:
            group[member] = joined
    if len({frozenset(group[text]) for text, _ in records}) == 1:
        with pytest.raises(UserError, match=r"a\.jsonl has only one sentence, said \d+ times"):
            hold_out(lines, Path("a.jsonl"))
        return
    training, validation = hold_out(lines, Path("a.jsonl"))
    assert training
    assert validation
    assert sorted(training + validation, key=repr) == sorted(lines, key=repr)
    assert [line for line in lines if line in training] == training
    left, right = (
        set().union(*(group[line.text] for line in part)) for part in (training, validation)
    )
    assert left.isdisjoint(right)
    shuffled = shuffle.sample(lines, len(lines))
    again = hold_out(shuffled, Path("a.jsonl"))
    assert sorted(again[1], key=repr) == sorted(validation, key=repr)


def test_how_much_is_held_out(tmp_path: Path, cache: Path) -> None:
    for count, held in ((2, 1), (40, 4), (200, 20), (6000, 500)):
        path = write(tmp_path / f"{count}.txt", "\n".join(f"line {i}" for i in range(count)))
        corpus = load(DataConfig(train=path, cache=cache, vocabulary=300, max_length=999))
        assert (len(corpus.train), len(corpus.validation)) == (count - held, held)
        assert corpus.train.texts == [t for t in path.read_text().split("\n")
                                      if t in set(corpus.train.texts)]  # fmt: skip


# --- the fixed sentences --------------------------------------------------------------------


def test_figures_of_own_sentences_show_sixteen_held_out_ones(book: Path, cache: Path) -> None:
    """Chosen by content, and judged once: neither block sentences nor any of them twice."""
    corpus = load(DataConfig(train=book, cache=cache, max_length=1000))
    by_hash = sorted(
        set(corpus.validation.texts), key=lambda text: hashlib.sha256(text.encode()).digest()
    )
    assert corpus.fixed.texts == by_hash[:16]
    judged = [] if corpus.judged is None else corpus.judged.texts
    assert sorted({*judged, *corpus.fixed.texts}) == sorted(set(corpus.validation.texts))
    assert set(judged).isdisjoint(corpus.fixed.texts)
    shuffled = book.with_name("shuffled.txt")
    lines = [*corpus.train.texts, *corpus.validation.texts]
    shuffled.write_text("\n".join(reversed(lines)), encoding="utf-8", newline="\n")
    other = load(DataConfig(train=shuffled, cache=cache, max_length=1000))
    assert other.fixed.texts == corpus.fixed.texts


def test_with_few_own_sentences_all_that_are_held_out_are_fixed(
    tmp_path: Path, cache: Path
) -> None:
    place = tmp_path / "few.txt"
    place.write_text("one fish\ntwo fish\n", encoding="utf-8")
    corpus = load(DataConfig(train=place, cache=cache))
    assert corpus.fixed.texts == corpus.validation.texts
    assert corpus.judged is None


def test_a_file_about_blocks_keeps_the_sentences_of_the_toolkit(
    blocks: Corpus, tmp_path: Path, cache: Path
) -> None:
    assert blocks.judged is blocks.validation
    place = tmp_path / "blocks.txt"
    place.write_text("\n".join(blocks.train.texts[:40]), encoding="utf-8")
    corpus = load(DataConfig(train=place, cache=cache))
    assert corpus.fixed.texts == list(FIXED_SENTENCES)
    assert corpus.judged is corpus.validation


def test_a_corpus_is_one_line(blocks: Corpus, tmp_path: Path, cache: Path) -> None:
    said = str(blocks)
    assert said.startswith("Corpus of colored blocks: 5500 sentences (0 duplicates), 500 held out;")
    assert said.endswith("none cut at 64.")
    place = tmp_path / "own.txt"
    place.write_text("one fish\ntwo fish\none fish\nred fish, blue fish\n", encoding="utf-8")
    with pytest.warns(UserWarning, match="cut"):
        corpus = load(DataConfig(train=place, cache=cache, max_length=2))
    lengths = torch.cat([corpus.train.lengths, corpus.validation.lengths]).tolist()
    assert str(corpus) == (
        f"Corpus {place}: 4 sentences (1 duplicates), {len(corpus.validation)} held out; "
        f"{sum(lengths) / 4:.1f} tokens on average, {max(lengths)} at most, 4 cut at 2."
    )


# --- tokens ---------------------------------------------------------------------------------


def test_truncation_is_one_warning(book: Path, cache: Path) -> None:
    whole = load(DataConfig(train=book, cache=cache, max_length=1000))
    limit = int(whole.train.lengths.median())  # some sentence is just as long, and stays whole
    with pytest.warns(UserWarning, match="longer than") as caught:
        cut = load(DataConfig(train=book, cache=cache, max_length=limit))
    assert len(caught) == 1
    own = [(whole.train, cut.train), (whole.validation, cut.validation)]
    parts = [*own, (whole.fixed, cut.fixed)]
    longer = sum(int((before.lengths > limit).sum()) for before, _ in own)
    message = str(caught[0].message)
    assert message.startswith(
        f"{longer} of {len(BOOK_LINES)} sentences are longer than {limit} tokens"
    )
    assert "--data.max_length" in message
    assert longer == sum(after.truncated for _, after in own) > 5
    assert cut.fixed.truncated == int((whole.fixed.lengths > limit).sum())
    for before, after in parts:
        for place in range(len(before)):
            assert ids_of(after, place) == ids_of(before, place)[:limit]


@settings(deadline=None, max_examples=100)
@given(text=st.text(st.characters(codec="utf-8"), min_size=1))
def test_any_text_comes_back(text: str, blocks: Corpus) -> None:
    (ids,) = blocks.tokenizer.encode([text])
    assert blocks.tokenizer.decode(ids) == text


def test_tokenizer_is_cached_by_content(tmp_path: Path) -> None:
    texts = BOOK_LINES
    first = trained(texts, 300, tmp_path / "deep" / "cache")
    (path,) = (tmp_path / "deep" / "cache").iterdir()
    content, stamp = path.read_bytes(), path.stat().st_mtime_ns
    assert trained(texts, 300, path.parent).encode(texts) == first.encode(texts)
    assert path.stat().st_mtime_ns == stamp
    trained(texts, 301, path.parent)
    trained(texts[1:], 300, path.parent)
    assert len(list(path.parent.iterdir())) == 3
    for broken in (b"", content[: len(content) // 2], b"\xff\x00", b"{}"):
        path.write_bytes(broken)
        assert trained(texts, 300, path.parent).encode(texts) == first.encode(texts)
        assert path.read_bytes() == content


def test_training_a_tokenizer_twice_gives_the_same(tmp_path: Path) -> None:
    """In other processes too, where strings hash differently."""
    code = (
        "import sys; from pathlib import Path\n"
        "from vlatent.corpus.tokenizer import trained\n"
        "from vlatent.scenes import generate\n"
        "trained([e.text for e in generate(200)], 400, Path(sys.argv[1]))\n"
    )
    running = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path / folder)],
            env=os.environ | {"PYTHONHASHSEED": seed},
            cwd=Path(__file__).parents[1],
        )
        for folder, seed in (("a", "1"), ("b", "2"), ("b", "3"))  # two share a folder
    ]
    assert [process.wait(60) for process in running] == [0, 0, 0]
    (first,), (second,) = (list((tmp_path / folder).iterdir()) for folder in "ab")
    assert first.name == second.name
    assert first.read_bytes() == second.read_bytes()


def test_default_cache_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache() == tmp_path / "vlatent"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert default_cache() == Path.home() / ".cache" / "vlatent"


def test_unwritable_cache(book: Path) -> None:
    with pytest.raises(
        UserError, match=r"cannot write the tokenizer to .*book\.txt/cache: .*--dat"
    ):
        load(DataConfig(train=book, cache=book / "cache"))


def test_tokenizer_of_a_folder(tmp_path: Path, book: Path, cache: Path) -> None:
    """Any saved tokenizer; this one knows words only, and has no padding and no end token."""
    words = sorted({word for line in BOOK_LINES for word in line.split()})
    model = tokenizers.models.WordLevel(
        {"[UNK]": 0} | {w: i for i, w in enumerate(words, 1)}, "[UNK]"
    )
    saved = tokenizers.Tokenizer(model)
    saved.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    (tmp_path / "words").mkdir()
    saved.save(str(tmp_path / "words" / "tokenizer.json"))
    folder = str(tmp_path / "words")
    corpus = load(DataConfig(train=book, tokenizer=folder, cache=tmp_path / "none"))
    assert not (tmp_path / "none").exists()
    assert corpus.vocabulary_size == len(words) + 1
    for place, text in enumerate(corpus.train.texts):
        assert ids_of(corpus.train, place) == [1 + words.index(word) for word in text.split()]
    batch = corpus.train.batch(range(4))
    assert (batch.ids[~batch.mask] == 0).all()


def test_tokenizer_without_tokens_for_a_sentence(tmp_path: Path) -> None:
    saved = tokenizers.Tokenizer(tokenizers.models.BPE({"a": 0, "b": 1}, []))
    saved.save(str(tmp_path / "tokenizer.json"))
    path = write(tmp_path / "a.txt", "ab\nba\n月\n")
    with pytest.raises(UserError, match=r"no token for the sentence '月'; .*data\.tokenizer"):
        load(DataConfig(train=path, tokenizer=str(tmp_path)))


@pytest.mark.parametrize(
    ("name", "says"),
    [
        *(
            (name, r"neither a folder .* nor reachable .*one is trained")
            for name in ("nobody/has-this", "gone", "not a name!", "./not/here")
        ),
        ("empty", r"the folder 'empty' holds no tokenizer .*data\.tokenizer out, which trains one"),
    ],
)
def test_unknown_tokenizer(
    name: str, says: str, book: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the hub out of reach, by an address where nobody listens: one line, at once."""
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    start = time.perf_counter()
    with pytest.raises(UserError, match=says) as raised:
        load(DataConfig(train=book, tokenizer=name))
    assert time.perf_counter() - start < 15  # mostly the import; the library's own wait is 46 s
    assert repr(name) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_transformers_is_not_imported_without_need(cache: Path) -> None:
    code = (
        "import sys; import vlatent.corpus\n"
        "sys.exit('transformers' in sys.modules or 'huggingface_hub' in sys.modules)"
    )
    root = Path(__file__).parents[1]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0


# --- batches --------------------------------------------------------------------------------


def random_lengths(count: int) -> Tensor:
    return torch.randint(1, 60, (count,), generator=torch.Generator().manual_seed(count))


def test_batch_pads_to_its_own_longest(blocks: Corpus) -> None:
    for index in ([0], [5, 3, 5], range(40), torch.tensor([499, 0])):
        batch = blocks.validation.batch(index)
        alone = [ids_of(blocks.validation, int(place)) for place in index]
        encoded = blocks.tokenizer.encode([blocks.validation.texts[int(i)] for i in index])
        assert alone == encoded
        assert batch.ids.shape == batch.mask.shape == (len(alone), max(map(len, alone)))
        assert batch.ids.dtype == torch.int64
        assert batch.mask.dtype == torch.bool
        for row, mask, expected in zip(batch.ids, batch.mask, alone, strict=True):
            padding = len(mask) - len(expected)
            assert row.tolist() == expected + [0] * padding
            assert mask.tolist() == [True] * len(expected) + [False] * padding


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 300), st.integers(1, 40), st.integers(0, 5), st.integers(0, 5))
def test_an_epoch_takes_each_sentence_once(count: int, size: int, seed: int, epoch: int) -> None:
    index = batches(random_lengths(count), size, seed, epoch)
    flat = torch.cat(index).tolist()
    assert len(set(flat)) == len(flat)
    assert set(flat) <= set(range(count))
    if count < size:
        assert [len(batch) for batch in index] == [count]
    else:
        assert [len(batch) for batch in index] == [size] * (count // size)


def test_order_depends_on_seed_and_epoch_only() -> None:
    lengths = random_lengths(500)
    first = [batch.tolist() for batch in batches(lengths, 16, 3, 7)]
    torch.manual_seed(99)
    assert [batch.tolist() for batch in batches(lengths, 16, 3, 7)] == first
    assert [batch.tolist() for batch in batches(lengths, 16, 3, 8)] != first
    assert [batch.tolist() for batch in batches(lengths, 16, 7, 3)] != first


def test_every_sentence_gets_its_turn() -> None:
    """What an incomplete batch drops is another few each epoch, whatever their length."""
    lengths = random_lengths(50)
    seen = [set(torch.cat(batches(lengths, 16, 0, epoch)).tolist()) for epoch in range(40)]
    assert set.union(*seen) == set(range(50))
    dropped = [place for taken in seen for place in set(range(50)) - taken]
    assert abs(lengths[dropped].float().mean() - lengths.float().mean()) < 6  # 80 draws, sd 17


def test_length_groups_save_padding_and_still_mix() -> None:
    lengths = random_lengths(5000)

    def waste(index: list[Tensor]) -> float:
        padded = sum(len(batch) * int(lengths[batch].max()) for batch in index)
        return 1 - float(sum(lengths[batch].sum() for batch in index)) / padded

    grouped = batches(lengths, 16, 0, 0)
    order = torch.randperm(5000, generator=torch.Generator().manual_seed(0))
    assert (
        waste(grouped)
        < 0.05
        < 0.4
        < waste([order[start : start + 16] for start in range(0, 5000, 16)])
    )
    # Batches do not come by length, and the same sentences do not meet again.
    means = torch.stack([lengths[batch].float().mean() for batch in grouped])
    steps = torch.corrcoef(torch.stack([means[:-1], means[1:]]))[0, 1]
    assert abs(steps) < 0.2
    other = {frozenset(batch.tolist()) for batch in batches(lengths, 16, 0, 1)}
    assert other.isdisjoint(frozenset(batch.tolist()) for batch in grouped)


@pytest.mark.parametrize("size", [16, 7, 600])
@pytest.mark.parametrize("start", [0, 1, 30, 31, 32, 100])
def test_stream_goes_on_from_any_step(blocks: Corpus, size: int, start: int) -> None:
    whole = itertools.islice(stream(blocks.validation, size, 4), start, start + 5)
    resumed = itertools.islice(stream(blocks.validation, size, 4, start_step=start), 5)
    for expected, batch in zip(whole, resumed, strict=True):
        assert torch.equal(batch.ids, expected.ids)
        assert torch.equal(batch.mask, expected.mask)
        assert len(batch.ids) == min(size, 500)


def test_global_random_state_is_left_alone(book: Path, cache: Path) -> None:
    """In a process of its own: the checks of annotations that run here draw random numbers."""
    code = f"""
import random, sys, numpy, torch
from pathlib import Path
from vlatent.corpus import DataConfig, load, stream
state = lambda: [random.getstate(), str(numpy.random.get_state()), str(torch.get_rng_state())]
before = state()
corpus = load(DataConfig(train=Path({str(book)!r}), cache=Path({str(cache)!r}), max_length=999))
for _ in zip(range(10), stream(corpus.train, 4, 0)):
    pass
sys.exit(state() != before)
"""
    root = Path(__file__).parents[1]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0
