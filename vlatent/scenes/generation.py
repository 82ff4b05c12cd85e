"""Corpora of sentences about blocks, drawn by seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Set
from dataclasses import dataclass
from itertools import count as count_from
from typing import Any, Literal, NamedTuple

from vlatent.scenes.scene import Meaning, Scene, draw_scene
from vlatent.scenes.sentence import Sentence, Wording, parse, put_into_words
from vlatent.scenes.variants import COUNTERFACTUALS, PARAPHRASES
from vlatent.shapes import UserError

Complexity = Literal[1, 2, 3, "all"]

# What every encoder is shown at every evaluation. Nothing that is drawn here means the same
# as one of them, so they are new to every encoder trained on these corpora.
FIXED_SENTENCES = (
    "A red cube is on a blue sphere.",
    "A green cylinder is left of a yellow cube.",
    "A blue cylinder supports a red sphere.",
    "A yellow sphere is right of a green cube, and the green cube is on a red cylinder.",
    "A blue cube is under a yellow cylinder, and the yellow cylinder is left of a red cube.",
    "A purple cone is behind a green cube, and the green cube is next to a red pyramid.",
    "An orange sphere is on a blue cylinder, and the blue cylinder is in front of a purple cube.",
    "A yellow pyramid is next to an orange cone, and the orange cone is right of a blue cube.",
    "A red cone is left of a purple sphere, and the purple sphere is behind a yellow cylinder, "
    "and a green pyramid is on the yellow cylinder.",
    "An orange cube supports a blue pyramid, and a red cylinder is next to the orange cube, "
    "and a purple cone is in front of the red cylinder.",
    "A green sphere is behind a red cube, and an orange pyramid is under the green sphere, "
    "and the orange pyramid is left of a blue cone.",
    "A black ring is on a white cube, and the white cube touches a gray prism, "
    "and the gray prism is larger than a red sphere.",
    "A white cone is smaller than a black cylinder, and the black cylinder is left of a "
    "purple ring, and the purple ring is behind a green prism.",
    "A gray pyramid is in front of a yellow ring, and the yellow ring is under an orange cube, "
    "and a black sphere is next to the gray pyramid, and a white prism is right of the "
    "black sphere.",
    "A blue prism touches a red ring, and the red ring is on a gray cylinder, and a white sphere "
    "is larger than the gray cylinder, and a purple pyramid is behind the white sphere.",
    "A black cone is next to a green ring, and the green ring supports a yellow prism, and a "
    "white cube is left of the black cone, and a gray sphere is smaller than the white cube, "
    "and an orange cylinder is in front of the gray sphere.",
)  # fmt: skip

# Draws without a new sentence after which there is no hope of one.
_PATIENCE = 20_000
MOST = 10**6  # sentences in one file


class Variant(NamedTuple):
    """A changed sentence and the kind of its change."""

    kind: str
    text: str


class Line(NamedTuple):
    """A sentence, what means the same, and what does not: a line of a file.

    Attributes:
        kinds: Of the counterfactuals, in their order, where they are known.
        labels: Names and values of what a file says of the sentence, for probes.
        group: What the sentence shares with others in a file, so that they are no independent
            witnesses of a label.
    """

    text: str
    paraphrases: tuple[str, ...] = ()
    counterfactuals: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    group: str = ""


@dataclass(frozen=True)
class Example:
    """A scene and a sentence that describes it; variants are made when they are needed."""

    scene: Scene
    sentence: Sentence
    key: str

    @property
    def text(self) -> str:
        """The sentence."""
        return str(self.sentence)

    def paraphrases(self, allowed: Callable[[Sentence], bool] | None = None) -> list[Variant]:
        """At most one allowed sentence of each kind, in other words and of the same meaning."""
        generator = random.Random(f"{self.key}/paraphrases")
        made = {kind: list(variants(self.sentence)) for kind, variants in PARAPHRASES.items()}
        drawn = _draw(made, generator, allowed)
        for variant in drawn:
            assert variant.text != self.text, variant
            assert parse(variant.text) == self.scene.meaning, (self.text, variant)
        return drawn

    def counterfactuals(self, allowed: Callable[[Sentence], bool] | None = None) -> list[Variant]:
        """At most one allowed sentence of each kind, changed a little and of another meaning."""
        generator = random.Random(f"{self.key}/counterfactuals")
        made = {
            kind: list(variants(self.sentence, self.scene.complexity))
            for kind, variants in COUNTERFACTUALS.items()
        }
        drawn = _draw(made, generator, allowed)
        for variant in drawn:
            assert parse(variant.text) != self.scene.meaning, (self.text, variant)
        return drawn

    def record(self) -> dict[str, Any]:
        """The line of a `.jsonl` file: sentence, variants with their kinds, scene graph."""
        paraphrases, counterfactuals = self.paraphrases(), self.counterfactuals()
        return {
            "original": self.text,
            "paraphrases": [variant.text for variant in paraphrases],
            "paraphrase_kinds": [variant.kind for variant in paraphrases],
            "counterfactuals": [variant.text for variant in counterfactuals],
            "counterfactual_kinds": [variant.kind for variant in counterfactuals],
            "scene": {
                "complexity": self.scene.complexity,
                "objects": [
                    {"color": block.color, "shape": block.shape} for block in self.scene.blocks
                ],
                "relations": [
                    {"subject": subject, "relation": relation, "object": object}
                    for subject, relation, object in self.scene.relations
                ],
            },
        }


def _draw(
    made: dict[str, list[Sentence]],
    generator: random.Random,
    allowed: Callable[[Sentence], bool] | None,
) -> list[Variant]:
    drawn = []
    for kind, sentences in made.items():
        left = list(sentences)
        while left:
            chosen = generator.choice(left)
            if allowed is None or allowed(chosen):
                drawn.append(Variant(kind, str(chosen)))
                break
            left.remove(chosen)
    return drawn


def generate(
    count: int,
    complexity: Complexity = "all",
    wording: Wording = "plain",
    seed: int = 0,
    without: Set[Meaning] = frozenset(),
    wanted: Callable[[Example], bool] = lambda example: True,
) -> list[Example]:
    """Draw different sentences about blocks.

    The i-th depends only on the arguments before it in the list, never on `count`. "all" takes
    the three levels in turn. No sentence means the same as a fixed evaluation sentence or as
    one of `without`, and every one is `wanted`. The global random state is neither read nor
    changed.

    Raises:
        UserError: If `count` is below 1, or there are not so many sentences.
    """
    if count < 1:
        raise UserError(f"count must be at least 1, but got {count=}.")
    if count > MOST:
        raise UserError(f"count must be at most {MOST:,}, but got {count=}.")
    taboo = without | {parse(sentence) for sentence in FIXED_SENTENCES}
    examples: list[Example] = []
    seen: set[str] = set()
    last_success = 0
    for index in count_from():
        key = f"{seed}/{complexity}/{wording}/{index}"
        generator = random.Random(key)
        level = 1 + len(examples) % 3 if complexity == "all" else complexity
        scene = draw_scene(level, generator)
        example = Example(scene, put_into_words(scene, wording, generator), key)
        text = example.text
        if text not in seen and scene.meaning not in taboo and wanted(example):
            assert parse(text) == scene.meaning, text
            examples.append(example)
            seen.add(text)
            last_success = index
            if len(examples) == count:
                break
        elif index - last_success > _PATIENCE:
            raise UserError(
                f"found only {len(examples)} different sentences for {count=}, {complexity=} and "
                f"{wording=}: ask for fewer, for a higher complexity or for varied wording."
            )
    return examples


def default_corpus(
    training: int = 5000,
    validation: int = 500,
    seed: int = 0,
    complexity: Complexity = "all",
    wording: Wording = "plain",
) -> tuple[list[Example], list[Example]]:
    """Draw training and validation sentences of which no two mean the same across the parts.

    Raises:
        UserError: If a number is below 1, or there are not so many sentences.
    """
    held_out = generate(validation, complexity, wording, seed)
    meanings = {example.scene.meaning for example in held_out}
    return generate(training, complexity, wording, seed, without=meanings), held_out
