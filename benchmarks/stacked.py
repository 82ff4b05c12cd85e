"""A prototype: several small runs as one program, their weights stacked along a leading axis.

Each run has its own weights, its own loss weights and its own learning rate; all read the same
sentences. It does what a step must (loss, gradient, clipping, AdamW, average) and no more, so its
speed is the most that a study could gain from trials that share a process.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.func import functional_call, stack_module_state, vmap

from vlatent.config import Config
from vlatent.corpus import TokenBatch, load, stream
from vlatent.own_encoder import encoder_of
from vlatent.preparation import placement

BETAS, EPSILON, DECAY = (0.9, 0.95), 1e-8, 0.01


class Stack:
    """As many runs as `weights` and `rates` have rows, trained together."""

    def __init__(self, config: Config, vocabulary: int, rates: Tensor, weights: Tensor) -> None:
        self.config, self.rates, self.weights = config, rates, weights
        device, self.autocast = placement(config.training)
        models = [encoder_of(config.encoder, vocabulary).to(device).train() for _ in rates]
        self.skeleton = encoder_of(config.encoder, vocabulary).to("meta").train()
        values, _ = stack_module_state(models)
        self.parameters = {name: value.detach().requires_grad_() for name, value in values.items()}
        self.average, self.first, self.second = (
            [torch.zeros_like(value) for value in self.parameters.values()] for _ in range(3)
        )
        self.done = torch.zeros((), device=device)

    def penalties(self, batch: TokenBatch) -> Tensor:
        """Penalties of every run, [run, prior]."""

        def paint(parameters: dict[str, Tensor]) -> Tensor:
            return functional_call(self.skeleton, parameters, (batch.ids, batch.mask))

        with self.autocast():
            latent = vmap(paint, randomness="different")(self.parameters).float()
        return torch.stack([prior.penalty(latent) for _, prior in self.config.priors], dim=-1)

    def step(self, batch: TokenBatch) -> Tensor:
        """The loss of every run before the step."""
        losses = (self.weights * self.penalties(batch)).sum(-1)
        values = list(self.parameters.values())
        gradients = list(torch.autograd.grad(losses.sum(), values, allow_unused=True))
        rows = zip(values, gradients, self.first, self.second, self.average, strict=True)
        trained = [row for row in rows if row[1] is not None]
        self._follow(*map(list, zip(*trained, strict=True)))
        return losses.detach()

    @torch.no_grad()
    def _follow(
        self,
        values: list[Tensor],
        slopes: list[Tensor],
        first: list[Tensor],
        second: list[Tensor],
        average: list[Tensor],
    ) -> None:
        squares = torch.stack([slope.flatten(1).square().sum(1) for slope in slopes]).sum(0)
        clip = (self.config.optimizer.clip / (squares.sqrt() + 1e-6)).clamp(max=1.0)
        slopes = [_rows(clip, slope) * slope for slope in slopes]
        self.done += 1
        torch._foreach_lerp_(first, slopes, 1 - BETAS[0])
        torch._foreach_mul_(second, BETAS[1])
        torch._foreach_addcmul_(second, slopes, slopes, 1 - BETAS[1])
        rise, spread = 1 - BETAS[0] ** self.done, (1 - BETAS[1] ** self.done).sqrt()
        scale = torch._foreach_div(torch._foreach_sqrt(second), spread)
        torch._foreach_add_(scale, EPSILON)
        change = torch._foreach_div(torch._foreach_div(first, rise), scale)
        rates = [_rows(self.rates, value) for value in values]
        change = torch._foreach_add(change, values, alpha=DECAY)
        torch._foreach_sub_(values, torch._foreach_mul(change, rates))
        torch._foreach_lerp_(average, values, 0.001)


def _rows(per_run: Tensor, like: Tensor) -> Tensor:
    return per_run.view(-1, *[1] * (like.ndim - 1))


def steps_per_second(config: Config, runs: int, seconds: float) -> float:
    """Steps a second of each of so many runs, replayed from a CUDA graph of one batch."""
    corpus = load(config.data)
    device, _ = placement(config.training)
    rates = torch.logspace(-4, -2.5, runs, device=device)
    weights = torch.rand(runs, len(list(config.priors)), device=device)
    torch.manual_seed(config.training.seed)
    stack = Stack(config, corpus.vocabulary_size, rates, weights)
    batch = next(stream(corpus.train, config.training.batch_size, config.training.seed))
    batch = TokenBatch(batch.ids.to(device), batch.mask.to(device))
    replay = recorded(lambda: stack.step(batch))
    began, done = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        for _ in range(20):
            replay()
        torch.cuda.synchronize()
        done += 20
    return done / (time.perf_counter() - began)


def recorded(work: Callable[[], Tensor]) -> Callable[[], None]:
    aside = torch.cuda.Stream()
    with torch.cuda.stream(aside):
        for _ in range(3):
            work()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=aside):
        work()
    return graph.replay
