"""Scene graphs of colored blocks, and what a sentence about them means."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import NamedTuple

from vlatent.scenes.words import COLORS, RELATIONS, SHAPES, available

# Number of blocks, fewest and most, at each complexity level.
SIZES = {1: (2, 3), 2: (3, 4), 3: (4, 6)}


class Block(NamedTuple):
    """A block, or `number` blocks of one kind, known by color and shape."""

    color: str
    shape: str
    number: int = 1


class Fact(NamedTuple):
    """One relation that holds, or is said not to hold, between two blocks."""

    subject: Block
    relation: str
    object: Block
    holds: bool = True


# Two sentences mean the same exactly when their sets of facts are equal. Every block of a scene
# is part of some fact and no two look alike, so the facts name all blocks and their numbers.
Meaning = frozenset[Fact]


def fact(subject: Block, relation: str, object: Block, holds: bool = True) -> Fact:
    """The fact in its one canonical form: the blocks of a symmetric relation in sorted order."""
    if RELATIONS[relation].symmetric and object < subject:
        subject, object = object, subject
    return Fact(subject, relation, object, holds)


@dataclass(frozen=True)
class Scene:
    """Blocks connected by relations.

    Attributes:
        complexity: Level 1, 2 or 3.
        blocks: The blocks, no two alike.
        relations: (index of the subject, relation, index of the object).
    """

    complexity: int
    blocks: tuple[Block, ...]
    relations: tuple[tuple[int, str, int], ...]

    @property
    def meaning(self) -> Meaning:
        """The facts of the graph."""
        return frozenset(
            fact(self.blocks[subject], relation, self.blocks[object])
            for subject, relation, object in self.relations
        )


def draw_scene(complexity: int, generator: random.Random) -> Scene:
    """Draw a scene: different blocks, each tied to one of those before it.

    The relations form a tree. That connects all blocks and rules contradictions out: a tree
    has no cycle in whatever way its edges point, so nothing ends up under (left of, behind,
    smaller than) itself, and no relation follows from the others or speaks against them.
    """
    kinds = [
        Block(color, shape)
        for color in available(COLORS, complexity)
        for shape in available(SHAPES, complexity)
    ]
    relations = [name for name, relation in RELATIONS.items() if relation.level <= complexity]
    blocks = generator.sample(kinds, generator.randint(*SIZES[complexity]))
    edges = []
    for new in range(1, len(blocks)):
        ends = [generator.randrange(new), new]
        generator.shuffle(ends)
        edges.append((ends[0], generator.choice(relations), ends[1]))
    return Scene(complexity, tuple(blocks), tuple(edges))
