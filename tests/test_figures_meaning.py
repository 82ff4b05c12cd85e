"""The figures of what latents show: numbers by hand and by scikit-learn, drawing by words."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch
from drawn import Drawn, check_whole, noted
from numpy.typing import NDArray
from PIL import Image
from sklearn.decomposition import PCA
from smoke import smoke

from vlatent import meaning, recording
from vlatent.corpus import load
from vlatent.encoder import Encoder, EncoderConfig
from vlatent.evaluation import Evaluation
from vlatent.figures import EncodedSplit, meaning_figures
from vlatent.figures.meaning import LIMITS, SHADES, changed
from vlatent.figures.meaning_numbers import (
    BINS,
    FARTHEST,
    TRIPLES,
    cosines,
    histogram,
    over_time,
    plane,
    recall,
    robustness,
)
from vlatent.jitter import shifted
from vlatent.scenes import default_corpus
from vlatent.scenes.words import COLORS
from vlatent.tracking import MemoryTracker
from vlatent.training import train

Array = NDArray[np.float64]


def rows(count: int, seed: int = 0, features: int = 7) -> Array:
    made = np.random.default_rng(seed).normal(size=(count, features))
    return made / np.linalg.norm(made, axis=1, keepdims=True)


def pictures(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def known(count: int = 30, seed: int = 0, channels: int = 4) -> EncodedSplit:
    texts = [example.text for example in default_corpus(count, 1)[0]]
    own = rows(count, seed)
    return EncodedSplit(
        texts=[(text, f"Indeed {text}", f"Not {text}") for text in texts],
        sentences=own,
        paraphrases=own,
        counterfactuals=rows(count, seed + 1),
        moved=np.array([np.linspace(1, 0.6, FARTHEST + 1), np.linspace(0.9, 0, FARTHEST + 1)]),
        latents=pictures(min(count, TRIPLES), 3, 16, 24, channels, seed=seed).numpy(),
    )


def history(*splits: str) -> list[Evaluation]:
    names = ("recall_at_1", "recall_at_5")
    return [
        Evaluation(step, {f"meaning/{s}/{n}": step / 100 for s in splits for n in names}, {})
        for step in (0, 50, 100)
    ]


# Numbers


def test_recall_is_what_a_loop_counts() -> None:
    query, gallery = rows(9), rows(9, seed=1)
    order = [list(np.argsort(-gallery @ one)) for one in query]
    expected = [sum(n in found[:k] for n, found in enumerate(order)) / 9 for k in range(1, 10)]
    np.testing.assert_allclose(recall(query, gallery), expected)


@pytest.mark.parametrize("equals", [1, 2, 4])
def test_recall_at_1_and_5_are_the_metrics_whoever_is_equal(equals: int) -> None:
    own = np.eye(12)[np.arange(12) // equals]
    again = np.eye(12)[np.roll(np.arange(12), 3) // equals]
    for queries in (own, again):
        curve = recall(queries, own)
        for k in (1, 5, 12):
            wanted = meaning.recall(torch.from_numpy(queries), torch.from_numpy(own), k)
            assert curve[k - 1] == pytest.approx(wanted)


def test_equal_pictures_are_found_at_chance_and_those_that_are_not_finite_never() -> None:
    np.testing.assert_allclose(recall(np.ones((4, 1)), np.ones((4, 1))), [0.25, 0.5, 0.75, 1])
    query = np.eye(4)
    query[1] = math.nan
    np.testing.assert_allclose(recall(query, np.eye(4)), [0.75] * 4)


def test_cosines_of_every_kind() -> None:
    given = replace(known(5), paraphrases=rows(5, seed=8))
    found = cosines(given)
    for place in range(5):
        own = given.sentences[place]
        assert found["paraphrase"][place] == pytest.approx(own @ given.paraphrases[place])
        assert found["counterfactual"][place] == pytest.approx(own @ given.counterfactuals[place])
    pairs = [given.sentences[a] @ given.sentences[b] for a, b in combinations(range(5), 2)]
    np.testing.assert_allclose(np.sort(found["other sentences"]), np.sort(pairs * 2))


def test_histogram_leaves_out_what_is_not_finite_and_forgives_rounding() -> None:
    share = histogram(np.array([-1 - 1e-7, 1.0, 1 + 1e-7, math.nan, 0.01]))
    assert share[[0, BINS // 2, BINS - 1]].tolist() == [0.25, 0.25, 0.5]
    assert histogram(np.array([math.nan])).tolist() == [0] * BINS


def test_robustness_is_the_mean_over_directions() -> None:
    own = np.eye(4)
    swapped = own[[1, 0, 2, 3]]
    found = robustness(own, own, [[own, own], [own, swapped], [swapped, swapped]])
    np.testing.assert_allclose(found, [[1, 0.75, 0.5], [1, 0.75, 0.5]])
    found = robustness(swapped, own, [[own]])  # the gallery is not what they are compared with
    np.testing.assert_allclose(found, [[0.5], [1]])


def test_robustness_at_two_pixels_is_that_of_the_metrics() -> None:
    own, other = pictures(8, 16, 16, 2), pictures(8, 16, 16, 2, seed=1)
    encoder = Encoder(EncoderConfig(hidden=8, layers=1, heads=2, grid_layers=1), vocabulary=4)
    same = own + other / 2
    metrics = meaning.measured(encoder, meaning.EncodedTriples(own, same, other), "coarse")
    compared = partial(meaning.compared, encoder, on="coarse")
    moved = [
        compared(shifted(same, meaning.SHIFT * down, meaning.SHIFT * across)).numpy()
        for down, across in meaning.DIRECTIONS
    ]
    cosine, found = robustness(compared(same).numpy(), compared(own).numpy(), [moved])[:, 0]
    assert cosine == pytest.approx(metrics["jitter_cosine"])
    assert found == pytest.approx(metrics["recall_at_1"] - metrics["jitter_fall"])
    assert 0 < found < 1


def test_the_map_is_scikit_learns() -> None:
    made = rows(20)
    places, shares = plane(made)
    reference = PCA(2)
    expected = reference.fit_transform(made)
    largest = np.abs(reference.components_).argmax(1)
    expected *= np.sign(reference.components_[[0, 1], largest])
    np.testing.assert_allclose(places, expected, atol=1e-9)
    np.testing.assert_allclose(shares, reference.explained_variance_ratio_)


def test_the_map_leaves_out_what_is_not_finite() -> None:
    made = rows(20)
    broken = made.copy()
    broken[3, 2], broken[7, 0] = math.nan, math.inf
    kept = np.delete(np.arange(20), [3, 7])
    places, shares = plane(broken)
    np.testing.assert_allclose(places[kept], plane(made[kept])[0])
    np.testing.assert_allclose(shares, plane(made[kept])[1])
    assert np.isnan(places[[3, 7]]).all()
    assert np.isnan(plane(np.full((3, 4), math.nan))[0]).all()


def test_maps_without_a_plane() -> None:
    nearly = np.ones((5, 4)) / 2 + rows(5, features=4) * 1e-8  # what single precision leaves
    for equal in (np.ones((3, 4)) / 2, nearly):
        places, shares = plane(equal)
        np.testing.assert_allclose(places, 0, atol=1e-7)
        assert shares.tolist() == [0, 0]
    places, shares = plane(np.array([[0.6], [0.8]]))
    np.testing.assert_allclose(places, [[-0.1, 0], [0.1, 0]])
    assert shares.tolist() == [1, 0]


def test_metrics_over_time() -> None:
    given = [*history("random", "wording"), Evaluation(150, {}, {})]
    for split, metric in (("random", "recall_at_1"), ("wording", "recall_at_5")):
        found = over_time(given, f"meaning/{split}/{metric}")
        np.testing.assert_array_equal(found, [0, 0.5, 1, math.nan])
    assert np.isnan(over_time(given, "meaning/compositional/recall_at_1")).all()


def test_changed_words_are_in_brackets() -> None:
    assert changed("A red cube is on it.", "A blue cube is not on it.") == (
        "A [blue] cube is [not] on it."
    )
    assert changed("a cube and a cone", "a cube") == "a cube"
    assert changed("one two", "two three four") == "two [three four]"


# Drawing

WORDS = "It is said that the yellow cone in front of the purple cylinder is small. "
CASES = {
    "three splits": {"random": known(), "compositional": known(seed=3), "wording": known(seed=5)},
    "one split": {"random": known()},
    "two sentences": {"random": known(2)},
    "splits of two sizes": {"random": known(9), "wording": known(250, seed=3)},
    "nothing finite": {
        "random": replace(
            known(4),
            **dict.fromkeys(
                ("sentences", "paraphrases", "counterfactuals"), np.full((4, 7), math.nan)
            ),
            moved=np.full((2, FARTHEST + 1), math.nan),
            latents=np.full((4, 3, 16, 24, 4), math.nan, dtype=np.float32),
        )
    },
    "one not finite": {
        "random": replace(known(), sentences=np.vstack([np.full((1, 7), math.nan), rows(29)]))
    },
    "all alike": {
        "random": replace(
            known(3),
            **dict.fromkeys(("sentences", "paraphrases", "counterfactuals"), np.ones((3, 4)) / 2),
            moved=np.array([[1.0] * 5, [1 / 3] * 5]),
            latents=np.ones((3, 3, 16, 24, 4), dtype=np.float32),
        )
    },
    "turned around": {"random": replace(known(), moved=-np.ones((2, FARTHEST + 1)))},
    "long texts": {"random": replace(known(), texts=[(WORDS * 2, WORDS * 3, WORDS * 9)] * 30)},
    "one channel": {"random": known(channels=1)},
    "twelve channels": {"random": known(channels=12)},
}


def drawn(name: str, evaluations: Sequence[Evaluation] | None = None) -> dict[str, Drawn]:
    """Both pages of a case."""
    given = history(*CASES[name]) if evaluations is None else evaluations
    made: dict[str, bytes] = {}
    pages = noted(lambda: made.update(meaning_figures("study_1 $x$ trial", given, CASES[name])))
    assert [png for png, _ in pages] == list(made.values())
    return dict(zip(made, pages, strict=True))


def said(page: Drawn) -> list[str]:
    return [text.replace("\n", " ") for text, _ in page[1]]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", CASES)
def test_words_are_whole_and_beside_each_other_whatever_there_is(name: str) -> None:
    pages = drawn(name)
    assert set(pages) == {"meaning", "triples"}
    for page in pages.values():
        image = Image.open(io.BytesIO(page[0]))
        assert 640 <= image.width <= 1200
        assert 500 <= image.height <= 2000
        assert len(page[0]) < 1_000_000
        assert len(page[1]) > 15
        assert "study_1 $x$ trial" in said(page)
        check_whole(*page)


def test_the_page_says_what_it_shows() -> None:
    words = said(drawn("three splits")["meaning"])
    assert words.count("compositional") == 2  # beside both panels of recall
    for panel in ("Cosines", "Shifted latents", "Map of the sentences"):
        assert f"{panel}, compositional" in words
    given = CASES["three splits"]["compositional"]
    for name, values in cosines(given).items():
        assert f"{name}, mean {values.mean():.2f}" in words
    for axis, share in enumerate(plane(given.sentences)[1], start=1):
        assert f"component {axis} ({share:.0%} of the variance)" in words
    limits = [f"{LIMITS[name]:g}" for name in ("recall_at_1", "recall_at_5")]
    assert all(words.count(limit) >= 2 for limit in limits)
    assert any("30 random, 30 compositional, 30 wording" in text for text in words)


def test_another_split_is_looked_at_where_there_is_no_compositional_one() -> None:
    assert "Cosines, random" in said(drawn("one split")["meaning"])


def test_the_map_has_the_colors_of_the_world() -> None:
    assert set(SHADES) == set(COLORS)
    named = set(said(drawn("three splits")["meaning"])) & set(COLORS)
    texts = " ".join(text for text, _, _ in CASES["three splits"]["compositional"].texts)
    assert {"red", "green"} <= named
    assert all(name in texts for name in named)
    words = said(drawn("long texts")["meaning"])
    assert "not about blocks" in words
    assert not set(words) & set(COLORS)


@pytest.mark.parametrize(("name", "of_a_split"), [("three splits", 2), ("one split", TRIPLES)])
def test_triples_are_shown_with_their_cosines(name: str, of_a_split: int) -> None:
    words = said(drawn(name)["triples"])
    for split, given in CASES[name].items():
        assert words.count(f"sentence, {split}") == of_a_split
        for place in range(of_a_split):
            cosine = given.sentences[place] @ given.counterfactuals[place]
            text = given.texts[place][0]
            at = words.index(f"counterfactual, cosine {cosine:.2f}".replace("-0.00", "0.00"))
            assert words[at - 4] == f"sentence, {split}"
            assert words[at - 3 : at + 2 : 2] == [text, f"[Indeed] {text}", f"[Not] {text}"]
            assert words[at - 2] == "paraphrase, cosine 1.00"


def test_pictures_are_beside_their_words_on_one_scale_a_channel() -> None:
    levels = np.arange(9, dtype=np.float32).reshape(3, 3, 1, 1, 1)
    given = replace(known(3), latents=np.broadcast_to(levels, (3, 3, 16, 24, 1)).copy())
    _, (png, words) = noted(partial(meaning_figures, "run", history("random"), {"random": given}))
    image = np.asarray(Image.open(io.BytesIO(png))).astype(int)
    kinds = ("sentence, ", "paraphrase, ", "counterfactual, ")
    lines = [image.shape[0] - box.y1 for text, box in words if text.startswith(kinds)]
    lightness = [image[round(line) + 10, -40].sum() for line in lines]
    assert len(lightness) == 9
    assert lightness == sorted(set(lightness))  # the larger, the lighter


def test_recall_that_was_never_measured_is_not_drawn() -> None:
    words = said(drawn("one split", [Evaluation(0, {}, {})])["meaning"])
    assert "nothing to show: no finite value" in words


def test_what_is_not_finite_is_named() -> None:
    pages = drawn("nothing finite")
    assert said(pages["meaning"]).count("nothing to show: no finite value") == 2
    assert "paraphrase, cosine nan" in said(pages["triples"])


def test_what_a_run_draws_is_what_it_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [json.dumps(example.record()) for example in default_corpus(100, 1)[0]]
    (tmp_path / "blocks.jsonl").write_text("\n".join(lines), encoding="utf-8")
    config = smoke(
        tmp_path,
        data__train=tmp_path / "blocks.jsonl",
        terms__contrast__weight=1.0,
        evaluation__retrieved=8,
        evaluation__batch_size=3,
        tracking__figures=True,
    )
    drawn_from: dict[str, EncodedSplit] = {}

    def figures(
        title: str, history: Sequence[Evaluation], splits: Mapping[str, EncodedSplit]
    ) -> dict[str, bytes]:
        drawn_from.update(splits)
        return {}

    monkeypatch.setattr(recording, "meaning_figures", figures)
    measured = train(config, MemoryTracker()).history[-1].metrics
    (split, given), *others = drawn_from.items()
    assert (split, others) == ("random", [])
    held_out = load(config.data).splits["random"]
    parts = (held_out.originals, held_out.paraphrases, held_out.counterfactuals)
    assert given.texts == list(zip(*(part.texts[:8] for part in parts), strict=True))
    assert given.latents.shape[:2] == (TRIPLES, 3)
    found = {
        "recall_at_1": recall(given.paraphrases, given.sentences)[0],
        "recall_at_5": recall(given.paraphrases, given.sentences)[4],
        "cosine_paraphrase": cosines(given)["paraphrase"].mean(),
        "cosine_counterfactual": cosines(given)["counterfactual"].mean(),
        "chance": 1 / len(given.sentences),
        "jitter_cosine": given.moved[0, meaning.SHIFT],
        "jitter_fall": given.moved[1, 0] - given.moved[1, meaning.SHIFT],
    }
    for name, value in found.items():
        assert value == pytest.approx(measured[f"meaning/random/{name}"], abs=1e-6), name
    assert given.moved[0, 0] == pytest.approx(1)
    for kind, on in enumerate((given.sentences, given.paraphrases, given.counterfactuals)):
        latent = torch.from_numpy(given.latents[:, kind])
        encoder = Encoder(EncoderConfig(hidden=8, layers=1, heads=2, grid_layers=1), vocabulary=4)
        rows_ = meaning.compared(encoder, latent, config.terms.on)
        np.testing.assert_allclose(rows_.numpy(), on[:TRIPLES], atol=1e-6)
