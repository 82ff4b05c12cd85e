"""What everything but training costs in a trial of the quick study.

python benchmarks/overhead.py --trials 5

Runs a small study with SQLite and MLflow, as `make study` does, and adds up the time spent in
Optuna, in the tracker, in checkpoints, in evaluations and in figures. Prints each part's share of
the trials' wall time: the median over trials and their range. The first trial, which loads
libraries, is left out.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from rich.console import Console
from rich.table import Table

from studies import trial as trials
from studies.job import Job, create_study
from studies.questions import question_of
from studies.settings import StudyConfig
from studies.storage import Storage
from studies.tasks import Search
from studies.worker import carry_out
from vlatent import checkpoints, recording, training
from vlatent.config import override, read_config
from vlatent.corpus import load
from vlatent.fingerprints import corpus_digests
from vlatent.runtime.interruption import Stop
from vlatent.tracking import MlflowTracker

ROOT = Path(__file__).parent.parent
PARTS = ("optuna", "tracking", "checkpoints", "evaluation", "figures")

spent: dict[str, float] = {}
inside: list[str] = []


def timed(owner: Any, name: str, part: str) -> None:
    """Let a function add its time to a part; what it calls of other parts is not counted twice."""
    original: Callable[..., Any] = getattr(owner, name)

    def measured(*arguments: Any, **keywords: Any) -> Any:
        if part in inside:
            return original(*arguments, **keywords)
        inside.append(part)
        began = time.perf_counter()
        try:
            return original(*arguments, **keywords)
        finally:
            inside.pop()
            took = time.perf_counter() - began
            spent[part] = spent.get(part, 0.0) + took
            if inside:
                spent[inside[-1]] = spent.get(inside[-1], 0.0) - took

    setattr(owner, name, measured)


def measure(count: int, folder: Path) -> list[dict[str, float]]:
    """Seconds of every part, and of the whole, for each trial."""
    config = read_config("quick")
    config = override(config, {"tracking.uri": f"sqlite:///{folder / 'mlflow.db'}"})
    storage = f"sqlite:///{folder / 'studies.db'}"
    settings = StudyConfig(
        trials=count, storage=storage, pruner="none", confirm=0, folder=folder / "runs"
    )
    question = question_of("loss_weights")
    job = Job(
        question_name="loss_weights",
        name="overhead",
        config=config,
        settings=settings,
        space=question.narrowed(config, {}),
        corpus=corpus_digests(config, load(config.data)),
    )
    for name in ("set_trial_user_attr", "set_trial_system_attr", "set_trial_intermediate_value"):
        timed(Storage, name, "optuna")
    for name in ("create_new_trial", "set_trial_param", "get_all_trials", "set_trial_state_values"):
        timed(Storage, name, "optuna")
    timed(Search, "prepare", "optuna")
    timed(MlflowTracker, "_submit", "tracking")
    timed(MlflowTracker, "close", "tracking")
    timed(trials, "open_run", "tracking")
    timed(checkpoints, "save", "checkpoints")
    timed(training, "evaluate", "evaluation")
    timed(training, "judge", "evaluation")
    timed(recording, "conclude", "figures")
    rows: list[dict[str, float]] = []
    began = time.perf_counter()

    def look() -> None:
        """One trial has ended."""
        nonlocal began
        now = time.perf_counter()
        rows.append(spent | {"whole": now - began})
        spent.clear()
        began = time.perf_counter()

    create_study(job)
    spent.clear()
    carry_out(Search(job), Stop(), look, None)
    return rows[1:count]  # without the first, and without the look that found nothing to do


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--trials", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(given.trials + 1, Path(folder))
    table = Table(title=f"Share of a quick trial, {len(rows)} trials")
    for heading in ("part", "median", "range", "seconds"):
        table.add_column(heading, justify="left" if heading == "part" else "right")

    def line(name: str, parts: tuple[str, ...]) -> None:
        seconds = [sum(row.get(part, 0.0) for part in parts) for row in rows]
        shares = [took / row["whole"] for took, row in zip(seconds, rows, strict=True)]
        ends = f"{min(shares):.1%} to {max(shares):.1%}"
        table.add_row(name, f"{median(shares):.1%}", ends, f"{median(seconds):.2f}")

    for part in PARTS:
        line(part, (part,))
    table.add_section()
    line("all of them", PARTS)
    line("without figures", PARTS[:-1])
    line("Optuna, tracking and checkpoints", PARTS[:3])
    table.add_row("a trial", "100%", "", f"{median(row['whole'] for row in rows):.2f}")
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
