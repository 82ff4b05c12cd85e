"""Does the default search beat random search at equal trained steps?

python benchmarks/search.py --seeds 8 --steps 2400

Every search is a study of its own, with its own seed of the sampler: the default (`StudyConfig`, as
for 40 trials) and random search without pruning. Trials are counted until the steps that they
trained, those of pruned trials included, exceed the budget. Trials that pass are trained again on
five new seeds and sentences, in the order in which they were found, until one passes on all; of the
best three so trained one leads, as after a study, and is judged on three seeds of the test set.
Seconds include the screening before the first trial. A search that found nothing counts with its
whole budget, less than it would have needed. Prints a table with 95 % t intervals, and the two arms
compared, paired by seed; what was trained is kept in --folder, so the command can be stopped and
goes on.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime
from multiprocessing import get_context
from pathlib import Path
from statistics import fmean
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

import optuna
import torch
from optuna.trial import FrozenTrial

from studies.job import Job, create_study
from studies.questions import question_of
from studies.record import counted, feasible, ranked
from studies.settings import StudyConfig
from studies.spending import seconds_of, steps_of
from studies.study import screened
from studies.tasks import Search
from studies.worker import carry_out
from vlatent.config import Config, override, read_config
from vlatent.corpus import Part, load
from vlatent.fingerprints import corpus_digests
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
FINALISTS = 3
SEEDS: dict[Part, tuple[int, ...]] = {
    "confirmation": (101, 102, 103, 104, 105),
    "test": (201, 202, 203),
}


def search(arm: str, seed: int, budget: int, folder: Path, threads: int) -> dict[str, Any]:
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
    trials, screening = 0, here / "screening.json"
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
        if not screening.exists():
            screening.write_text(json.dumps(time.perf_counter() - began))
        carry_out(Search(job), Stop(), lambda: None, None)
        if sum(map(steps_of, ended(study))) + 1 > budget - steps // 2:
            break
    stands = {trial.number for trial in counted(study)}
    within = [
        trial
        for trial in ended(study)
        if trial.number in stands and spent(study, trial, steps_of) <= budget
    ]
    passing = [trial for trial in within if feasible(trial)]
    first = [*passing, within[-1]][0]

    def again(trial: FrozenTrial, part: Part) -> Iterator[tuple[float, bool]]:
        return (trained_again(config, trial, seed, part, here) for seed in SEEDS[part])

    lasting = (it for it in passing if all(ok for _, ok in again(it, "confirmation")))
    confirmed = next(lasting, None)
    found = {trial.number for trial in passing}
    best = [trial for trial in ranked(study) if trial.number in found][:FINALISTS]
    leader = max(best, key=lambda trial: standing(again(trial, "confirmation")), default=None)
    test = list(again(leader, "test")) if leader else []
    summary = {
        "arm": arm,
        "seed": seed,
        "trials": len(within),
        "passing": len(passing),
        "found nothing": not passing,
        "steps": spent(study, first, steps_of),
        "seconds": json.loads(screening.read_text()) + spent(study, first, seconds_of),
        "steps to confirmed": spent(study, confirmed or within[-1], steps_of),
        "none confirmed": confirmed is None,
        "confirmed on": standing(again(leader, "confirmation"))[0] if leader else 0,
        "test": fmean(score for score, _ in test) if test else None,
        "passed": sum(ok for _, ok in test),
    }
    recorded.write_text(json.dumps(summary))
    return summary


def trained_again(
    config: Config, trial: FrozenTrial, seed: int, part: Part, here: Path
) -> tuple[float, bool]:
    """Score and verdict of a trial's values on another seed, and on sentences of this part."""
    place = here / "again" / f"{trial.number}-{part}-{seed}"
    if not (place / "judged.json").exists():
        shutil.rmtree(place, ignore_errors=True)  # of a training that was stopped
        workload = question_of("loss_weights").workload
        judged = workload.judged_on(override(config, trial.params), seed, part)
        changes = {"training.folder": place, "evaluation.probed": 0}
        result = train(override(judged, changes), MemoryTracker())
        (place / "checkpoint.pt").unlink(missing_ok=True)
        written = json.dumps([result.score, result.verdict.passed])
        (place / "judged.json").write_text(written, encoding="utf-8")
    score, passed = json.loads((place / "judged.json").read_text(encoding="utf-8"))
    return score, passed


def standing(runs: Iterable[tuple[float, bool]]) -> tuple[int, float]:
    """By which finalists are ordered: seeds on which they pass, then the mean score."""
    scores, passed = zip(*runs, strict=True)
    return sum(passed), fmean(scores)


def ended(study: optuna.Study) -> list[FrozenTrial]:
    """All records of trials in the order in which they ended: a revived one has two."""
    trials = [trial for trial in study.get_trials(deepcopy=False) if trial.datetime_complete]
    return sorted(trials, key=lambda trial: trial.datetime_complete or datetime.max)


def spent(study: optuna.Study, trial: FrozenTrial, of: Callable[[FrozenTrial], float]) -> float:
    """Steps, or seconds, that were trained when a trial had ended, in whatever record."""
    before = itertools.takewhile(lambda each: each.number != trial.number, ended(study))
    return sum(map(of, before)) + of(trial)


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
        f"\n| search | seeds | trials in {given.steps} steps | passing | steps to the first that "
        "passes | seconds to it | none | steps to the first confirmed | none | score on the test "
        "set | passes there | leader confirmed on all seeds |"
    )
    print("|" + " --- |" * 12)
    for arm in given.arms:
        mine = [entry for entry in results if entry["arm"] == arm]

        def mean(key: str, mine: list[dict[str, Any]] = mine) -> str:
            return spread([float(entry[key]) for entry in mine if entry[key] is not None])

        whole = sum(entry["confirmed on"] == len(SEEDS["confirmation"]) for entry in mine)
        columns = (
            *(mean("trials"), mean("passing"), mean("steps"), mean("seconds")),
            sum(entry["found nothing"] for entry in mine),
            mean("steps to confirmed"),
            sum(entry["none confirmed"] for entry in mine),
            mean("test"),
            f"{sum(entry['passed'] for entry in mine)} of {len(SEEDS['test']) * len(mine)}",
            f"{whole} of {len(mine)}",
        )
        print(f"| {arm} | {len(mine)} | {' | '.join(map(str, columns))} |")
    if len(given.arms) == 2:
        print("\n".join(compared(results, *given.arms)))


TO_FIRST = {
    "steps": "steps to the first that passes",
    "seconds": "seconds to the first that passes",
    "steps to confirmed": "steps to the first that passes and is confirmed",
}


def compared(results: list[dict[str, Any]], arm: str, other: str) -> list[str]:
    """Steps and seconds of one arm as shares of the other's, geometric; scores as differences."""
    values = {
        key: [
            {entry["seed"]: entry[key] for entry in results if entry["arm"] == name}
            for name in (arm, other)
        ]
        for key in (*TO_FIRST, "test")
    }
    lines = []
    for key, meant in TO_FIRST.items():
        one, two = values[key]
        logs = [math.log(one[seed] / two[seed]) for seed in one]
        share, low, high = (math.exp(value) for value in interval(logs))
        lines.append(
            f"{meant}, {arm} / {other}: {share:.2f} [{low:.2f}, {high:.2f}], n = {len(logs)}"
        )
    one, two = values["test"]
    both = [seed for seed in one if one[seed] is not None and two[seed] is not None]
    apart = [one[seed] - two[seed] for seed in both]
    lines.append(f"score on the test set, {arm} minus {other}: {spread(apart)}, n = {len(apart)}")
    return lines


if __name__ == "__main__":
    main()
