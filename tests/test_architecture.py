"""What the rooms promise: a prior has its file and its test, an outside tool has one importer."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest

from ablations import image_priors, suite
from ablations.measurement import OF_MEANING, OF_READING, STATISTICS
from vlatent.config import Config, flatten, from_yaml, override
from vlatent.priors import Prior, Priors
from vlatent.shapes import UserError
from vlatent.terms import Term, Terms

ROOT = Path(__file__).parents[1]
ROOMS = ("vlatent", "studies", "ablations", "analysis", "benchmarks")
DOORS = {
    "mlflow": {"vlatent/tracking/"},
    "optuna": {
        "studies/",
        "analysis/storages.py",
        "analysis/trials.py",
        "analysis/foreign/from_optuna.py",
        "analysis/importance/",
        "benchmarks/",
    },
    "torchjd": {"vlatent/balance.py"},
    "matplotlib": {
        "vlatent/figures/",
        "studies/figures/",
        "ablations/figures/",
        "analysis/",
    },
}
PRIORS = [field.name for field in fields(Priors)]


def sources() -> list[Path]:
    return sorted(file for room in ROOMS for file in (ROOT / room).rglob("*.py"))


def imported(tree: ast.AST) -> Iterator[str]:
    """Top-level package of every import, wherever in the file it stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.split(".")[0]


def through_a_wall(tool: str, file: str, source: str) -> bool:
    if tool not in imported(ast.parse(source)):
        return False
    return not any(
        file == door or (door[-1] == "/" and file.startswith(door)) for door in DOORS[tool]
    )


@pytest.mark.parametrize("tool", DOORS)
def test_outside_tools_have_their_doors(tool: str) -> None:
    files = {file.relative_to(ROOT).as_posix(): file.read_text("utf-8") for file in sources()}
    assert len(files) > 20
    assert [file for file, source in files.items() if through_a_wall(tool, file, source)] == []


def test_a_hole_in_a_wall_is_seen() -> None:
    for hole in ("import mlflow", "from mlflow.entities import Run", "def f():\n    import mlflow"):
        assert through_a_wall("mlflow", "vlatent/training.py", hole)
        assert not through_a_wall("mlflow", "vlatent/tracking/store.py", hole)
    assert through_a_wall("matplotlib", "vlatent/training.py", "import matplotlib.pyplot as plt")
    assert not through_a_wall("optuna", "vlatent/training.py", "# import optuna")


def test_the_library_imports_no_room_around_it() -> None:
    for file in (ROOT / "vlatent").rglob("*.py"):
        rooms = set(imported(ast.parse(file.read_text("utf-8"))))
        assert not rooms & {"studies", "ablations", "analysis", "benchmarks", "tests"}, file


@pytest.mark.parametrize("name", PRIORS)
def test_prior_has_its_file_and_its_test(name: str) -> None:
    prior = getattr(Priors(), name)
    assert type(prior).__name__ == "".join(word.capitalize() for word in name.split("_"))
    assert Path(inspect.getfile(type(prior))) == ROOT / "vlatent" / "priors" / f"{name}.py"
    test = ROOT / "tests" / "test_priors" / f"test_{name}.py"
    assert test.is_file()
    assert "contract.CHECKS" in test.read_text("utf-8")


@pytest.mark.parametrize("name", PRIORS)
def test_prior_says_how_it_is_calibrated(name: str) -> None:
    prior = type(getattr(Priors(), name))
    assert "Calibration" in (inspect.getdoc(prior) or "")
    assert any(character.isdigit() for character in inspect.getdoc(prior) or "")
    for method in (prior.statistic, prior.penalty):
        assert method.__doc__, method


