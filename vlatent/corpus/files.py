"""Files of sentences: reading them, and holding a part of them out."""

from __future__ import annotations

import hashlib
import json
import shlex
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

from vlatent.corpus import tables
from vlatent.corpus.records import Split, lines_of, require_length
from vlatent.corpus.splitting import paragraphs
from vlatent.scenes import Line
from vlatent.shapes import UserError
from vlatent.text_files import read_text

# Where no validation file is given: this share of the sentences, and no more than that many.
HELD_OUT_SHARE, HELD_OUT_MOST = 0.1, 500

# Beyond these a file is something else than sentences: none could be used to its end.
LARGEST = 100 * 1024**2  # bytes of a file, characters of all
LONGEST_LINE = 1_000_000  # characters of a line of .jsonl, which holds a sentence's variants too
FORMS = ".txt (one sentence a line), .jsonl (one object a line) or .parquet (one sentence a row)"

KINDS = (".txt", ".jsonl", ".parquet")  # of the files in a folder

Records = Iterator[tuple[str, dict[str, object]]]


def read(path: Path, key: str = "original", split: Split = "line") -> list[Line]:
    """Read the sentences of a file or of a folder of files, without blank ones.

    Args:
        path: A `.txt`, `.jsonl`, `.parquet` or `.arrow` file, a folder of files of one of these
            kinds, or a split that `datasets.save_to_disk` wrote.
        key: What the sentence is called in a `.jsonl` object or a row.
        split: Whether a line, or what the key has, is a sentence or a paragraph of them.

    Raises:
        UserError: If a file cannot be read, is not UTF-8, is broken, has a line that is too long,
            or there are fewer than two sentences; names the file, and the byte, line or row.
    """
    lines: list[Line] = []
    blank: list[str] = []
    characters = 0
    for file in _files(path):
        for place, record in _records(file, key, split):
            made = lines_of(record, place, key, split)
            blank += [] if made else [place]
            lines += made
            characters += sum(len(line.text) for line in made)
            if characters > LARGEST:
                raise UserError(
                    f"{path} has more than {LARGEST:,} characters, the most that are read; give a "
                    "part of it."
                )
    if blank:
        warnings.warn(
            f"{path}: {len(blank)} texts are blank and left out, the first at {blank[0]}.",
            stacklevel=2,
        )
    if not lines:
        empty = path.is_file() and path.stat().st_size == 0
        what = "is empty" if empty else "has only blank lines"
        raise UserError(f"{path} {what}; it needs at least two sentences.")
    if len(lines) == 1:
        raise UserError(f"{path} has only one sentence; it needs at least two.")
    return lines


def _files(path: Path) -> list[Path]:
    """The files that a path stands for."""
    try:
        if not path.is_dir():
            if path.suffix.lower() in (*KINDS, ".arrow"):
                return [path]
            raise UserError(f"{path} must end in {FORMS}, or be a folder of such files.")
        several = tables.splits(path)
        if len(several) == 1:
            return tables.shards(several[0])
        names = [f"{split}" for split in several]
        files = [] if names else tables.shards(path) or _inside(path)
        names = names or tables.published_splits(files)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}; give one that can.") from None
    if len(names) > 1:
        raise UserError(
            f"{path} holds {len(names)} splits, {', '.join(names)}; give one of them, as a file or "
            "a folder of its own."
        )
    if not files:
        raise UserError(f"{path} is a folder without a file that ends in {FORMS}.")
    return files


def _inside(folder: Path) -> list[Path]:
    """The files to read in a folder and those below it, in the order of their names."""
    every = (file for file in folder.rglob("*") if not file.name.startswith("."))
    files = sorted(file for file in every if file.suffix.lower() in KINDS and file.is_file())
    kinds = sorted({file.suffix.lower() for file in files})
    if len(kinds) > 1:
        raise UserError(
            f"{folder} holds {' and '.join(kinds)} files; put those of one kind into a folder of "
            "their own."
        )
    size = sum(file.stat().st_size for file in files)
    if size > LARGEST:
        raise UserError(
            f"{folder} has {size:,} bytes in {len(files)} files, but at most {LARGEST:,} are read; "
            "give a part of them."
        )
    return files


