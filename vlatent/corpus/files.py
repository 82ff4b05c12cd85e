"""Sentence files: reading them, and holding a part of one out."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Sequence
from pathlib import Path

from vlatent.scenes import COUNTERFACTUALS, Line
from vlatent.shapes import UserError
from vlatent.text_files import read_text

# Where no validation file is given: this share of the sentences, and no more than that many.
HELD_OUT_SHARE, HELD_OUT_MOST = 0.1, 500


# Beyond these a file is something else than sentences: no sentence could be used to its end, and a
# word of a million letters would take the tokenizer hours.
LARGEST = 100 * 1024**2  # bytes of a file
LONGEST = 20_000  # characters of a sentence
LONGEST_LINE = 1_000_000  # characters of a line of .jsonl, which holds a sentence's variants too


def read(path: Path) -> list[Line]:
    """Read the sentences of a `.txt` or `.jsonl` file, without its blank lines.

    Raises:
        UserError: If the file cannot be read, is not UTF-8, is broken, has a line that is too long
            or fewer than two sentences; names the file, and the byte or the line.
    """
    suffix = path.suffix.lower()
    if suffix not in (".txt", ".jsonl"):
        raise UserError(
            f"{path} must end in .txt (one sentence a line) or .jsonl (one object a line)."
        )
    text = read_text(
        path,
        LARGEST,
        f"vlatent scenes --out {path} makes a file of sentences about colored blocks.",
    )
    # Not str.splitlines: it also splits at separators that may stand inside a sentence.
    numbered = enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), start=1)
    stripped = [(number, line.strip()) for number, line in numbered if line.strip()]
    if not text:
        raise UserError(f"{path} is empty; it needs at least two sentences.")
    if not stripped:
        raise UserError(f"{path} has only blank lines; it needs at least two sentences.")
    longest = LONGEST if suffix == ".txt" else LONGEST_LINE
    for number, line in stripped:
        _require_length(line, longest, f"{path}, line {number}")
    if suffix == ".jsonl" and stripped[0][1].startswith("["):
        raise UserError(
            f"{path} is one JSON array, but each line must be one object; write it so, for "
            f"instance: jq -c '.[]' {shlex.quote(str(path))} > new.jsonl"
        )
    if len(stripped) == 1:
        raise UserError(f"{path} has only one sentence; it needs at least two.")
    if suffix == ".txt":
        return [Line(line) for _, line in stripped]
    return [_parse(line, f"{path}, line {number}") for number, line in stripped]


def _parse(line: str, place: str) -> Line:
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
    if "original" not in record:
        raise UserError(f"{place}: has no key 'original'; put the sentence there.")
    original = record["original"]
    if not isinstance(original, str) or not original.strip():
        raise UserError(f"{place}: 'original' must be a sentence, but is {original!r:.60}.")
    variants = {name: record.get(name, []) for name in ("paraphrases", "counterfactuals")}
    for name, given in variants.items():
        if not isinstance(given, list) or not all(isinstance(text, str) for text in given):
            raise UserError(f"{place}: '{name}' must be a list of sentences, but is {given!r:.60}.")
    texts = (original, *variants["paraphrases"], *variants["counterfactuals"])
    for text in texts:
        _require_length(text, LONGEST, place)
    if any("\0" in text for text in texts):
        raise UserError(f"{place}: a NUL character (\\u0000) is no text; remove it.")
    try:
        "".join(texts).encode()
    except UnicodeEncodeError:
        raise UserError(
            f"{place}: half a surrogate pair (\\ud8..) is no text; remove it."
        ) from None
    paraphrases, counterfactuals = (
        tuple(text.strip() for text in given if text.strip()) for given in variants.values()
    )
    given = record.get("counterfactual_kinds")
    kinds = tuple(given) if isinstance(given, list) else ()
    if len(kinds) != len(counterfactuals) or any(k not in list(COUNTERFACTUALS) for k in kinds):
        kinds = ()
    return Line(original.strip(), paraphrases, counterfactuals, tuple(kinds))


def _require_length(text: str, longest: int, place: str) -> None:
    if len(text) > longest:
        raise UserError(
            f"{place} has {len(text):,} characters, but at most {longest:,} are a line: put one "
            "sentence on each, for instance: fold -s -w 500 OLD > NEW.txt"
        )


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
        raise UserError(
            f"{path} has only one sentence, said {len(lines)} times; it needs two different ones, "
            "or a validation file in --data.validation."
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
