"""The documented run on a GPU, shortened to a few minutes, with the GPU's own tests before it.

python -m benchmarks.full --config full --json build/gpu.json     (`make gpu`)

Runs tests/test_gpu.py, measures what a step and an evaluation take, and trains as many steps as fit
into the minutes, once with the config's own loss weights and once with those of lasting.yaml. Ends
with both verdicts, steps a second and memory. Warm-up and blur last a tenth of a shortened run at
most. A small run tries the whole on a CPU:

python -m benchmarks.full --config smoke --training.device cpu --minutes 1
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from jsonargparse.typing import PositiveFloat

from benchmarks.measures import Row
from benchmarks.step import show
from vlatent.command_line import Parser, run
from vlatent.config import Config, GivenConfig, build, from_yaml, override
from vlatent.console import console, print_evaluation, progress_display, verdict_table
from vlatent.evaluation import Criterion, Evaluation, Verdict
from vlatent.preparation import corpus_for, placement
from vlatent.priors import Priors
from vlatent.result import Result
from vlatent.shapes import UserError
from vlatent.step import Diverged
from vlatent.tracking import MemoryTracker
from vlatent.training import train

ROOT = Path(__file__).parents[1]
PROBE = 120  # steps; the last quarter is timed, as all shapes of batches are known by then
FEWEST = 10  # steps that are trained however little time is left
PROBED, EVALUATIONS = 4, 20  # of the probe, of a run
RESERVE = 20.0  # seconds at the end for the last figures and for ending


def shortened(config: Config, steps: int, evaluations: int, folder: Path) -> Config:
    """The config with fewer steps, its warm-up and its blur at most a tenth of them."""
    steps = min(steps, config.training.steps)
    return override(
        config,
        {
            "training.steps": steps,
            "training.folder": folder,
            "training.blur_steps": min(config.training.blur_steps, steps // 10),
            "optimizer.warmup_steps": min(config.optimizer.warmup_steps, steps // 10),
            "evaluation.count": min(evaluations, config.evaluation.count),
            "tracking.figures": False,
        },
    )


@dataclass(frozen=True)
class Timed:
    """A run and what it took.

    Attributes:
        result: Of the run.
        rate: Steps a second before the last evaluation.
        evaluation: Seconds of an evaluation before the last, with its checkpoint.
        beside: Seconds of everything else: the start, and what the last evaluation has more.
    """

    result: Result
    rate: float
    evaluation: float
    beside: float


def timed(config: Config) -> Timed:
    """Train, and tell the time of a step from that of an evaluation."""
    tracker, clock = MemoryTracker(), dict[int, float]()

    def report(step: int, evaluation: Evaluation, verdict: Verdict) -> None:
        clock[step] = time.perf_counter()
        if not console.is_terminal:
            print_evaluation(step, evaluation, verdict)

    with progress_display() as progress:
        result = train(config, tracker, report, progress)
    rate = (
        tracker.history["sentences_per_second"][config.training.steps] / config.training.batch_size
    )
    (before, began), (after, ended) = list(clock.items())[-3:-1]
    evaluation = max(ended - began - (after - before) / rate, 0.0)
    others = config.training.steps / rate + evaluation * len(result.history)
    return Timed(result, rate, evaluation, max(result.seconds - others, 0.0))


def gpu_tests(seconds: float) -> dict[str, object]:
    """How tests/test_gpu.py ended; without a GPU all of it is skipped."""
    command = [sys.executable, "-m", "pytest", "tests/test_gpu.py", "-p", "no:cacheprovider"]
    try:
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired as cut:
        said = cut.stdout.decode() if isinstance(cut.stdout, bytes) else cut.stdout or ""
        return {"passed": False, "output": f"{said}\ncut off after {seconds:.0f} s"}
    return {"passed": done.returncode == 0, "output": (done.stdout + done.stderr).strip()}


def memory() -> float:
    """GB at most: of the GPU since the last reset, without one of this process."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_reserved() / 1e9
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def runs(
    config: Config, weights: Mapping[str, Priors], end: float
) -> Iterator[tuple[Row, Sequence[Criterion]]]:
    """A shortened run with each of the loss weights, of as many steps as fit, and its criteria.

    Args:
        config: Of the whole run.
        weights: Loss weights by their name.
        end: Of all runs, on the clock of time.perf_counter.
    """
    with tempfile.TemporaryDirectory() as folder:
        probe = timed(shortened(config, PROBE, PROBED, Path(folder, "probe")))
        beside = probe.beside + EVALUATIONS * probe.evaluation
        console.print(
            f"A step takes {1e3 / probe.rate:.1f} ms, an evaluation {probe.evaluation:.2f} s, "
            f"start and end {probe.beside:.1f} s."
        )
        for index, (name, priors) in enumerate(weights.items()):
            share = (end - time.perf_counter()) / (len(weights) - index)
            steps = max(FEWEST, int((share - beside) * probe.rate))
            place = Path(folder, str(index))
            one = shortened(replace(config, priors=priors), steps, EVALUATIONS, place)
            if torch.cuda.is_available():
                torch.cuda.reset_peak_memory_stats()
            console.print(f"\nWeights of {name}: {one.training.steps} steps.", markup=False)
            try:
                done = timed(one)
            except Diverged as error:
                yield {"name": name, "verdict": f"FAIL: {error}"}, ()
                continue
            judged = done.result.verdict
            verdict = "PASS" if judged.passed else "FAIL"
            console.print(verdict_table(judged, f"{verdict}, weights of {name}"))
            yield (
                {
                    "name": name,
                    "verdict": verdict,
                    "steps": one.training.steps,
                    "steps/s": done.rate,
                    "sentences/s": done.rate * one.training.batch_size,
                    "GB at most": memory(),
                    "seconds": done.result.seconds,
                },
                judged.criteria,
            )


