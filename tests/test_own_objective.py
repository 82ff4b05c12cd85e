"""Problems and questions of a user's own: studied, ablated and reported like ours."""

from __future__ import annotations

import math
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

import optuna
import pytest
import torch
from inside import inside
from smoke import CONFIGS, smoke

from ablations import run_ablation
from ablations.cells import key_of
from ablations.problem import ablation_at, ablation_of_problem
from ablations.settings import AblationConfig
from analysis.trials import Study, read_study
from studies import run_study
from studies.questions import question_of
from studies.record import counted
from studies.settings import StudyConfig
from vlatent import Problem, Weight, own_questions
from vlatent.__main__ import main as vlatent
from vlatent.config import flatten, from_yaml, override, to_yaml
from vlatent.corpus import corpus_fingerprint
from vlatent.fingerprints import fingerprint
from vlatent.problem import ProblemConfig, ProblemTraining, config_of
from vlatent.problem_run import run_problem, verdict_of
from vlatent.problem_workload import ProblemWorkload
from vlatent.shapes import UserError
from vlatent.step import Diverged
from vlatent.tracking import MemoryTracker, TrackingConfig

ROOT = Path(__file__).parents[1]
[SNIPPET] = re.findall(
    r"^```python\n(.*?)^```",
    (ROOT / "docs" / "own_objective.md").read_text(encoding="utf-8"),
    flags=re.MULTILINE | re.DOTALL,
)
SHORT = (
    *("--study.trials", "5", "--study.confirm", "2", "--study.confirmation_seeds", "2"),
    *("--study.test", "1", "--study.sampler", "random", "--study.pruner", "none"),
)


def parabola(weights: Mapping[str, float], seed: int, report: Callable[..., None]) -> dict:
    """An error of which the best weights are 2 and 0.5, with noise by the seed."""
    noise = 0.01 * torch.rand(()).item()
    for step in (1, 2):
        report(step, {"error": 10.0 / step})
    error = (weights["a"] - 2) ** 2 + (weights["b"] - 0.5) ** 2 + noise
    return {"error": error, "size": weights["a"] + weights["b"]}


PARABOLA = Problem(
    "parabola",
    "Which weights are best?",
    parabola,
    {"a": Weight(1.0, 0.1, 10.0), "b": Weight(1.0, 0.1, 10.0)},
    minimize="error",
    scale="log",
    limits={"size": (0.0, 3.0)},
    steps=5,
)


def written(folder: Path, text: str) -> str:
    """A file of the user's, whose module has a name of its own in this process; its path."""
    file = folder / f"own_{abs(hash(folder)) % 10**9}.py"
    file.write_text(text, encoding="utf-8")
    return f"{file.name}:QUESTION"


def run(**changes: object) -> MemoryTracker:
    """One run of the parabola with some of its fields changed; its tracker."""
    fields = {name: getattr(PARABOLA, name) for name in Problem.__dataclass_fields__ if name != "_"}
    problem, tracker = Problem(**fields | changes), MemoryTracker()
    run_problem(problem, config_of(problem), tracker, lambda *_: None)
    return tracker


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"minimize": None}, "must have either minimize or maximize"),
        ({"maximize": "size"}, "must have either minimize or maximize"),
        ({"weights": {}}, "has no weights"),
        ({"weights": {"a.b": Weight(1, 0.1, 10)}}, "'a.b' cannot be the name"),
        ({"limits": {"size": (2.0, 1.0)}}, "low <= high"),
        ({"steps": 0}, "steps must be 1 or more"),
        ({"name": "a/b"}, "cannot be a name"),
    ],
)
def test_what_a_problem_cannot_be(changes: dict[str, object], said: str) -> None:
    with pytest.raises(UserError, match=re.escape(said)):
        run(**changes)


@pytest.mark.parametrize("values", [(1, 0, 2), (3, 1, 2), (1, 1, 1), (1, 0.5, math.inf)])
def test_what_a_weight_cannot_be(values: tuple[float, float, float]) -> None:
    with pytest.raises(UserError, match="0 < low <= default <= high"):
        Weight(*values)


