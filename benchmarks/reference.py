"""A training step as such trainers are usually written: right, plain and slow.

The same mathematics and the same weights as `vlatent`, so their losses can be compared step by
step. Penalties loop over sentences and channels, sentences are padded to 64 tokens, every sentence
carries its own copy of the grid, the embedding has a dense gradient, AdamW and the moving average
go through the parameters one by one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from vlatent.corpus import TokenBatch
from vlatent.encoder import Encoder, EncoderConfig, GridBlock, TextLayer
from vlatent.layers import FeedForward
from vlatent.optimization import OptimizerConfig, average_decay, learning_rate
from vlatent.priors import Priors
from vlatent.priors.wavelet import generalized_gaussian_ratio

TOKENS = 64


class ReferenceEncoder(nn.Module):
    """The encoder written out; its parameters are those of the `Encoder` that it is made from."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.weights = encoder
        if encoder.spare is not None:  # all rows in one table, as usual
            every = torch.cat([encoder.tokens.weight, encoder.spare]).detach()
            encoder.tokens = nn.Embedding.from_pretrained(every, freeze=False)
            encoder.spare = None
        self.config: EncoderConfig = encoder.config

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        weights, config = self.weights, self.config
        states = functional.embedding(ids, weights.tokens.weight)
        for layer in cast(Iterable[TextLayer], weights.layers):
            normed = layer.attention_norm(states)
            query, key, value = layer.query_key_value(normed).split(config.hidden, -1)
            query, key = self.turned(query), self.turned(key)
            mixed = layer.output(self.attention(query, key, value, mask))
            states = states + functional.dropout(mixed, config.dropout, self.training)
            states = self.feed_forward(layer.feed_forward, states, config.dropout)
        states = weights.norm(states)

        seeds = weights.grid.seeds.expand(len(ids), -1, -1, -1)
        grid = seeds + functional.gelu(weights.grid.neighbours(seeds))
        plane = weights.grid.widen(grid).flatten(2).transpose(1, 2)
        for block in cast(Iterable[GridBlock], weights.blocks):
            query = block.query(block.attention_norm(plane))
            key, value = block.key_value(states).split(config.hidden, -1)
            mixed = self.attention(query, key, value, mask)
            plane = plane + block.output(mixed)
            plane = self.feed_forward(block.feed_forward, plane, 0.0)
        latent = weights.paint(weights.paint_norm(plane))
        latent = latent.reshape(len(ids), config.height, config.width, config.channels)
        return weights.smooth(latent)

    def attention(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
        batch, positions, hidden = query.shape
        heads, depth = self.config.heads, hidden // self.config.heads
        query = query.reshape(batch, positions, heads, depth).permute(0, 2, 1, 3)
        key = key.reshape(batch, -1, heads, depth).permute(0, 2, 3, 1)
        value = value.reshape(batch, -1, heads, depth).permute(0, 2, 1, 3)
        scores = (query @ key) / math.sqrt(depth)
        scores = scores.masked_fill(~mask[:, None, None, :], float("-inf"))
        mixed = torch.softmax(scores, dim=-1) @ value
        return mixed.permute(0, 2, 1, 3).reshape(batch, positions, hidden)

    def turned(self, states: Tensor) -> Tensor:
        """Rotary positions, with complex numbers."""
        batch, length, hidden = states.shape
        half = hidden // self.config.heads // 2
        rate = 10_000.0 ** (-torch.arange(half) / half)
        angle = torch.arange(length)[:, None, None] * rate
        first, second = states.reshape(batch, length, self.config.heads, 2, half).unbind(-2)
        turned = torch.complex(first.float(), second.float()) * torch.polar(
            torch.ones_like(angle), angle
        )
        return torch.cat([turned.real, turned.imag], -1).reshape(batch, length, hidden)

    @staticmethod
    def feed_forward(part: FeedForward, states: Tensor, dropout: float) -> Tensor:
        inner = functional.gelu(part.widen(part.norm(states)))
        return states + functional.dropout(part.narrow(inner), dropout, part.training)


def padded(batch: TokenBatch) -> TokenBatch:
    """The batch with 64 columns, whatever its longest sentence needs."""
    missing = (0, TOKENS - batch.ids.shape[1])
    return TokenBatch(functional.pad(batch.ids, missing), functional.pad(batch.mask, missing))


class ReferenceStep:
    """One step of training after the other, in the usual style.

    Args:
        encoder: Whose weights are trained.
        priors: Their weights and targets.
        config: The optimizer's settings.
        steps: Length of the run, for the learning rate.
    """

    def __init__(
        self, encoder: Encoder, priors: Priors, config: OptimizerConfig, steps: int
    ) -> None:
        self.model, self.priors = ReferenceEncoder(encoder), priors
        self.config, self.steps, self.step = config, steps, 0
        matrices: list[Tensor] = []
        others: list[Tensor] = []
        for name, parameter in encoder.named_parameters():
            decays = parameter.ndim > 1 and name != "grid.seeds"
            (matrices if decays else others).append(parameter)
        groups: list[dict[str, Any]] = [
            {"params": matrices, "weight_decay": config.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(
            groups,
            betas=(config.beta_1, config.beta_2),
            foreach=False,
            fused=False,
        )
        self.average = {name: value.clone() for name, value in encoder.state_dict().items()}

    def __call__(self, batch: TokenBatch) -> float:
        """Train on a batch; the loss before the step."""
        batch = padded(batch)
        loss = penalty(self.priors, self.model(batch.ids, batch.mask).float())
        self.optimizer.zero_grad()
        loss.backward()
        parameters = list(self.model.parameters())
        nn.utils.clip_grad_norm_(parameters, self.config.clip, foreach=False)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.config, self.step, self.steps)
        self.optimizer.step()
        decay = average_decay(self.config, self.step) if self.step else 0.0
        with torch.no_grad():
            for name, value in self.model.weights.state_dict().items():
                self.average[name].mul_(decay).add_(value, alpha=1 - decay)
        self.step += 1
        return loss.item()


def penalty(priors: Priors, latent: Tensor) -> Tensor:
    """Sum of weight x penalty, channel by channel of every latent."""
    return (
        priors.spectrum.weight * spectrum(latent, priors.spectrum.alpha)
        + priors.total_variation.weight * total_variation(latent)
        + priors.wavelet.weight * wavelet(latent, priors.wavelet.shape, priors.wavelet.levels)
        + priors.kurtosis.weight * kurtosis(latent, priors.kurtosis.target, priors.kurtosis.ceiling)
        + priors.decorrelation.weight * decorrelation(latent)
        + priors.variance.weight * variance(latent, priors.variance.target)
    )


def channels_of(latent: Tensor) -> list[list[Tensor]]:
    """Every channel of every sentence's latent."""
    return [[sentence[:, :, c] for c in range(latent.shape[-1])] for sentence in latent]


def standardized(plane: Tensor) -> Tensor:
    centred = plane - plane.mean()
    return centred / centred.square().mean().clamp(min=1e-6).sqrt()


def spectrum(latent: Tensor, alpha: float) -> Tensor:
    """The cosine transform is taken from the FFT of the mirrored channel."""
    height, width = latent.shape[1:3]
    down = torch.arange(height).double() / (2 * height)
    across = torch.arange(width).double() / (2 * width)
    radius = torch.sqrt(down[:, None] ** 2 + across[None, :] ** 2)
    ring = torch.floor(radius * max(height, width) + 0.5)
    ring[0, 0] = -1
    scale_down = torch.full((height, 1), 2 / height)
    scale_across = torch.full((1, width), 2 / width)
    scale_down[0], scale_across[0, 0] = 1 / height, 1 / width
    total = latent.new_zeros(())
    for channel in range(latent.shape[-1]):
        mean = latent.new_zeros(height, width)
        for sentence in latent:
            plane = sentence[:, :, channel]
            mirrored = torch.cat([plane, plane.flip(0)], 0)
            mirrored = torch.cat([mirrored, mirrored.flip(1)], 1)
            transform = torch.fft.fft2(mirrored)[:height, :width].abs()
            power = transform.square() / 16 * scale_down * scale_across
            power = power * (ring >= 0)
            mean = mean + power / power.mean().clamp(min=1e-6) / len(latent)
        left, weights = [], []
        for index in ring[ring > 0].unique():
            inside = ring == index
            level = mean[inside].mean().clamp(min=1e-8).log()
            left.append(level + alpha * radius[inside].mean().log().item())
            weights.append(math.sqrt(int(inside.sum())))
        weight = torch.tensor(weights) / sum(weights)
        misfit = torch.stack(left)
        misfit = misfit - (weight * misfit).sum()
        total = total + (weight * misfit.square()).sum()
    return total / latent.shape[-1]


def total_variation(latent: Tensor) -> Tensor:
    height, width = latent.shape[1:3]
    pairs = (height - 1) * width + height * (width - 1)
    values = []
    for sentence in channels_of(latent):
        for plane in sentence:
            unit = standardized(plane)
            down, across = unit[1:] - unit[:-1], unit[:, 1:] - unit[:, :-1]
            values.append((down.abs().sum() + across.abs().sum()) / pairs)
    return torch.stack(values).mean()


def wavelet(latent: Tensor, shape: float, levels: int) -> Tensor:
    wanted = math.log(generalized_gaussian_ratio(shape))
    values = []
    for channel in range(latent.shape[-1]):
        bands: list[list[Tensor]] = [[] for _ in range(3 * levels)]
        for sentence in latent:
            plane = standardized(sentence[:, :, channel])
            for level in range(levels):
                a, b = plane[0::2, 0::2], plane[0::2, 1::2]
                c, d = plane[1::2, 0::2], plane[1::2, 1::2]
                bands[3 * level].append((a + b - c - d) / 2)
                bands[3 * level + 1].append((a - b + c - d) / 2)
                bands[3 * level + 2].append((a - b - c + d) / 2)
                plane = (a + b + c + d) / 2
        for band in bands:
            coefficients = torch.stack(band)
            size = coefficients.abs().mean().clamp(min=1e-3)
            power = coefficients.square().mean().clamp(min=1e-6)
            values.append((size.log() - power.log() / 2 - wanted).square())
    return torch.stack(values).mean()


def kurtosis(latent: Tensor, target: float, ceiling: float) -> Tensor:
    values = []
    for sentence in channels_of(latent):
        for plane in sentence:
            unit = standardized(plane)
            both = []
            for gradient in (unit[1:] - unit[:-1], unit[:, 1:] - unit[:, :-1]):
                centred = gradient - gradient.mean()
                spread = centred.square().mean().clamp(min=1e-6)
                both.append(centred.pow(4).mean() / spread.square())
            level = ((both[0] + both[1]) / 2).clamp(min=1.0).log()
            below = (math.log(target) - level).clamp(min=0)
            above = (level - math.log(ceiling)).clamp(min=0)
            values.append(below.square() + above.square())
    return torch.stack(values).mean()


def decorrelation(latent: Tensor) -> Tensor:
    columns = []
    for channel in range(latent.shape[-1]):
        centred = [sentence[:, :, channel] - sentence[:, :, channel].mean() for sentence in latent]
        pixels = torch.stack(centred).flatten()
        columns.append(pixels / pixels.square().mean().clamp(min=1e-6).sqrt())
    values = [
        (one * other).mean().square()
        for i, one in enumerate(columns)
        for j, other in enumerate(columns)
        if i != j
    ]
    return torch.stack(values).mean()


def variance(latent: Tensor, target: float) -> Tensor:
    values = []
    for sentence in channels_of(latent):
        for plane in sentence:
            spread = (plane - plane.mean()).square().mean()
            values.append(((spread + 1e-20).log() - math.log(target)).square())
    return torch.stack(values).mean()
