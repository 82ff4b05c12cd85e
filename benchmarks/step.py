"""What a training step costs, part by part, beside what the machine can do.

python -m benchmarks.step --sizes smoke quick quick_documented --json bench.json

Measures the matrix-product rate, then for every size the parts of a step: time, share,
floating-point operations and the fraction of that rate; what stands beside the steps; the memory
of a step; how its time grows with batch, width, tokens and latent; and how many times as fast it is
as `benchmarks/reference.py`, the same mathematics as such trainers are usually written.

Times are medians. Machines are noisy, so fast and reference steps take turns, and ratios are what
should be compared: `--compare OLD.json` shows them for two runs. `--profile TRACE.json` writes a
trace of three steps for Perfetto (ui.perfetto.dev).
"""

from __future__ import annotations

import json
import platform
import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from copy import deepcopy
from functools import partial
from itertools import groupby, pairwise
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Literal

import torch
from jsonargparse.typing import PositiveInt
from rich.table import Table
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from ablations.cost import cost
from benchmarks import reference
from vlatent import checkpoints, recording
from vlatent.command_line import Parser, run
from vlatent.config import Config, from_yaml, override, to_yaml
from vlatent.corpus import TokenBatch, load, stream
from vlatent.encoder import Encoder
from vlatent.evaluation import evaluate
from vlatent.objective import loss
from vlatent.optimization import adamw, learning_rate, moving_average
from vlatent.screen import console, progress_display
from vlatent.shapes import UserError
from vlatent.tracking import MemoryTracker, open_run
from vlatent.training import placement

CONFIGS = Path(__file__).parent.parent / "configs"
PARTS = ("batch", "forward", "priors", "backward", "clipping", "optimizer", "moving average")
AGAINST = "times as fast as the reference: median, lowest, highest"

Row = dict[str, str | float]


class Step:
    """The step of `vlatent.training`, with a clock between its parts."""

    def __init__(self, config: Config, vocabulary: int) -> None:
        self.config = config
        self.device, self.autocast = placement(config.training)
        torch.manual_seed(config.training.seed)
        self.model = Encoder(config.encoder, vocabulary).to(self.device).train()
        self.average = moving_average(self.model, config.optimizer)
        self.optimizer = adamw(self.model, config.optimizer)
        self.done = 0

    def __call__(self, batch: TokenBatch) -> list[float]:
        """Seconds of every part after the first."""
        optimizer, clock = self.config.optimizer, [self.now()]
        with self.autocast():
            latent = self.model(batch.ids.to(self.device), batch.mask.to(self.device))
        latent = latent.float()
        clock.append(self.now())
        terms = loss(self.config.priors, latent)
        clock.append(self.now())
        self.optimizer.zero_grad()
        terms.total.backward()
        clock.append(self.now())
        nn.utils.clip_grad_norm_(self.model.parameters(), optimizer.clip)
        clock.append(self.now())
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(optimizer, self.done, self.config.training.steps)
        self.optimizer.step()
        clock.append(self.now())
        self.average.update_parameters(self.model)
        clock.append(self.now())
        self.done += 1
        self.loss = terms.total.item()
        return [end - start for start, end in pairwise(clock)]

    def now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()

    def operations(self, batch: TokenBatch) -> dict[str, int]:
        """Those of matrix products and convolutions, counted on tensors without numbers."""
        model = deepcopy(self.model).to("meta")
        counts: dict[str, int] = {}
        with sdpa_kernel(SDPBackend.MATH):  # as matrix products, which the counter knows
            with FlopCounterMode(display=False) as counter:
                latent = model(batch.ids.to("meta"), batch.mask.to("meta"))
            counts["forward"] = counter.get_total_flops()
            with FlopCounterMode(display=False) as counter:
                total = loss(self.config.priors, latent).total
            counts["priors"] = counter.get_total_flops()
            with FlopCounterMode(display=False) as counter:
                total.backward()
            counts["backward"] = counter.get_total_flops()
        return counts


def config_of(size: str, **changes: object) -> Config:
    """The config of a size, with other settings by their names' last words."""
    path = CONFIGS / f"{size}.yaml"
    if not path.exists():
        known = ", ".join(sorted(file.stem for file in CONFIGS.glob("*.yaml")))
        raise UserError(f"--sizes {size}: there is no {path.name} in configs; there are {known}.")
    return override(from_yaml(path.read_text(encoding="utf-8")), changes)


def peak(dtype: torch.dtype, device: torch.device, seconds: float = 1.0) -> float:
    """Operations a second in the best of many square matrix products."""
    side = 8192 if device.type == "cuda" else 2048
    left, right = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    best, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        best = min(best, seconds_of(lambda: left @ right, device))
    return 2 * side**3 / best


def seconds_of(work: Callable[[], object], device: torch.device | None = None) -> float:
    began = time.perf_counter()
    work()
    if device is not None and device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - began


