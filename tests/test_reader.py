"""Training of a decoder: bitwise resume; the ceiling with the scene, the floor with noise."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple
from zlib import crc32

import numpy as np
import pytest
import torch
from sklearn.decomposition import TruncatedSVD
from torch import Tensor

from vlatent.decoder import Decoder, DecoderConfig
from vlatent.layers import mean_and_variance
from vlatent.noise import half_noisy, leading, noisy, permuted
from vlatent.optimization import OptimizerConfig
from vlatent.reader import ReadingConfig, Told, Training, normalised, tokens_read
from vlatent.scenes import Example, Fact, generate
from vlatent.scenes.continuations import words_of
from vlatent.scenes.prediction import (
    Limits,
    Prediction,
    content_places,
    given_meaning,
    given_nothing,
    limits,
)
from vlatent.shapes import UserError

COLORS, SHAPES = ["red", "green", "blue", "yellow"], ["cube", "sphere", "cylinder"]
FUNCTION = ["a", "the", "is", "of", "and", ",", "."]
WORDS = [*FUNCTION, "on", "under", "supports", "left", "right", *COLORS, *SHAPES]
Show = Callable[[list[Example]], Tensor]
SIZE = 4, 4, 16  # four patches: a fact in each of the first


def tokens(examples: list[Example]) -> tuple[Tensor, Tensor]:
    ids = [torch.tensor([WORDS.index(word) for word in words_of(e.text)]) for e in examples]
    padded = torch.nn.utils.rnn.pad_sequence(ids, batch_first=True)
    lengths = torch.tensor([len(row) for row in ids])
    return padded, torch.arange(padded.shape[1]) < lengths[:, None]


def picture(fact: Fact) -> list[float]:
    """What a fact says, in 16 numbers."""
    found = [1.0, float(fact.relation == "on")]
    for block in (fact.subject, fact.object):
        found += [float(block.color == color) for color in COLORS]
        found += [float(block.shape == shape) for shape in SHAPES]
    return found


def scenes(examples: list[Example]) -> Tensor:
    """Latents from which a scene can be read: its facts in the order of their names."""
    latent = torch.zeros(len(examples), *SIZE)
    for row, example in enumerate(examples):
        for place, fact in enumerate(sorted(example.scene.meaning)):
            latent[row, 2 * place : 2 * place + 2, :2] = torch.tensor(picture(fact))
    return latent


def noise(examples: list[Example]) -> Tensor:
    generator = torch.Generator().manual_seed(crc32(examples[0].key.encode()))
    return torch.randn(len(examples), *SIZE, generator=generator)


def small(steps: int = 6, noise: float = 0.3, **sizes: object) -> Training:
    config = ReadingConfig(
        decoder=DecoderConfig(**{"hidden": 16, "feed_forward": 32, "patch": 2} | sizes),  # type: ignore[arg-type]
        optimizer=OptimizerConfig(learning_rate=3e-3, warmup_steps=steps // 20),
        steps=steps,
        noise=noise,
    )
    torch.manual_seed(0)
    return Training(Decoder(config.decoder, len(WORDS), SIZE, 32), mean_and_variance, config)


def test_goes_on_bitwise() -> None:
    examples = generate(6 * 8, 1)
    parts = [examples[start : start + 8] for start in range(0, 48, 8)]
    batches = [Told(scenes(part), *tokens(part)) for part in parts]
    whole, begun = small(dropout=0.2), small(dropout=0.2)
    losses = [whole.take(batch) for batch in batches]
    torch.manual_seed(0)
    begun = small(dropout=0.2)
    first = [begun.take(batch) for batch in batches[:3]]
    state = begun.state()
    torch.manual_seed(5)
    resumed = small(dropout=0.2)
    resumed.restore(state)
    assert first + [resumed.take(batch) for batch in batches[3:]] == losses
    for own, other in zip(whole.decoder.parameters(), resumed.decoder.parameters(), strict=True):
        assert torch.equal(own, other)
    with pytest.raises(UserError, match="another architecture"):
        small(layers=1).restore(state)


def test_noise_is_as_strong_as_asked() -> None:
    latent = torch.randn(6, 40, 50, 3) * torch.arange(1.0, 7).view(-1, 1, 1, 1)
    added = noisy(latent, 0.3, (0, 1)) - latent
    torch.testing.assert_close(
        added.flatten(1).std(1), 0.3 * latent.flatten(1).std(1), rtol=0.05, atol=0
    )
    assert torch.equal(noisy(latent, 0.3, (0, 1)), noisy(latent, 0.3, (0, 1)))
    assert not torch.equal(noisy(latent, 0.3, (0, 1)), noisy(latent, 0.3, (0, 2)))
    half = half_noisy(latent, 0.3, (0, 1)) != latent
    assert half.flatten(1).any(1).tolist() == [False, True] * 3
    assert noisy(latent, 0, (0,)) is half_noisy(latent, 0, (0,)) is latent


def test_one_permutation_of_all_pixels() -> None:
    latent = torch.arange(2 * 3 * 4 * 2.0).view(2, 3, 4, 2)
    moved = permuted(latent)
    assert not torch.equal(moved, latent)
    assert torch.equal(moved[1] - moved[0], latent[1] - latent[0])
    assert torch.equal(moved[..., 1] - moved[..., 0], torch.ones(2, 3, 4))
    assert sorted(moved.flatten().tolist()) == sorted(latent.flatten().tolist())


def test_leading_components_are_those_of_scikit_learn() -> None:
    latent = torch.randn(40, 4, 5, 3) * torch.linspace(0.2, 2, 5)[:, None] + torch.arange(3.0)
    rows = (latent - latent.mean((0, 1, 2))).flatten(1).numpy()
    components = TruncatedSVD(39, algorithm="arpack", random_state=0).fit(rows)
    held = np.cumsum(components.singular_values_**2) / np.square(rows).sum()
    count = 1 + int(np.argmax(held >= 0.9))
    components = TruncatedSVD(count, algorithm="arpack", random_state=0)
    kept = components.inverse_transform(components.fit_transform(rows))
    expected = torch.from_numpy(kept).view_as(latent) + latent.mean((0, 1, 2))
    torch.testing.assert_close(leading(latent), expected, rtol=1e-3, atol=1e-3)
    assert torch.equal(leading(torch.zeros(3, 2, 2, 1)), torch.zeros(3, 2, 2, 1))
    broken = torch.full((3, 2, 2, 1), torch.nan)
    assert leading(broken) is broken


@pytest.mark.parametrize(("strength", "kept"), [(0.05, 0.0), (0.25, 0.0), (5.0, 0.9)])
def test_a_small_message_on_one_picture_is_lost(strength: float, kept: float) -> None:
    """What differs between sentences, as far as it is left; in a picture of its own it stays."""
    draw = torch.Generator().manual_seed(0)
    picture, message = (torch.randn(n, 8, 8, 3, generator=draw) for n in (1, 60))
    latent = picture + strength * message
    own, left = (each - each.mean(0) for each in (latent, leading(latent)))
    assert float(left.square().sum() / own.square().sum()) == pytest.approx(kept, abs=0.07)


def test_normalised_accuracy() -> None:
    assert normalised(0.35, 0.35, 0.9) == 0
    assert normalised(0.9, 0.35, 0.9) == 1
    assert normalised(0.8, 0.3, 0.9) == pytest.approx(5 / 6)


def drawn(seed: int, count: int) -> list[Example]:
    """Sentences of which some are alike, as the generator draws them: of 60 few are."""
    parts = (generate(60, 1, seed=seed * 1000 + part) for part in range(count // 60))
    return [example for part in parts for example in part]


class HeldOut(NamedTuple):
    """Sentences that no training has drawn, and what can be known of them."""

    examples: list[Example]
    nothing: list[list[Prediction]]
    places: list[list[bool]]


@pytest.fixture(scope="module")
def held_out() -> HeldOut:
    examples = drawn(10**6, 6000)
    nothing = [given_nothing(example.text, "plain", 1) for example in examples]
    return HeldOut(examples, nothing, list(map(content_places, nothing)))


def measured(training: Training, show: Show, held_out: HeldOut) -> Limits:
    """The same of a decoder as `limits` says of who knows all."""
    told = Told(show(held_out.examples), *tokens(held_out.examples))
    read = tokens_read(training.decoder, training.embed, told)
    places = [torch.tensor([*counted, False]) for counted in held_out.places]
    counts = torch.nn.utils.rnn.pad_sequence(places, batch_first=True)
    words = read.counted.sum() - len(counts)  # the end is no word, and certain
    nats = -read.log_probability[read.counted].sum() / words
    return Limits(float(read.right[counts].float().mean()), float(nats))


def trained(steps: int, show: Show) -> Training:
    training = small(steps, noise=0.0, hidden=64, feed_forward=128, layers=2)
    for step in range(steps):
        examples = drawn(step + 1, 60)
        training.take(Told(show(examples), *tokens(examples)))
    return training


@pytest.mark.soak
@pytest.mark.processes
@pytest.mark.timeout(900)
def test_the_scene_reaches_the_ceiling(held_out: HeldOut) -> None:
    predicted = (given_meaning(example.text) for example in held_out.examples)
    ceiling = limits(predicted, held_out.places)
    found = measured(trained(1200, scenes), scenes, held_out)
    assert found.accuracy == pytest.approx(ceiling.accuracy, abs=0.01)
    assert found.cross_entropy == pytest.approx(ceiling.cross_entropy, abs=0.03)


@pytest.mark.soak
@pytest.mark.processes
@pytest.mark.timeout(900)
def test_noise_reaches_the_language_model(held_out: HeldOut) -> None:
    floor = limits(held_out.nothing, held_out.places)
    found = measured(trained(1600, noise), noise, held_out)
    assert found.accuracy == pytest.approx(floor.accuracy, abs=0.01)
    assert found.cross_entropy == pytest.approx(floor.cross_entropy, abs=0.03)
