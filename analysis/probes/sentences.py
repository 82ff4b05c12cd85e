"""The sentences that probes ask about: which say the same, and what is to be read from each."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from analysis.probes.retrieval import MEDIAN_RANK, RECALLS
from vlatent.corpus import DataConfig
from vlatent.corpus.own_text import own_text
from vlatent.corpus.wordings import meaning_of
from vlatent.dependence import first_fact
from vlatent.scenes import Block, Line, Meaning, default_corpus
from vlatent.scenes.sentence import Clause, Sentence
from vlatent.scenes.words import COLORS, RELATIONS, SHAPES, VERBS
from vlatent.shapes import UserError

TARGETS = ("color", "shape", "relation")
ORDERS = ("argument order", "word order")


@dataclass(frozen=True, eq=False)
class Asked:
    """Sentences with what is to be read from them.

    Attributes:
        texts: The sentences.
        groups: Sentences with the same number must stay on one side of a split.
        strata: Answers are exchanged between sentences with the same number only.
        answers: One answer a sentence by target; "" where the sentence has none. No target where
            no sentence has one.
        paraphrase: Which sentences say in other words what one of the others says.
        labels: Which targets are labels of the user's own.
    """

    texts: tuple[str, ...]
    groups: Int[np.ndarray, " sentence"]
    strata: Int[np.ndarray, " sentence"]
    answers: Mapping[str, tuple[str, ...]]
    paraphrase: Bool[np.ndarray, " sentence"]
    labels: tuple[str, ...] = ()


def held_out(data: DataConfig) -> list[Line]:
    """The validation sentences of a run, with what is known of them."""
    if data.validation is not None or data.train is not None:
        return own_text(data).held_out
    return [
        Line(example.text, tuple(variant.text for variant in example.paraphrases()))
        for example in default_corpus(training=1)[1]
    ]


def scenes(lines: Sequence[Line]) -> Asked:
    """Every sentence and one of its paraphrases, each line another kind in turn.

    To be read: color and shape of the subject, and the relation, of the fact that comes first in
    the alphabet, so that paraphrases share their answers; and the labels of the lines. A group is a
    scene: sentences of the same meaning, or, where the meaning is not known, of the same words, all
    that is said to be a paraphrase of them, and what a file puts into one group. A stratum holds
    scenes of as many facts in words of one level.

    Raises:
        UserError: A label has the name of something else that is read.
    """
    texts: list[str] = []
    original: list[int] = []  # of every sentence, the place of the one that it says again
    source: list[Line] = []
    for place, line in enumerate(lines):
        paraphrases = line.paraphrases
        chosen = paraphrases[place % len(paraphrases) :][:1] if paraphrases else ()
        original += [len(texts)] * (1 + len(chosen))
        texts += [line.text, *chosen]
        source += [line] * (1 + len(chosen))
    meanings = [meaning_of(text) for text in texts]
    first = [first_fact(text) for text in texts]
    facts = [fact or ("", "", "") for fact in first]
    answers = dict(zip(TARGETS, zip(*facts, strict=True), strict=True)) if any(first) else {}
    labels = _labels(source)
    for name in labels.keys() & {*answers, *ORDERS, *RECALLS, MEDIAN_RANK}:
        raise UserError(f"the label {name!r} has the name of a probe of ours: give it another.")
    return Asked(
        texts=tuple(texts),
        groups=_connected(meanings, original, [line.group for line in source]),
        strata=np.array([_stratum(meaning) for meaning in meanings]),
        answers=answers | labels,
        paraphrase=np.array(original) != np.arange(len(texts)),
        labels=tuple(labels),
    )


def argument_pairs(count: int, without: Collection[str] = (), seed: int = 0) -> Asked:
    """Pairs of blocks and a relation said in four ways: from either side, with either meaning.

    "a red cube is on a blue sphere" and "a blue sphere is under a red cube" mean the same; "a blue
    sphere is on a red cube" and "a red cube is under a blue sphere" mean the opposite. All four
    name the same two blocks, so who is the subject of the relation (argument order) cannot be told
    from which blocks are named, from the verb, or from which is named first (word order): each is
    right in exactly half. Either order is alphabetical or reversed.

    Args:
        count: Pairs of blocks, each with its four sentences, a group and a stratum of its own.
        without: Sentences that must not occur: those an encoder was trained on.
        seed: Another seed gives other pairs.
    """
    generator = random.Random(seed)
    blocks = [Block(color, shape) for color in COLORS for shape in SHAPES]
    directed = [name for name, relation in RELATIONS.items() if not relation.symmetric]
    taken: set[tuple[Block, Block]] = set()
    texts: list[str] = []
    answers: dict[str, list[str]] = {order: [] for order in ORDERS}
    while len(taken) < count:
        first, second = sorted(generator.sample(blocks, 2))
        plain = RELATIONS[generator.choice(directed)].plain
        forward = generator.choice([verb for verb in plain if not VERBS[verb][1]])
        backward = generator.choice([verb for verb in plain if VERBS[verb][1]])
        said = [
            (str(Sentence((Clause(one, verb, other),), "a", ())), one == first, verb == forward)
            for one, other in ((first, second), (second, first))
            for verb in (forward, backward)
        ]
        if first.color == second.color or (first, second) in taken:
            continue
        if any(text in without for text, _, _ in said):
            continue
        taken.add((first, second))
        for text, first_named, straight in said:
            texts.append(text)
            subject_first = first_named == straight
            answers["argument order"].append("alphabetical" if subject_first else "reversed")
            answers["word order"].append("alphabetical" if first_named else "reversed")
    groups = np.repeat(np.arange(count), 4)
    by_order = {order: tuple(given) for order, given in answers.items()}
    return Asked(tuple(texts), groups, groups, by_order, np.zeros(len(texts), dtype=bool))


def _stratum(meaning: Meaning | str) -> int:
    """Number of facts and complexity level of the words: ten times the one plus the other.

    Rare colors come with rare relations and long sentences. Between sentences of one stratum, who
    knows the color, or only the length, knows nothing of the relation.
    """
    if isinstance(meaning, str):
        return 0
    levels = [RELATIONS[fact.relation].level for fact in meaning]
    blocks = [block for fact in meaning for block in (fact.subject, fact.object)]
    levels += [level for color, shape, _ in blocks for level in (COLORS[color], SHAPES[shape])]
    return 10 * len(meaning) + max(levels)


def _labels(lines: Sequence[Line]) -> dict[str, tuple[str, ...]]:
    """The labels of lines, one a line by name; "" where a line lacks one."""
    given = [dict(line.labels) for line in lines]
    names = dict.fromkeys(name for labels in given for name in labels)
    return {name: tuple(labels.get(name, "") for labels in given) for name in names}


def _connected(
    meanings: Sequence[Meaning | str], original: Sequence[int], together: Sequence[str]
) -> Int[np.ndarray, " sentence"]:
    """A number for each group: one meaning, paraphrases of one another, one group of the file."""
    place = np.arange(len(meanings))
    first: dict[Meaning | str, int] = {}
    alike = [first.setdefault(meaning, here) for here, meaning in enumerate(meanings)]
    begins: dict[str, int] = {}
    beside = [begins.setdefault(name, here) if name else here for here, name in enumerate(together)]
    edges = np.tile(place, 3), np.concatenate([alike, original, beside])
    graph = coo_array((np.ones(3 * len(place)), edges), (len(place), len(place)))
    return np.asarray(connected_components(graph, directed=False)[1], dtype=int)