def test_config_has_defaults_and_refuses_what_the_problem_lacks() -> None:
    config = config_of(PARABOLA, ProblemConfig(weights={"a": 3.0}))
    assert config.weights == {"a": 3.0, "b": 1.0}
    assert config.training.steps == 5
    with pytest.raises(UserError, match="no weight c; it has a, b"):
        config_of(PARABOLA, ProblemConfig(weights={"c": 1.0}))
    with pytest.raises(UserError, match=r"weights\.a must be 0 or more"):
        ProblemConfig(weights={"a": -1.0})
    with pytest.raises(UserError, match="its own number of steps, 5"):
        config_of(PARABOLA, ProblemConfig(training=ProblemTraining(steps=7)))


def test_margins_are_distances_to_the_limits_in_half_widths() -> None:
    for size, margin in ((0.0, 0.0), (1.5, -1.0), (3.0, 0.0), (4.5, 1.0), (math.nan, 1e3)):
        [line] = verdict_of(PARABOLA, {"size": size}).criteria
        assert line.margin == pytest.approx(margin)
    assert run(limits={"size": (-math.inf, 4.0)}).history["margin/size"][5] == -0.5
    assert run(limits={"size": (4.0, math.inf)}).history["margin/size"][5] == 0.5


def test_a_run_is_seeded_and_recorded_under_regular_names() -> None:
    first, again = run(), run()
    assert first.history == again.history
    assert next(iter(first.history)) == "statistic/error"
    assert set(first.history["statistic/error"]) == {1, 2, 5}
    assert first.settings["weights.a"] == 1.0
    torch.manual_seed(0)
    noise = 0.01 * torch.rand(()).item()
    assert first.history["statistic/error"][5] == pytest.approx(1.25 + noise)


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda w, s, r: {"error": math.nan}, "error is nan at step 5"),
        (lambda w, s, r: {"other": 1.0}, "there is no statistic error at step 5; there is other"),
        (lambda w, s, r: {"error": "low"}, "'low' at step 5, no number"),
        (lambda w, s, r: 1.0, "1.0 is given at step 5, not statistics"),
        (lambda w, s, r: {"error": w["c"]}, "no weight 'c'; the problem has a, b"),
        (lambda w, s, r: r(9, {"error": 1.0}), "step 9 was reported after step 0 of 5"),
        (lambda w, s, r: r(1, {"size": 1.0}), "no statistic error at step 1"),
    ],
)
def test_a_failing_function_says_why(function: Callable[..., object], said: str) -> None:
    with pytest.raises(Diverged, match=re.escape(said)):
        run(function=function, limits={})


