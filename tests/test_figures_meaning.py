"""The pictures of what pictures know: numbers by hand and by scikit-learn, and words."""

from __future__ import annotations

import io
from dataclasses import replace
from functools import partial
from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from sklearn.decomposition import PCA
from test_figures_search import noted

from vlatent.evaluation import Evaluation
from vlatent.figures import Known, meaning_figures
from vlatent.figures.meaning import changed
from vlatent.figures.meaning_numbers import (
    BINS,
    FARTHEST,
    cosines,
    histogram,
    over_time,
    plane,
    ranks,
    recall_curve,
    robustness,
)
from vlatent.scenes import default_corpus


def rows(count: int, seed: int = 0, features: int = 7) -> NDArray[np.float64]:
    made = np.random.default_rng(seed).normal(size=(count, features))
    return made / np.linalg.norm(made, axis=1, keepdims=True)


def known(count: int = 30, seed: int = 0) -> Known:
    generator = np.random.default_rng(seed)
    texts = [example.text for example in default_corpus(count, 1)[0]]
    own = rows(count, seed)
    return Known(
        texts=[(text, f"Indeed {text}", f"Not {text}") for text in texts],
        sentences=own,
        paraphrases=own,
        counterfactuals=rows(count, seed + 1),
        shifted=np.stack([np.stack([rows(count, far) if far else own] * 8) for far in range(5)]),
        pictures=generator.normal(size=(2, 3, 16, 24, 4)).astype(np.float32),
    )


def history(*splits: str) -> list[Evaluation]:
    return [
        Evaluation(
            step,
            {
                f"meaning/{split}/{name}": step / 100
                for split in splits
                for name in ("recall_at_1", "recall_at_5")
            },
            {},
        )
        for step in (0, 50, 100)
    ]


def test_ranks_are_those_of_a_loop_and_equals_share_theirs() -> None:
    query, gallery = rows(9), rows(9, seed=1)
    expected = [
        list(np.argsort(-gallery @ one)).index(place) + 1 for place, one in enumerate(query)
    ]
    assert ranks(query, gallery).tolist() == expected
    equal = np.ones((4, 3))
    assert ranks(equal, equal).tolist() == [2.5] * 4


def test_recall_by_hand() -> None:
    curve = recall_curve(np.array([1.0, 1.0, 3.0, 4.0]))
    assert curve.tolist() == [0.5, 0.5, 0.75, 1.0]


def test_cosines_of_every_kind() -> None:
    each = known(5)
    found = cosines(each)
    assert found["paraphrase"] == pytest.approx([1.0] * 5)
    assert found["counterfactual"][3] == pytest.approx(each.sentences[3] @ each.counterfactuals[3])
    assert len(found["other sentence"]) == 20
    assert max(found["other sentence"]) < 1
    share = histogram(np.array([-1.0, 1.0, 1.0, np.nan, 0.01]))
    assert share[[0, BINS // 2, BINS - 1]].tolist() == [0.25, 0.25, 0.5]
    assert histogram(np.array([np.nan])).sum() == 0


def test_robustness_is_whole_without_a_shift_and_gone_with_noise() -> None:
    cosine, found = robustness(known())
    assert (cosine[0], found[0]) == (pytest.approx(1), 1)
    assert (np.abs(cosine[1:]) < 0.3).all()
    assert (found[1:] < 0.3).all()
    assert len(cosine) == FARTHEST + 1


def test_the_map_is_scikit_learns() -> None:
    made = rows(20)
    places, shares = plane(made)
    reference = PCA(2)
    expected = reference.fit_transform(made)
    np.testing.assert_allclose(np.abs(places), np.abs(expected), atol=1e-9)
    np.testing.assert_allclose(shares, reference.explained_variance_ratio_)
    for degenerate in (np.ones((3, 4)), np.full((3, 4), np.nan), rows(2, features=1)):
        places, shares = plane(degenerate)
        assert places.shape == (len(degenerate), 2)
        assert np.isfinite(places).all()
        assert np.isfinite(shares).all()


def test_curves_over_time() -> None:
    steps, curves = over_time(history("random", "wording"), "recall_at_1")
    assert steps.tolist() == [0, 50, 100]
    assert {split: curve.tolist() for split, curve in curves.items()} == {
        "random": [0, 0.5, 1],
        "wording": [0, 0.5, 1],
    }
    assert over_time([Evaluation(0, {}, {})], "recall_at_1")[1] == {}


def test_changed_words_are_in_brackets() -> None:
    other = changed("A red cube is on it.", "A blue cube is not on it.")
    assert other == "A [blue] cube is [not] on it."
    assert changed("Same.", "Same.") == "Same."


BROKEN = replace(
    known(4),
    sentences=np.full((4, 7), np.nan),
    pictures=np.full((2, 3, 16, 24, 4), np.nan, dtype=np.float32),
)
CASES = {
    "three splits": {"random": known(), "compositional": known(seed=3), "wording": known(seed=5)},
    "one split": {"random": known()},
    "two sentences": {"random": known(2)},
    "nothing finite": {"random": BROKEN},
    "all alike": {"random": replace(known(3), sentences=np.ones((3, 7)) / np.sqrt(7))},
}


@pytest.mark.parametrize("name", CASES)
def test_both_pages_are_whole_whatever_there_is(name: str) -> None:
    pages = noted(partial(meaning_figures, "a run", history(*CASES[name]), CASES[name]))
    assert len(pages) == 2
    for png, words in pages:
        image = np.asarray(Image.open(io.BytesIO(png)))
        assert image.std() > 10  # not empty
        height, width, _ = image.shape
        for text, box in words:
            assert 0 <= box.x0 <= box.x1 <= width, text
            assert 0 <= box.y0 <= box.y1 <= height, text
        for (one, first), (other, second) in combinations(words, 2):
            across = min(first.x1, second.x1) - max(first.x0, second.x0)
            down = min(first.y1, second.y1) - max(first.y0, second.y0)
            assert min(across, down) <= 2, (one, other)
    told = "\n".join(text for _, words in pages for text, _ in words)
    for split in CASES[name]:
        assert split in told
    assert "paraphrase, cosine" in told


def test_the_hardest_split_is_the_one_that_is_looked_at() -> None:
    (_, words), _ = noted(
        partial(meaning_figures, "a run", history(*CASES["three splits"]), CASES["three splits"])
    )
    told = [text for text, _ in words]
    assert "Moved pictures, compositional" in told
    assert any(text.startswith("paraphrase: mean 1.00") for text in told)
