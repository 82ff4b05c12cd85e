"""examples/own_prior.py from the first command to the last: nothing of the checkout is edited."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import optuna
import pytest
from inside import inside
from mlflow import MlflowClient
from own_parts import own_module
from smoke import CONFIGS, sentences, smoke

from ablations.__main__ import main as ablate
from analysis.report.__main__ import main as report
from studies.study import main as study
from vlatent.config import flatten, from_yaml, override
from vlatent.figures.numbers import training
from vlatent.scenes import default_corpus
from vlatent.tracking import MemoryTracker
from vlatent.training import train

ROOT = Path(__file__).parents[1]
NAMED = ("--priors.sharpness.class_path", "own_prior.Sharpness")

pytestmark = [pytest.mark.processes, pytest.mark.timeout(1200)]


def flags(folder: Path) -> list[str]:
    return [
        *("--config", str(CONFIGS / "smoke.yaml"), "--training.steps", "6"),
        *("--evaluation.count", "3", "--evaluation.probed", "0"),
        *("--tracking.figures", "false", "--tracking.every", "1"),
        *("--data.train", str(sentences(folder)), "--data.max_length", "200"),
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the example alone, in which a study of three trials has run, on two workers."""
    folder = tmp_path_factory.mktemp("mine")
    shutil.copy(ROOT / "examples" / "own_prior.py", folder)
    search = ("--study.trials", "3", "--study.workers", "2", "--study.confirm", "0")
    done = inside(folder, lambda a: study("loss_weights", a), *flags(folder), *NAMED, *search)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_the_page_shows_the_example_and_what_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (ROOT / "docs" / "own_prior.md").read_text(encoding="utf-8")
    blocks = dict.fromkeys(("python", "yaml", "toml"), "")
    for kind, code in re.findall(r"^```(\w+)\n(.*?)^```", page, flags=re.MULTILINE | re.DOTALL):
        blocks[kind] += code
    code = compile(blocks["python"], "docs/own_prior.md", "exec", dont_inherit=True)
    exec(code, {"__name__": "own_page"})
    found = [float(number) for number in re.findall(r"\d\.\d+", capsys.readouterr().out)]
    assert found == pytest.approx([3.0] * 6, abs=0.1)
    example = (ROOT / "examples" / "own_prior.py").read_text(encoding="utf-8")
    assert without_docstrings(blocks["python"])[:5] == without_docstrings(example)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    (tmp_path / "own_page.py").write_text(example, encoding="utf-8")
    text = blocks["yaml"].replace("own_prior.", "own_page.")
    assert flatten(from_yaml(text))["priors.sharpness.weight"] == 0.2
    [(group, declared)] = tomllib.loads(blocks["toml"])["project"]["entry-points"].items()
    assert (group, declared) == ("vlatent.priors", {"sharpness": "my_package:Sharpness"})


def without_docstrings(code: str) -> list[str]:
    """Statements of a program, every string that stands alone left out."""
    tree = ast.parse(code)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            texts = [n for n in node.body if isinstance(n, ast.Expr)]
            node.body = [n for n in node.body if n not in texts or isinstance(n.value, ast.Call)]
    return [ast.unparse(statement) for statement in tree.body]


def trials(folder: Path) -> list[optuna.trial.FrozenTrial]:
    storage = f"sqlite:///{folder / 'studies.db'}"
    return optuna.load_study(study_name="loss_weights", storage=storage).trials


def test_the_example_is_short_and_says_how_it_is_used() -> None:
    lines = (ROOT / "examples" / "own_prior.py").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 40
    assert " ".join(NAMED) in " ".join(lines)


def test_a_study_searches_its_weight_in_spawned_workers(folder: Path) -> None:
    done = trials(folder)
    assert len({trial.params["priors.sharpness.weight"] for trial in done}) == 3
    assert done[0].params["priors.sharpness.weight"] == 0.1  # what the class declares
    for trial in done:
        config = from_yaml_in(folder, trial.user_attrs["config"])
        assert config["priors.sharpness.class_path"] == "own_prior.Sharpness"
        assert config["priors.sharpness.weight"] == trial.params["priors.sharpness.weight"]
        assert "sharpness" in [line["name"] for line in trial.user_attrs["criteria"]]
        assert len(trial.user_attrs["evaluation"]["channels"]["sharpness"]) == 6
    assert str(os.getpid()) not in {t.user_attrs["worker"].split(":")[1] for t in done}


def from_yaml_in(folder: Path, text: str) -> dict[str, object]:
    """What a stored config says, read where its module lies."""
    here = Path.cwd()
    os.chdir(folder)
    try:
        return flatten(from_yaml(text))
    finally:
        os.chdir(here)