def test_cell_keys_follow_the_users_file_and_ours_do_not(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("QUESTION = 1")
    before = own_questions.digests(f"{file}:QUESTION", None)
    assert before != own_questions.digests(f"{file}:OTHER", None)
    file.write_text("QUESTION = 2")
    after = own_questions.digests(f"{file}:QUESTION", None)
    assert list(before) == ["mine.py:QUESTION"]
    config = config_of(PARABOLA)
    keys = {key_of(config, corpus_fingerprint(read)) for read in (before, after)}
    assert len(keys) == 2
    assert question_of("loss_weights").workload.source == ""
    assert fingerprint(override(config, {"weights.a": 0.0})) != fingerprint(config)
    elsewhere = override(config, {"tracking": TrackingConfig(experiment="x")})
    assert fingerprint(elsewhere) == fingerprint(config)


@pytest.mark.timeout(300)
def test_found_weights_are_compared_with_the_defaults() -> None:
    problem, defaults = PARABOLA, config_of(PARABOLA)
    ablation = ablation_of_problem(problem, "parabola.py:QUESTION")

    def of(config: ProblemConfig) -> dict[str, dict[str, object]]:
        return {arm.name: dict(arm.changes) for arm in ablation.arms(config)}

    assert "default weights" not in of(defaults)
    found = config_of(problem, replace(defaults, weights={"a": 2.0, "b": 0.0}))
    arms = of(found)
    assert arms["default weights"] == {f"weights.{k}": v for k, v in defaults.weights.items()}
    assert arms["without a"] == {"weights.a": 0.0}
    assert "without b" not in arms  # it is 0 already


def test_the_pages_snippet_from_study_to_report(tmp_path: Path) -> None:
    """Twenty small runs through every command: the one test of the whole way, so it takes long."""
    path = written(tmp_path, SNIPPET)
    study = inside(tmp_path, vlatent, "study", path, *SHORT)
    assert study.returncode == 0, study.stderr
    assert "Which weights end at 2?" in study.stdout
    assert "Optimism of the search" in study.stdout
    assert "on seeds that no choice has seen" in " ".join(study.stdout.split())
    assert "sentences" not in study.stdout
    assert "Warning" not in study.stdout  # it uses its seed
    best = (tmp_path / "runs" / "pulls" / "best.yaml").read_text()
    assert "near:" in best
    found = read_study(f"sqlite:///{tmp_path / 'studies.db'}", "pulls")
    assert found.trials[0].params == {"weights.near": 1.0, "weights.far": 1.0}
    assert found.result.workload == "problem"
    complete = [trial for trial in found.trials if trial.feasible]
    assert found.result.leader in {trial.number for trial in complete}
    assert all(0 <= trial.evaluation.metrics["position"] <= 3 for trial in complete)
    assert min(trial.values for trial in complete) == found.result.ranking[0].values
    values_are_those_of_the_function(tmp_path, found)

    again = inside(tmp_path, vlatent, "study", path, *SHORT)
    assert "trial   0" not in again.stdout  # nothing is left to do
    status = inside(tmp_path, vlatent, "status", "pulls")
    assert "5 of 5 trials done" in status.stdout
    replayed = inside(tmp_path, vlatent, "replay", "pulls", "1")
    assert "agree to the last bit" in replayed.stdout, replayed.stdout + replayed.stderr

    arms = ("--ablation.seeds", "2", "--ablation.arms", "[without near, without far]")
    ablate = inside(tmp_path, vlatent, "ablate", path, "--ablation.from_study", "pulls", *arms)
    assert ablate.returncode == 0, ablate.stderr
    assert "6 cells measured, 0 missing" in ablate.stdout
    folder = tmp_path / "runs" / "ablations" / "pulls"
    assert {"forest.png", "effects.csv", "result.json"} <= {file.name for file in folder.iterdir()}
    assert (
        "6 of them known, 0 to train"
        in inside(tmp_path, vlatent, "ablate", path, "--ablation.from_study", "pulls", *arms).stdout
    )
    for kind in ("--study", "--ablation"):
        report = inside(tmp_path, vlatent, "report", kind, "pulls")
        assert report.returncode == 0, report.stderr
    html = (tmp_path / "runs" / "reports" / "study_pulls" / "report.html").read_text()
    assert "Which weights end at 2?" in html
    assert "encoder" not in html
    compared = inside(tmp_path, vlatent, "compare", "pulls:0", "pulls:1")
    assert compared.returncode == 2
    assert "Traceback" not in compared.stderr

    changed = tmp_path / path.partition(":")[0]
    changed.write_text(SNIPPET.replace("0.01 *", "0.02 *"))
    replayed = inside(tmp_path, vlatent, "replay", "pulls", "1")
    assert replayed.stderr == f"warning: {path} changed since; what is computed now may differ.\n"
    refused = inside(tmp_path, vlatent, "study", path, *SHORT)
    assert refused.returncode == 2
    assert f"corpus ({path})" in refused.stderr


def values_are_those_of_the_function(folder: Path, found: Study) -> None:
    """Called once more, with the weights and the seed that a record names, by nobody but this."""
    names: dict[str, Any] = {}
    exec(SNIPPET, names)
    params = {trial.number: trial.params for trial in found.trials}

    def again(number: int, seed: int) -> dict[str, float]:
        weights = {n.removeprefix("weights."): value for n, value in params[number].items()}
        return names["objective"](weights, seed, lambda *_: None)

    study = optuna.load_study(study_name="pulls", storage=f"sqlite:///{folder / 'studies.db'}")
    for trial in study.trials:
        expected = again(trial.number, 0)
        assert trial.values == [expected["error"]]
        margin = abs(expected["position"] - 1.5) / 1.5 - 1  # of the limits 0 and 3
        assert trial.constraints == {"position": pytest.approx(margin)}
    [tested] = found.result.tested
    assert tested.number == found.result.leader
    runs = [run for each in (*found.result.finalists, tested) for run in each.confirmations]
    for run in runs:
        assert run.values == (again(run.trial, run.seed)["error"],)
    assert {run.seed for run in runs[:-1]} == {1, 2}  # none of the search, which has 0
    assert runs[-1].seed not in {0, 1, 2}

    curse = found.result.optimism
    assert curse is not None
    confirmed = [finalist.number for finalist in found.result.finalists]
    assert curse.trial == min(confirmed, key=lambda number: again(number, 0)["error"])
    searched, *others = (again(curse.trial, seed)["error"] for seed in (0, 1, 2))
    assert curse.mean == pytest.approx(searched - fmean(others))


@pytest.mark.parametrize(
    ("text", "flags", "said"),
    [
        ("QUESTION = 3", (), "is of type int, not Problem or Question"),
        ("1 / 0", (), "division by zero"),
        (SNIPPET, ("--weights.middle", "1"), "no weight middle; it has near, far"),
        (SNIPPET, ("--weights.near", "50"), "leaves out the starting value"),
        (SNIPPET, ("--training.steps", "7"), "its own number of steps, 20"),
        (SNIPPET, ("--study.rehearse", "3"), "study.rehearse is for our encoder"),
        (SNIPPET, ("--optimizer.clip", "3"), "there is no key optimizer.clip"),
    ],
)
def test_bad_input_is_one_line(
    tmp_path: Path, text: str, flags: tuple[str, ...], said: str
) -> None:
    ended = inside(tmp_path, vlatent, "study", written(tmp_path, text), *flags)
    assert ended.returncode == 2
    assert said in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert not (tmp_path / "studies.db").exists()


def test_failing_runs_are_failed_trials_with_their_reason(tmp_path: Path) -> None:
    text = SNIPPET.replace(
        "    position = 0.0", '    assert weights["near"] == 1, "too far"\n    position = 0.0'
    )
    ended = inside(
        tmp_path,
        vlatent,
        "study",
        written(tmp_path, text),
        "--study.trials",
        "3",
        "--study.confirm",
        "0",
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("AssertionError('too far')") == 2


def test_python_runs_what_no_file_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    local = Problem(
        "local",
        "Which weight?",
        lambda weights, seed, report: {"gain": -abs(weights["x"] - 2)},
        {"x": Weight(1.0, 0.1, 10.0)},
        maximize="gain",
    )
    settings = StudyConfig(trials=3, confirm=2, confirmation_seeds=2, test=0, sampler="random")
    result = run_study(local, settings=settings)
    assert "Warning: every confirmed trial is the same on all" in capsys.readouterr().out
    assert result.ranking[0].values[0] == max(trial.values[0] for trial in result.ranking)
    assert result.counts.complete == 3
    with pytest.raises(UserError, match="exists in one process only"):
        question_of("this process:gone")
    ablated = run_ablation(local, settings=AblationConfig(seeds=2, arms=["without x"]))
    assert ablated is not None
    assert ablated.arms[1].effects["gain"].mean == pytest.approx(-1.0)


OWN_TRAINING = """
from studies.question import Question, Range
from vlatent import Evaluation, Result, Verdict, override
from vlatent.evaluation import Criterion
from pathlib import Path


def train(config, tracker, report):
    rate = config.optimizer.learning_rate
    evaluation = Evaluation(config.training.steps, {"rate": rate}, {})
    verdict = Verdict((Criterion("rate", "at most 1", f"{rate}", rate - 1),))
    return Result([evaluation], verdict, -rate, None, Path(), 0.1)


QUESTION = Question(
    name="rate",
    text="Which rate is smallest?",
    space=lambda config: {"optimizer.learning_rate": Range(1e-5, 1e-1)},
    train=train,
)
"""


def test_a_question_may_train_in_its_own_way(tmp_path: Path) -> None:
    path, config = written(tmp_path, OWN_TRAINING), tmp_path / "config.yaml"
    config.write_text(to_yaml(smoke(tmp_path)))
    few = ("--study.trials", "3", "--study.confirm", "0", "--study.sampler", "random")
    ended = inside(tmp_path, vlatent, "study", path, "--config", str(config), *few)
    assert ended.returncode == 0, ended.stderr
    found = read_study(f"sqlite:///{tmp_path / 'studies.db'}", "rate")
    for trial in found.trials:
        assert trial.values[0] == -trial.params["optimizer.learning_rate"]
        assert trial.feasible


@pytest.mark.parametrize("name", ["own_question", "pinn"])
def test_examples_are_short(name: str) -> None:
    lines = (ROOT / "examples" / f"{name}.py").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 40


def test_the_blurs_question_begins_with_the_config_itself() -> None:
    question = question_of(str(ROOT / "examples" / "own_question.py:QUESTION"))
    config = from_yaml((CONFIGS / "quick.yaml").read_text(encoding="utf-8"))
    space = question.narrowed(config, {})
    assert {"blur", "blurred_share", "priors.variance.weight"} <= set(space)
    applied = flatten(question.apply(config, question.start(config, space)))
    for key, value in flatten(config).items():
        assert applied[key] == (pytest.approx(value) if isinstance(value, float) else value), key
    wider = question.apply(config, {**question.start(config, space), "blur": 3.0})
    assert wider.training.blur == 3.0


def test_the_networks_reference_solves_burgers_equation() -> None:
    problem = ablation_at(str(ROOT / "examples" / "pinn.py:QUESTION")).workload
    assert isinstance(problem, ProblemWorkload)
    exact = sys.modules["pinn"].exact
    h = 1e-4  # central differences, in place of the example's own derivatives
    x, t = torch.rand(2, 50, dtype=torch.float64) * 0.9 + 0.05
    u = exact(x, t)
    in_time = (exact(x, t + h) - exact(x, t - h)) / (2 * h)
    in_space = (exact(x + h, t) - exact(x - h, t)) / (2 * h)
    curvature = (exact(x + h, t) - 2 * u + exact(x - h, t)) / h**2
    assert (in_time + u * in_space - 0.1 * curvature).abs().max() < 1e-5
    for edge in (torch.zeros_like(t), torch.ones_like(t)):
        assert exact(edge, t).abs().max() < 1e-12

    class Enough(Exception):
        """Two reports are enough."""

    errors = []

    def report(step: int, statistics: Mapping[str, float]) -> None:
        errors.append(statistics["error"])
        if step == 100:
            raise Enough

    torch.manual_seed(0)
    with pytest.raises(Enough):
        problem.problem.function(dict.fromkeys(problem.problem.weights, 1.0), 0, report)
    assert errors[1] < errors[0] < 1


SLOW = SNIPPET.replace("import random", "import random\nimport time").replace(
    "        position -=", "        time.sleep(0.1)\n        position -="
)


@pytest.mark.processes
@pytest.mark.timeout(600)
def test_a_killed_worker_costs_nothing(tmp_path: Path) -> None:
    """Two real workers, one of them killed; then the command itself: it goes on from there."""
    flags = ("--study.trials", "6", "--study.confirm", "0", "--study.workers", "2")
    command = [sys.executable, "-m", "vlatent", "study", written(tmp_path, SLOW), *flags]
    paths = f"{ROOT}:{ROOT / 'tests' / 'helpers'}"
    environment = os.environ | {"PYTHONPATH": paths}

    def begin() -> subprocess.Popen[str]:
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        return subprocess.Popen(command, cwd=tmp_path, env=environment, text=True, **pipes)

    storage = f"sqlite:///{tmp_path / 'studies.db'}"

    def running() -> list[int]:
        if not (tmp_path / "studies.db").exists():
            return []
        try:
            study = optuna.load_study(study_name="pulls", storage=storage)
        except Exception:  # it is being made
            return []
        live = study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,))
        return [int(t.user_attrs["worker"].split(":")[1]) for t in live if "worker" in t.user_attrs]

    first = begin()
    end = time.monotonic() + 240
    while not (workers := running()):
        assert first.poll() is None, first.communicate()[0]
        assert time.monotonic() < end, "no worker has begun a trial"
        time.sleep(0.1)
    os.kill(workers[0], signal.SIGKILL)
    time.sleep(1)
    first.kill()
    first.communicate()
    second = begin()
    output = second.communicate(timeout=500)[0]
    assert second.returncode == 0, output
    study = optuna.load_study(study_name="pulls", storage=storage)
    trials = counted(study)
    assert [trial.user_attrs["ordinal"] for trial in trials] == list(range(6))
    assert any("continues" in trial.user_attrs for trial in study.trials)
