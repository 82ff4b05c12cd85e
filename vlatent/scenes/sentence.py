"""Sentences about scenes: choosing the words, writing them down, and reading them back."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from typing import Literal, NamedTuple

from vlatent.scenes.scene import Block, Meaning, Scene, fact
from vlatent.scenes.words import COLORS, NUMBERS, RELATIONS, SHAPES, SYNONYMS, VERBS, said
from vlatent.shapes import UserError

Wording = Literal["plain", "varied"]

# How a block is introduced; after that it is "the" block.
DETERMINERS = ("a", "the", "one")
JOINTS = (", and ", ", while ", "; ", ", which ")


class Clause(NamedTuple):
    """One relation in words; the blocks carry the words chosen for their color and shape."""

    subject: Block
    verb: str
    object: Block
    negated: bool = False


@dataclass(frozen=True)
class Sentence:
    """Clauses in their order, and how they are said.

    Attributes:
        clauses: At least one.
        determiner: How a block is introduced, one of `DETERMINERS`.
        joints: What stands between the clauses, each one of `JOINTS`.
    """

    clauses: tuple[Clause, ...]
    determiner: str
    joints: tuple[str, ...]

    def __str__(self) -> str:
        """The sentence, from its capital letter to its full stop."""
        introduced: set[Block] = set()
        text = ""
        last = None
        for joint, clause in zip(("", *self.joints), self.clauses, strict=True):
            subject = self._mention(clause.subject, introduced)
            verb = said(clause.verb, clause.subject.number, clause.negated)
            if joint == ", which " and clause.subject == last:
                text += f"{joint}{verb}"
            else:  # "which" can stand only for the block right before it
                text += f"{', and ' if joint == ', which ' else joint}{subject} {verb}"
            text += f" {self._mention(clause.object, introduced)}"
            last = clause.object
        return f"{text[0].upper()}{text[1:]}."

    def _mention(self, block: Block, introduced: set[Block]) -> str:
        determiner = "the" if block in introduced else self.determiner
        introduced.add(block)
        if block.number > 1:
            prefix = "the " if determiner == "the" else ""
            return f"{prefix}{NUMBERS[block.number]} {block.color} {block.shape}s"
        if determiner == "a" and block.color[0] in "aeiou":
            determiner = "an"
        return f"{determiner} {block.color} {block.shape}"


def put_into_words(scene: Scene, wording: Wording, generator: random.Random) -> Sentence:
    """Say the scene's relations one by one, from either side.

    Plain wording has one noun for a thing, few verbs, "a" and "and". Varied wording draws
    synonyms, determiners and joints too.
    """
    varied = wording == "varied"
    blocks = list(scene.blocks)
    if varied:
        names = {word: generator.choice((word, *SYNONYMS[word])) for word in SYNONYMS}
        blocks = [
            Block(names.get(color, color), names.get(shape, shape), count)
            for color, shape, count in blocks
        ]
    clauses = []
    for first, name, second in scene.relations:
        relation = RELATIONS[name]
        verb = generator.choice(relation.forward + relation.backward if varied else relation.plain)
        backward = VERBS[verb][1]
        if relation.symmetric:
            backward = generator.random() < 0.5
        subject, object = (second, first) if backward else (first, second)
        clauses.append(Clause(blocks[subject], verb, blocks[object]))
    return Sentence(
        tuple(clauses),
        generator.choice(DETERMINERS) if varied else "a",
        tuple(generator.choice(JOINTS) if varied else ", and " for _ in clauses[1:]),
    )


_FORMS = {
    (said(verb, count, negated), count > 1): (verb, negated)
    for verb in VERBS
    for count in (1, 2)
    for negated in (False, True)
}
_CANONICAL = {
    spelling: word for word in (*COLORS, *SHAPES) for spelling in (word, *SYNONYMS.get(word, ()))
}
_COUNTS = {word: count for count, word in NUMBERS.items()}


def _any(words: set[str]) -> str:
    return "|".join(sorted(map(re.escape, words), key=len, reverse=True))


def _block(name: str) -> str:
    colors = _any({word for word, canonical in _CANONICAL.items() if canonical in COLORS})
    shapes = _any({word for word, canonical in _CANONICAL.items() if canonical in SHAPES})
    numbers = _any(set(_COUNTS))
    return (
        rf"(?:(?:an?|the)\ )??(?P<{name}_count>{numbers})?\ ?"
        rf"(?P<{name}_color>{colors})\ (?P<{name}_shape>{shapes})(?P<{name}_plural>s?)"
    )


_CLAUSE = re.compile(
    rf"(?:(?P<which>which)|{_block('subject')})\ "
    rf"(?P<verb>{_any({form for form, _ in _FORMS})})\ {_block('object')}"
)
_JOINT = re.compile(r", and |, while |; |, (?=which )")


def about_blocks(text: str) -> bool:
    """Whether `parse` can read a sentence."""
    try:
        parse(text)
    except UserError:
        return False
    return True


def parse(text: str) -> Meaning:
    """Read a sentence about blocks back into what it means.

    Synonyms, determiners, the order of the clauses, the voice and the side from which a
    relation is said leave no trace in the result; colors, shapes, counts, relations and
    negation do. This does not use the code that writes sentences, so it can check it.

    Raises:
        UserError: If the text is not such a sentence; names the column.
    """
    words = text[:1].lower() + text[1:].removesuffix(".")
    facts = set()
    last: Block | None = None
    position = 0
    while True:
        match = _CLAUSE.match(words, position)
        if match is None:
            raise _unreadable(text, position)
        if match["which"]:
            if last is None:
                raise _unreadable(text, position)
            subject = last
        else:
            subject = _read_block(match, "subject", text)
        last = _read_block(match, "object", text)
        form = _FORMS.get((match["verb"], subject.number > 1))
        if form is None:  # "two cubes rests on"
            raise _unreadable(text, match.start("verb"))
        verb, negated = form
        relation, backward = VERBS[verb]
        ends = (last, subject) if backward else (subject, last)
        facts.add(fact(ends[0], relation, ends[1], not negated))
        position = match.end()
        if position == len(words):
            return frozenset(facts)
        joint = _JOINT.match(words, position)
        if joint is None:
            raise _unreadable(text, position)
        position = joint.end()


def _read_block(match: re.Match[str], role: str, text: str) -> Block:
    count = _COUNTS[match[f"{role}_count"] or "one"]
    if bool(match[f"{role}_plural"]) != (count > 1):
        raise _unreadable(text, match.start(f"{role}_plural"))
    return Block(_CANONICAL[match[f"{role}_color"]], _CANONICAL[match[f"{role}_shape"]], count)


def _unreadable(text: str, position: int) -> UserError:
    return UserError(
        f"{text!r} is no sentence about colored blocks: column {position + 1} should go on like "
        "'a red cube is on a blue sphere, and the blue sphere is left of a green cylinder.'"
    )
