"""Memory of a training step, in a process of its own."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from ablations.cost import cost
from benchmarks.measures import Row, Step, config_of
from vlatent.config import from_yaml, to_yaml
from vlatent.corpus import load, stream


def memory(size: str) -> list[Row]:
    """GB of a fresh process that makes one step in fp32, beside what the backward pass needs."""
    config = config_of(size, **{"training.precision": "fp32"})
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        before, highest, kept = pool.submit(memory_of, to_yaml(config)).result()
    return [
        {
            "table": "memory of one step, fp32",
            "name": f"{size}, batch {config.training.batch_size}",
            "GB before": before,
            "GB at most": highest,
            "activations kept, GB": kept,
        }
    ]


def memory_of(text: str) -> tuple[float, float, float]:
    config = from_yaml(text)
    corpus = load(config.data)
    step = Step(config, corpus.vocabulary_size)
    step(next(stream(corpus.train, 1, 0)))  # gradients and moments are there
    Path("/proc/self/clear_refs").write_text("5")  # forget the highest so far
    before = status("VmRSS")
    step(next(stream(corpus.train, config.training.batch_size, config.training.seed)))
    return before, status("VmHWM"), cost(config).kept / 1e9


def status(name: str) -> float:
    """GB of a line of /proc/self/status."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) * 1024 / 1e9
