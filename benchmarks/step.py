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
from collections.abc import Callable, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Literal

import torch
from jsonargparse.typing import PositiveInt
from rich.table import Table
from torch.profiler import ProfilerActivity, profile

from benchmarks.measures import (
    Row,
    Step,
    against_the_reference,
    beside_the_steps,
    config_of,
    growth,
    parts_of_a_step,
    priors_against_loops,
)
from benchmarks.memory import memory
from vlatent.command_line import Parser, run
from vlatent.config import TrainingConfig
from vlatent.console import console, progress_display, tracked
from vlatent.corpus import load, stream
from vlatent.preparation import placement
from vlatent.shapes import UserError


def trace(size: str, path: Path) -> None:
    config = config_of(size)
    corpus = load(config.data)
    step, batches = (
        Step(config, corpus.vocabulary_size),
        stream(corpus.train, config.training.batch_size, config.training.seed),
    )
    step(next(batches))
    kinds = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * torch.cuda.is_available()
    with profile(activities=kinds) as profiler:
        for _ in range(3):
            step(next(batches))
    path.parent.mkdir(parents=True, exist_ok=True)
    profiler.export_chrome_trace(str(path))
    console.print(
        profiler.key_averages().table("self_cpu_time_total", row_limit=15, max_name_column_width=40)
    )


def show(rows: list[Row], old: dict[tuple[object, object], Row]) -> None:
    """The rows as tables; with an earlier run, how many times as fast each is now."""
    for title, group in groupby(rows, key=lambda row: str(row["table"])):
        lines = list(group)
        columns = list(dict.fromkeys(key for line in lines for key in line if key != "table"))
        console.print(f"\n{title}", style="bold")
        table = Table()
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
    if column in ("share", "of peak"):
        return f"{value:.0%}"
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def main(arguments: Sequence[str]) -> None:
    parser = Parser(prog="python -m benchmarks.step", description=__doc__)
    parser.add_argument(
        "--sizes",
        nargs="+",
        default=["smoke", "quick", "quick_documented"],
        help="names of configs",
    )
    parser.add_argument(
        "--precisions",
        nargs="+",
        type=Literal["fp32", "bf16"],
        help="default: fp32, and bf16 where the machine multiplies in it",
    )
    parser.add_argument("--repeats", type=PositiveInt, default=12, help="steps of every kind")
    parser.add_argument("--memory", nargs="+", help="sizes whose memory is measured; default: all")
    parser.add_argument("--growth", default="quick", help="size whose growth is measured")
    parser.add_argument("--json", type=Path, help="file to write all figures to")
    parser.add_argument("--compare", type=Path, help="such a file of an earlier run")
    parser.add_argument("--profile", type=Path, help="file for a trace of the last size's step")
    given = parser.checked(arguments)
    old = earlier(given["compare"]) if given["compare"] else {}
    device, autocast = placement(TrainingConfig())
    precisions = given["precisions"] or ["fp32", "bf16"][: 1 + autocast()._enabled]
    machine = f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads"
    if device.type == "cuda":
        machine = torch.cuda.get_device_name()
    repeats, sizes = given["repeats"], given["sizes"]
    todo: list[tuple[str, Callable[[], list[Row]]]] = []
    for size in sizes:
        for precision in precisions:
            work = partial(parts_of_a_step, size, precision, repeats)
            todo.append((f"a step of {size}, {precision}", work))
        todo.append((f"beside the steps of {size}", partial(beside_the_steps, size, repeats)))
    todo += [(f"memory of {size}", partial(memory, size)) for size in given["memory"] or sizes]
    todo.append(("growth", partial(growth, given["growth"])))
    for size in sizes if device.type == "cpu" else []:  # the reference knows no other
        for precision in precisions:
            work = partial(against_the_reference, size, precision, repeats)
            todo.append((f"{size} against the reference", work))
    todo.append(("priors against loops", partial(priors_against_loops, 256, 3)))
    rows: list[Row] = []
    with progress_display() as display:
        for name, measure in tracked(todo, "", display):
            display.update(display.task_ids[0], description=name)
            rows += measure()
    console.print(f"{machine}, torch {torch.__version__}")
    show(rows, old)
    if given["profile"]:
        trace(given["sizes"][-1], given["profile"])
    if given["json"]:
        about = {
            "machine": machine,
            "torch": torch.__version__,
            "python": platform.python_version(),
        }
        given["json"].parent.mkdir(parents=True, exist_ok=True)
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