def main(arguments: Sequence[str]) -> int:
    began = time.perf_counter()
    parser = Parser(prog="python -m benchmarks.full", description=__doc__)
    parser.add_argument("--config", action="config", help="A YAML file; the later one wins.")
    parser.add_argument(
        "--winner",
        type=Path,
        default=ROOT / "configs" / "lasting.yaml",
        help="A config whose loss weights are trained beside the config's own.",
    )
    parser.add_argument("--minutes", type=PositiveFloat, default=8.0, help="For everything.")
    parser.add_argument("--json", type=Path, help="File to write all figures to.")
    parser.add_class_arguments(GivenConfig, nested_key=None)
    given = parser.checked(arguments)
    config, seconds = build(given), 60 * given["minutes"]
    if config.training.device != "cpu" and not torch.cuda.is_available():
        raise UserError(
            "python -m benchmarks.full needs a GPU, but torch sees none here; to try it on a CPU: "
            "--config smoke --training.device cpu --minutes 1."
        )
    try:
        winner = from_yaml(given["winner"].read_text(encoding="utf-8")).priors
    except OSError as error:
        raise UserError(
            f"--winner {given['winner']} cannot be read: {error.strerror}; give a study's "
            "best.yaml."
        ) from None
    corpus_for(config)
    device, _ = placement(config.training)
    machine = torch.cuda.get_device_name() if device.type == "cuda" else "CPU"
    rows: list[Row] = []
    report: dict[str, Any] = {"machine": machine, "torch": torch.__version__, "runs": []}

    def keep() -> None:
        """Write what is known, so that a command that is cut off leaves that much."""
        report["seconds"] = time.perf_counter() - began
        if given["json"]:
            given["json"].parent.mkdir(parents=True, exist_ok=True)
            given["json"].write_text(json.dumps(report, indent=1), encoding="utf-8")

    console.print(f"{machine}, torch {torch.__version__}: tests/test_gpu.py, then two runs.")
    report["tests"] = tests = gpu_tests(seconds / 2)
    console.print(tests["output"], markup=False)
    keep()
    weights = {"the config": config.priors, given["winner"].name: winner}
    for row, criteria in runs(config, weights, began + seconds - RESERVE):
        rows.append(row | {"table": f"{machine}, batch {config.training.batch_size}"})
        report["runs"].append(row | {"criteria": [asdict(criterion) for criterion in criteria]})
        keep()
    show(rows, {})
    return 0 if tests["passed"] else 1


if __name__ == "__main__":
    run(main)
