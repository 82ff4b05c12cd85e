"""Confusions worked by hand, and drawn as they are."""

from __future__ import annotations

from collections import Counter

import pytest
from drawn import check_whole, noted

from vlatent.evaluation.confusion import confusions
from vlatent.evaluation.reading import KINDS, kinds_read
from vlatent.figures.confusion import confusion_figure, matrices
from vlatent.scenes import generate

TOLD = "A red cube is on a blue sphere, and the blue sphere is left of a green cylinder."


def test_confusions_worked_by_hand() -> None:
    read = "Two green spheres are on a red cube, and two green spheres are left of a gray cylinder."
    found = confusions([read], [TOLD])
    assert {kind: dict(counts) for kind, counts in found.items()} == {
        "color": {("red", "red"): 1, ("blue", "green"): 1, ("green", "gray"): 1},
        "shape": {("cube", "cube"): 1, ("sphere", "sphere"): 1, ("cylinder", "cylinder"): 1},
        "number": {("one", "one"): 2, ("one", "two"): 1},
        "relation": {("on", "on"): 1, ("left of", "left of"): 1},
        "order": {("on", "exchanged"): 1, ("left of", "as told"): 1},
        "negation": {("holds", "holds"): 2},
    }
    found = confusions(["A red cube is not behind a yellow ring."], [TOLD])
    assert dict(found["color"]) == {
        **{("red", "red"): 1, ("blue", "not read"): 1, ("green", "not read"): 1}
    }
    assert dict(found["relation"]) == {("on", "not read"): 1, ("left of", "not read"): 1}
    assert found["order"].total() + found["negation"].total() == 0
    read = "A red cube is not left of a blue sphere."
    found = confusions([read, "a red red"], [TOLD, TOLD])
    assert found["relation"] == {
        ("on", "left of"): 1,
        ("on", "not read"): 1,
        ("left of", "not read"): 2,
    }
    assert found["negation"] == {("holds", "does not hold"): 1}
    assert not found["order"]
    assert sum(found["shape"].values()) == 6


def test_counterfactuals_are_confused_in_their_own_kind() -> None:
    """Of sentences with one change, all else is on the diagonal, and counts are the shares'."""
    seen = set()
    for example in generate(60, wording="varied"):
        for kind, text in example.counterfactuals():
            found = confusions([text], [example.text])
            wrong = {
                own
                for own, counts in found.items()
                for told, read in counts
                if read not in (told, "as told")
            }
            expected = {"object": "shape", "count": "number", "swap": "order"}.get(kind, kind)
            assert wrong == {expected}, (kind, text, example.text)
            share = kinds_read(text, example.text)["relation"]
            if kind not in ("color", "object"):
                assert found["relation"].total() == share.asked
            seen.add(expected)
    assert seen == set(KINDS)


def test_matrices_count_what_was_told_row_by_row() -> None:
    found = confusions([TOLD.replace("blue", "gray"), "none"], [TOLD, TOLD])
    color, *_ = matrices(found)
    assert (color.kind, color.rows) == ("color", ["red", "green", "blue"])
    assert color.columns == ["red", "green", "blue", "gray", "not read"]
    assert color.counts == [[1, 0, 0, 0, 1], [0, 1, 0, 0, 1], [0, 0, 0, 1, 1]]
    order = next(each for each in matrices(found) if each.kind == "order")
    assert order.columns == ["as told", "exchanged"]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("nothing", [False, True])
def test_words_are_whole_and_beside_each_other(nothing: bool) -> None:
    texts = [example.text for example in generate(90, seed=3)]
    read = [""] * 90 if nothing else texts[1:] + texts[:1]
    found = confusions(read, texts)
    ((png, words),) = noted(
        lambda: confusion_figure("a run", "compositional, without noise", found)
    )
    said = Counter(text for text, _ in words)
    shown = {each.kind for each in matrices(found) if each.rows}
    assert shown <= set(said)
    assert shown == ({"color", "shape", "number", "relation"} if nothing else set(KINDS))
    assert not any("…" in text for text in said)
    check_whole(png, words)
