"""One record of a user's file: its sentence, with variants, labels and a group, all checked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

from vlatent.corpus.splitting import sentences_in
from vlatent.scenes import Line
from vlatent.shapes import UserError

Split = Literal["line", "sentence"]
VARIANTS = ("paraphrases", "counterfactuals")
KINDS, LABELS, GROUP = "counterfactual_kinds", "labels", "group"
BESIDE = (*VARIANTS, KINDS, LABELS, GROUP)  # what a record may have beside its sentence
LONGEST = 20_000  # characters of a sentence: a word of a million would take the tokenizer hours
KIND = re.compile(r"[\w-]{1,40}", re.ASCII)  # becomes a part of a metric's name


def lines_of(record: Mapping[str, object], place: str, key: str, split: Split) -> list[Line]:
    """The lines that a record makes: none of a blank one, several of a paragraph that is split.

    Args:
        record: What the file has there.
        place: Where that is, for errors.
        key: What the sentence is called in it.
        split: Whether its text is one sentence, or a paragraph of them.

    Raises:
        UserError: The sentence is missing, or something is not what it must be.
    """
    if key not in record:
        raise UserError(f"{place}: has no key {key!r}; put the sentence there{_another(record)}.")
    original = record[key]
    if not isinstance(original, str):
        raise UserError(f"{place}: {key!r} must be a sentence, but is {original!r:.60}.")
    variants = [_sentences(record, name, place) for name in VARIANTS]
    kinds = _kinds(record, len(variants[1]), place)
    kept = [at for at, text in enumerate(variants[1]) if text.strip()]
    whole = Line(
        original.strip(),
        tuple(text.strip() for text in variants[0] if text.strip()),
        tuple(variants[1][at].strip() for at in kept),
        tuple(kinds[at] for at in kept) if kinds else (),
        _labels(record, place),
        _group(record, place),
    )
    texts = sentences_in(original) if split == "sentence" else [whole.text] if whole.text else []
    if len(texts) > 1 and (whole.paraphrases or whole.counterfactuals):
        raise UserError(
            f"{place}: paraphrases and counterfactuals are of one sentence, but data.split makes "
            f"{len(texts)} of it; set --data.split line."
        )
    for text in (*texts, *whole.paraphrases, *whole.counterfactuals):
        require_length(text, LONGEST, place)
        _require_text(text, place)
    # Sentences of one paragraph are no independent witnesses of its label.
    group = whole.group or (place if split == "sentence" else "")
    return [whole._replace(text=text, group=group) for text in texts]


def require_length(text: str, longest: int, place: str) -> None:
    """Refuse what is too long for a line.

    Raises:
        UserError: It is; names the place and ways out.
    """
    if len(text) > longest:
        raise UserError(
            f"{place} has {len(text):,} characters, but at most {longest:,} are a line: split it "
            "with --data.split sentence, or put one sentence on each, for instance: "
            "fold -s -w 500 OLD > NEW.txt"
        )


def _another(record: Mapping[str, object]) -> str:
    """The key that probably has the sentence."""
    texts = {name: value for name, value in record.items() if isinstance(value, str)}
    longest = max(texts, key=lambda name: len(texts[name]), default=None)
    return f", or say which key has it: --data.key {longest}" if longest else ""


def _sentences(record: Mapping[str, object], name: str, place: str) -> list[str]:
    given = record.get(name, [])
    if not isinstance(given, list) or not all(isinstance(text, str) for text in given):
        raise UserError(f"{place}: '{name}' must be a list of sentences, but is {given!r:.60}.")
    return given


def _kinds(record: Mapping[str, object], count: int, place: str) -> list[str]:
    """A name for each counterfactual; [] where none is given."""
    given = record.get(KINDS) or []
    kinds = [f"{kind}" for kind in given] if isinstance(given, list) else [""]
    if (kinds and len(kinds) != count) or not all(map(KIND.fullmatch, kinds)):
        raise UserError(
            f"{place}: '{KINDS}' must be a list with one name for each of the {count} "
            f"counterfactuals, of letters, digits, _ and -, but is {given!r:.60}."
        )
    return kinds


def _labels(record: Mapping[str, object], place: str) -> tuple[tuple[str, str], ...]:
    given = record.get(LABELS)
    labels = given if isinstance(given, Mapping) else {} if given is None else {"label": given}
    for name, value in labels.items():
        if not isinstance(value, str | int | None) or not f"{name}".strip() or len(f"{name}") > 40:
            raise UserError(
                f'{place}: \'{LABELS}\' must be an object such as {{"topic": "law"}} with a text '
                f"or a whole number for each name, but {name!r:.60} is {value!r:.60}."
            )
    return tuple((name, f"{value}") for name, value in labels.items() if value not in (None, ""))


def _group(record: Mapping[str, object], place: str) -> str:
    given = record.get(GROUP, "")
    if not isinstance(given, str | int):
        raise UserError(f"{place}: '{GROUP}' must be a text or a number, but is {given!r:.60}.")
    return f"{given}"


def _require_text(text: str, place: str) -> None:
    if "\0" in text:
        raise UserError(f"{place}: a NUL character (\\u0000) is no text; remove it.")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UserError(
            f"{place}: half a surrogate pair (\\ud8..) is no text; remove it."
        ) from None
