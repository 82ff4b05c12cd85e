"""Sentences of running text: abbreviations, quotes and scripts, and nothing is lost."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlatent.corpus.splitting import paragraphs, sentences_in

# Split by hand: a bar stands where one sentence ends and the next begins.
BY_HAND = [
    "It rained. | It snowed! | Did it? | It did...",
    "Mr. and Mrs. Dale met Dr. Ito at St. Mary's. | Prof. Lee came too.",
    "See Fig. 3, No. 5 and pp. 12 to 14. | No. | I will not.",
    "Many fruits, e.g. Apples, i.e. Malus, grow there. | Cf. Smith.",
    "J. R. R. Tolkien wrote it. | So did C. S. Lewis.",
    "He left the U.S. Army in Jan. 1946. | She and I. | Then he wrote.",
    "It costs 3.50 in all. | Version 2.1.3 is out. | See example.org today.",
    "“Stop!” he said. | “Why?” | Tom ran.",
    "'Who is it?' asked the queen. | 'It is I.' | Nobody came.",
    "She said (it was late.) | [Nobody heard.] | Then silence.",
    "He waited… and waited... and left. | Then… | Nothing!",
    "«Où vas-tu?» demanda-t-il. | «Là-bas.» | Élise partit.",
    "¿Quién es? | ¡Nadie! | Él se fue.",
    "Er kam z.B. aus Bonn. | Später ging er. | „Gut.“ | Ende.",
    "1. Take an egg. | 2. Boil it.",
    "And God said, Let there be light: and there was light. | And God saw it; it was good.",
    "One fish",
]


@pytest.mark.parametrize("marked", BY_HAND)
def test_as_a_reader_splits(marked: str) -> None:
    expected = marked.split(" | ")
    assert sentences_in(" ".join(expected)) == expected
    assert sentences_in("\n  ".join(" ".join(expected).split(" "))) == expected  # wrapped lines


def test_scripts_without_spaces() -> None:
    assert sentences_in("那只猫坐着。看着雪。「好。」他说。") == [
        "那只猫坐着。",
        "看着雪。",
        "「好。」",
        "他说。",
    ]
    assert sentences_in("वह आया। वह गया।") == ["वह आया।", "वह गया।"]


WORDS = [
    "Mr.",
    "the",
    "Cat",
    "ran.",
    "“Go!”",
    "no?",
    "1.",
    "J.",
    "e.g.",
    "...",
    "(so.)",
    "—",
    "雪。",
]


@settings(deadline=None, max_examples=300)
@given(st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join) | st.text())
def test_nothing_is_lost(text: str) -> None:
    found = sentences_in(text)
    assert "".join("".join(found).split()) == "".join(text.split())
    assert all(sentence == sentence.strip() and sentence for sentence in found)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("one\ntwo\n\nthree\n", [(1, "one\ntwo"), (4, "three")]),
        ("one\ntwo\nthree\n", [(1, "one"), (2, "two"), (3, "three")]),
        ("\n \none\ntwo\n\n\n", [(3, "one"), (4, "two")]),  # blank lines separate nothing there
        ("a\n\n \nb\nc", [(1, "a"), (4, "b\nc")]),
        ("", []),
    ],
)
def test_paragraphs(text: str, expected: list[tuple[int, str]]) -> None:
    assert list(paragraphs(text.split("\n"))) == expected
