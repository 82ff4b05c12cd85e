"""One optimizer step: encode, score, differentiate, clip, follow the gradient, average."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from typing import NamedTuple, cast

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor, nn

from vlatent.balance import Balance
from vlatent.config import Config
from vlatent.corpus import Corpus, TokenBatch, TokenTable
from vlatent.draws import said_of
from vlatent.encoder import Encoder
from vlatent.jitter import blurred
from vlatent.joint import Joint
from vlatent.objective import Loss, loss
from vlatent.optimization import MovingAverage, learning_rate, set_learning_rate
from vlatent.own_encoder import embed_of
from vlatent.reader import Told, Training
from vlatent.shapes import Latent
from vlatent.terms import Views

Autocast = Callable[[], torch.autocast]
Index = Int[Tensor, " batch"]


class Diverged(RuntimeError):
    """The loss or its gradient is not finite; the weights are still those of the step before."""


class StepResult(NamedTuple):
    """What a step gave: the loss, and the norm of its gradient before it was clipped."""

    loss: Loss
    norm: Tensor


@dataclass(eq=False)
class Step:
    """Takes the steps of a run, one a call.

    Whether the loss and its gradient are finite is noted beside the weights, not asked: from the
    first step on that is not, AdamW leaves them alone. `check` reads the note.
    """

    config: Config
    corpus: Corpus
    model: nn.Module
    average: MovingAverage
    optimizer: torch.optim.Optimizer
    autocast: Autocast
    balance: Balance = field(default_factory=partial(Balance, "fixed", ()))
    joint: Joint | None = None

    def __post_init__(self) -> None:
        self.encoder = compiled(self.model) if self.config.training.compile else self.model
        self.device = next(self.model.parameters()).device
        self.names = [name for name, _ in (*self.config.priors, *self.config.terms)]
        self.number = torch.zeros((), device=self.device)  # of the step
        self.halted = torch.zeros((), device=self.device)  # 1 from the step on that was not finite
        self.at_halt = torch.zeros(1 + len(self.names), device=self.device)  # number, penalties
        self.optimizer.found_inf = self.halted  # type: ignore[attr-defined]
        self.reader = None if self.joint is None else self.joint.training
        if self.reader is not None:
            self.reader.optimizer.found_inf = self.halted  # type: ignore[attr-defined]

    def __call__(self, index: Index, step: int) -> StepResult:
        """Take step number `step` on these sentences.

        Raises:
            Diverged: It was not finite.
        """
        self._set(step)
        result = self._take(*self._encoded(index, step), step)
        self.check()
        self.average.update_parameters(self.model)
        return result

    def check(self) -> None:
        """Wait for all steps that were ordered.

        Raises:
            Diverged: One was not finite; names it and the term.
        """
        if self.halted.item():
            number, *values = self.at_halt.tolist()
            rate = learning_rate(self.config.optimizer, int(number), self.config.training.steps)
            penalties = dict(zip(self.names, values, strict=True))
            raise Diverged(_what_diverged(int(number), penalties, rate))

    def _set(self, step: int) -> None:
        rate = learning_rate(self.config.optimizer, step, self.config.training.steps)
        set_learning_rate(self.optimizer, rate)
        self.number.fill_(step)

    def _encoded(self, index: Index, step: int) -> tuple[Latent, Views | None]:
        if self.config.terms.active:
            parts = self.model, self.corpus, self.config
            views = encode_views(*parts, index, step, self.autocast, self.reader)
            return views.sentences, views
        return self._encode(self.corpus.train.batch(index)), None

    def _encode(self, batch: TokenBatch) -> Latent:
        with self.autocast():
            latent: Latent = self.encoder(batch.ids.to(self.device), batch.mask.to(self.device))
        return latent.float()  # the priors are never computed in bf16

    def _take(self, latent: Latent, views: Views | None, step: int) -> StepResult:
        features = (
            (latent,)
            if views is None
            else (views.sentences, views.paraphrases, views.counterfactuals)
        )
        if step < self.config.training.blur_steps:
            latent = blurred(latent, self.config.training.blur)
        terms = loss(self.config.priors, latent, self.config.terms.at(step), views)
        self.optimizer.zero_grad()
        if self.reader is not None:
            self.reader.optimizer.zero_grad()
        terms = self.balance(terms, features)
        terms.total.backward()
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.config.optimizer.clip)
        self._note(terms, norm if self.reader is None else norm + self.reader.clip())
        self.optimizer.step()
        if self.joint is not None:
            self.joint.follow()
        return StepResult(terms, norm)

    @torch.no_grad()
    def _note(self, terms: Loss, norm: Tensor) -> None:
        penalties = [terms.penalties.get(name, self.number) for name in self.names]
        now = torch.stack([self.number, *penalties])
        self.at_halt.copy_(torch.where(self.halted > 0, self.at_halt, now))
        self.halted.masked_fill_(~torch.isfinite(terms.total + norm), 1.0)


class RecordedStep(Step):
    """The steps of a run on a GPU, which never waits for the host.

    The tokens lie on the device. The first step of each shape is taken as it is written and the
    second recorded as a CUDA graph, which is replayed from then on. Steps whose terms see the text
    are not recorded, since the host draws and pads their variants.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        self.table = TokenTable.of(self.corpus.train, self.device)
        self.index = torch.empty(0, dtype=torch.int64, device=self.device)
        self.stream = torch.cuda.Stream()  # where a graph is recorded, its first step was taken
        self.pool = torch.cuda.graph_pool_handle()
        self.graphs: dict[tuple[int, bool], tuple[torch.cuda.CUDAGraph, StepResult] | None] = {}

    def __call__(self, index: Index, step: int) -> StepResult:
        self.stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.stream):
            self._set(step)
            if self.config.terms.active:
                result = self._take(*self._encoded(index, step), step)
            else:
                result = self._replayed(index, step)
            self.average.update_parameters(self.model)
        torch.cuda.current_stream().wait_stream(self.stream)
        return result

    def _replayed(self, index: Index, step: int) -> StepResult:
        if len(index) != len(self.index):  # fewer sentences than a batch: always as many
            self.index = torch.empty_like(index, device=self.device)
        self.index.copy_(index.pin_memory(), non_blocking=True)
        length = self.table.length(index)
        shape = (length, step < self.config.training.blur_steps)

        def take() -> StepResult:
            return self._take(self._encode(self.table.batch(self.index, length)), None, step)

        if shape not in self.graphs:
            self.graphs[shape] = None
            return take()
        recorded = self.graphs[shape]
        if recorded is None:
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, pool=self.pool, stream=self.stream):
                result = take()
            recorded = self.graphs[shape] = (graph, result)
        recorded[0].replay()
        return recorded[1]