@pytest.mark.parametrize("name", PRIORS)
def test_prior_is_a_frozen_component_of_its_own(name: str) -> None:
    prior = type(getattr(Priors(), name))
    assert prior.__bases__ == (Prior,)
    assert is_dataclass(prior)
    assert prior.__dataclass_params__.frozen  # type: ignore[attr-defined]
    assert "search" in vars(prior)
    assert "weight" in prior.__annotations__
    assert inspect.signature(prior.penalty).parameters.keys() == {"self", "latent"}
    assert inspect.signature(prior.statistic).parameters.keys() == {"self", "latent"}
    source = Path(inspect.getfile(prior)).read_text("utf-8")
    others = {f"vlatent.priors.{other}" for other in PRIORS if other != name}
    modules = {
        node.module for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom)
    }
    assert not modules & others


@pytest.mark.parametrize("name", PRIORS)
def test_prior_has_its_ablation(name: str) -> None:
    ablation = importlib.import_module(f"ablations.{name}").ABLATION
    assert ablation.name == name
    assert ablation.question in (ROOT / "ablations" / f"{name}.py").read_text("utf-8")
    base = override(Config(), {f"priors.{name}.weight": 1.0})  # it may be declared off
    arms = {arm.name: arm for arm in ablation.all_arms(base)}
    assert {f"without {name}", f"only {name}"} < arms.keys()
    assert len(ablation.predictions) >= 2
    for prediction in ablation.predictions:
        assert prediction.arm in arms
        assert prediction.statistic in STATISTICS
        assert prediction in suite.ABLATION.predictions


def test_no_file_of_a_prior_or_of_its_test_is_left_over() -> None:
    files = {file.stem for file in (ROOT / "vlatent" / "priors").glob("*.py")}
    assert files - {"__init__", "base"} == set(PRIORS)
    tests = {file.stem for file in (ROOT / "tests" / "test_priors").glob("test_*.py")}
    assert tests == {f"test_{name}" for name in PRIORS}


@pytest.mark.parametrize("name", [name for name, _ in Terms()])
def test_term_has_its_file_and_its_ablation(name: str) -> None:
    term = type(getattr(Terms(), name))
    assert term.__name__.lower() == name
    assert Path(inspect.getfile(term)) == ROOT / "vlatent" / "terms" / f"{name}.py"
    assert term.__bases__ == (Term,)
    assert "search" in vars(term)
    assert getattr(Terms(), name).weight == 0
    assert "Calibration" in (inspect.getdoc(term) or "")
    assert term.penalty.__doc__
    assert (ROOT / "ablations" / f"{name}.py").is_file()


@pytest.mark.parametrize(
    "name", ["contrast", "invariance", "counterfactuals", "image_priors", "reading"]
)
def test_ablations_of_meaning(name: str) -> None:
    file = "quick_round_trip.yaml" if name == "reading" else "quick_meaning.yaml"
    base = from_yaml((ROOT / "configs" / file).read_text("utf-8"))
    ablation = importlib.import_module(f"ablations.{name}").ABLATION
    assert ablation.name == name
    arms = {arm.name: arm for arm in ablation.all_arms(base)}
    configs = {json.dumps(flatten(override(base, arm.changes))) for arm in arms.values()}
    assert len(configs) == len(arms) == len(ablation.all_arms(base))
    assert len(ablation.predictions) >= 2
    for prediction in ablation.predictions:
        assert prediction.arm in arms
        assert prediction.statistic in (*STATISTICS, *OF_MEANING, *OF_READING)
    if name != "reading":  # whose workload refuses what cannot be read
        with pytest.raises(UserError, match=r"--config meaning"):
            ablation.all_arms(Config())


def test_only_the_priors_left_out_are_off() -> None:
    base = from_yaml((ROOT / "configs" / "quick_meaning.yaml").read_text("utf-8"))
    for arm in image_priors.ABLATION.arms(base):
        changed = override(base, arm.changes)
        off = {name for name, prior in changed.priors if prior.weight == 0}
        declared = {name for name, prior in base.priors if prior.weight == 0}
        assert off == set(arm.priors) | declared
        assert changed.terms == base.terms
