"""Attention of words: statistics by hand, permutations beside every permutation, impostors."""

from __future__ import annotations

import math
from itertools import permutations

import networkx
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from vlatent.decoder import Decoder, DecoderConfig
from vlatent.evaluation.attention import (
    Difference,
    SaidWords,
    attention_in_words,
    content_against_function,
    difference,
    entropy,
    said_words,
    tokens_of_words,
)
from vlatent.evaluation.reading import morans_i
from vlatent.scenes import generate
from vlatent.scenes.continuations import words_of
from vlatent.scenes.prediction import CONTENT, kind_of

Array = NDArray[np.float64]
TEXTS = [example.text for example in generate(16, seed=5)]
VOCABULARY = sorted({word for text in TEXTS for word in words_of(text)})
GRID = 4, 6


def decode(ids: list[int]) -> str:
    return " ".join(VOCABULARY[token] for token in ids)


IDS = [[VOCABULARY.index(word) for word in words_of(text)] for text in TEXTS]


def decoder(seed: int = 0) -> Decoder:
    torch.manual_seed(seed)
    sizes = DecoderConfig(hidden=32, feed_forward=32, layers=2, heads=2)
    return Decoder(sizes, len(VOCABULARY), (16, 24, 3), 5).eval()


def said(seed: int = 0) -> SaidWords:
    """The sentences by an untrained decoder, behind noise."""
    reader = decoder(seed)
    state = reader.begin(torch.randn(len(IDS), 16, 24, 3), torch.randn(len(IDS), 5))
    return said_words(reader, state, IDS, decode)


def content_of(words: list[str]) -> NDArray[np.bool_]:
    return np.array([kind_of(word) in CONTENT for word in words])


def test_entropy_worked_by_hand() -> None:
    maps = np.zeros((4, 2, 4))
    maps[0] = 0.1
    maps[1, 0, 0] = 0.3
    maps[2, :, 1] = 0.2
    maps[3, 0, :3] = 0.1, 0.05, 0.05
    assert entropy(maps) == pytest.approx([math.log(8), 0, math.log(2), 1.5 * math.log(2)])


def test_morans_i_of_many_maps_is_that_of_the_weight_matrix() -> None:
    """I = n / W * z'Az / z'z with the adjacency A of the grid as a graph."""
    maps = np.random.default_rng(0).gamma(1.0, size=(2, 3, *GRID))
    adjacency = networkx.to_numpy_array(networkx.grid_2d_graph(*GRID))
    z = maps.reshape(2, 3, -1) - maps.mean((-2, -1))[..., None]
    expected = z.shape[-1] / adjacency.sum() * ((z @ adjacency) * z).sum(-1) / (z**2).sum(-1)
    np.testing.assert_allclose(morans_i(maps), expected)
    np.testing.assert_allclose(morans_i(maps.astype(np.float32)), expected, atol=1e-5)


@pytest.mark.parametrize("value", [0.1, 1 / 65, 1 / 3, -0.1])
def test_equal_cells_have_no_morans_i_whatever_rounding_leaves_of_them(value: float) -> None:
    for shape in ((3, 5), (8, 8), (6, 8)):
        assert np.isnan(morans_i(np.full(shape, value)))
        assert np.isnan(morans_i(np.full(shape, value, dtype=np.float32)))


def test_words_have_the_attention_with_which_they_are_said() -> None:
    reader = decoder()
    state = reader.begin(torch.randn(2, 16, 24, 3), torch.randn(2, 5))
    pieces = ["A", " vio", "let", " cube", "."]
    found = said_words(
        reader, state, [[0, 1, 2, 3, 4], [0, 3, 4]], lambda ids: "".join(pieces[i] for i in ids)
    )
    assert found.words == ["a", "violet", "cube", ".", "a", "cube", "."]
    assert found.before == ["", "a", "violet", "cube", "", "a", "cube"]
    assert found.sentence.tolist() == [0, 0, 0, 0, 1, 1, 1]
    read = torch.tensor([[reader.boundary, 0, 1, 2, 3], [reader.boundary, 0, 3, 0, 0]])
    weights = reader.latent_attention(read, state)[..., :-1].unflatten(-1, GRID).double().numpy()
    np.testing.assert_allclose(found.maps[0], weights[:, 0, :, 0])
    np.testing.assert_allclose(found.maps[1], weights[:, 0, :, 1:3].mean(2))
    np.testing.assert_allclose(found.maps[3], weights[:, 0, :, 4])
    np.testing.assert_allclose(found.maps[6], weights[:, 1, :, 2])


def test_a_decoder_may_say_nothing() -> None:
    reader = decoder()
    state = reader.begin(torch.randn(2, 16, 24, 3), torch.randn(2, 5))
    assert said_words(reader, state, [[], []], decode).maps.shape == (0, 2, 2, *GRID)
    found = said_words(reader, state, [[], [0]], decode)
    assert (found.words, found.sentence.tolist()) == ([VOCABULARY[0]], [1])


