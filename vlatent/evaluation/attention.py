"""Where a decoder looks when it says a word, and whether content words look otherwise."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy import stats

from vlatent.decoder import Decoder, State
from vlatent.evaluation.reading import morans_i
from vlatent.intervals import ALPHA, alike
from vlatent.scenes.continuations import words_of
from vlatent.scenes.prediction import CONTENT, kind_of

RESAMPLES = 9999

LABELS = {"entropy": "entropy in nats", "morans_i": "Moran's I"}

Values = Float[np.ndarray, " word"]


class SaidWords(NamedTuple):
    """Words that a decoder says, and how it looks at the latent then.

    Attributes:
        words: In lower case, one sentence after the other.
        before: The word before each; "" where a sentence begins.
        sentence: Number of the sentence.
        maps: Attention weights of the patches; with that of the pooled embedding they add up to 1.
            Of a word of several tokens, the mean of theirs.
    """

    words: list[str]
    before: list[str]
    sentence: Int[np.ndarray, " word"]
    maps: Float[np.ndarray, "word layer head row column"]


class Difference(NamedTuple):
    """A statistic of the maps of content words beside that of function words.

    Attributes:
        content: Mean of content words.
        function: Mean of function words.
        low: Lower end of the differences that 95 % of the permutations have.
        high: Their upper end.
        p: Two-sided p value of the difference.
    """

    content: float
    function: float
    low: float
    high: float
    p: float


def said_words(
    decoder: Decoder,
    state: State,
    ids: Sequence[Sequence[int]],
    decode: Callable[[list[int]], str],
) -> SaidWords:
    """Follow sentences behind latents, and keep how each word looks at them.

    Args:
        decoder: Weights to read with.
        state: Of `decoder.begin`, a row a sentence.
        ids: Tokens of the sentences.
        decode: Tokens to text.
    """
    read = torch.full((len(ids), max(1, *map(len, ids))), decoder.boundary)
    for row, own in enumerate(ids):
        read[row, 1 : len(own)] = torch.tensor(own[:-1], dtype=read.dtype)
    weights = decoder.latent_attention(read, state)[..., :-1].unflatten(-1, decoder.grid)
    words, before, sentence, maps = [], [], [], []
    for row, own in enumerate(ids):
        found = tokens_of_words(own, decode)
        words += [word for word, _ in found]
        before += ["", *(word for word, _ in found)][: len(found)]
        sentence += [row] * len(found)
        maps += [weights[:, row, :, places].mean(2).double().numpy() for _, places in found]
    layers, _, heads = weights.shape[:3]
    of_words = np.reshape(maps, (len(words), layers, heads, *decoder.grid))
    return SaidWords(words, before, np.array(sentence, dtype=np.int64), of_words)


def tokens_of_words(
    ids: Sequence[int], decode: Callable[[list[int]], str]
) -> list[tuple[str, list[int]]]:
    """The words of a sentence as `words_of` gives them, and the places of the tokens of each."""
    places = defaultdict[int, list[int]](list)
    before: list[str] = []
    for place in range(len(ids)):
        after = words_of(decode(list(ids[: place + 1])))
        if after != before:  # the token adds to these words
            for word in range(min(len(before), len(after) - 1), len(after)):
                places[word].append(place)
        before = after
    return [(word, places[place]) for place, word in enumerate(before)]


def content_against_function(
    said: SaidWords, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, list[Difference]]:
    """Entropy and Moran's I of maps of content words, beside those of function words.

    Each statistic is that of every head's map, averaged over the heads: a mean of maps would be
    smooth where every head is sharp. For the null hypothesis see `difference`; the word that was
    read last is what a map is made by.

    Args:
        said: Words of sentences about blocks.
        resamples: Permutations that are drawn.
        seed: Of the permutations.

    Returns:
        entropy: in nats, see `entropy`; morans_i: Moran's I with the four neighbours. Of each
        first the mean over all layers, then that of every layer.
    """
    content = np.array([kind_of(word) in CONTENT for word in said.words])
    places = said.maps.shape[-2] * said.maps.shape[-1]
    clustering = morans_i(said.maps)
    # Where all patches weigh the same nothing clusters: what is expected without any order.
    clustering = np.where(np.isnan(clustering), -1 / (places - 1), clustering)
    found = {}
    for name, values in (("entropy", entropy(said.maps)), ("morans_i", clustering)):
        by_layer = values.mean(2)
        found[name] = [
            difference(of_words, content, said.before, said.sentence, resamples, seed)
            for of_words in (by_layer.mean(1), *by_layer.T)
        ]
    return found


def attention_in_words(found: Mapping[str, Sequence[Difference]]) -> list[str]:
    """What `content_against_function` found, a line a statistic."""
    lines = []
    for name, (overall, *layers) in found.items():
        apart = overall.content - overall.function
        by_layer = ", ".join(f"{layer.content - layer.function:+.2f}" for layer in layers)
        lines.append(
            f"Attention, {LABELS[name]}: content words {overall.content:.2f}, function words "
            f"{overall.function:.2f}, difference {apart:+.2f} (p {overall.p:.2g}; 95 % of "
            f"permutations within {overall.low:+.2f} to {overall.high:+.2f}; by layer {by_layer})."
        )
    return lines


def entropy(maps: Float[np.ndarray, "*more row column"]) -> Float[np.ndarray, "*more"]:
    """Entropy of maps in nats, of weights that are divided by their sum: -sum(p log p).

    Calibration: log(n) where n patches weigh the same, 4.16 of 8 x 8; log(2) where two do and the
    others nothing; 0 where one has all.
    """
    return np.asarray(stats.entropy(maps.reshape(*maps.shape[:-2], -1), axis=-1))


def difference(
    values: Values,
    content: Bool[np.ndarray, " word"],
    groups: Sequence[Hashable],
    sentence: Int[np.ndarray, " word"],
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Difference:
    """How a value of content words differs from that of function words, by permutation of groups.

    Words of one group have something in common whatever their class is: behind each "a" a decoder
    looks much alike, trained or not, and a content word follows. So a group is one observation
    (Clark 1973: words are no fixed effect): its value is the mean over its words, as deviations
    from the mean of their sentence, and is regressed on the share of content words among them.
    The slope is the difference of the means where no group has words of both classes. Null
    hypothesis: the groups' values have nothing to do with these shares. They are permuted
    (`scipy.stats.permutation_test`, pairings).

    Args:
        values: Of the words.
        content: Which are content words.
        groups: Group of each word.
        sentence: Sentence of each word.
        resamples: Permutations that are drawn; all, where there are fewer.
        seed: Of the permutations.
    """
    group, words_in = np.unique(np.asarray(groups), return_inverse=True, return_counts=True)[1:]
    mean = float(values.mean())
    apart = np.zeros_like(values) if alike(list(values)) else values - _means(values, sentence)
    value = np.bincount(group, apart) / words_in
    share = np.bincount(group, content) / words_in
    along = share - share.mean()

    def slope(
        value: Float[np.ndarray, "*more group"], axis: int = -1
    ) -> Float[np.ndarray, "*more"]:
        return np.asarray((value * along).sum(axis) / (along**2).sum())

    drawn = stats.permutation_test(
        (value,), slope, permutation_type="pairings", vectorized=True, n_resamples=resamples,
        rng=np.random.default_rng(seed),
    )  # fmt: skip
    low, high = np.quantile(drawn.null_distribution, [ALPHA / 2, 1 - ALPHA / 2])
    function = mean + float(value.mean()) - float(drawn.statistic) * float(share.mean())
    return Difference(
        function + float(drawn.statistic), function, float(low), float(high), float(drawn.pvalue)
    )


def _means(values: Values, sentence: Int[np.ndarray, " word"]) -> Values:
    """Of each word, the mean of its sentence."""
    return (np.bincount(sentence, values) / np.bincount(sentence))[sentence]
