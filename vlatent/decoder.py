"""A small causal transformer that says what a latent shows: latents in, token ids out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from vlatent.annotations import Bool, ClosedUnitInterval, Float, Int, PositiveInt
from vlatent.bounds import require_bounds
from vlatent.layers import (
    FeedForward,
    Heads,
    Hidden,
    first_weights,
    merge_heads,
    rotary_angles,
    rotate,
    split_heads,
)
from vlatent.shapes import Latent, UserError

Logits = Float[Tensor, "batch token entry"]
LatentAttention = Float[Tensor, "layer batch head token place"]

# Raise it whenever a decoder of the same settings learns otherwise: old and new cannot be compared.
DECODER_VERSION = 2


@dataclass(frozen=True, kw_only=True)
class DecoderConfig:
    """Sizes of the decoder.

    Attributes:
        hidden: Width of the token states.
        layers: Layers of self-attention over the words so far and cross-attention to the latent.
        heads: Attention heads of each.
        feed_forward: Inner width of a layer's feed-forward part.
        dropout: Share of activations dropped in training.
        patch: Side of the square patches in which the latent is read; divides height and width.
        restricted: Say only tokens that occur in the training sentences.
    """

    hidden: PositiveInt = 128
    layers: PositiveInt = 2
    heads: PositiveInt = 4
    feed_forward: PositiveInt = 512
    dropout: ClosedUnitInterval = 0.0
    patch: PositiveInt = 4
    restricted: bool = False

    most: ClassVar = {
        "hidden": 10**6,
        "layers": 1_000,
        "heads": 10_000,
        "feed_forward": 10**6,
        "patch": 10_000,
    }

    def check(self, group: str) -> None:
        """Hold the sizes to their bounds; what has a decoder does so, as it knows the key.

        Args:
            group: Key of the sizes, `reading.decoder` for instance.

        Raises:
            UserError: One is out of its bounds, or two do not go together.
        """
        require_bounds(group, self, most=self.most)
        if self.dropout == 1:
            raise UserError(f"{group}.dropout must be below 1, which drops everything, but got 1.")
        if self.hidden % (2 * self.heads):
            raise UserError(
                f"{group}.hidden must be a multiple of 2 * {group}.heads (rotary positions turn "
                f"pairs), but got hidden={self.hidden} and heads={self.heads}."
            )


class LayerState(NamedTuple):
    """What a layer keeps of the latent and of the words so far: keys and values of its heads."""

    latent_key: Heads
    latent_value: Heads
    key: Heads
    value: Heads

    def at(self, index: Int[Tensor, " row"]) -> LayerState:
        """The rows of a batch at these places."""
        return LayerState(*(part[index] for part in self))


State = tuple[LayerState, ...]


class Decoder(nn.Module):
    """Token ids behind a latent: the logits of each next one.

    A sentence begins and ends with a token of the decoder's own, `boundary`, behind those of the
    tokenizer. The output weights are those of the token embedding (Press and Wolf 2017).

    Args:
        config: Sizes.
        vocabulary: Entries of the tokenizer.
        latent: Height, width and channels of the latents.
        embedding: Width of the pooled embedding that is read beside the latent.
        allowed: Which entries may be said, where not all may.

    Raises:
        UserError: Patches do not fill the latent.
    """

    def __init__(
        self,
        config: DecoderConfig,
        vocabulary: int,
        latent: tuple[int, int, int],
        embedding: int,
        allowed: Bool[Tensor, " entry"] | None = None,
    ) -> None:
        super().__init__()
        height, width, channels = latent
        if height % config.patch or width % config.patch:
            raise UserError(
                f"decoder.patch must divide the latent's height and width, but got {config.patch} "
                f"and {height} x {width}."
            )
        self.config, self.boundary = config, vocabulary
        self.grid = height // config.patch, width // config.patch  # of patches
        count = self.grid[0] * self.grid[1]
        self.tokens = nn.Embedding(vocabulary + 1, config.hidden)
        self.patches = nn.Linear(config.patch**2 * channels, config.hidden)
        self.pooled = nn.Linear(embedding, config.hidden)
        self.places = nn.Parameter(torch.empty(count + 1, config.hidden))
        self.latent_norm = nn.LayerNorm(config.hidden)
        self.layers = nn.ModuleList(DecoderLayer(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.hidden)
        self.apply(first_weights("fan_in"))
        nn.init.normal_(self.tokens.weight, std=config.hidden**-0.5)  # also the output's weights
        nn.init.normal_(self.places)  # as large as what a patch shows: heads tell patches apart
        with torch.no_grad():  # what a latent adds is small at first, beside what words say
            for layer in cast(Iterable[DecoderLayer], self.layers):
                layer.latent_output.weight.mul_(0.1)
        closed = torch.zeros(vocabulary + 1, dtype=torch.bool)
        if allowed is not None:
            closed[:vocabulary] = ~allowed
        self.closed = nn.Buffer(closed)

    def begin(self, latent: Latent, embedding: Float[Tensor, "batch embedding"]) -> State:
        """What the layers keep of latents before the first word."""
        side = self.config.patch
        squares = functional.pixel_unshuffle(latent.movedim(-1, -3), side)
        parts = [self.patches(squares.flatten(-2).mT), self.pooled(embedding)[:, None]]
        seen = self.latent_norm(torch.cat(parts, dim=1) + self.places)
        layers = cast(Iterable[DecoderLayer], self.layers)
        return tuple(layer.begin(seen) for layer in layers)

    def forward(self, ids: Int[Tensor, "batch token"], state: State) -> tuple[Logits, State]:
        """The logits behind each token, and what the layers keep then.

        Args:
            ids: Tokens that follow those of the state; of a sentence, the first is `boundary`.
            state: Of `begin`, or of the tokens before.
        """
        attend, rotation = self._order(ids, state)
        states = self.tokens(ids)
        kept = []
        for layer, own in zip(self.layers, state, strict=True):
            states, own = layer(states, own, attend, rotation)
            kept.append(own)
        logits = self.norm(states) @ self.tokens.weight.mT
        return logits.masked_fill(self.closed, float("-inf")), tuple(kept)

    @torch.no_grad()
    def latent_attention(self, ids: Int[Tensor, "batch token"], state: State) -> LatentAttention:
        """How the token behind each of these looks at the latent when it is said.

        Args:
            ids: Tokens that follow those of the state; of a sentence, the first is `boundary`.
            state: Of `begin`, or of the tokens before.

        Returns:
            Weights that add up to 1 over the places: the patches, row by row, and then the pooled
            embedding.
        """
        attend, rotation = self._order(ids, state)
        states = self.tokens(ids)
        found = []
        for layer, own in zip(cast(Iterable[DecoderLayer], self.layers), state, strict=True):
            states, own = layer.follow(states, own, attend, rotation)
            query = layer.look(states)
            found.append((query @ own.latent_key.mT * query.shape[-1] ** -0.5).softmax(-1))
            states = layer.answer(states, own)
        return torch.stack(found)

    def _order(self, ids: Int[Tensor, "batch token"], state: State) -> tuple[Tensor, Tensor]:
        """Which tokens each may see, and the rotation of its place."""
        before = state[0].key.shape[2]
        depth = self.config.hidden // self.config.heads
        rotation = rotary_angles(before + ids.shape[1], depth, ids.device)[:, before:]
        places = torch.arange(before + ids.shape[1], device=ids.device)
        return places <= places[before:, None], rotation

    def targets(
        self, ids: Int[Tensor, "batch token"], mask: Bool[Tensor, "batch token"]
    ) -> tuple[Int[Tensor, "batch longer"], Int[Tensor, "batch longer"]]:
        """Padded sentences as the decoder reads them, and what it is to say: -100 where nothing."""
        lengths = mask.sum(1)
        rows = torch.arange(len(ids), device=ids.device)
        said = functional.pad(ids.masked_fill(~mask, -100), (0, 1), value=-100)
        said[rows, lengths] = self.boundary
        return functional.pad(ids, (1, 0), value=self.boundary), said

    def no_weight_decay(self) -> tuple[str, ...]:
        """Names of parameters without weight decay, beside biases and norms."""
        return ("places",)


class DecoderLayer(nn.Module):
    """Pre-norm causal self-attention, cross-attention to the latent, a feed-forward part."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.attention_norm = nn.LayerNorm(config.hidden)
        self.query_key_value = nn.Linear(config.hidden, 3 * config.hidden)
        self.output = nn.Linear(config.hidden, config.hidden)
        self.latent_norm = nn.LayerNorm(config.hidden)
        self.latent_query = nn.Linear(config.hidden, config.hidden)
        self.latent_key_value = nn.Linear(config.hidden, 2 * config.hidden)
        self.latent_output = nn.Linear(config.hidden, config.hidden)
        self.feed_forward = FeedForward(config.hidden, config.feed_forward, config.dropout)
        self.dropout = nn.Dropout(config.dropout)

    def begin(self, seen: Hidden) -> LayerState:
        key, value = self.latent_key_value(seen).chunk(2, dim=-1)
        key, value = split_heads(key, self.heads), split_heads(value, self.heads)
        return LayerState(key, value, key[:, :, :0], value[:, :, :0])

    def forward(
        self,
        states: Hidden,
        kept: LayerState,
        attend: Bool[Tensor, "token longer"],
        rotation: Tensor,
    ) -> tuple[Hidden, LayerState]:
        states, kept = self.follow(states, kept, attend, rotation)
        return self.answer(states, kept), kept

    def follow(
        self, states: Hidden, kept: LayerState, attend: Tensor, rotation: Tensor
    ) -> tuple[Hidden, LayerState]:
        """Attend to the tokens so far."""
        query, key, value = self.query_key_value(self.attention_norm(states)).chunk(3, dim=-1)
        query = rotate(split_heads(query, self.heads), rotation)
        key = torch.cat([kept.key, rotate(split_heads(key, self.heads), rotation)], dim=2)
        value = torch.cat([kept.value, split_heads(value, self.heads)], dim=2)
        mixed = functional.scaled_dot_product_attention(query, key, value, attend)
        states = states + self.dropout(self.output(merge_heads(mixed)))
        return states, kept._replace(key=key, value=value)

    def look(self, states: Hidden) -> Heads:
        """What the tokens look for in the latent."""
        return split_heads(self.latent_query(self.latent_norm(states)), self.heads)

    def answer(self, states: Hidden, kept: LayerState) -> Hidden:
        """Attend to the latent, then the feed-forward part."""
        mixed = functional.scaled_dot_product_attention(
            self.look(states), kept.latent_key, kept.latent_value
        )
        states = states + self.dropout(self.latent_output(merge_heads(mixed)))
        return self.feed_forward(states)
