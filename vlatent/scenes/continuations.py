"""What may follow the words so far of a generated sentence, and how likely each is.

A hypothesis is what `draw_scene` and `put_into_words` may have drawn: words that then come, and
what may follow these. A scene is known, or nothing is known of it but what the words said.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import NamedTuple

from vlatent.scenes.scene import Block, Fact, Meaning
from vlatent.scenes.sentence import DETERMINERS, JOINTS
from vlatent.scenes.words import COLORS, RELATIONS, SHAPES, SYNONYMS, VERBS, available

SPELLINGS = {word: (word, *SYNONYMS.get(word, ())) for word in (*COLORS, *SHAPES)}

# Its weight, the words that come, and what may follow them.
Hypothesis = tuple[float, tuple[str, ...], Callable[[], Iterator["Hypothesis"]]]


def words_of(text: str) -> list[str]:
    """The words and the punctuation of a sentence, in lower case.

    >>> words_of("A red cube is on a blue sphere.")
    ['a', 'red', 'cube', 'is', 'on', 'a', 'blue', 'sphere', '.']
    """
    return re.findall(r"\w+|[^\w\s]", text.lower())


class Said(NamedTuple):
    """What the words so far fix of those to come.

    Attributes:
        varied: Whether the wording varies.
        determiner: How blocks are introduced; "" as long as none was.
        spellings: Words with synonyms, and which of these is used.
        introduced: Blocks that were named.
        last: The block that was named last.
    """

    varied: bool
    determiner: str = ""
    spellings: frozenset[tuple[str, str]] = frozenset()
    introduced: frozenset[Block] = frozenset()
    last: Block | None = None


class Clause(NamedTuple):
    """A clause that may come next: its subject, then a verb, then an object and what follows."""

    share: float
    subject: Block
    verbs: tuple[tuple[float, str], ...]
    objects: Callable[[], Iterator[tuple[float, Block, Known | Unknown]]]


@dataclass(frozen=True)
class Known:
    """The facts of a scene, and those of them that were said."""

    facts: Meaning
    used: Meaning

    @property
    def ended(self) -> bool:
        return self.used == self.facts

    def clauses(self, varied: bool) -> Iterator[Clause]:
        """Every order of the facts in which each block is tied to one before is as likely."""
        for fact in _tied(self.facts, self.used):
            used = self.used | {fact}
            share = _orders(self.facts, used) / _orders(self.facts, self.used)
            after = Known(self.facts, used)
            verbs = _verbs(fact.relation, varied)
            for backward, subject, object in (
                (False, fact.subject, fact.object),
                (True, fact.object, fact.subject),
            ):
                symmetric = RELATIONS[fact.relation].symmetric
                said = [verb for verb in verbs if symmetric or VERBS[verb][1] == backward]
                if said:
                    of_side = share / 2 if symmetric else share * len(said) / len(verbs)
                    even = tuple((1 / len(said), verb) for verb in said)
                    yield Clause(of_side, subject, even, partial(iter, ((1.0, object, after),)))


@dataclass(frozen=True)
class Unknown:
    """A scene of a level and a size, of which some blocks were named."""

    level: int
    size: int
    blocks: tuple[Block, ...]

    @property
    def ended(self) -> bool:
        return len(self.blocks) == self.size

    def clauses(self, varied: bool) -> Iterator[Clause]:
        """A new block and one of those before, either as the subject; at first two new ones."""
        verbs, new = _verbs_of_level(self.level, varied), self._new()
        if not self.blocks:
            for first in new:
                yield Clause(1 / len(new), first, verbs, partial(self._with_new, first))
            return
        for old in self.blocks:
            yield Clause(0.5 / len(self.blocks), old, verbs, partial(self._with_new, old))
        for block in new:
            yield Clause(0.5 / len(new), block, verbs, partial(self._with_old, block))

    def _new(self) -> list[Block]:
        return [block for block in _kinds(self.level) if block not in self.blocks]

    def _with_new(self, named: Block) -> Iterator[tuple[float, Block, Unknown]]:
        before = self.blocks or (named,)
        others = [block for block in self._new() if block != named]
        for block in others:
            yield 1 / len(others), block, Unknown(self.level, self.size, (*before, block))

    def _with_old(self, new: Block) -> Iterator[tuple[float, Block, Unknown]]:
        after = Unknown(self.level, self.size, (*self.blocks, new))
        for block in self.blocks:
            yield 1 / len(self.blocks), block, after


@dataclass(frozen=True)
class Boundary:
    """The end of a clause, or the beginning of a sentence."""

    scene: Known | Unknown
    said: Said

    def __call__(self) -> Iterator[Hypothesis]:
        """The full stop, or a joint and the subject of another clause."""
        scene, said = self.scene, self.said
        if scene.ended:
            yield 1.0, (".",), _nothing
            return
        for clause in scene.clauses(said.varied):
            verb = partial(_verb, clause)
            if said.last is None:
                for share, words, then in _mention(clause.subject, said):
                    yield clause.share * share, words, partial(verb, then)
                continue
            for share, joint, names_subject in _joints(said, clause.subject):
                if not names_subject:
                    yield clause.share * share, joint, partial(verb, said)
                    continue
                for of_name, words, then in _mention(clause.subject, said):
                    yield clause.share * share * of_name, (*joint, *words), partial(verb, then)


def _nothing() -> Iterator[Hypothesis]:
    return iter(())


def _verb(clause: Clause, said: Said) -> Iterator[Hypothesis]:
    for share, verb in clause.verbs:
        yield share, tuple(verb.split()), partial(_object, clause, said)


def _object(clause: Clause, said: Said) -> Iterator[Hypothesis]:
    for share, block, scene in clause.objects():
        for of_name, words, then in _mention(block, said):
            yield share * of_name, words, Boundary(scene, then)


def _joints(said: Said, subject: Block) -> Iterator[tuple[float, tuple[str, ...], bool]]:
    """What may stand before a clause, and whether its subject is named behind it."""
    shares: dict[str, float] = defaultdict(float)
    for joint in JOINTS if said.varied else JOINTS[:1]:
        # "which" can stand only for the block right before it.
        stands = joint != ", which " or subject == said.last
        shares[joint if stands else ", and "] += 1 / len(JOINTS) if said.varied else 1.0
    for joint, share in shares.items():
        yield share, tuple(words_of(joint)), joint != ", which "


@lru_cache(maxsize=1 << 16)
def _mention(block: Block, said: Said) -> tuple[tuple[float, tuple[str, ...], Said], ...]:
    """The ways to name a block."""
    determiners = (said.determiner,) if said.determiner else DETERMINERS if said.varied else ("a",)
    found = []
    for color, of_color, spellings in _spelled(block.color, said.varied, said.spellings):
        for shape, of_shape, known in _spelled(block.shape, said.varied, spellings):
            for determiner in determiners:
                then = said._replace(
                    determiner=determiner,
                    spellings=known,
                    introduced=said.introduced | {block},
                    last=block,
                )
                article = "the" if block in said.introduced else determiner
                article = "an" if article == "a" and color[0] in "aeiou" else article
                share = of_color * of_shape / len(determiners)
                found.append((share, (article, color, shape), then))
    return tuple(found)


def _spelled(
    word: str, varied: bool, spellings: frozenset[tuple[str, str]]
) -> Iterator[tuple[str, float, frozenset[tuple[str, str]]]]:
    """The spellings of a word with their shares; a sentence keeps to one of them."""
    if not varied or len(SPELLINGS[word]) == 1:
        yield word, 1.0, spellings
    elif known := [own for of, own in spellings if of == word]:
        yield known[0], 1.0, spellings
    else:
        for own in SPELLINGS[word]:
            yield own, 1 / len(SPELLINGS[word]), spellings | {(word, own)}


@lru_cache
def _kinds(level: int) -> tuple[Block, ...]:
    colors, shapes = available(COLORS, level), available(SHAPES, level)
    return tuple(Block(color, shape) for color in colors for shape in shapes)


def _verbs(relation: str, varied: bool) -> tuple[str, ...]:
    own = RELATIONS[relation]
    return own.forward + own.backward if varied else own.plain


@lru_cache
def _verbs_of_level(level: int, varied: bool) -> tuple[tuple[float, str], ...]:
    names = [name for name, relation in RELATIONS.items() if relation.level <= level]
    verbs = [_verbs(name, varied) for name in names]
    return tuple((1 / len(names) / len(some), verb) for some in verbs for verb in some)


def _tied(facts: Meaning, used: frozenset[Fact]) -> list[Fact]:
    """The facts that can be said next: any at first, then those of a block named before."""
    named = {block for fact in used for block in (fact.subject, fact.object)}
    return [fact for fact in facts - used if not used or named & {fact.subject, fact.object}]


@lru_cache(maxsize=1 << 12)
def _orders(facts: Meaning, used: frozenset[Fact]) -> int:
    """In how many orders the facts that are left can be said."""
    return sum(_orders(facts, used | {fact}) for fact in _tied(facts, used)) or 1
