"""Does screening predict training? Rank correlation of screened and trained weight vectors.

python benchmarks/search.py --seeds 5 --steps 2400 --folder FOLDER
python benchmarks/screening.py --folder FOLDER

Takes every trial of the search benchmark that was trained to its end, screens its weights, and
prints Spearman's correlation of score and of every criterion's margin with 95 % bootstrap intervals
over weight vectors; apart for random search, whose weights are spread over the whole space, and for
the default search, whose are the better part of it.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np
import optuna
from scipy.stats import bootstrap, spearmanr

from studies.job import load_study
from studies.screen import Screened, evaluate_weights
from vlatent.config import read_config
from vlatent.intervals import bracket

ROOT = Path(__file__).parent.parent


def trained(folder: Path, arm: str) -> list[optuna.trial.FrozenTrial]:
    """Complete trials of all searches of an arm; of trials with the same weights the first."""
    trials: dict[tuple[float, ...], optuna.trial.FrozenTrial] = {}
    for place in sorted(folder.glob(f"{arm}-*/studies.db")):
        study = load_study("search", f"sqlite:///{place.absolute()}")
        for trial in study.get_trials(states=(optuna.trial.TrialState.COMPLETE,)):
            trials.setdefault(tuple(trial.params.values()), trial)
    return list(trials.values())


def margins(lines: list[dict[str, float]]) -> dict[str, float]:
    return {str(line["name"]): float(line["margin"]) for line in lines}


def correlation(screened: list[float], trained: list[float]) -> str:
    """Spearman's rho with its interval; a dash where one of the two does not vary."""
    pairs = np.array([screened, trained])
    if np.ptp(pairs, axis=1).min() == 0:
        return "-"

    def rho(a: np.ndarray, b: np.ndarray) -> float:
        return float(spearmanr(a, b).statistic)

    low, high = bootstrap(
        tuple(pairs), rho, paired=True, n_resamples=2000, vectorized=False, rng=0
    ).confidence_interval
    return bracket(rho(*pairs), low, high, ".2f")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, required=True, help="that of benchmarks/search.py")
    folder = parser.parse_args().folder
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    config = read_config("quick")
    print("| rank correlation, screened with trained | " + " | ".join(("random", "default")) + " |")
    columns: list[dict[str, str]] = []
    for arm in ("random", "default"):
        trials = trained(folder, arm)
        if len(trials) < 10:
            sys.exit(f"{folder} has {len(trials)} complete trials of the {arm} search; see --help")
        began = time.perf_counter()
        screened = evaluate_weights(config, [trial.params for trial in trials])
        seconds = time.perf_counter() - began
        columns.append(column(trials, screened) | {"seconds": f"{seconds:.0f}"})
    print("| --- | --- | --- |")
    for name in columns[0]:
        print(f"| {name} | {columns[0][name]} | {columns[1][name]} |")


def column(trials: list[optuna.trial.FrozenTrial], screened: list[Screened]) -> dict[str, str]:
    """Every line of the table for one arm."""
    scores = [trial.values[0] for trial in trials]
    passed = np.array([max(margins(t.user_attrs["criteria"]).values()) <= 0 for t in trials])
    forecast = np.array([vector.score for vector in screened])
    best = np.argsort(-forecast, kind="stable")[:10]
    lines = {
        "weight vectors": str(len(trials)),
        "score": correlation([vector.score for vector in screened], scores),
        "score, of those that pass when trained": correlation(
            list(forecast[passed]), list(np.array(scores)[passed])
        ),
    }
    for criterion in screened[0].verdict.criteria:
        lines[f"margin of {criterion.name}"] = correlation(
            [
                next(line.margin for line in vector.verdict.criteria if line.name == criterion.name)
                for vector in screened
            ],
            [margins(trial.user_attrs["criteria"])[criterion.name] for trial in trials],
        )
    lines["pass when trained: all"] = f"{passed.sum()} of {len(trials)}"
    lines["pass when trained: the ten best by screening"] = f"{passed[best].sum()} of 10"
    mean = float(np.mean(np.array(scores)[best]))
    lines["mean trained score: all, the ten best by screening"] = (
        f"{np.mean(scores):.3f}, {mean:.3f}"
    )
    return lines


if __name__ == "__main__":
    main()