def test_tokens_of_words_survive_characters_of_several_tokens() -> None:
    pieces = [b"caf", "é".encode()[:1], "é".encode()[1:], b" au", b" ", b"lait", b"!"]

    def text(ids: list[int]) -> str:
        return b"".join(pieces[token] for token in ids).decode(errors="replace")

    found = dict(tokens_of_words(range(len(pieces)), text))
    assert list(found) == ["café", "au", "lait", "!"]
    assert found["café"][0] == 0
    assert 2 in found["café"]
    assert (found["lait"], found["!"]) == ([5], [6])


def test_the_difference_is_that_of_means_and_p_counts_every_permutation() -> None:
    """Four content words and three function words, each a group, and all 7! pairings."""
    values = np.array([1.0, 2.0, 6.0, 4.0, 1.5, 0.0, 2.5])
    content = np.array([True, True, True, True, False, False, False])
    found = difference(values, content, list("abcdefg"), np.zeros(7, dtype=int), 10**4)
    assert found.content == pytest.approx(13 / 4)
    assert found.function == pytest.approx(4 / 3)
    own = found.content - found.function
    every = np.array([np.mean(v[:4]) - np.mean(v[4:]) for v in permutations(values)])
    upper, lower = np.mean(every >= own - 1e-9), np.mean(every <= own + 1e-9)
    assert found.p == pytest.approx(2 * min(upper, lower))
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(every, [0.025, 0.975])))


def test_groups_count_once_and_sentences_are_centred() -> None:
    """ "x" is before two content words, "y" before two function words, "z" before one of each."""
    content = np.array([True, True, False, False, True, False])
    values = np.array([5.0, 3.0, 1.0, 1.0, 4.0, 0.0])
    groups, sentence = ["x", "x", "y", "y", "z", "z"], np.zeros(6, dtype=int)
    found = difference(values, content, groups, sentence)
    # Means of the groups 4, 1, 2 at the shares 1, 0, 1/2: the slope is 3.
    assert found.content - found.function == pytest.approx(3)
    moved = difference(
        np.concatenate([values, values + 100]),
        np.tile(content, 2),
        groups * 2,
        np.repeat([0, 1], 6),
    )
    assert moved.content - moved.function == pytest.approx(3)
    assert moved.content + moved.function == pytest.approx(found.content + found.function + 100)


def test_impostors_show_no_difference() -> None:
    """Equal weights, noise for each word and noise for each word that is read."""
    words = said()
    shape, generator = words.maps.shape, np.random.default_rng(0)
    by_word = {word: generator.gamma(0.3, size=shape[1:]) for word in sorted(set(words.before))}
    impostors = {
        "equal": np.full(shape, 0.1),
        "noise": generator.gamma(0.3, size=shape),
        "noise of words": np.array([by_word[word] for word in words.before]),
    }
    for name, maps in impostors.items():
        found = content_against_function(words._replace(maps=maps), 999)
        for statistic, (overall, *layers) in found.items():
            assert len(layers) == 2
            assert overall.p > 0.05, (name, statistic)
            assert overall.low <= overall.content - overall.function <= overall.high
            assert name != "equal" or overall.p == 1


def test_untrained_decoders_differ_as_often_as_chance_has_it() -> None:
    """Of 16 p values 9 or more are at most .2 with a probability of .001.

    Words permuted within their sentences would have half of the p values below .05: behind each
    "a" an untrained decoder looks much alike.
    """
    ps = [
        found[0].p
        for seed in range(8)
        for found in content_against_function(said(seed), 199, seed).values()
    ]
    assert sum(p <= 0.2 for p in ps) < 9


def test_a_planted_difference_is_found() -> None:
    """Content words look at one corner in the second layer; then entropy falls and I rises."""
    words = said()
    maps = np.random.default_rng(1).gamma(0.3, size=words.maps.shape)
    row, column = np.indices(GRID)
    maps[content_of(words.words), 1] = np.exp(-row - column)
    found = content_against_function(words._replace(maps=maps), 999)
    for statistic, sign in (("entropy", -1), ("morans_i", 1)):
        overall, first, second = found[statistic]
        assert first.p > 0.05
        for layer in (overall, second):
            assert layer.p < 0.01
            assert sign * (layer.content - layer.function) > max(abs(layer.low), layer.high)


def test_a_difference_in_words() -> None:
    layers = [Difference(2.0, 3.25, -0.5, 0.25, 0.01), Difference(2.0, 1.0, -0.1, 0.1, 0.5)]
    assert attention_in_words({"entropy": [layers[0], *layers]}) == [
        "Attention, entropy in nats: content words 2.00, function words 3.25, difference -1.25 "
        "(p 0.01; 95 % of permutations within -0.50 to +0.25; by layer -1.25, +1.00)."
    ]
