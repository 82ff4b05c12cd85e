"""Paragraphs of running text, and the sentences in them, by rules."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

# A period behind one of these ends no sentence; behind the others, none where a number follows.
BEFORE_NAMES = re.compile(
    r"mr|mrs|ms|mme|mlle|dr|prof|rev|hon|st|messrs|capt|col|gen|lt|maj|sgt|gov|sen|rep|pres|"
    r"cf|vs|viz|approx|ca|e\.g|i\.e|bzw|z\.b|d\.h|u\.a",
    re.IGNORECASE,
)
BEFORE_NUMBERS = re.compile(
    r"nos?|nr|vols?|pp?|ch|chap|figs?|eqs?|sect?|art|vv?|"
    r"jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec",
    re.IGNORECASE,
)
# What ends a sentence, and quotes and brackets that may close behind it.
END = r"(?:\.{3,}|[.!?…‽]+|[。！？｡؟।]+)"  # noqa: RUF001
CLOSING = "\"'”“’»«›)\\]」』"  # noqa: RUF001
# Behind an end there is a space, or nothing in scripts that write none.
BOUNDARY = re.compile(rf"(?<=\S){END}[{CLOSING}]*(?:\s+|(?<=[。！？｡])[{CLOSING}]*(?=\S)|$)")  # noqa: RUF001
OPENING = "\"'“‘«‹([¿¡„「『—–-"  # noqa: RUF001
INITIAL = re.compile(r"(?:[^\W\d_]\.)*[^\W\d_]")  # J, U.S, e.g


def sentences_in(paragraph: str) -> list[str]:
    """The sentences of a paragraph, whose white space becomes single spaces.

    A sentence ends with `.`, `!`, `?` or `…` and the quotes and brackets that close behind them,
    unless it goes on in lower case ("Stop!" he said), or the period belongs to a title or an
    abbreviation in front of something else (Dr., No., e.g.) or to initials (J. K., U.S.). So "in
    the U.S. He" stays one sentence: without a dictionary of names a wrong cut is worse than none.

    >>> sentences_in('Dr. Watson paid 3.50. "Where to?" he asked. No. 5 was shut.')
    ['Dr. Watson paid 3.50.', '"Where to?" he asked.', 'No. 5 was shut.']
    """
    text = " ".join(paragraph.split())
    found, start = [], 0
    for match in BOUNDARY.finditer(text):
        if match.end() < len(text) and not _ends(text[start : match.start()], match, text):
            continue
        found.append(text[start : match.end()].strip())
        start = match.end()
    return [sentence for sentence in [*found, text[start:].strip()] if sentence]


def paragraphs(lines: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Paragraphs with the number of their first line, from 1.

    Blank lines separate them; where a text has none, every line is a paragraph.
    """
    filled = [place for place, line in enumerate(lines) if line.strip()]
    wrapped = bool(filled) and filled[-1] - filled[0] + 1 > len(filled)
    begin, gathered = 0, list[str]()
    for number, line in enumerate([*lines, ""], start=1):
        if line.strip():
            begin = begin if gathered else number
            gathered.append(line)
        if gathered and not (line.strip() and wrapped):
            yield begin, "\n".join(gathered)
            gathered = []


def _ends(before: str, match: re.Match[str], text: str) -> bool:
    """Whether a sentence that goes on behind these characters has come to its end."""
    mark = match[0].strip()
    following = text[match.end() :].lstrip(OPENING)[:1]
    if following.islower() or not following:
        return False
    if mark != ".":
        return True
    word = before.rsplit(" ", 1)[-1].lstrip(OPENING)
    if BEFORE_NAMES.fullmatch(word):
        return False
    if BEFORE_NUMBERS.fullmatch(word) and following.isdigit():
        return False
    if not any(map(str.isalpha, before)):  # the number of a list
        return False
    # A single letter is an initial, but for "I" and what is no Latin, Greek or Cyrillic letter.
    return word == "I" or not (INITIAL.fullmatch(word) and word[0].upper() != word[0].lower())
