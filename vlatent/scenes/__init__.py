"""Colored blocks in words: scene graphs, sentences, paraphrases and counterfactuals.

A scene is a tree of relations between blocks of different looks; level 1 has 2-3 of them,
level 2 has 3-4 and level 3 has 4-6, with more colors, shapes and relations at each level.
`parse` reads a sentence back into its meaning, and everything that is written here has been
read back: a paraphrase means the same as its original, a counterfactual does not.

`vlatent scenes --help` writes corpora to files.
"""

from vlatent.scenes.generation import (
    FIXED_SENTENCES,
    Complexity,
    Example,
    Line,
    Variant,
    default_corpus,
    generate,
)
from vlatent.scenes.scene import Block, Fact, Meaning, Scene
from vlatent.scenes.sentence import Wording, about_blocks, parse
from vlatent.scenes.variants import COUNTERFACTUALS

__all__ = [
    "COUNTERFACTUALS",
    "FIXED_SENTENCES",
    "Block",
    "Complexity",
    "Example",
    "Fact",
    "Line",
    "Meaning",
    "Scene",
    "Variant",
    "Wording",
    "about_blocks",
    "default_corpus",
    "generate",
    "parse",
]
