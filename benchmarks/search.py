"""Does the default search beat random search at equal trained steps?

python benchmarks/search.py --seeds 8 --steps 2400

Every search is a study of its own, with its own seed of the sampler: the default (`StudyConfig`, as
for 40 trials) and random search without pruning. Trials are counted until the steps that they
trained, those of pruned trials included, exceed the budget. Then the best trial that passes is
trained again on seeds that no search saw. Seconds include the screening before the first trial. A
search that found nothing counts with its whole budget, less than it would have needed. Prints a
table with 95 % t intervals, and the two arms compared, paired by seed; finished trials are kept in
--folder, so the command can be stopped and goes on.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

import optuna
import torch
from optuna.trial import FrozenTrial

from studies.job import Job, create_study
from studies.questions import question_of
from studies.record import counted, feasible, ranked
from studies.settings import StudyConfig
from studies.study import screened
from studies.tasks import Search
from studies.worker import carry_out
from vlatent.config import Config, corpus_digests, override, read_config
from vlatent.corpus import load
from vlatent.intervals import bracket, interval
from vlatent.runtime.interruption import Stop
from vlatent.tracking import MemoryTracker
from vlatent.training import train

ROOT = Path(__file__).parent.parent
ARMS: dict[str, dict[str, Any]] = {
    "default": {"rehearse": 5},
    "random": {"sampler": "random", "pruner": "none"},
    "not screened": {"rehearse": 0},
    "tpe, no pruning": {"pruner": "none", "rehearse": 0},
    "tpe, median of the score": {"pruner": "median", "rehearse": 0},
}
NEW_SEEDS = (101, 102, 103, 104, 105)


def search(arm: str, seed: int, budget: int, folder: Path, threads: int) -> dict[str, object]:
    """One search: steps to its first trial that passes, and what its best is worth on new seeds."""
    torch.set_num_threads(threads)
    config = read_config("quick")
    here = folder / f"{arm}-{seed}".replace(", ", "-").replace(" ", "-")
    here.mkdir(parents=True, exist_ok=True)
    config = override(
        config,
        {"tracking.uri": f"sqlite:///{here.absolute() / 'mlflow.db'}", "tracking.figures": False},
    )
    recorded = here / "result.json"
    if recorded.exists():
        return dict(json.loads(recorded.read_text()))
    steps = config.training.steps
    trials, screening = 0, 0.0
    while True:  # one trial more, until the budget of steps is spent
        trials += 1
        settings = StudyConfig(
            trials=trials,
            storage=f"sqlite:///{here.absolute() / 'studies.db'}",
            seed=seed,
            folder=here,
            confirm=0,
            **ARMS[arm],
        )
        question = question_of("loss_weights")
        job = Job(
            question_name="loss_weights",
            name="search",
            config=config,
            settings=settings,
            space=question.narrowed(config, {}),
            corpus=corpus_digests(config, load(config.data)),
        )
        began = time.perf_counter()
        study = create_study(job, screened(job))
        if trials == 1:
            screening = time.perf_counter() - began
        carry_out(Search(job), Stop(), lambda: None, None)
        spent = trained(counted(study))
        if spent[-1] + 1 > budget - steps // 2:
            break
    within = [t for t, end in zip(counted(study), spent, strict=True) if end <= budget]
    passing = [index for index, trial in enumerate(within) if perfect(trial)]
    needed = within[: passing[0] + 1] if passing else within
    best = [trial for trial in ranked(study) if trial in within and feasible(trial)][:1]
    scores, passed = [], 0
    for trial in best:
        for new in NEW_SEEDS:
            result = confirm(override(config, trial.params), new, here)
            scores.append(result[0])
            passed += result[1]
    summary = {
        "arm": arm,
        "seed": seed,
        "trials": len(within),
        "passing": sum(map(feasible, within)),
        "found nothing": not passing,
        "steps": sum(trial.user_attrs["steps"] for trial in needed),
        "seconds": screening + sum(trial.user_attrs["seconds"] for trial in needed),
        "found": best[0].value if best else None,
        "confirmed": sum(scores) / len(scores) if scores else None,
        "passed": passed,
    }
    recorded.write_text(json.dumps(summary))
    return summary


def confirm(config: Config, seed: int, here: Path) -> tuple[float, bool]:
    changes = {
        "training.seed": seed,
        "training.folder": here / "confirm",
        "evaluation.probed": 0,
    }
    (here / "confirm" / "checkpoint.pt").unlink(missing_ok=True)
    result = train(override(config, changes), MemoryTracker())
    return result.score, result.verdict.passed


def trained(trials: list[FrozenTrial]) -> list[int]:
    """Steps trained when each trial had ended."""
    total, ends = 0, []
    for trial in trials:
        total += trial.user_attrs["steps"]
        ends.append(total)
    return ends


def perfect(trial: FrozenTrial) -> bool:
    """Six of six channels in band, and every criterion holds."""
    return feasible(trial) and trial.user_attrs["evaluation"]["metrics"]["channels_in_band"] == 6


def spread(values: list[float]) -> str:
    if not values:
        return "none"
    return bracket(*interval(values), ".4g")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--steps", type=int, default=2400, help="trained steps of a search")
    parser.add_argument("--arms", nargs="+", default=["default", "random"], choices=ARMS)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=Path("runs/benchmark-search"))
    given = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    pairs = [(arm, seed) for seed in range(1, given.seeds + 1) for arm in given.arms]
    with ProcessPoolExecutor(given.processes, mp_context=get_context("spawn")) as pool:
        jobs = [pool.submit(search, arm, seed, given.steps, given.folder, 1) for arm, seed in pairs]
        results = []
        for job in jobs:
            results.append(job.result())
            print(results[-1], flush=True)
    print(
        f"\n| search | seeds | trials in {given.steps} steps | passing | steps to the first 6 of 6 "
        "that passes | seconds to it | found nothing | best confirmed score | passes on new seeds |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for arm in given.arms:
        mine = [entry for entry in results if entry["arm"] == arm]
        columns = [
            spread([float(str(entry[key])) for entry in mine if entry[key] is not None])
            for key in ("trials", "passing", "steps", "seconds", "confirmed")
        ]
        columns.insert(4, str(sum(bool(entry["found nothing"]) for entry in mine)))
        passed = sum(int(str(entry["passed"])) for entry in mine)
        print(f"| {arm} | {len(mine)} | {' | '.join(columns)} | {passed} of {5 * len(mine)} |")
    if len(given.arms) == 2:
        print("\n".join(compared(results, *given.arms)))


def compared(results: list[dict[str, object]], arm: str, other: str) -> list[str]:
    """Steps and seconds of one arm as shares of the other's, geometric; scores as differences."""
    values = {
        key: [
            {entry["seed"]: entry[key] for entry in results if entry["arm"] == name}
            for name in (arm, other)
        ]
        for key in ("steps", "seconds", "confirmed")
    }
    lines = []
    for key in ("steps", "seconds"):
        one, two = values[key]
        logs = [math.log(float(str(one[seed])) / float(str(two[seed]))) for seed in one]
        share, low, high = (math.exp(value) for value in interval(logs))
        lines.append(
            f"{key} to the first that passes, {arm} / {other}: "
            f"{share:.2f} [{low:.2f}, {high:.2f}], n = {len(logs)}"
        )
    one, two = values["confirmed"]
    both = [seed for seed in one if one[seed] is not None and two[seed] is not None]
    apart = [float(str(one[seed])) - float(str(two[seed])) for seed in both]
    lines.append(f"best confirmed score, {arm} minus {other}: {spread(apart)}, n = {len(apart)}")
    return lines


if __name__ == "__main__":
    main()
