"""What was told of blocks against what was read in its place, kind by kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from vlatent.evaluation.reading import KINDS, Kind, blocks_of, facts_of
from vlatent.scenes import Block, Fact, Meaning, parse
from vlatent.scenes.words import NUMBERS, RELATIONS

NOT_READ, AS_TOLD, EXCHANGED = "not read", "as told", "exchanged"
HOLDS = {True: "holds", False: "does not hold"}

Confusions = dict[Kind, Counter[tuple[str, str]]]  # how often this was told and that read


def confusions(read: Sequence[str], told: Sequence[str]) -> Confusions:
    """Count what was told against what was read in its place.

    The blocks of a sentence are matched one to one with those that were read, so that as many
    colors and shapes agree as can, and then numbers. A block whose match has another color and
    another shape was not read.

    color, shape, number: of each block, against its match's. relation: of each fact, against that
    of the matches of both blocks. order: of each fact whose relation was read and whose subject
    and object differ in role, the relation against `as told` or `exchanged`. negation: of each
    fact whose blocks are related in what was read, whether it holds.

    Raises:
        UserError: A sentence that was told is not about blocks.

    >>> found = confusions(["A red cube is under a blue ring."], ["A red cube is on a blue ring."])
    >>> dict(found["relation"]), dict(found["order"])
    ({('on', 'on'): 1}, {('on', 'exchanged'): 1})
    """
    found: Confusions = {kind: Counter() for kind in KINDS}
    for said, text in zip(read, told, strict=True):
        facts, known = parse(text), facts_of(said)
        partners = _matched(blocks_of(facts), blocks_of(known))
        for block in blocks_of(facts):
            own = _described(block)
            other = _described(partners[block]) if block in partners else {}
            for kind, word in own.items():
                found[kind][word, other.get(kind, NOT_READ)] += 1
        for fact in facts:
            _count_fact(found, fact, _between(known, fact, partners), partners)
    return found


def _count_fact(
    found: Confusions, fact: Fact, read: Fact | None, partners: dict[Block, Block]
) -> None:
    relation = fact.relation
    if read is None:
        found["relation"][relation, NOT_READ] += 1
        return
    found["relation"][relation, read.relation] += 1
    found["negation"][HOLDS[fact.holds], HOLDS[read.holds]] += 1
    if read.relation == relation and not RELATIONS[relation].symmetric:
        is_so = read.subject == partners[fact.subject]
        found["order"][relation, AS_TOLD if is_so else EXCHANGED] += 1


def _described(block: Block) -> dict[Kind, str]:
    return {"color": block.color, "shape": block.shape, "number": NUMBERS[block.number]}


def _matched(told: Sequence[Block], read: Sequence[Block]) -> dict[Block, Block]:
    """The block that was read of each that was told; none where color and shape are others."""
    alike = np.array(
        [
            [10 * (b.color == a.color) + 10 * (b.shape == a.shape) + (b == a) for b in read]
            for a in told
        ]
    ).reshape(len(told), len(read))
    rows, columns = linear_sum_assignment(alike, maximize=True)
    places = zip(rows, columns, strict=True)
    return {told[row]: read[column] for row, column in places if alike[row, column] >= 10}


def _between(facts: Meaning, fact: Fact, partners: dict[Block, Block]) -> Fact | None:
    """The fact that was read of the matches of both blocks."""
    if fact.subject not in partners or fact.object not in partners:
        return None
    ends = {partners[fact.subject], partners[fact.object]}
    return next((each for each in sorted(facts) if {each.subject, each.object} == ends), None)
