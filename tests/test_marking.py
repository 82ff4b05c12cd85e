"""Marks of the words of a reading, by hand."""

from __future__ import annotations

import pytest

from vlatent.evaluation.marking import marked

TOLD = "A red cube is on a blue sphere, and the blue sphere is left of a green cylinder."


@pytest.mark.parametrize(
    ("read", "wrong", "right"),
    [
        (TOLD, "", "red cube on blue sphere blue sphere left green cylinder"),
        (
            "The green cylinder is to the right of the blue ball, which carries a red cube.",
            "",
            "green cylinder right blue ball carries red cube",
        ),
        ("A blue sphere is on a red cube.", "on", "blue sphere red cube"),
        ("A red cube is not on a blue sphere.", "on", "red cube blue sphere"),
        ("Two red cubes are on a blue sphere.", "on", "red cubes blue sphere"),
        ("A green cube is on a blue sphere.", "green cube on", "blue sphere"),
        ("A red cube is on a blue.", "on blue", "red cube"),
        ("A red red cube.", "red", "red cube"),
        ("", "", ""),
    ],
)
def test_marks_of_sentences_about_blocks(read: str, wrong: str, right: str) -> None:
    found = marked(read, TOLD)
    assert "".join(piece for piece, _ in found) == read
    assert " ".join(piece for piece, mark in found if mark is False) == wrong
    assert " ".join(piece for piece, mark in found if mark) == right


def test_marks_of_other_texts_follow_their_order() -> None:
    found = marked("Call them Ishmael, you!", "Call me Ishmael.")
    assert [word for word, mark in found if mark] == ["Call", "Ishmael"]
    assert [word for word, mark in found if mark is False] == ["them", "you"]
    assert "".join(piece for piece, _ in found) == "Call them Ishmael, you!"