def parts_of_a_step(size: str, precision: str, rate: float, repeats: int) -> list[Row]:
    """Time, share, operations and fraction of the peak of every part, medians over steps."""
    config = config_of(size, **{"training.precision": precision})
    corpus = load(config.data)
    step, batches = Step(config, corpus.vocabulary_size), stream(corpus.train, *order(config))
    step(next(batches))
    times, counts = [], []
    for _ in range(repeats):
        began = time.perf_counter()
        batch = next(batches)
        times.append([time.perf_counter() - began, *step(batch)])
        counts.append(step.operations(batch))
    whole = median(map(sum, times))
    table = f"a step of {size}, batch {config.training.batch_size}, {precision}"
    rows: list[Row] = []
    for part, took in zip((*PARTS, "all"), [*zip(*times, strict=True), None], strict=True):
        seconds = median(took) if took else whole
        done = median(sum(c.values()) if part == "all" else c.get(part, 0) for c in counts)
        row: Row = {"table": table, "name": part, "ms": 1e3 * seconds, "share": seconds / whole}
        rows.append(row | ({"GFLOP": done / 1e9, "of peak": done / seconds / rate} if done else {}))
    return rows


def beside_the_steps(size: str, repeats: int) -> list[Row]:
    """What a run does once, at an evaluation or at its end; the corpus comes from its cache."""
    config = config_of(size)
    corpus = load(config.data)
    step = Step(config, corpus.vocabulary_size)
    judged = evaluate(0, step.model, corpus, config.evaluation, config.priors, False)
    state = {"model": step.model.state_dict(), "optimizer": step.optimizer.state_dict()}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        override_uri = {"tracking.uri": f"sqlite:///{folder / 'mlflow.db'}"}
        tracker = open_run(override(config, override_uri).tracking, "bench", folder=folder)

        def told() -> None:
            tracker.metrics({f"metric_{i}": 0.0 for i in range(130)}, time.time_ns() // 1000)
            tracker.flush()

        def drawn() -> None:
            arguments = (config, step.model, corpus, [judged], [{"step": 0, "loss": 1.0}])
            recording.pictures(MemoryTracker(), folder, *arguments)

        work: dict[str, Callable[[], object]] = {
            "corpus, from its cache": lambda: load(config.data),
            "an evaluation": lambda: evaluate(
                0, step.model, corpus, config.evaluation, config.priors, False
            ),
            "a checkpoint": lambda: checkpoints.save(folder / checkpoints.NAME, state),
            "130 metrics to MLflow": told,
            "the pictures of a run": drawn,
        }
        times = {
            name: median(seconds_of(do) for _ in range(max(repeats // 3, 2)))
            for name, do in work.items()
        }
        tracker.close("FINISHED")
    return [
        {"table": f"beside the steps of {size}", "name": n, "ms": 1e3 * t} for n, t in times.items()
    ]


def memory(size: str, batch_size: int | None) -> list[Row]:
    """GB of a fresh process that makes one step in fp32, beside what the backward pass needs."""
    changes = {"training.precision": "fp32"} | (
        {"training.batch_size": batch_size} if batch_size else {}
    )
    config = config_of(size, **changes)
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
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    step(next(stream(corpus.train, *order(config))))
    highest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return pages * resource.getpagesize() / 1e9, highest / 1e9, cost(config).kept / 1e9


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
            took = [sum(step(batch)) for _ in range(4)][1:]
            rows.append(
                {
                    "table": f"a step of {size} by {axis}",
                    "name": str(value),
                    "ms": 1e3 * median(took),
                }
            )
    return rows


def against_the_reference(size: str, precision: str, repeats: int) -> list[Row]:
    """Fast and reference steps in turn, on the same batches."""
    config = config_of(size, **{"training.precision": precision})
    corpus = load(config.data)
    fast = Step(config, corpus.vocabulary_size)
    torch.manual_seed(config.training.seed)
    plain = reference.ReferenceStep(
        Encoder(config.encoder, corpus.vocabulary_size),
        config.priors,
        config.optimizer,
        config.training.steps,
    )
    batches = stream(corpus.train, *order(config))
    ratios = []
    for _ in range(repeats + 1):
        batch = next(batches)
        with fast.autocast():
            slow = seconds_of(lambda: plain(batch))  # noqa: B023
        ratios.append(slow / seconds_of(lambda: fast(batch)))  # noqa: B023
    return [
        ratio_row(f"a step of {size}, batch {config.training.batch_size}, {precision}", ratios[1:])
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


def order(config: Config) -> tuple[int, int]:
    return config.training.batch_size, config.training.seed


def trace(size: str, path: Path) -> None:
    config = config_of(size)
    corpus = load(config.data)
    step, batches = Step(config, corpus.vocabulary_size), stream(corpus.train, *order(config))
    step(next(batches))
    kinds = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * torch.cuda.is_available()
    with profile(activities=kinds) as profiler:
        for _ in range(3):
            step(next(batches))
    profiler.export_chrome_trace(str(path))
    console.print(
        profiler.key_averages().table("self_cpu_time_total", row_limit=15, max_name_column_width=40)
    )


def show(rows: list[Row], old: dict[tuple[object, object], Row]) -> None:
    """The rows as tables; with an earlier run, how many times as fast each is now."""
    for title, group in groupby(rows, key=lambda row: str(row["table"])):
        lines = list(group)
        columns = list(dict.fromkeys(key for line in lines for key in line if key != "table"))
        table = Table(title=title, title_justify="left", title_style="bold")
        for column in columns + ["times as fast as before"] * bool(old):
            table.add_column(
                "" if column == "name" else column, justify="left" if column == "name" else "right"
            )
        for line in lines:
            cells = [shown(column, line.get(column, "")) for column in columns]
            before = old.get((line["table"], line["name"]), {}).get("ms")
            ratio = f"{float(before) / float(line['ms']):.2f}" if before and "ms" in line else ""
            table.add_row(*cells, *[ratio] * bool(old))
        console.print(table)


def shown(column: str, value: str | float) -> str:
    if isinstance(value, str):
        return value
    return (
        f"{value:.0%}"
        if column in ("share", "of peak")
        else f"{value:.3g}"
        if value < 100
        else f"{value:.0f}"
    )


def main(arguments: Sequence[str]) -> None:
    parser = Parser(prog="python -m benchmarks.step", description=__doc__)
    parser.add_argument(
        "--sizes",
        type=list[str],
        default=["smoke", "quick", "quick_documented"],
        help="names of configs, as [quick,full]",
    )
    parser.add_argument(
        "--precisions",
        type=list[Literal["fp32", "bf16"]] | None,
        default=None,
        help="default: fp32, and bf16 where the machine multiplies in it",
    )
    parser.add_argument("--repeats", type=PositiveInt, default=12, help="steps of every kind")
    parser.add_argument(
        "--memory",
        type=dict[str, PositiveInt],
        default={},
        help='batch sizes whose memory is measured beside the configs\' own, as {"full": 256}',
    )
    parser.add_argument("--json", type=Path | None, default=None, help="file for all figures")
    parser.add_argument("--compare", type=Path | None, default=None, help="such a file")
    parser.add_argument("--profile", type=Path | None, default=None, help="file for a trace")
    given = parser.checked(arguments)
    old = earlier(given["compare"]) if given["compare"] else {}
    device, autocast = placement(config_of(given["sizes"][0]).training)
    precisions = given["precisions"] or ["fp32", "bf16"][: 1 + autocast()._enabled]
    machine = f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads"
    if device.type == "cuda":
        machine = torch.cuda.get_device_name()
    rates = {
        name: peak(dtype, device)
        for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16))
        if name in precisions
    }
    rows: list[Row] = [
        {"table": f"matrix products on {machine}", "name": name, "GFLOP/s": rate / 1e9}
        for name, rate in rates.items()
    ]
    repeats = given["repeats"]
    todo: list[tuple[str, Callable[[], list[Row]]]] = []
    for size in given["sizes"]:
        for precision, rate in rates.items():
            work = partial(parts_of_a_step, size, precision, rate, repeats)
            todo.append((f"a step of {size}, {precision}", work))
        todo.append((f"beside the steps of {size}", partial(beside_the_steps, size, repeats)))
    todo += [(f"memory of {size}", partial(memory, size, None)) for size in given["sizes"]]
    todo += [(f"memory of {size}", partial(memory, size, n)) for size, n in given["memory"].items()]
    todo.append(("growth", partial(growth, given["sizes"][0])))
    for size in given["sizes"]:
        for precision in precisions:
            work = partial(against_the_reference, size, precision, repeats)
            todo.append((f"{size} against the reference", work))
    todo.append(("priors against loops", partial(priors_against_loops, 256, 3)))
    with progress_display() as display:
        bar = display.add_task("", total=len(todo))
        for name, measure in todo:
            display.update(bar, description=name)
            rows += measure()
            display.advance(bar)
    show(rows, old)
    if given["profile"]:
        trace(given["sizes"][-1], given["profile"])
    if given["json"]:
        about = {
            "machine": machine,
            "torch": torch.__version__,
            "python": platform.python_version(),
        }
        given["json"].write_text(json.dumps(about | {"rows": rows}, indent=1), encoding="utf-8")
        console.print(f"Written to {given['json']}; compare with --compare {given['json']}")


def earlier(path: Path) -> dict[tuple[object, object], Row]:
    """The rows of an earlier run by table and name."""
    try:
        rows: list[Row] = json.loads(path.read_text(encoding="utf-8"))["rows"]
        return {(row["table"], row["name"]): row for row in rows}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"--compare {path} is no file that --json wrote: {error}.") from None


if __name__ == "__main__":
    run(main)
