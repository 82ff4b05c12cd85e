"""What a GPU makes of a training step, alone and shared.

python -m benchmarks.gpu --size full --json build/gpu.json

Three tables: a step as it is written, recorded as CUDA graphs, and recorded with the encoder
compiled, each beside the matrix-product rate measured in the same run; steps a second of several
processes that train small runs on the one card; and of as many runs stacked along a leading axis
in one program (`benchmarks/stacked.py`), which is what sharing a process could be worth.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from pathlib import Path
from queue import Queue

import torch
from jsonargparse.typing import PositiveInt
from torch import Tensor

from benchmarks import measures, stacked
from benchmarks.measures import Row, config_of, peak
from benchmarks.step import show
from vlatent.command_line import Parser, run
from vlatent.config import Config, from_yaml, to_yaml
from vlatent.console import console, progress_display
from vlatent.corpus import Corpus, load, order
from vlatent.optimization import MovingAverage, adamw
from vlatent.own_encoder import encoder_of
from vlatent.preparation import placement
from vlatent.shapes import UserError
from vlatent.step import RecordedStep, Step

VARIANTS = (
    ("as written", Step, False),
    ("recorded", RecordedStep, False),
    ("recorded and compiled", RecordedStep, True),
)


def begun(config: Config, corpus: Corpus, kind: type[Step]) -> Step:
    device, autocast = placement(config.training)
    torch.manual_seed(config.training.seed)
    model = encoder_of(config.encoder, corpus.vocabulary_size).to(device).train()
    average = MovingAverage(model, config.optimizer)
    return kind(config, corpus, model, average, adamw(model, config.optimizer), autocast)


def batches_of(config: Config, corpus: Corpus) -> Iterator[Tensor]:
    return order(corpus.train, config.training.batch_size, config.training.seed)


def seconds_for(take: Step, batches: Sequence[Tensor], first: int) -> float:
    torch.cuda.synchronize()
    began = time.perf_counter()
    for step, index in enumerate(batches, first):
        take(index, step)
    torch.cuda.synchronize()
    return time.perf_counter() - began


def a_step(size: str, steps: int) -> list[Row]:
    """Milliseconds, fraction of the peak and memory of every variant, on the same batches."""
    rows: list[Row] = []
    for name, kind, compiled in VARIANTS:
        config = config_of(size, **{"training.precision": "bf16", "training.compile": compiled})
        corpus = load(config.data)
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        take, batches = begun(config, corpus, kind), batches_of(config, corpus)
        blurred = config.training.blur_steps
        start_up = seconds_for(take, list(islice(batches, steps)), blurred)
        measured = list(islice(batches, steps))
        rate = peak(torch.bfloat16, take.device)
        seconds = seconds_for(take, measured, blurred + steps) / steps
        counter = measures.Step(config, corpus.vocabulary_size)
        few = measured[:: max(steps // 12, 1)]
        work = sum(sum(counter.operations(corpus.train.batch(i)).values()) for i in few) / len(few)
        rows.append(
            {
                "table": f"a step of {size}, batch {config.training.batch_size}, bf16",
                "name": name,
                "ms": 1e3 * seconds,
                "sentences/s": config.training.batch_size / seconds,
                "GFLOP": work / 1e9,
                "of peak": work / seconds / rate,
                "peak, TFLOP/s": rate / 1e12,
                "GB at most": torch.cuda.max_memory_reserved() / 1e9,
                f"first {steps} steps, s": start_up,
                "50,000 steps, min": 50_000 * seconds / 60,
            }
        )
        del take, counter
    return rows


def worker(text: str, seconds: float, barrier: Barrier, results: Queue[float]) -> None:
    torch.set_num_threads(1)
    config = from_yaml(text)
    corpus = load(config.data)
    take, batches = begun(config, corpus, RecordedStep), batches_of(config, corpus)
    for step, index in enumerate(islice(batches, 200)):
        take(index, step)
    torch.cuda.synchronize()
    barrier.wait()
    began, done = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        for index in islice(batches, 20):
            take(index, 200)
        torch.cuda.synchronize()
        done += 20
    results.put(done / (time.perf_counter() - began))


def workers(size: str, counts: Sequence[int], seconds: float) -> list[Row]:
    """Steps a second of processes that train at the same time."""
    config, context = config_of(size), get_context("spawn")
    rows: list[Row] = []
    for count in counts:
        barrier, results = context.Barrier(count), context.Queue()
        arguments = (to_yaml(config), seconds, barrier, results)
        processes = [context.Process(target=worker, args=arguments) for _ in range(count)]
        for process in processes:
            process.start()
        rates = [results.get(timeout=300) for _ in processes]
        for process in processes:
            process.join()
        rows.append(
            {
                "table": f"runs of {size}, batch {config.training.batch_size}, on one card",
                "name": f"{count} processes",
                "steps/s of one": sum(rates) / count,
                "steps/s together": sum(rates),
            }
        )
    return rows


def in_one_program(size: str, counts: Sequence[int], seconds: float) -> list[Row]:
    config = config_of(size)
    table = f"runs of {size}, batch {config.training.batch_size}, on one card"
    rows: list[Row] = []
    for count in counts:
        rate = stacked.steps_per_second(config, count, seconds)
        rows.append(
            {
                "table": table,
                "name": f"{count} in one program",
                "steps/s of one": rate,
                "steps/s together": count * rate,
            }
        )
    return rows


def main(arguments: Sequence[str]) -> None:
    parser = Parser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--size", default="full", help="name of the config of the large step")
    parser.add_argument("--steps", type=PositiveInt, default=57, help="steps that are timed")
    parser.add_argument("--small", default="quick", help="name of the config that shares a card")
    parser.add_argument(
        "--workers", type=PositiveInt, nargs="+", default=[1, 2, 4, 8], help="processes at a time"
    )
    parser.add_argument(
        "--stacked", type=PositiveInt, nargs="+", default=[1, 8, 32], help="runs in one program"
    )
    parser.add_argument("--seconds", type=float, default=6, help="of each of the last two")
    parser.add_argument("--json", type=Path, help="file to write all figures to")
    given = parser.checked(arguments)
    if not torch.cuda.is_available():
        raise UserError("python -m benchmarks.gpu needs a GPU, but torch sees none here.")
    rows: list[Row] = []
    with progress_display() as display:
        bar = display.add_task(f"a step of {given['size']}", total=3)
        rows += a_step(given["size"], given["steps"])
        show(rows, {})
        display.update(bar, advance=1, description="several processes")
        rows += workers(given["small"], given["workers"], given["seconds"])
        display.update(bar, advance=1, description="one program")
        rows += in_one_program(given["small"], given["stacked"], given["seconds"])
        display.advance(bar)
    console.print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}")
    show(rows, {})
    if given["json"]:
        about = {"machine": torch.cuda.get_device_name(), "torch": torch.__version__}
        given["json"].parent.mkdir(parents=True, exist_ok=True)
        given["json"].write_text(json.dumps(about | {"rows": rows}, indent=1), encoding="utf-8")


if __name__ == "__main__":
    run(main)
