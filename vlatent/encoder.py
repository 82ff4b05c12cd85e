"""A text transformer whose output is a grid: token ids in, a latent out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from vlatent.annotations import Bool, ClosedUnitInterval, Float, Int, NonNegativeInt, PositiveInt
from vlatent.bounds import require_bounds
from vlatent.layers import (
    FeedForward,
    Hidden,
    Smoothing,
    Window,
    first_weights,
    mean_and_variance,
    merge_heads,
    rotary_angles,
    rotate,
    split_heads,
)
from vlatent.shapes import Latent, UserError

Points = Float[Tensor, "shared point hidden"]
Folded = Float[Tensor, "batch head_token hidden"]
Attend = Bool[Tensor, "batch 1 1 token"]
Mask = Bool[Tensor, "batch token"]


@dataclass(frozen=True, kw_only=True)
class EncoderConfig:
    """Sizes of the encoder. The defaults are the documented model: 32.5 M parameters.

    Attributes:
        hidden: Width of the token states.
        window: Tokens on either side that each token sees in a convolution before the first layer,
            which tells subject from object by where they stand; 0 leaves it out.
        layers: Self-attention layers over the tokens.
        heads: Attention heads, in self-attention and in the grid's cross-attention.
        feed_forward: Inner width of the text layers' feed-forward part.
        dropout: Share of activations dropped in the text layers in training; the grid has none.
        vocabulary: Rows of the embedding; null takes as many as the tokenizer has. More are kept
            without being trained, as no token names them.
        height: Height of the latent.
        width: Width of the latent.
        channels: Channels of the latent.
        grid_hidden: Width of the learned grid before the convolutions.
        grid_layers: Cross-attention blocks from the grid to the tokens.
        grid_feed_forward: Inner width of the grid blocks' feed-forward part.
        smoothing: End with a 3x3 depthwise and a 1x1 convolution, against checkerboards.
        embedding: Width of the pooled sentence embedding.
        initialisation: Standard deviation of the first weights: normal is 0.02 everywhere, as is
            usual for wide transformers; fan_in is 1 / sqrt(inputs) in linear layers and 1 in
            embeddings, so that attention and latents differ by sentence before the first step at
            any width.
    """

    hidden: PositiveInt = 384
    window: NonNegativeInt = 0
    layers: PositiveInt = 6
    heads: PositiveInt = 8
    feed_forward: PositiveInt = 1536
    dropout: ClosedUnitInterval = 0.1
    vocabulary: PositiveInt | None = None
    height: PositiveInt = 32
    width: PositiveInt = 32
    channels: PositiveInt = 6
    grid_hidden: PositiveInt = 64
    grid_layers: PositiveInt = 2
    grid_feed_forward: PositiveInt = 768
    smoothing: bool = False
    embedding: PositiveInt = 256
    initialisation: Literal["normal", "fan_in"] = "normal"

    most: ClassVar = {
        "hidden": 10**6,
        "window": 100,
        "layers": 1_000,
        "heads": 10_000,
        "feed_forward": 10**6,
        "vocabulary": 10**7,
        "height": 10_000,
        "width": 10_000,
        "channels": 10_000,
        "grid_hidden": 10_000,
        "grid_layers": 100,
        "grid_feed_forward": 10**6,
        "embedding": 10**6,
    }

    def __post_init__(self) -> None:
        require_bounds("encoder", self, most=self.most)
        if self.dropout == 1:
            raise UserError("encoder.dropout must be below 1, which drops everything, but got 1.")
        if self.hidden % (2 * self.heads):
            raise UserError(
                "encoder.hidden must be a multiple of 2 * encoder.heads (rotary positions turn "
                f"pairs), but got hidden={self.hidden} and heads={self.heads}."
            )


class GridHead(nn.Module):
    """A learned grid that reads token states: how our encoder and pretrained ones end."""

    def add_head(self, config: EncoderConfig) -> None:
        """Make the head's parts, for token states of width `config.hidden`."""
        self.size = config.height, config.width
        self.grid = Grid(config)
        self.blocks = nn.ModuleList(GridBlock(config) for _ in range(config.grid_layers))
        self.paint_norm = nn.LayerNorm(config.hidden)
        self.paint = nn.Linear(config.hidden, config.channels)
        self.smooth = Smoothing(config.channels) if config.smoothing else nn.Identity()
        self.pool = Pooling(config)

    def read(self, states: Float[Tensor, "batch token hidden"], mask: Mask) -> Latent:
        """Draw latents from token states; `mask` is true where there is a token."""
        attend = mask[:, None, None, :]
        canvas = self.grid()  # [1, height * width, hidden]: the same for every sentence
        for block in self.blocks:
            canvas = block(canvas, states, attend)
        latent = self.paint(self.paint_norm(canvas))
        return self.smooth(latent.unflatten(1, self.size))

    def embed(self, latent: Latent) -> Float[Tensor, "batch embedding"]:
        """The sentence embedding: mean and variance of every channel, through an MLP."""
        return self.pool(latent)

    def no_weight_decay(self) -> tuple[str, ...]:
        """Names of parameters without weight decay, beside biases and norms."""
        return ("grid.seeds",)


