"""What tests/test_added_prior.py runs in a process of its own, where a prior was added.

The folder holds a run, a study and an ablation of before. Prints what came of everything as JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import ablations.roughness
import optuna
from inside import inside
from smoke import smoke

import ablations.suite
from ablations.ablation import main as ablate
from analysis.compare.__main__ import main as compare
from analysis.report.__main__ import main as report
from studies.study import main as study
from vlatent import checkpoints
from vlatent.config import from_yaml
from vlatent.evaluation import Evaluation, judge
from vlatent.fingerprints import fingerprint
from vlatent.result import Result
from vlatent.statistics import STATISTICS
from vlatent.tracking import MemoryTracker, MlflowTracker, open_run
from vlatent.training import train

WEIGHT = ("--priors.roughness.weight", "0.1")


def results(folder: Path, flags: list[str]) -> dict[str, object]:
    """Use the prior everywhere; what fails says so in its result."""
    found: dict[str, object] = {"label": STATISTICS["statistic/roughness"].label}

    state = checkpoints.load(folder / "old")
    config = from_yaml(state["config"])
    history = [Evaluation(**each) for each in json.loads(state["history"])]
    found["weight of old"] = config.priors.roughness.weight  # type: ignore[attr-defined]
    found["fingerprint of old"] = fingerprint(config)
    found["criteria of old"] = [c.name for c in judge(history, 12, config.priors).criteria]
    again = {"training__steps": 24, "training__resume": folder / "old"}
    longer = train(smoke(folder, training__folder=folder / "old", **again), MemoryTracker())
    found["steps of old"] = [evaluation.step for evaluation in longer.history]
    found["channels of old"] = len(longer.history[-1].channels["roughness"])

    result, penalties = trained(folder)
    found["penalty"] = penalties
    found["criteria"] = [criterion.name for criterion in result.verdict.criteria]

    def said(name: str, *command: object) -> None:
        main, *arguments = command
        done = inside(folder, main, *map(str, arguments))  # type: ignore[arg-type]
        found[name] = [done.returncode, done.stdout + done.stderr]

    def search(arguments: object) -> int:
        return study("loss_weights", arguments)  # type: ignore[arg-type]

    short = ("--study.confirm", "0", "--study.name")
    said("study", search, *flags, *WEIGHT, *short, "new", "--study.trials", "2")
    storage = f"sqlite:///{folder / 'studies.db'}"
    new = optuna.load_study(study_name="new", storage=storage)
    found["searched"] = sorted(new.trials[0].params)
    said("study of old", search, *flags, *short, "old", "--study.trials", "3")
    said("study refused", search, *flags, *WEIGHT, *short, "old", "--study.trials", "4")

    def of(ablation: object) -> object:
        return lambda arguments: ablate(ablation, arguments)  # type: ignore[arg-type]

    arms = ("--ablation.arms", "[without roughness, only roughness]", "--ablation.seeds", "2")
    said("ablation", of(ablations.roughness.ABLATION), *flags, *WEIGHT, *arms)
    said("ablation refused", of(ablations.roughness.ABLATION), *flags, *arms)
    plan = ("--ablation.plan", "true", "--ablation.seeds", "2")
    said("plan", of(ablations.suite.ABLATION), *flags, *WEIGHT, *plan)
    said("plan without", of(ablations.suite.ABLATION), *flags, *plan)
    old = ("--ablation.arms", "[without kurtosis]", "--ablation.seeds", "1")
    said("cells of old", of(ablations.suite.ABLATION), *flags, *old, "--ablation.plan", "true")

    said("compare", compare, "old", "new run", "--out", "compared")
    said("report of study", report, "--study", "new")
    said("report of old", report, "--study", "old")
    said("report of ablation", report, "--ablation", "roughness")
    return found


def trained(folder: Path) -> tuple[Result, list[float]]:
    """A run with the prior on, in the record."""
    changes = {"priors__roughness__weight": 0.1, "training__folder": folder / "new run"}
    config = smoke(folder, **changes)
    run = open_run(config.tracking, "new run", tags={"kind": "train"}, folder=folder / "new run")
    assert isinstance(run, MlflowTracker)
    result = train(config, run)
    run.close("FINISHED")
    log = json.loads(checkpoints.load(folder / "new run")["log"])
    return result, [row["penalty/roughness"] for row in log]


if __name__ == "__main__":
    print(json.dumps(results(Path(sys.argv[1]), sys.argv[2:])))
