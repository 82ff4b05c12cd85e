"""The figure of a reading: its maps against the weights, its words whole and beside each other."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import partial

import numpy as np
import pytest
import torch
from drawn import Drawn, check_whole, noted
from numpy.typing import NDArray
from PIL import Image

from vlatent.evaluation.attention import SaidWords
from vlatent.figures.reading import LOOKED, maps_of, overlaid, reading_figure
from vlatent.scenes.continuations import words_of

TOLD = "A red cube is on a blue sphere."
READ = "A red cube is under a blue ring."
GRID = 4, 6
STRANGE = "It costs $5_a and \\frac{1}{2} 红色方块 🟥 in tabs\tand\x00nulls."


def said(text: str, seed: int = 0) -> SaidWords:
    words = words_of(text)
    generator = np.random.default_rng(seed)
    maps = generator.gamma(0.2, size=(len(words), 2, 3, *GRID))
    maps *= 0.75 / maps.sum((-2, -1), keepdims=True)
    return SaidWords(words, ["", *words][: len(words)], np.zeros(len(words), dtype=int), maps)


def drawn(
    told: str = TOLD, read: str = READ, others: Sequence[str] = (), channels: int = 6
) -> Drawn:
    latent = torch.randn(1, 16, 24, channels, generator=torch.Generator().manual_seed(0))
    figure = partial(reading_figure, "run_1 $x$", told, "fact F1 0.00", latent, read, others)
    (page,) = noted(lambda: figure(said(read)))
    return page


def written(page: Drawn) -> list[str]:
    return [text for text, _ in page[1]]


CASES = {
    "one clause": drawn,
    "samples": partial(drawn, others=[READ, TOLD, ""] * 5),
    "nothing is read": partial(drawn, read=""),
    "long": partial(
        drawn, TOLD[:-1] + ", and the blue sphere is left of a green cone" * 3, READ * 9
    ),
    "no end": partial(drawn, "W" * 400, "red" * 900),
    "own text": partial(drawn, "Call me Ishmael.", "Call them Ishmael, you!" * 12),
    "strange": partial(drawn, STRANGE, STRANGE[::-1]),
    "one channel": partial(drawn, channels=1),
    "many channels": partial(drawn, channels=20),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", CASES)
def test_words_are_whole_and_beside_each_other_whatever_is_read(name: str) -> None:
    png, words = CASES[name]()
    image = Image.open(io.BytesIO(png))
    assert image.width == 1000
    assert 250 <= image.height <= 2000
    check_whole(png, words)


def test_the_page_says_what_it_shows() -> None:
    words = written(drawn(others=[TOLD]))
    assert {"Read back", "run_1 $x$", "told", "read", "drawn", "fact F1 0.00"} <= set(words)
    assert [word for word in ("told", "read", "drawn") if words.count(word) != 1] == []
    # In the sentence, in what is read, in what is drawn, and above their maps.
    assert (words.count("cube"), words.count("ring."), words.count("ring")) == (3 + 1, 0, 1 + 1)
    assert words.count("25% pooled") == 5  # red cube under blue ring
    assert not any("pooled" in word for word in written(drawn(read=""))[4:])


def test_channels_that_are_left_out_are_named() -> None:
    assert written(drawn(channels=20))[2].endswith("wrong · the first 12 of 20 channels")
    assert written(drawn(channels=12))[2].endswith("wrong")


def test_maps_are_means_over_layers_and_heads_of_content_words() -> None:
    words = said(READ)
    found = maps_of(TOLD, READ, words)
    assert [(each.word, each.mark) for each in found] == [
        ("red", True), ("cube", True), ("under", False), ("blue", False), ("ring", False),
    ]  # fmt: skip
    place = words.words.index("under")
    expected = sum(words.maps[place, layer, head] for layer in range(2) for head in range(3)) / 6
    np.testing.assert_allclose(found[2].weights, expected * 24)
    assert found[2].pooled == pytest.approx(0.25)
    others = maps_of("Call me Ishmael.", "Call them Ishmael!", said("Call them Ishmael!"))
    assert [(each.word, each.mark) for each in others] == [
        ("call", True), ("them", False), ("ishmael", True),
    ]  # fmt: skip


def test_a_patch_is_as_orange_as_it_weighs() -> None:
    base = np.full((64, 96, 3), 200, dtype=np.uint8)
    weights = np.zeros(GRID)
    weights[1, 4], weights[3, 0] = 8, 2
    image = overlaid(base, weights, 8).astype(int)
    far: NDArray[np.float64] = np.linalg.norm(image - LOOKED, axis=-1)
    row, column = np.unravel_index(far.argmin(), far.shape)
    assert (row // 16, column // 16) == (1, 4)
    assert far[24, 72] < far[56, 8] < far[8, 8] == pytest.approx(np.linalg.norm(200 - LOOKED))
    np.testing.assert_array_equal(overlaid(base, np.zeros(GRID), 8), base)


def test_latents_that_are_not_finite_are_drawn() -> None:
    latent = torch.full((1, 16, 24, 2), float("nan"))
    words = written(noted(lambda: reading_figure("run", TOLD, "", latent, READ, [], said(READ)))[0])
    assert "Read back" in words