def test_everything_about_it_is_recorded(folder: Path) -> None:
    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    [experiment] = [e for e in client.search_experiments() if e.name != "Default"]
    runs = client.search_runs([experiment.experiment_id], "tags.kind = 'trial'")
    assert len(runs) == 3
    for run in runs:
        assert run.data.params["priors.sharpness.class_path"] == "own_prior.Sharpness"
        metrics, weight = run.data.metrics, float(run.data.params["priors.sharpness.weight"])
        assert metrics["weighted/sharpness"] == pytest.approx(
            weight * metrics["penalty/sharpness"], rel=1e-5
        )
        assert {"statistic/sharpness", "margin/sharpness"} <= metrics.keys()
        shares = [value for name, value in metrics.items() if name.startswith("weighted/")]
        assert metrics["loss"] == pytest.approx(sum(shares), rel=1e-5)  # its own among them
    rows = [{"step": 1, "penalty/sharpness": 1.0, "weighted/sharpness": 0.1}]
    assert training(rows).terms[-1] == "sharpness"  # what the figures of a run draw


def test_a_report_reads_it(folder: Path) -> None:
    done = inside(folder, report, "--study", "loss_weights")
    assert done.returncode == 0, done.stdout + done.stderr
    page = folder / "runs" / "reports" / "study_loss_weights" / "report.html"
    assert "priors.sharpness.weight" in page.read_text(encoding="utf-8")


def test_its_ablation_leaves_it_out_and_measures_it(folder: Path) -> None:
    arms = ("--ablation.arms", "[without sharpness]", "--ablation.seeds", "2")
    done = inside(folder, ablate, "sharpness", *flags(folder), *NAMED, *arms)
    assert done.returncode == 0, done.stdout + done.stderr
    table = (folder / "runs" / "ablations" / "sharpness" / "cells.csv").read_text()
    head, *rows = table.splitlines()
    column = head.split(",").index("sharpness")
    arm = head.split(",").index("arm")
    of: dict[str, list[float]] = {"base": [], "without sharpness": []}
    for row in rows:
        of[row.split(",")[arm]].append(float(row.split(",")[column]))
    assert [len(values) for values in of.values()] == [2, 2]
    assert min(map(min, of.values())) > 0
    assert of["base"] != of["without sharpness"]  # which trains another encoder
    plan = ("--ablation.plan", "true", "--ablation.seeds", "2")
    done = inside(folder, ablate, "suite", *flags(folder), *NAMED, *plan)
    assert f"{1 + 7 * 6} arms x 2 seeds" in " ".join(done.stdout.split()), done.stderr
    done = inside(folder, ablate, "sharpness", *flags(folder))
    assert done.returncode == 2
    assert "there is no ablation sharpness" in done.stderr


def test_a_new_process_judges_its_checkpoint_or_says_what_is_missing(folder: Path) -> None:
    weights = folder / "runs" / "loss_weights" / "nearest.pt"
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}

    def judged(place: Path) -> subprocess.CompletedProcess[str]:
        command = (sys.executable, "-m", "vlatent", "evaluate", "--checkpoint", str(weights))
        return subprocess.run(
            [*command, "--out", "judged"],
            cwd=place,
            env=environment,
            capture_output=True,
            text=True,
            timeout=600,
        )

    done = judged(folder)
    assert done.returncode == 0, done.stderr
    assert "sharpness" in (folder / "judged" / "verdict.md").read_text(encoding="utf-8")
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    done = judged(elsewhere)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith(
        "error: priors.sharpness.class_path: there is no module own_prior;"
    )


def test_an_own_term_trains_on_paraphrases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    own_module(tmp_path, "own_term")
    lines = [json.dumps(example.record()) for example in default_corpus(60, 1)[0]]
    (tmp_path / "blocks.jsonl").write_text("\n".join(lines), encoding="utf-8")
    config = smoke(
        tmp_path,
        data__train=tmp_path / "blocks.jsonl",
        training__steps=3,
        evaluation__count=3,
        evaluation__probed=0,
        tracking__figures=False,
    )
    from own_term import Closeness  # type: ignore[import-not-found]

    tracker = MemoryTracker()
    train(override(config, {"terms.closeness": Closeness(weight=0.5)}), tracker)
    penalty, weighted = (tracker.history[f"{kind}/closeness"] for kind in ("penalty", "weighted"))
    assert all(value > 0 for value in penalty.values())
    assert weighted == pytest.approx({step: value / 2 for step, value in penalty.items()})
    shares = [values for name, values in tracker.history.items() if name.startswith("weighted/")]
    for step, value in tracker.history["loss"].items():
        assert value == pytest.approx(sum(share[step] for share in shares), rel=1e-5)
    assert tracker.settings["terms.closeness.class_path"] == "own_term.Closeness"
