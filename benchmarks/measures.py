"""What `benchmarks.step` measures: each function gives rows of one or more tables."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from copy import deepcopy
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import TypeVar

import numpy as np
import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import reference
from vlatent import checkpoints, recording
from vlatent.config import Config, override, read_config
from vlatent.corpus import TokenBatch, load, stream
from vlatent.encoder import Encoder, EncoderConfig
from vlatent.evaluation import Evaluation, evaluate
from vlatent.objective import loss
from vlatent.optimization import MovingAverage, adamw, learning_rate, set_learning_rate
from vlatent.own_encoder import encoder_of
from vlatent.preparation import placement
from vlatent.tracking import MemoryTracker, open_run

PARTS = ("batch", "forward", "priors", "backward", "clipping", "optimizer", "moving average")
AGAINST = "times as fast as the reference: median, lowest, highest"

Row = dict[str, str | float]
R = TypeVar("R")


class Step:
    """The step of `vlatent.training`, with a clock between its parts."""

    def __init__(self, config: Config, vocabulary: int) -> None:
        self.config = config
        self.device, self.autocast = placement(config.training)
        torch.manual_seed(config.training.seed)
        self.model = encoder_of(config.encoder, vocabulary).to(self.device).train()
        self.average = MovingAverage(self.model, config.optimizer)
        self.optimizer = adamw(self.model, config.optimizer)
        self.done = 0

    def __call__(self, batch: TokenBatch) -> list[float]:
        """Seconds of every part after the first."""
        optimizer, clock = self.config.optimizer, [now()]
        with self.autocast():
            latent = self.model(batch.ids.to(self.device), batch.mask.to(self.device))
        latent = latent.float()
        clock.append(now())
        terms = loss(self.config.priors, latent)
        clock.append(now())
        self.optimizer.zero_grad()
        terms.total.backward()
        clock.append(now())
        nn.utils.clip_grad_norm_(self.model.parameters(), optimizer.clip)
        clock.append(now())
        rate = learning_rate(optimizer, self.done, self.config.training.steps)
        set_learning_rate(self.optimizer, rate)
        self.optimizer.step()
        clock.append(now())
        self.average.update_parameters(self.model)
        clock.append(now())
        self.done += 1
        return [end - start for start, end in pairwise(clock)]

    def operations(self, batch: TokenBatch) -> dict[str, int]:
        """Those of matrix products and convolutions, counted on tensors without numbers."""
        model = deepcopy(self.model).to("meta")
        with sdpa_kernel(SDPBackend.MATH):  # as matrix products, which the counter knows
            latent, forward = counted(lambda: model(batch.ids.to("meta"), batch.mask.to("meta")))
            total, priors = counted(lambda: loss(self.config.priors, latent).total)
            _, backward = counted(total.backward)
        return {"forward": forward, "priors": priors, "backward": backward}


def counted(work: Callable[[], R]) -> tuple[R, int]:
    """What some work gives, and its operations."""
    with FlopCounterMode(display=False) as counter:
        result = work()
    return result, counter.get_total_flops()


def config_of(size: str, **changes: object) -> Config:
    """The config of a size, with the values of some dotted names changed."""
    return override(read_config(size), changes)


def peak(dtype: torch.dtype, device: torch.device, seconds: float = 0.3) -> float:
    """Operations a second in the best of many square matrix products."""
    side = 8192 if device.type == "cuda" else 2048
    left, right = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    best, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        best = min(best, seconds_of(lambda: left @ right))
    return 2 * side**3 / best


def now() -> float:
    """Seconds, once a GPU has done all that was ordered."""
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()
    return time.perf_counter()


def seconds_of(work: Callable[[], object]) -> float:
    began = now()
    work()
    return now() - began


def parts_of_a_step(size: str, precision: str, repeats: int) -> list[Row]:
    """Time, share, operations and fraction of the peak of every part, medians over steps.

    The peak is measured again beside every step: where a machine is shared, it comes and goes.
    """
    config = config_of(size, **{"training.precision": precision})
    corpus = load(config.data)
    batches = stream(corpus.train, config.training.batch_size, config.training.seed)
    step = Step(config, corpus.vocabulary_size)
    step(next(batches))
    measured: list[tuple[list[float], list[int], float]] = []
    for _ in range(repeats):
        rate = peak(torch.bfloat16 if precision == "bf16" else torch.float32, step.device)
        began = time.perf_counter()
        batch = next(batches)
        took = [time.perf_counter() - began, *step(batch)]
        done = step.operations(batch)
        operations = [*(done.get(part, 0) for part in PARTS), sum(done.values())]
        measured.append(([*took, sum(took)], operations, rate))
    times, counts, rates = (np.array(column) for column in zip(*measured, strict=True))
    table = f"a step of {size}, batch {config.training.batch_size}, {precision}"
    rows: list[Row] = []
    for part, took, done in zip((*PARTS, "all"), times.T, counts.T, strict=True):
        share = median(took / times[:, -1])
        rows.append({"table": table, "name": part, "ms": 1e3 * median(took), "share": share})
        if done.any():
            rows[-1] |= {"GFLOP": median(done) / 1e9, "of peak": median(done / took / rates)}
    rows.append(
        {"table": table, "name": "the peak beside it, GFLOP/s", "GFLOP": median(rates) / 1e9}
    )
    return rows


def beside_the_steps(size: str, repeats: int) -> list[Row]:
    """What a run does once, at an evaluation or at its end."""
    config = config_of(size)
    corpus = load(config.data)
    step = Step(config, corpus.vocabulary_size)

    def judged() -> Evaluation:
        of = config.evaluation, config.priors, config.terms
        return evaluate(0, step.model, corpus, *of, last=False)

    history = [judged()]
    state = {"model": step.model.state_dict(), "optimizer": step.optimizer.state_dict()}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        override_uri = {"tracking.uri": f"sqlite:///{folder / 'mlflow.db'}"}
        tracker = open_run(override(config, override_uri).tracking, "bench", folder=folder)

        def recorded() -> None:
            tracker.metrics({f"metric_{i}": 0.0 for i in range(130)}, time.time_ns() // 1000)
            tracker.flush()

        def drawn() -> None:
            arguments = (config, step.model, corpus, history, [{"step": 0, "loss": 1.0}])
            recording.conclude(MemoryTracker(), folder, *arguments)

        work: dict[str, Callable[[], object]] = {
            "the corpus: made and tokenized": lambda: load(config.data),
            "an evaluation": judged,
            "a checkpoint": lambda: checkpoints.save(folder / checkpoints.NAME, state),
            "130 metrics to MLflow": recorded,
            "the figures of a run": drawn,
        }
        times = {
            name: median(seconds_of(do) for _ in range(max(repeats // 3, 2)))
            for name, do in work.items()
        }
        tracker.close("FINISHED")
    return [
        {"table": f"beside the steps of {size}", "name": n, "ms": 1e3 * t} for n, t in times.items()
    ]


def growth(size: str) -> list[Row]:
    """Time of a step as one thing grows and the others stay."""
    axes: tuple[tuple[str, Sequence[int], Callable[[int], dict[str, object]]], ...] = (
        ("batch", (8, 16, 32, 64, 128, 256), lambda n: {"training.batch_size": n}),
        ("width", (64, 128, 256, 512), lambda n: {"encoder.hidden": n}),
        ("tokens", (8, 16, 32, 64), lambda n: {}),
        ("latent side", (16, 32, 48, 64), lambda n: {"encoder.height": n, "encoder.width": n}),
    )
    rows: list[Row] = []
    for axis, values, changes in axes:
        for value in values:
            config = config_of(size, **changes(value))
            step = Step(config, 1000)
            length = value if axis == "tokens" else 16
            ids = torch.randint(1000, (config.training.batch_size, length))
            batch = TokenBatch(ids, torch.ones_like(ids, dtype=torch.bool))
            took = 1e3 * median([sum(step(batch)) for _ in range(4)][1:])
            rows.append({"table": f"a step of {size} by {axis}", "name": str(value), "ms": took})
    return rows


def against_the_reference(size: str, precision: str, repeats: int) -> list[Row]:
    """Fast and reference steps in turn, on the same batches.

    A fast step in bf16 is set against the reference in fp32, in which it is usually written, and
    against the reference in bf16.
    """
    config = config_of(size, **{"training.precision": precision})
    corpus = load(config.data)
    fast = Step(config, corpus.vocabulary_size)
    torch.manual_seed(config.training.seed)
    assert isinstance(config.encoder, EncoderConfig)
    plain = reference.ReferenceStep(
        Encoder(config.encoder, corpus.vocabulary_size),
        config.priors,
        config.optimizer,
        config.training.steps,
    )
    batches = stream(corpus.train, config.training.batch_size, config.training.seed)
    ratios: dict[str, list[float]] = {}
    for _ in range(repeats + 1):
        batch = next(batches)
        took = seconds_of(lambda: fast(batch))  # noqa: B023
        for other in dict.fromkeys(("fp32", precision)):
            with fast.autocast() if other == "bf16" else nullcontext():
                slow = seconds_of(lambda: plain(batch))  # noqa: B023
            ratios.setdefault(other, []).append(slow / took)
    name = f"a step of {size}, batch {config.training.batch_size}, {precision}"
    return [
        ratio_row(f"{name}, reference {other}", figures[1:]) for other, figures in ratios.items()
    ]


def priors_against_loops(batch: int, repeats: int) -> list[Row]:
    priors = config_of("quick").priors
    latent = torch.randn(batch, 32, 32, 6).cumsum(1).cumsum(2).requires_grad_()

    def fast() -> None:
        torch.autograd.grad(loss(priors, latent).total, latent)

    def plain() -> None:
        torch.autograd.grad(reference.penalty(priors, latent), latent)

    fast()
    ratios = [seconds_of(plain) / seconds_of(fast) for _ in range(repeats)]
    return [ratio_row(f"six priors, forward and backward, batch {batch}", ratios)]


def ratio_row(name: str, ratios: list[float]) -> Row:
    ends: Row = {"lowest": min(ratios), "highest": max(ratios)}
    return {"table": AGAINST, "name": name, "times": median(ratios), **ends}
