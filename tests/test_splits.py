"""Splits: what is held out never occurs in training, in whatever words."""

from __future__ import annotations

import re
from itertools import combinations

import pytest

from vlatent.scenes import FIXED_SENTENCES, Example, Line, Meaning, default_corpus, parse
from vlatent.scenes.splits import (
    SPLITS,
    UNSEEN_BLOCKS,
    UNSEEN_ORDERS,
    UNSEEN_VERBS,
    draw_parts,
    held_out_wordings,
    training_wordings,
    unseen_combinations,
)
from vlatent.scenes.words import COLORS, SHAPES, said

Corpus = tuple[list[Line], dict[str, list[Line]]]
UNSEEN_FORMS = [
    said(verb, count, negated)
    for verb in UNSEEN_VERBS
    for count in (1, 2)
    for negated in (False, True)
]


def corpus(unseen: bool, training: int, held_out: int) -> Corpus:
    known, parts = draw_parts(unseen, training, held_out)
    lines = {split: held_out_wordings(split, part, unseen) for split, part in parts.items()}
    return training_wordings(known, parts, unseen), lines


@pytest.fixture(scope="module")
def whole() -> Corpus:
    """As `data.unseen` makes it, only less of it."""
    return corpus(True, 1200, 150)


@pytest.fixture(scope="module")
def plain() -> Corpus:
    return corpus(False, 400, 80)


def texts(line: Line) -> tuple[str, ...]:
    return (line.text, *line.paraphrases, *line.counterfactuals)


def every(lines: list[Line]) -> list[str]:
    return [text for line in lines for text in texts(line)]


def meanings(lines: list[Line]) -> set[Meaning]:
    return {parse(line.text) for line in lines}


def words(some: list[str]) -> set[str]:
    """Every word, one block or more."""
    found = {word for text in some for word in re.findall(r"[a-z]+", text.lower())}
    return found | {word.removesuffix("s") for word in found}


def facts(some: list[str]) -> set[tuple[str, ...]]:
    """Blocks and orders of all sentences, as they are written in the lists of what is unseen."""
    found: set[tuple[str, ...]] = set()
    for text in some:
        for fact in parse(text):
            found |= {(end.color, end.shape) for end in (fact.subject, fact.object)}
            found.add((fact.subject.shape, fact.relation, fact.object.shape))
    return found


def test_no_unseen_combination_occurs_in_training_in_any_wording(whole: Corpus) -> None:
    training = facts(every(whole[0]))
    assert not training & UNSEEN_BLOCKS
    assert not training & UNSEEN_ORDERS
    held_out = facts([line.text for line in whole[1]["compositional"]])
    assert held_out >= UNSEEN_BLOCKS  # each of them is asked about
    assert held_out >= UNSEEN_ORDERS


def test_no_unseen_verb_is_said_in_training_in_any_form(whole: Corpus) -> None:
    said_in_training = "\n".join(every(whole[0]))
    assert "is to the left of" in said_in_training  # a verb that is seen is found so
    assert not [form for form in UNSEEN_FORMS if form in said_in_training]


@pytest.mark.parametrize("name", ["whole", "plain"])
def test_no_held_out_meaning_occurs_in_training_in_any_wording(
    name: str, request: pytest.FixtureRequest
) -> None:
    training, parts = request.getfixturevalue(name)
    known = {parse(text) for text in every(training)}
    for split, lines in parts.items():
        assert not known & meanings(lines), split
    assert not known & set(map(parse, FIXED_SENTENCES))
    for one, other in combinations(parts, 2):
        assert not meanings(parts[one]) & meanings(parts[other])


def test_every_split_holds_what_its_name_says(whole: Corpus) -> None:
    _, parts = whole
    assert tuple(parts) == SPLITS
    for line in parts["compositional"]:
        assert unseen_combinations(parse(line.text))
    for split in ("random", "wording"):
        assert not facts(every(parts[split])) & (UNSEEN_BLOCKS | UNSEEN_ORDERS)
    for split, lines in parts.items():
        for line in lines:
            assert line.paraphrases
            for text in line.paraphrases:
                assert any(form in text for form in UNSEEN_FORMS) == (split == "wording"), text


def test_every_word_is_known_from_training(whole: Corpus) -> None:
    known = words(every(whole[0]))
    for lines in whole[1].values():
        assert not words(every(lines)) - known
    assert known >= {*COLORS, *SHAPES}


def test_every_unseen_order_is_seen_the_other_way_round(whole: Corpus) -> None:
    training = facts(every(whole[0]))
    for first, relation, second in UNSEEN_ORDERS:
        assert (second, relation, first) in training


@pytest.mark.parametrize("name", ["whole", "plain"])
def test_paraphrases_mean_the_same_and_counterfactuals_do_not(
    name: str, request: pytest.FixtureRequest
) -> None:
    training, parts = request.getfixturevalue(name)
    for line in (*training, *(line for lines in parts.values() for line in lines)):
        meaning = parse(line.text)
        assert line.counterfactuals
        assert all(parse(text) == meaning for text in line.paraphrases)
        assert all(parse(text) != meaning for text in line.counterfactuals)


@pytest.mark.parametrize("name", ["whole", "plain"])
def test_kinds_say_what_was_changed(name: str, request: pytest.FixtureRequest) -> None:
    def looks(text: str) -> dict[str, list[object]]:
        facts = sorted(parse(text))
        blocks = {block for fact in facts for block in (fact.subject, fact.object)}
        return {
            "color": sorted(block.color for block in blocks),
            "object": sorted(block.shape for block in blocks),
            "count": sorted(block.number for block in blocks),
            "relation": sorted(fact.relation for fact in facts),
            "negation": sorted(fact.holds for fact in facts),
        }

    training, parts = request.getfixturevalue(name)
    for line in (*training, *(line for lines in parts.values() for line in lines)):
        assert len(line.kinds) == len(line.counterfactuals)
        before = looks(line.text)
        for kind, text in zip(line.kinds, line.counterfactuals, strict=True):
            changed = {trait for trait, values in looks(text).items() if values != before[trait]}
            assert changed == ({kind} if kind != "swap" else set()), (line.text, kind, text)


def test_without_unseen_it_is_the_default_corpus() -> None:
    training, parts = draw_parts(False, 30, 10)
    known, held_out = default_corpus(30, 10)
    assert [e.text for e in training] == [e.text for e in known]
    assert {name: [e.text for e in part] for name, part in parts.items()} == {
        "random": [e.text for e in held_out]
    }


def test_the_same_arguments_give_the_same_sentences(plain: Corpus) -> None:
    assert corpus(False, 400, 80) == plain
    assert draw_parts(True, 20, 5)[0][0].text == draw_parts(True, 40, 5)[0][0].text


def test_what_is_allowed_changes_nothing_where_all_is() -> None:
    def both(example: Example, **given: object) -> tuple[object, object]:
        return example.paraphrases(**given), example.counterfactuals(**given)  # type: ignore[arg-type]

    for example in default_corpus(60, 1)[0]:
        assert both(example) == both(example, allowed=lambda sentence: True)
        assert both(example, allowed=lambda sentence: False) == ([], [])