def _records(file: Path, key: str, split: Split) -> Records:
    """The records of one file, each with its place."""
    kind = file.suffix.lower()
    if kind in (".parquet", ".arrow"):
        return tables.rows(file, key, LARGEST)
    return _objects(file) if kind == ".jsonl" else _texts(file, key, split)


def _texts(file: Path, key: str, split: Split) -> Records:
    """Lines, or paragraphs, of a text file."""
    lines = _lines(file)
    whole = paragraphs(lines) if split == "sentence" else enumerate(lines, start=1)
    for number, text in whole:
        if text.strip():
            yield f"{file}, line {number}", {key: text}


def _objects(file: Path) -> Records:
    """Objects of a `.jsonl` file."""
    first = True
    for number, line in enumerate(map(str.strip, _lines(file)), start=1):
        if not line:
            continue
        place = f"{file}, line {number}"
        require_length(line, LONGEST_LINE, place)
        if first and line.startswith("["):
            raise UserError(
                f"{file} is one JSON array, but each line must be one object; write it so, for "
                f"instance: jq -c '.[]' {shlex.quote(str(file))} > new.jsonl"
            )
        first = False
        yield place, _object(line, place)


def _lines(file: Path) -> list[str]:
    missing = f"vlatent scenes --out {file} makes a file of sentences about colored blocks."
    text = read_text(file, LARGEST, missing)
    # Not str.splitlines: it also splits at separators that may stand inside a sentence.
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _object(line: str, place: str) -> dict[str, object]:
    """One line of a `.jsonl` file."""
    try:
        record = json.loads(line, object_pairs_hook=_without_doubles)
    except json.JSONDecodeError as error:
        raise UserError(
            f"{place}: not JSON, {error.msg} at column {error.colno}; each line must be one object."
        ) from None
    except ValueError as error:  # a number of 100,000 digits, a key that stands there twice
        raise UserError(f"{place}: not JSON that can be read, {error}; correct it.") from None
    except RecursionError:
        raise UserError(f"{place}: nested too deeply; each line must be one object.") from None
    if not isinstance(record, dict):
        raise UserError(
            f'{place}: must be an object such as {{"original": "..."}}, '
            f"but is a {type(record).__name__}."
        )
    return record


def _without_doubles(pairs: list[tuple[str, object]]) -> dict[str, object]:
    record = dict(pairs)
    if len(record) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice!r:.40} stands there twice")
    return record


def hold_out(lines: list[Line], path: Path) -> tuple[list[Line], list[Line]]:
    """Split lines by content: the same sentence, or a paraphrase of it, is never on both sides.

    Whole groups go to validation in the order of their hash, so the split neither depends on
    the order of the lines nor changes much when lines are added.
    """
    group_of = groups(lines)
    sizes: dict[str, int] = {}
    for line in lines:
        sizes[group_of[line.text]] = sizes.get(group_of[line.text], 0) + 1
    if len(sizes) < 2:
        said = f", said {len(lines)} times" if len(lines) > 1 else ""
        raise UserError(
            f"{path} has only one sentence{said}; it needs two different ones, or a validation "
            "file in --data.validation."
        )
    order = sorted(sizes, key=lambda text: hashlib.sha256(text.encode()).digest())
    target = max(1, min(HELD_OUT_MOST, int(HELD_OUT_SHARE * len(lines))))
    chosen: set[str] = set()
    held = 0
    for group in order:
        if held + sizes[group] <= target:
            chosen.add(group)
            held += sizes[group]
    chosen = chosen or {min(order, key=lambda group: sizes[group])}
    return (
        [line for line in lines if group_of[line.text] not in chosen],
        [line for line in lines if group_of[line.text] in chosen],
    )


def groups(lines: Sequence[Line]) -> dict[str, str]:
    """For every sentence and paraphrase one of those that mean the same, as far as lines say so."""
    parent: dict[str, str] = {}

    def root(text: str) -> str:
        while parent.setdefault(text, text) != text:
            parent[text] = parent[parent[text]]
            text = parent[text]
        return text

    for line in lines:
        root(line.text)
        for paraphrase in line.paraphrases:
            first, second = sorted((root(line.text), root(paraphrase)))
            parent[second] = first
    return {text: root(text) for text in parent}