def step_kind(model: nn.Module, config: Config) -> type[Step]:
    """How steps are taken: recorded on a GPU, where that works.

    Only our own encoder is known to be recordable, and methods of balancing ask the host.
    """
    on_gpu = next(model.parameters()).device.type == "cuda"
    recordable = isinstance(model, Encoder) and config.objective.balance == "fixed"
    return RecordedStep if on_gpu and recordable else Step


def compiled(model: nn.Module) -> nn.Module:
    """The encoder compiled for sentences of any length, its element-wise work fused."""
    warnings.filterwarnings("ignore", module=r"torch\._inductor")  # advice to its authors
    return cast(nn.Module, torch.compile(model, dynamic=True))


def encode_views(
    model: nn.Module,
    corpus: Corpus,
    config: Config,
    index: Index,
    step: int,
    autocast: Autocast,
    reader: Training | None = None,
) -> Views:
    """Sentences and, where terms compare them, paraphrases and counterfactuals, encoded at once.

    Which ones depends on nothing but the seed and the step.
    """
    generator = np.random.default_rng((config.training.seed, 1, step))
    terms = config.terms
    count = len(index)
    if terms.compared:
        batch, same = corpus.variants.batch(
            corpus.train, index, terms.counterfactuals, generator, terms.structure_first
        )
    else:
        batch, same = corpus.train.batch(index), torch.eye(count, dtype=torch.bool)
    device = next(model.parameters()).device
    ids, mask = batch.ids.to(device), batch.mask.to(device)
    with autocast():
        latent = model(ids, mask)
    sentences, paraphrases, counterfactuals = latent.float().tensor_split([count, 2 * count])
    if not terms.compared:
        paraphrases = sentences
    reading = freely = None
    if reader is not None:
        first = count if terms.reconstruction.says == "paraphrase" else 0
        rows = slice(first, first + count)
        longest = int(batch.mask[rows].sum(1).max())  # without the padding of the other views
        said = partial(Told, ids=ids[rows, :longest], mask=mask[rows, :longest])

        def reading(latent: Latent) -> Tensor:
            return reader.loss(said(latent))

        longest = int(batch.mask[:count].sum(1).max())
        told = Told(sentences, ids[:count, :longest], mask[:count, :longest])
        freely = cache(partial(said_of, reader, model, told, terms, autocast))

    return Views(
        *(sentences, paraphrases, counterfactuals, same.to(device), terms.on, embed_of(model)),
        *(reading, freely),
    )


def _what_diverged(step: int, penalties: Mapping[str, float], rate: float) -> str:
    broken = [name for name, value in penalties.items() if not math.isfinite(value)]
    where = f"penalty/{' and penalty/'.join(broken)}" if broken else "the gradient"
    return (
        f"step {step}: {where} is not finite at learning rate {rate:.2g}; the weights were left as "
        "they were. Lower --optimizer.learning_rate or lengthen --optimizer.warmup_steps."
    )