class Encoder(GridHead):
    """Sentences to latents: token ids [batch, token] -> [batch, height, width, channel].

    The latent of a sentence does not depend on the other sentences of its batch or on padding:
    padded tokens are masked in the text's self-attention and in the grid's cross-attention.
    """

    def __init__(self, config: EncoderConfig, vocabulary: int) -> None:
        super().__init__()
        rows = config.vocabulary or vocabulary
        if rows < vocabulary:
            raise UserError(
                f"encoder.vocabulary is {rows}, but the tokenizer has {vocabulary} entries: raise "
                "encoder.vocabulary or leave it null."
            )
        self.config = config
        self.tokens = nn.Embedding(vocabulary, config.hidden)
        # Rows that no token of this tokenizer names never have a gradient: kept, not trained.
        spare = rows - vocabulary
        self.spare = (
            nn.Parameter(0.02 * torch.randn(spare, config.hidden), False) if spare else None
        )
        self.window = Window(config.hidden, config.window) if config.window else None
        self.layers = nn.ModuleList(TextLayer(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.hidden)
        self.add_head(config)
        self.apply(first_weights(config.initialisation))

    def forward(self, ids: Int[Tensor, "batch token"], mask: Mask) -> Latent:
        """Encode sentences; `mask` is true where there is a token."""
        attend = mask[:, None, None, :]
        rotation = rotary_angles(ids.shape[1], self.config.hidden // self.config.heads, ids.device)
        states = self.tokens(ids)
        if self.window is not None:
            states = self.window(states, mask)
        for layer in self.layers:
            states = layer(states, attend, rotation)
        return self.read(self.norm(states), mask)


class TextLayer(nn.Module):
    """Pre-norm self-attention with rotary positions, then a feed-forward part."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.attention_norm = nn.LayerNorm(config.hidden)
        self.query_key_value = nn.Linear(config.hidden, 3 * config.hidden)
        self.output = nn.Linear(config.hidden, config.hidden)
        self.feed_forward = FeedForward(config.hidden, config.feed_forward, config.dropout)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, states: Hidden, attend: Attend, rotation: Tensor) -> Hidden:
        query, key, value = self.query_key_value(self.attention_norm(states)).chunk(3, dim=-1)
        query = rotate(split_heads(query, self.heads), rotation)
        key = rotate(split_heads(key, self.heads), rotation)
        # Written out: over so few tokens torch's fused attention is slower, in bf16 ten times.
        score = (query * query.shape[-1] ** -0.5) @ key.mT
        share = score.masked_fill(~attend, float("-inf")).softmax(-1)
        mixed = share @ split_heads(value, self.heads)
        states = states + self.dropout(self.output(merge_heads(mixed)))
        return self.feed_forward(states)


class Grid(nn.Module):
    """A learned grid of queries; convolutions make neighbours alike. Knows nothing of the text."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.seeds = nn.Parameter(torch.empty(1, config.grid_hidden, config.height, config.width))
        nn.init.normal_(self.seeds)
        self.neighbours = nn.Conv2d(config.grid_hidden, config.grid_hidden, 3, padding=1)
        self.widen = nn.Conv2d(config.grid_hidden, config.hidden, 1)

    def forward(self) -> Hidden:
        grid = self.seeds + functional.gelu(self.neighbours(self.seeds))
        # Contiguous, or every sum with it would inherit its strides and every norm copy the sum.
        return self.widen(grid).flatten(2).mT.contiguous()


class GridBlock(nn.Module):
    """Pre-norm cross-attention from grid points to tokens, then a feed-forward part.

    A canvas with batch 1 is shared by all sentences: its norm is computed once.
    """

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.attention_norm = nn.LayerNorm(config.hidden)
        self.query = nn.Linear(config.hidden, config.hidden)
        self.key_value = nn.Linear(config.hidden, 2 * config.hidden)
        self.output = nn.Linear(config.hidden, config.hidden)
        self.feed_forward = FeedForward(config.hidden, config.grid_feed_forward)

    def forward(
        self,
        canvas: Points,
        states: Float[Tensor, "batch token hidden"],
        attend: Attend,
    ) -> Float[Tensor, "batch point hidden"]:
        key, bias, value = self._folded(states, attend)
        points = self.attention_norm(canvas).mT.expand(len(key), -1, -1)
        score = torch.baddbmm(bias, key, points)
        share = score.unflatten(1, (self.heads, -1)).softmax(2).flatten(1, 2)
        # The matrix products add to the canvas as they go: no sum passes through memory again.
        canvas = torch.baddbmm(canvas.expand(len(key), -1, -1), share.mT, value)
        inner, narrow = self.feed_forward.inner(canvas), self.feed_forward.narrow
        added = torch.addmm(canvas.flatten(0, 1), inner.flatten(0, 1), narrow.weight.mT)
        return added.view_as(canvas) + narrow.bias.to(added.dtype)

    def _folded(
        self, states: Float[Tensor, "batch token hidden"], attend: Attend
    ) -> tuple[Folded, Float[Tensor, "batch head_token 1"], Folded]:
        """Keys, their biases and values of all heads, with the points' projections on them.

        softmax(W_q x . key) (W_o value) = softmax(x . (W_q^T key)) (W_o value): there are 1,024
        points and a dozen tokens, and what is projected is the fewer. A head's shares sum to 1, so
        the output's bias may be divided among its values.
        """
        key, value = self.key_value(states).chunk(2, dim=-1)
        key, value = split_heads(key, self.heads), split_heads(value, self.heads)
        heads, depth = key.shape[1], key.shape[3]
        key = key * depth**-0.5
        bias = (key * self.query.bias.unflatten(0, (heads, 1, depth))).sum(-1, keepdim=True)
        bias = bias.masked_fill(~attend.mT, float("-inf"))
        key = key @ self.query.weight.unflatten(0, (heads, depth))
        value = value @ self.output.weight.mT.unflatten(0, (heads, depth))
        value = value + self.output.bias / heads
        return key.flatten(1, 2), bias.flatten(1, 2), value.flatten(1, 2)


class Pooling(nn.Module):
    """Mean and variance of every channel, through a two-layer network."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.widen = nn.Linear(2 * config.channels, config.embedding)
        self.mix = nn.Linear(config.embedding, config.embedding)

    def forward(self, latent: Latent) -> Float[Tensor, "batch embedding"]:
        pooled = self.widen(mean_and_variance(latent))
        return self.mix(functional.gelu(pooled))
