"""Which words of a reading are right: for people who look at one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import SequenceMatcher

from vlatent.evaluation.reading import blocks_of
from vlatent.scenes import Meaning, about_blocks, parse
from vlatent.scenes.continuations import SPELLINGS
from vlatent.scenes.prediction import kind_of

Mark = bool | None  # right, wrong, or neither
_CANONICAL = {own: word for word, spellings in SPELLINGS.items() for own in spellings}
_JOINT = re.compile(r", and |, while |; |, (?=which )")


def marked(read: str, told: str) -> list[tuple[str, Mark]]:
    """The words of a reading and what stands between them, each with its mark.

    Of a sentence about blocks, color and shape are right if it has such a block, and what names a
    relation is right if the whole clause is one of its facts; the other words have no mark. Of
    another text, a word is right if it stands in the same order there.

    >>> [word for word, right in marked("A red cube is under a blue ring.",
    ...                                 "A red cube is on a blue sphere.") if right is False]
    ['under', 'blue', 'ring']
    """
    marks = _of_blocks(read, parse(told)) if about_blocks(told) else _of_words(read, told)
    pieces, end = [], 0
    for word in re.finditer(r"\w+", read):
        pieces += [(read[end : word.start()], None), (word[0], marks.get(word.start()))]
        end = word.end()
    return [piece for piece in [*pieces, (read[end:], None)] if piece[0]]


def _of_words(read: str, told: str) -> dict[int, Mark]:
    words = list(re.finditer(r"\w+", read))
    own, other = [word[0].lower() for word in words], re.findall(r"\w+", told.lower())
    alike = SequenceMatcher(None, own, other, autojunk=False).get_matching_blocks()
    right = {place for first, _, size in alike for place in range(first, first + size)}
    return {word.start(): place in right for place, word in enumerate(words)}


def _of_blocks(read: str, facts: Meaning) -> dict[int, Mark]:
    looks = {(block.color, block.shape) for block in blocks_of(facts)}
    marks: dict[int, Mark] = {}
    last = ""
    for start, clause in _clauses(read):
        whole = clause.replace("which", f"the {last}", 1) if clause.startswith("which") else clause
        is_fact = about_blocks(whole) and parse(whole) <= facts
        words = list(re.finditer(r"\w+", clause))
        names = [_canonical(word[0]) for word in words]
        kinds = [kind_of(name) for name in names]
        for place, (word, kind) in enumerate(zip(words, kinds, strict=True)):
            if kind == "relation":
                marks[start + word.start()] = is_fact
            elif kind != "function":
                first = place if kind == "color" else place - 1
                pair = tuple(names[max(first, 0) : first + 2])
                marks[start + word.start()] = pair in looks
        last = " ".join(word[0] for word in words[-2:])
    return marks


def _clauses(text: str) -> Iterator[tuple[int, str]]:
    start = 0
    for joint in _JOINT.finditer(text):
        yield start, text[start : joint.start()]
        start = joint.end()
    yield start, text[start:]


def _canonical(word: str) -> str:
    """A color or a shape by its first name, in the singular; any other word in lower case."""
    word = word.lower()
    return _CANONICAL.get(word, _CANONICAL.get(word.removesuffix("s"), word))
