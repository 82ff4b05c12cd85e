"""The encoder: its size, its shapes, what it must not see, and what it must."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from vlatent.dependence import dependence
from vlatent.encoder import Encoder, EncoderConfig, GridBlock
from vlatent.layers import Smoothing, Window, rotary_angles, rotate
from vlatent.optimization import MovingAverage, OptimizerConfig, adamw
from vlatent.shapes import UserError

VOCABULARY = 50
SMALL = EncoderConfig(
    hidden=32,
    layers=2,
    heads=4,
    feed_forward=64,
    height=12,
    width=20,
    channels=5,
    grid_hidden=8,
    grid_feed_forward=48,
    smoothing=True,
    embedding=16,
)


def encoder(config: EncoderConfig = SMALL, seed: int = 0) -> Encoder:
    """In float64, without dropout, its weights large enough for the text to matter."""
    torch.manual_seed(seed)
    model = Encoder(config, VOCABULARY).double().eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim == 2:
                parameter.mul_(5)
            elif name.endswith("bias"):
                parameter.normal_(std=0.1)
    return model


def sentence(length: int, seed: int) -> Tensor:
    return torch.randint(VOCABULARY, (length,), generator=torch.Generator().manual_seed(seed))


def padded(sentences: list[Tensor], length: int, filler: int) -> tuple[Tensor, Tensor]:
    ids = torch.full((len(sentences), length), filler)
    mask = torch.zeros(len(sentences), length, dtype=torch.bool)
    for row, words in enumerate(sentences):
        ids[row, : len(words)] = words
        mask[row, : len(words)] = True
    return ids, mask


def alone(model: Encoder, words: Tensor) -> Tensor:
    return model(words[None], torch.ones(1, len(words), dtype=torch.bool))


# --- size and shape ------------------------------------------------------------------------------


def test_the_documented_model() -> None:
    torch.manual_seed(0)
    model = Encoder(EncoderConfig(), 50_257).eval()
    count = sum(parameter.numel() for parameter in model.parameters())
    assert 32.45e6 <= count <= 32.55e6
    with torch.no_grad():
        latent = model(torch.randint(50_257, (4, 32)), torch.ones(4, 32, dtype=torch.bool))
        assert latent.shape == (4, 32, 32, 6)
        assert model.embed(latent).shape == (4, 256)
    assert torch.isfinite(latent).all()
    assert latent.dtype == torch.float32
    assert len(model.layers) == 6
    assert len(model.blocks) == 2
    assert model.config.smoothing is False


def test_an_oblong_latent() -> None:
    model = encoder()
    latent = model(*padded([sentence(3, 0), sentence(7, 1)], 7, 0))
    assert latent.shape == (2, 12, 20, 5)
    assert model.embed(latent).shape == (2, 16)


def test_axes_of_the_latent_are_those_of_the_grid() -> None:
    # a grid whose seeds vary only from row to row paints pictures that vary only from row to row
    model = encoder()
    with torch.no_grad():
        model.grid.seeds.copy_(model.grid.seeds.mean(3, keepdim=True).expand(-1, -1, -1, 20))
        model.grid.neighbours.weight.zero_()
        latent = alone(model, sentence(5, 0))
    assert latent.std(2).max() < 1e-12
    assert latent.std(1).min() > 1e-6


def test_embedding_is_of_mean_and_variance_only() -> None:
    model = encoder()
    latent = torch.randn(2, 12, 20, 5, dtype=torch.float64)
    pixels = latent.flatten(1, 2)[:, torch.randperm(240)].view_as(latent)
    torch.testing.assert_close(model.embed(pixels), model.embed(latent))
    assert not torch.allclose(model.embed(2 * latent), model.embed(latent))
    assert not torch.allclose(model.embed(latent + 1), model.embed(latent))


# --- padding -------------------------------------------------------------------------------------


@torch.no_grad()
@pytest.mark.parametrize("window", [0, 3])
def test_latent_does_not_depend_on_batch_or_padding(window: int) -> None:
    model = encoder(replace(SMALL, window=window))
    sentences = [sentence(length, length) for length in (1, 4, 9, 6)]
    wanted = torch.cat([alone(model, words) for words in sentences])
    assert (wanted - wanted[:1])[1:].abs().amax((1, 2, 3)).min() > 1e-3  # they do differ
    for length in (9, 23):
        for filler in (0, 31):
            found = model(*padded(sentences, length, filler))
            torch.testing.assert_close(found, wanted, rtol=0, atol=1e-12)
            backwards = model(*padded(sentences[::-1], length, filler))
            torch.testing.assert_close(backwards.flip(0), wanted, rtol=0, atol=1e-12)
    pair = model(*padded([sentences[1], sentences[2]], 9, 7))
    torch.testing.assert_close(pair, wanted[1:3], rtol=0, atol=1e-12)


@torch.no_grad()
def test_cross_attention_is_masked_by_itself() -> None:
    block = encoder().blocks[0]
    assert isinstance(block, GridBlock)
    picture = torch.randn(1, 240, 32, dtype=torch.float64)
    states = torch.randn(2, 6, 32, dtype=torch.float64)
    mask = torch.tensor([[1, 1, 1, 0, 0, 0], [1, 1, 1, 1, 1, 0]]).bool()
    found = block(picture, states, mask[:, None, None, :])
    states[~mask] = 1e3
    torch.testing.assert_close(block(picture, states, mask[:, None, None, :]), found)
    states[1, 4] += 1
    assert not torch.allclose(block(picture, states, mask[:, None, None, :]), found)


def test_no_gradient_reaches_padding() -> None:
    model = encoder()
    embedded: list[Tensor] = []

    def keep(_module: nn.Module, _inputs: object, output: Tensor) -> None:
        output.retain_grad()
        embedded.append(output)

    model.tokens.register_forward_hook(keep)
    ids, mask = padded([sentence(3, 0), sentence(8, 1)], 10, 49)
    model(ids, mask).square().sum().backward()
    gradient = embedded[0].grad
    assert gradient is not None
    assert (gradient[~mask] == 0).all()
    assert (gradient[mask].abs().amax(-1) > 0).all()
    unused = torch.ones(VOCABULARY, dtype=torch.bool)
    unused[ids[mask]] = False
    assert (model.tokens.weight.grad[unused] == 0).all()


# --- positions -----------------------------------------------------------------------------------


def test_rotary_scores_depend_on_distance_only() -> None:
    generator = torch.Generator().manual_seed(0)
    query, key = torch.randn(2, 1, 1, 1, 8, dtype=torch.float64, generator=generator)
    rotation = rotary_angles(40, 8, torch.device("cpu"))
    turned_query = rotate(query.expand(1, 1, 40, 8), rotation)[0, 0]
    turned_key = rotate(key.expand(1, 1, 40, 8), rotation)[0, 0]
    scores = turned_query @ turned_key.T
    for distance in range(-20, 21):
        diagonal = scores.diagonal(distance)
        torch.testing.assert_close(diagonal, diagonal[:1].expand_as(diagonal), rtol=0, atol=1e-5)
    assert scores[0].unique().numel() == 40
    torch.testing.assert_close(turned_query.norm(dim=-1), query.norm().expand(40))
    torch.testing.assert_close(turned_query[0], query.flatten())  # position 0 is not turned


def test_rotary_by_hand() -> None:
    states = torch.tensor([1.0, 0.0, 0.0, 1.0], dtype=torch.float64).expand(1, 1, 3, 4)
    found = rotate(states, rotary_angles(3, 4, torch.device("cpu")))[0, 0, 2]
    slow = torch.tensor(2 * 10_000.0**-0.5, dtype=torch.float64)
    fast = torch.tensor(2.0, dtype=torch.float64)
    wanted = torch.stack([fast.cos(), -slow.sin(), fast.sin(), slow.cos()])
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-6)


@torch.no_grad()
def test_where_a_sentence_begins_is_nothing() -> None:
    model = encoder()
    words = sentence(6, 0)
    late = torch.cat([torch.full((9,), 7), words])[None]
    found = model(late, torch.arange(15)[None] >= 9)
    # angles are kept in fp32, so equal distances are equal to its rounding
    torch.testing.assert_close(found, alone(model, words), rtol=0, atol=1e-5)


@torch.no_grad()
def test_order_of_words_matters() -> None:
    model = encoder()
    words = torch.tensor([3, 14, 15, 9, 26])
    swapped = torch.tensor([3, 9, 15, 14, 26])
    assert (alone(model, words) - alone(model, swapped)).abs().max() > 1e-4


@torch.no_grad()
def test_a_window_is_the_sum_over_the_tokens_around() -> None:
    layer = Window(6, 2).double()
    states = torch.randn(1, 5, 6, dtype=torch.float64)
    mask = torch.tensor([[True, True, True, True, False]])
    found = layer(states, mask)
    weight, bias = layer.neighbours.weight, layer.neighbours.bias
    for place in range(5):
        seen = bias + sum(
            weight[:, :, 2 + step] @ states[0, place + step]
            for step in (-2, -1, 0, 1, 2)
            if 0 <= place + step < 4
        )
        expected = states[0, place] + layer.narrow(torch.nn.functional.gelu(seen))
        torch.testing.assert_close(found[0, place], expected)


def test_without_a_window_there_is_none() -> None:
    assert not [name for name in encoder().state_dict() if name.startswith("window")]


def test_first_weights_by_fan_in_keep_the_size_and_differ_by_sentence() -> None:
    torch.manual_seed(0)
    sizes = EncoderConfig(
        hidden=64, layers=2, heads=4, grid_layers=1, window=3, initialisation="fan_in"
    )
    model = Encoder(sizes, 500)
    assert float(model.tokens.weight.detach().std()) == pytest.approx(1, rel=0.02)
    for layer, inputs in (
        (model.layers[0].query_key_value, 64),
        (model.layers[0].feed_forward.narrow, 1536),
        (model.blocks[0].key_value, 64),
        (model.window.neighbours, 7 * 64),  # type: ignore[union-attr]
    ):
        assert float(layer.weight.detach().std()) == pytest.approx(inputs**-0.5, rel=0.05)
        assert not layer.bias.any()
    assert between(model) > 0.05
    torch.manual_seed(0)
    assert between(Encoder(replace(sizes, initialisation="normal"), 500)) < 0.01


@torch.no_grad()
def between(model: Encoder) -> float:
    """Share of the variance of latents that lies between sentences."""
    latents = torch.cat([alone(model, sentence(9, seed)) for seed in range(6)])
    return dependence(latents)["dependence/between_share"]


# --- work done once ------------------------------------------------------------------------------


@torch.no_grad()
def test_what_does_not_see_the_text_is_computed_once_a_batch() -> None:
    model = encoder()
    rows: dict[str, list[int]] = {}

    def count(name: str) -> object:
        def hook(_module: nn.Module, inputs: tuple[Tensor, ...], _output: Tensor) -> None:
            rows.setdefault(name, []).append(inputs[0].shape[0])

        return hook

    for name, module in (
        ("convolution", model.grid.neighbours),
        ("first norm", model.blocks[0].attention_norm),
        ("second norm", model.blocks[1].attention_norm),
        ("first key", model.blocks[0].key_value),
    ):
        module.register_forward_hook(count(name))
    model(*padded([sentence(30, seed) for seed in range(7)], 30, 0))
    assert rows == {
        "convolution": [1],
        "first norm": [1],
        "second norm": [7],
        "first key": [7],
    }


@pytest.mark.parametrize("shared", [1, 3])
def test_a_block_is_torchs_attention_with_the_projections_on_the_points(shared: int) -> None:
    """The usual order: queries from the points, fused attention, output projection, residual."""
    block = encoder().blocks[1]
    assert isinstance(block, GridBlock)
    for linear in (block.query, block.output, block.key_value, block.feed_forward.narrow):
        nn.init.normal_(linear.bias)
    points = torch.randn(shared, 240, 32, dtype=torch.float64, requires_grad=True)
    states = torch.randn(3, 5, 32, dtype=torch.float64, requires_grad=True)
    mask = torch.tensor([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1], [1, 0, 0, 0, 0]]).bool()
    attend = mask[:, None, None, :]
    towards = torch.randn(3, 240, 32, dtype=torch.float64)

    def usual() -> Tensor:
        key, value = block.key_value(states).chunk(2, -1)
        query = block.query(block.attention_norm(points)).expand(3, -1, -1)
        query, key, value = (
            each.unflatten(-1, (block.heads, -1)).transpose(1, 2) for each in (query, key, value)
        )
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=attend)
        return block.feed_forward(points + block.output(mixed.transpose(1, 2).flatten(-2)))

    inputs = (points, states, *block.parameters())
    for ours, theirs in zip(
        *(
            [out, *torch.autograd.grad(out, inputs, towards)]
            for out in (block(points, states, attend), usual())
        ),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs)


# --- smoothing, seeds, dropout, errors -----------------------------------------------------------


def test_smoothing_starts_as_the_identity() -> None:
    picture = torch.randn(2, 12, 20, 5, dtype=torch.float64)
    torch.testing.assert_close(Smoothing(5).double()(picture), picture, rtol=0, atol=0)
    torch.manual_seed(0)
    seen: list[tuple[Tensor, Tensor]] = []
    model = Encoder(SMALL, VOCABULARY).eval()  # its own initialisation comes after the head's
    model.smooth.register_forward_hook(lambda _, inputs, output: seen.append((inputs[0], output)))
    model(sentence(3, 0)[None], torch.ones(1, 3, dtype=torch.bool))
    torch.testing.assert_close(*seen[0], rtol=0, atol=0)


def test_smoothing_continues_the_edges() -> None:
    smoothing = Smoothing(1)
    nn.init.constant_(smoothing.neighbours.weight, 1 / 9)
    flat = torch.full((1, 6, 9, 1), 3.0)
    torch.testing.assert_close(smoothing(flat), flat)


@torch.no_grad()
def test_one_seed_twice_and_another_seed() -> None:
    def painted(seed: int) -> Tensor:
        torch.manual_seed(seed)
        return alone(Encoder(SMALL, VOCABULARY).eval(), sentence(6, 0))

    assert torch.equal(painted(3), painted(3))
    assert not torch.allclose(painted(3), painted(4))


@torch.no_grad()
def test_dropout_only_in_training() -> None:
    model = encoder()
    words = sentence(6, 0)
    assert torch.equal(alone(model, words), alone(model, words))
    model.train()
    assert not torch.allclose(alone(model, words), alone(model, words))
    assert all(block.feed_forward.dropout.p == 0 for block in model.blocks)
    assert all(layer.dropout.p == layer.feed_forward.dropout.p == 0.1 for layer in model.layers)


def test_every_weight_has_a_gradient() -> None:
    model = encoder()
    latent = model(*padded([sentence(4, 0), sentence(6, 1)], 6, 0))
    (latent.square().sum() + model.embed(latent).square().sum()).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


def test_wrong_number_of_heads() -> None:
    for hidden, heads in ((30, 4), (12, 4), (8, 8)):  # the last two leave no pairs to turn
        with pytest.raises(UserError, match=rf"hidden={hidden} and heads={heads}\.$"):
            EncoderConfig(hidden=hidden, heads=heads)


def test_vocabulary_smaller_than_the_tokenizers() -> None:
    config = EncoderConfig(hidden=32, heads=4, vocabulary=49)
    with pytest.raises(UserError, match=r"encoder\.vocabulary is 49, but the tokenizer has 50"):
        Encoder(config, VOCABULARY)


def test_rows_that_no_token_names_are_kept_and_never_trained() -> None:
    config = EncoderConfig(hidden=32, heads=4, layers=1, vocabulary=64)
    torch.manual_seed(0)
    model = Encoder(config, VOCABULARY)
    assert model.spare is not None
    assert model.tokens.num_embeddings + len(model.spare) == 64
    assert model.spare.std().item() == pytest.approx(0.02, rel=0.1)
    optimizer, average = adamw(model, OptimizerConfig()), MovingAverage(model, OptimizerConfig())
    before = model.spare.clone()
    for _ in range(2):
        model(*padded([sentence(4, 0)], 4, 0)).square().sum().backward()
        optimizer.step()
        average.update_parameters(model)
    assert torch.equal(model.spare, before)
    assert average.module.spare.data_ptr() == model.spare.data_ptr()  # one copy of them is enough
    assert model.tokens.weight.data_ptr() != average.module.tokens.weight.data_ptr()
    assert Encoder(SMALL, VOCABULARY).spare is None
