"""What is held out: meanings, combinations that never occur in training, and wordings.

Every word occurs in training; only its company is new. So a split asks whether an encoder has
learned what words do, not whether it can guess words that it never saw.
"""

from __future__ import annotations

from collections.abc import Callable

from vlatent.scenes.generation import FIXED_SENTENCES, Example, Line, default_corpus, generate
from vlatent.scenes.scene import Meaning
from vlatent.scenes.sentence import Sentence, parse

SPLITS = ("random", "compositional", "wording")

# Color and shape of a block; every color and every shape occurs with others.
UNSEEN_BLOCKS = frozenset(
    {
        *(("green", "cube"), ("yellow", "sphere"), ("red", "cylinder"), ("blue", "cone")),
        *(("purple", "pyramid"), ("orange", "ring"), ("white", "prism")),
    }
)
# Shape, relation, shape; the same relation between the same shapes occurs the other way round.
UNSEEN_ORDERS = frozenset(
    {
        *(("sphere", "on", "cube"), ("cylinder", "left of", "sphere")),
        *(("cube", "in front of", "cylinder"), ("cone", "larger than", "sphere")),
    }
)
# Each of their words occurs in another verb.
UNSEEN_VERBS = frozenset(
    {"is to the right of", "is on the left of", "stands behind", "stands next to"}
)


def unseen_combinations(meaning: Meaning) -> set[tuple[str, ...]]:
    """Which of the held-out blocks and orders are part of a meaning."""
    unseen: set[tuple[str, ...]] = set()
    for fact in meaning:
        ends = (fact.subject, fact.object)
        unseen |= {(block.color, block.shape) for block in ends} & UNSEEN_BLOCKS
        unseen |= {(fact.subject.shape, fact.relation, fact.object.shape)} & UNSEEN_ORDERS
    return unseen


def uses_unseen_verb(sentence: Sentence) -> bool:
    return any(clause.verb in UNSEEN_VERBS for clause in sentence.clauses)


def draw_parts(
    unseen: bool, training: int = 5000, held_out: int = 500, seed: int = 0
) -> tuple[list[Example], dict[str, list[Example]]]:
    """Training sentences, and held-out ones by the name of their split; no meaning is in two.

    random: other sentences. Only with `unseen` there are also compositional (each has at least one
    unseen combination, and the training sentences none) and wording (each can be said with an
    unseen verb; the training sentences and their paraphrases never are).

    Raises:
        UserError: If a number is below 1, or there are not so many sentences.
    """
    if not unseen:
        lines, random = default_corpus(training, held_out, seed)
        return lines, {"random": random}
    wanted: dict[str, Callable[[Example], bool]] = {
        "random": _seen,
        "compositional": lambda example: not _seen(example),
        "wording": lambda example: _seen(example) and bool(example.paraphrases(uses_unseen_verb)),
    }
    parts: dict[str, list[Example]] = {}
    taken: set[Meaning] = set()
    for split in SPLITS:
        parts[split] = generate(held_out, seed=seed, without=taken, wanted=wanted[split])
        taken |= {example.scene.meaning for example in parts[split]}
    return generate(training, seed=seed, without=taken, wanted=_seen), parts


def training_wordings(
    training: list[Example], parts: dict[str, list[Example]], unseen: bool
) -> list[Line]:
    """The variants that may be learned from: nothing in them, whatever its words, is held out."""
    taken = {parse(text) for text in FIXED_SENTENCES}
    taken |= {example.scene.meaning for part in parts.values() for example in part}

    def may_be_said(sentence: Sentence) -> bool:
        return not (unseen and uses_unseen_verb(sentence))

    def may_be_meant(sentence: Sentence) -> bool:
        meaning = parse(str(sentence))
        withheld = meaning in taken or (unseen and unseen_combinations(meaning))
        return may_be_said(sentence) and not withheld

    return [_line(example, may_be_said, may_be_meant) for example in training]


def held_out_wordings(split: str, examples: list[Example], unseen: bool) -> list[Line]:
    """The variants of a split: only those of `wording` are said with unseen verbs."""

    def asked(sentence: Sentence) -> bool:
        return not unseen or uses_unseen_verb(sentence) == (split == "wording")

    def seen(sentence: Sentence) -> bool:
        allowed = split == "compositional" or not unseen_combinations(parse(str(sentence)))
        return not unseen or (allowed and not uses_unseen_verb(sentence))

    return [_line(example, asked, seen) for example in examples]


def _seen(example: Example) -> bool:
    return not unseen_combinations(example.scene.meaning)


def _line(
    example: Example, same: Callable[[Sentence], bool], other: Callable[[Sentence], bool]
) -> Line:
    counterfactuals = example.counterfactuals(other)
    return Line(
        example.text,
        tuple(variant.text for variant in example.paraphrases(same)),
        tuple(variant.text for variant in counterfactuals),
        tuple(variant.kind for variant in counterfactuals),
    )
