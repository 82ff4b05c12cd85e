"""Rewordings that keep a sentence's meaning, and small changes that break it.

Each kind yields every variant that it can make of a sentence; kinds that do not apply (the
order of the clauses of a sentence that has one) yield none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import permutations

from vlatent.scenes.scene import Block
from vlatent.scenes.sentence import DETERMINERS, Clause, Sentence
from vlatent.scenes.words import (
    COLORS,
    NUMBERS,
    RELATIONS,
    SHAPES,
    SYNONYMS,
    VERBS,
    VOICES,
    available,
)

# Each word with synonyms, and all the words that mean the same.
_CIRCLES = {
    member: (word, *others) for word, others in SYNONYMS.items() for member in (word, *others)
}


def _blocks(sentence: Sentence) -> list[Block]:
    ends = (end for clause in sentence.clauses for end in (clause.subject, clause.object))
    return list(dict.fromkeys(ends))


def _with_block(sentence: Sentence, old: Block, new: Block) -> Sentence:
    clauses = tuple(
        Clause(
            new if clause.subject == old else clause.subject,
            clause.verb,
            new if clause.object == old else clause.object,
            clause.negated,
        )
        for clause in sentence.clauses
    )
    return replace(sentence, clauses=clauses)


def _with_clause(sentence: Sentence, place: int, clause: Clause) -> Sentence:
    clauses = sentence.clauses
    return replace(sentence, clauses=(*clauses[:place], clause, *clauses[place + 1 :]))


def _verbs(verb: str, other_side: bool) -> tuple[str, ...]:
    """The verbs of the same relation, said from the same or from the other side."""
    name, backward = VERBS[verb]
    relation = RELATIONS[name]
    return relation.backward if backward != other_side else relation.forward


def _synonym(sentence: Sentence) -> Iterator[Sentence]:
    """One word for another: a verb, or the noun or color of a block wherever it is named."""
    for place, clause in enumerate(sentence.clauses):
        for verb in _verbs(clause.verb, other_side=False):
            if verb != clause.verb:
                yield _with_clause(sentence, place, clause._replace(verb=verb))
    for block in _blocks(sentence):
        for color in _CIRCLES.get(block.color, (block.color,)):
            for shape in _CIRCLES.get(block.shape, (block.shape,)):
                if (color, shape) != (block.color, block.shape):
                    yield _with_block(sentence, block, Block(color, shape, block.number))


def _determiner(sentence: Sentence) -> Iterator[Sentence]:
    """Blocks introduced by another determiner."""
    for determiner in DETERMINERS:
        if determiner != sentence.determiner:
            yield replace(sentence, determiner=determiner)


def _voice(sentence: Sentence) -> Iterator[Sentence]:
    """Active for passive, or passive for active."""
    for place, clause in enumerate(sentence.clauses):
        if clause.verb in VOICES:
            turned = Clause(clause.object, VOICES[clause.verb], clause.subject)
            yield _with_clause(sentence, place, turned)


def _order(sentence: Sentence) -> Iterator[Sentence]:
    """Give the clauses in another order."""
    for clauses in permutations(sentence.clauses):
        if clauses != sentence.clauses:
            yield replace(sentence, clauses=clauses)


def _inverse(sentence: Sentence) -> Iterator[Sentence]:
    """A relation said from the other side, by the opposite verb; a symmetric one by the same."""
    for place, clause in enumerate(sentence.clauses):
        symmetric = RELATIONS[VERBS[clause.verb][0]].symmetric
        for verb in (clause.verb,) if symmetric else _verbs(clause.verb, other_side=True):
            if verb != VOICES.get(clause.verb):
                turned = Clause(clause.object, verb, clause.subject)
                yield _with_clause(sentence, place, turned)


def _color(sentence: Sentence, complexity: int) -> Iterator[Sentence]:
    """A block in another color."""
    blocks = _blocks(sentence)
    for block in blocks:
        for color in available(COLORS, complexity):
            changed = block._replace(color=color)
            if not _alike(changed, blocks):
                yield _with_block(sentence, block, changed)


def _relation(sentence: Sentence, complexity: int) -> Iterator[Sentence]:
    """Another relation between the same blocks; the opposite of one is what `_swap` makes."""
    for place, clause in enumerate(sentence.clauses):
        for verb, (name, _) in VERBS.items():
            if name != VERBS[clause.verb][0] and RELATIONS[name].level <= complexity:
                yield _with_clause(sentence, place, clause._replace(verb=verb))


def _swap(sentence: Sentence, complexity: int) -> Iterator[Sentence]:
    """Subject and object exchanged; in symmetric relations that would change nothing."""
    for place, clause in _directed(sentence):
        turned = clause._replace(subject=clause.object, object=clause.subject)
        yield _with_clause(sentence, place, turned)


def _object(sentence: Sentence, complexity: int) -> Iterator[Sentence]:
    """A block of another shape in the place of one."""
    blocks = _blocks(sentence)
    for block in blocks:
        for shape in available(SHAPES, complexity):
            changed = block._replace(shape=shape)
            if not _alike(changed, blocks):
                yield _with_block(sentence, block, changed)


def _negation(sentence: Sentence, complexity: int) -> Iterator[Sentence]:
    """A relation that is said not to hold."""
    for place, clause in enumerate(sentence.clauses):
        yield _with_clause(sentence, place, clause._replace(negated=True))


def _count(sentence: Sentence, complexity: int) -> Iterator[Sentence]:
    """Two or three blocks in the place of one."""
    for block in _blocks(sentence):
        for number in NUMBERS:
            if number != block.number:
                yield _with_block(sentence, block, block._replace(number=number))


def _directed(sentence: Sentence) -> Iterator[tuple[int, Clause]]:
    for place, clause in enumerate(sentence.clauses):
        if not RELATIONS[VERBS[clause.verb][0]].symmetric:
            yield place, clause


def _alike(block: Block, blocks: list[Block]) -> bool:
    """Whether a block of the same color and shape is among them, in whatever words."""
    return any(
        block.color in _CIRCLES.get(other.color, (other.color,))
        and block.shape in _CIRCLES.get(other.shape, (other.shape,))
        for other in blocks
    )


PARAPHRASES: dict[str, Callable[[Sentence], Iterator[Sentence]]] = {
    "synonym": _synonym,
    "determiner": _determiner,
    "voice": _voice,
    "order": _order,
    "inverse": _inverse,
}
COUNTERFACTUALS: dict[str, Callable[[Sentence, int], Iterator[Sentence]]] = {
    "color": _color,
    "relation": _relation,
    "swap": _swap,
    "object": _object,
    "negation": _negation,
    "count": _count,
}
