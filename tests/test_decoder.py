"""The decoder: with and without what it keeps, beams beside every sentence, samples by count."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from vlatent.decoder import Decoder, DecoderConfig, State
from vlatent.decoding import beams, greedy, sampled
from vlatent.reader import ReadingConfig
from vlatent.shapes import UserError

SIZE = 8, 12, 3  # not square, so that no axis is taken for another
WORDS, LONGEST = 7, 6


def decoder(seed: int = 0, words: int = WORDS, **settings: object) -> Decoder:
    torch.manual_seed(seed)
    sizes = {"hidden": 16, "feed_forward": 32}
    config = DecoderConfig(**sizes | settings)  # type: ignore[arg-type]
    made = Decoder(config, words, SIZE, 5).eval()
    with torch.no_grad():  # untrained, it would say again what it read
        for layer in made.layers:
            layer.latent_output.weight.mul_(80)
    return made


def shown(reader: Decoder, count: int = 3) -> State:
    generator = torch.Generator().manual_seed(1)
    latent = torch.randn(count, *SIZE, generator=generator)
    return reader.begin(latent, torch.randn(count, 5, generator=generator))


def anew(reader: Decoder, state: State, ids: Tensor) -> Tensor:
    """The logits without anything kept: every token is read again."""
    logits, _ = reader(ids, state)
    return logits


def test_what_is_kept_changes_nothing() -> None:
    """Token by token and in pieces as all at once."""
    reader = decoder(layers=3)
    state = shown(reader)
    ids = torch.randint(WORDS, (3, 9), generator=torch.Generator().manual_seed(2))
    whole = anew(reader, state, ids)
    for pieces in ([1] * 9, [4, 1, 3, 1]):
        kept, found = state, []
        for piece in ids.split(pieces, dim=1):
            logits, kept = reader(piece, kept)
            found.append(logits)
        torch.testing.assert_close(torch.cat(found, dim=1), whole, rtol=1e-5, atol=1e-5)


def test_greedy_is_the_likeliest_token_read_anew_each_time() -> None:
    reader = decoder()
    state = shown(reader, 5)
    found = greedy(reader, state, LONGEST)
    assert len({tuple(ids) for ids in found}) > 2
    for row, ids in enumerate(found):
        alone = tuple(layer.at(torch.tensor([row])) for layer in state)
        said = [WORDS]
        for _ in range(LONGEST):
            said.append(int(anew(reader, alone, torch.tensor([said]))[0, -1].argmax()))
            if said[-1] == WORDS:
                break
        assert [token for token in said if token != WORDS] == ids
    assert beams(reader, state, LONGEST, 1) == found


def test_no_word_sees_those_behind_it() -> None:
    reader = decoder()
    state = shown(reader)
    ids = torch.randint(WORDS, (3, 6), generator=torch.Generator().manual_seed(2))
    other = ids.clone()
    other[:, 4:] = (other[:, 4:] + 1) % WORDS
    first, second = anew(reader, state, ids), anew(reader, state, other)
    assert torch.equal(first[:, :4], second[:, :4])
    assert (first[:, 4:] - second[:, 4:]).abs().amin(dim=(1, 2)).max() > 0


def test_it_sees_the_latent_and_the_embedding_by_place() -> None:
    reader = decoder()
    ids = torch.full((1, 1), reader.boundary)
    latent, embedding = torch.randn(1, *SIZE), torch.randn(1, 5)

    def said(latent: Tensor, embedding: Tensor) -> Tensor:
        return anew(reader, reader.begin(latent, embedding), ids)

    own = said(latent, embedding)
    for other in (latent.flip(1), latent.flip(2), latent.flip(3), latent.roll(4, 1)):
        assert not torch.allclose(said(other, embedding), own, atol=1e-4)
    assert not torch.allclose(said(latent, embedding + 1), own, atol=1e-4)


def test_targets_follow_the_sentence() -> None:
    reader = decoder()
    ids = torch.tensor([[3, 4, 5], [6, 0, 0]])
    read, said = reader.targets(ids, torch.tensor([[True, True, True], [True, False, False]]))
    assert read.tolist() == [[7, 3, 4, 5], [7, 6, 0, 0]]
    assert said.tolist() == [[3, 4, 5, 7], [6, 7, -100, -100]]
    logits, _ = reader(read, shown(reader, 2))
    assert functional.cross_entropy(logits.flatten(0, 1), said.flatten()).isfinite()


def test_beams_find_the_likeliest_sentence() -> None:
    """As many beams as there are beginnings find the best of all sentences."""
    words, longest = 3, 3
    reader = decoder(words=words)
    state = shown(reader, 4)

    def log_probability(row: int, ids: tuple[int, ...]) -> float:
        alone = tuple(layer.at(torch.tensor([row])) for layer in state)
        read = torch.tensor([[words, *ids]])
        said = [*ids, words] if len(ids) < longest else list(ids)
        gains = anew(reader, alone, read)[0].detach().log_softmax(-1)
        return float(sum(gains[place, token] for place, token in enumerate(said)))

    every = [ids for length in range(longest + 1) for ids in product(range(words), repeat=length)]
    found = beams(reader, state, longest, 64)
    for row, ids in enumerate(found):
        best = max(every, key=lambda other: log_probability(row, other))
        assert tuple(ids) == best
    assert len({tuple(ids) for ids in found}) > 1
    assert beams(reader, state, longest, 1) != found


def test_samples_have_the_frequencies_of_their_nucleus() -> None:
    reader = decoder()
    state = tuple(layer.at(torch.zeros(4000, dtype=torch.int64)) for layer in shown(reader))
    first = anew(reader, shown(reader), torch.full((3, 1), reader.boundary))[0, -1].detach()
    shares = first.softmax(-1).sort(descending=True)
    generator = torch.Generator().manual_seed(0)
    for top_p in (1.0, 0.6):
        drawn = sampled(reader, state, 1, top_p, generator)
        counts = torch.bincount(torch.tensor([(*ids, WORDS)[0] for ids in drawn]), minlength=8)
        kept = int((shares.values.cumsum(0) - shares.values < top_p).sum())
        expected = torch.zeros(8)
        expected[shares.indices[:kept]] = shares.values[:kept] / shares.values[:kept].sum()
        assert (counts / 4000 - expected).abs().max() < 0.03
        assert ((counts > 0) <= (expected > 0)).all()
    assert sampled(reader, shown(reader), LONGEST, 0.0) == greedy(reader, shown(reader), LONGEST)


def test_only_allowed_tokens_are_said() -> None:
    allowed = torch.tensor([False, True, False, True, False, False, False])
    torch.manual_seed(0)
    reader = Decoder(DecoderConfig(hidden=16), WORDS, SIZE, 5, allowed)
    drawn = sampled(reader, shown(reader, 50), LONGEST, 1.0, torch.Generator().manual_seed(0))
    assert {token for ids in drawn for token in ids} == {1, 3}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"hidden": 12, "heads": 4}, r"^reading\.decoder\.hidden must be a multiple of 2"),
        ({"dropout": 1.0}, r"^reading\.decoder\.dropout must be below 1"),
        ({"layers": 10**9}, r"^reading\.decoder\.layers must be at most 1,000"),
    ],
)
def test_impossible_sizes_are_refused(settings: dict[str, object], said: str) -> None:
    with pytest.raises(UserError, match=said):
        ReadingConfig(decoder=DecoderConfig(**settings))  # type: ignore[arg-type]


def test_patches_fill_the_latent() -> None:
    with pytest.raises(UserError, match="height and width, but got 5 and 8 x 12"):
        decoder(patch=5)


def mixed_by_layer(reader: Decoder, ids: Tensor, state: State) -> list[Tensor]:
    """What each layer takes from the latent, before its output weights."""
    found: list[Tensor] = []
    handles = [
        layer.latent_output.register_forward_pre_hook(lambda _, given: found.append(given[0]))
        for layer in reader.layers
    ]
    anew(reader, state, ids)
    for handle in handles:
        handle.remove()
    return found


def test_latent_attention_is_what_is_mixed() -> None:
    reader = decoder(layers=3)
    state = shown(reader)
    ids = torch.randint(WORDS, (3, 5), generator=torch.Generator().manual_seed(2))
    found = reader.latent_attention(ids, state)
    assert found.shape == (3, 3, 4, 5, 2 * 3 + 1)
    torch.testing.assert_close(found.sum(-1), torch.ones(3, 3, 4, 5))
    assert found.std(-1).min() > 0.01
    for weights, layer, mixed in zip(found, state, mixed_by_layer(reader, ids, state), strict=True):
        torch.testing.assert_close((weights @ layer.latent_value).transpose(1, 2).flatten(2), mixed)
    _, later = reader(ids[:, :2], state)
    torch.testing.assert_close(reader.latent_attention(ids[:, 2:], later), found[:, :, :, 2:])


def test_latent_attention_has_the_places_of_the_patches() -> None:
    """A patch that changes has another weight, row by row; then comes the pooled embedding."""
    reader = decoder(layers=1)
    ids = torch.full((1, 1), reader.boundary)
    latent, pooled = torch.randn(1, *SIZE), torch.randn(1, 5)

    def seen(latent: Tensor, pooled: Tensor) -> Tensor:
        return reader.latent_attention(ids, reader.begin(latent, pooled))[0, 0, :, 0].log()

    own = seen(latent, pooled)
    for place in range(7):
        other, row, column = latent.clone(), 4 * (place // 3), 4 * (place % 3)
        other[:, row : row + 4, column : column + 4] += 1
        moved = seen(other, pooled) if place < 6 else seen(latent, pooled + 1)
        apart = (moved - own) - (moved - own).median(-1, keepdim=True).values
        changed = apart.abs().amax(0) > 1e-4
        assert changed.nonzero().flatten().tolist() == [place]


def test_a_patch_is_known_by_its_place_whatever_it_shows() -> None:
    """Its place is half of what is seen of noise: else heads learn late where to look."""
    reader = decoder(hidden=64)
    keys = shown(reader, 20)[0].latent_key.transpose(1, 2).flatten(2)
    keys = functional.normalize(keys - keys.mean((0, 1)), dim=-1)
    alike = torch.einsum("iph,jqh->ijpq", keys, keys).mean((0, 1))
    same = alike.diagonal().mean()
    assert 0.3 < same < 0.7
    assert abs(alike.sum() - alike.trace()) / (alike.numel() - len(alike)) < 0.2 * same
