"""A prior that somebody adds, as CONTRIBUTING says: one file, one field; all else follows."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from inside import inside
from smoke import CONFIGS, sentences, smoke

from ablations.ablation import main as ablate
from ablations.suite import ABLATION as SUITE
from studies.study import main as study
from vlatent.fingerprints import fingerprint
from vlatent.tracking import MemoryTracker
from vlatent.training import train

ROOT = Path(__file__).parents[1]
PACKAGES = ("vlatent", "studies", "ablations", "analysis", "benchmarks", "configs", "tests")
LAST = "    contours: Contours = Contours()\n"
TEST = '''"""Roughness: a made-up prior."""

import contract
import pytest

from vlatent.priors.roughness import Roughness


@pytest.mark.parametrize("check", contract.CHECKS, ids=lambda check: check.__name__)
def test_contract(check: contract.Check) -> None:
    check(Roughness())
'''
ABLATION = '''"""Does roughness buy smoothness?"""

from ablations.ablation import command
from ablations.question import ablation_of_prior
from ablations.result import Prediction

ABLATION = ablation_of_prior(
    "roughness",
    "Does roughness buy smoothness?",
    Prediction("without roughness", "roughness of neighbours", "rises"),
    Prediction("only roughness", "roughness of neighbours", "falls"),
)

if __name__ == "__main__":
    command(ABLATION)
'''

pytestmark = [pytest.mark.processes, pytest.mark.timeout(1200)]


def flags(folder: Path) -> list[str]:
    return [
        *("--config", str(CONFIGS / "smoke.yaml"), "--training.steps", "6"),
        *("--evaluation.count", "3", "--evaluation.probed", "0", "--tracking.figures", "false"),
        *("--data.train", str(sentences(folder)), "--data.max_length", "200"),
    ]


@pytest.fixture(scope="module")
def overlay(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sources with one more prior: its file, its field, and its test and ablation."""
    folder = tmp_path_factory.mktemp("sources")
    for name in PACKAGES:
        if (ROOT / name).is_dir():
            skipped = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, folder / name, ignore=skipped)
    shutil.copy(ROOT / "pyproject.toml", folder)
    shutil.copy(ROOT / "tests" / "helpers" / "roughness.py", folder / "vlatent" / "priors")
    declared = folder / "vlatent" / "priors" / "__init__.py"
    text = declared.read_text(encoding="utf-8")
    assert LAST in text
    text = text.replace(LAST, f"{LAST}    roughness: Roughness = Roughness()\n")
    first = "from vlatent.priors.spectrum"
    text = text.replace(first, f"from vlatent.priors.roughness import Roughness\n{first}", 1)
    declared.write_text(text, encoding="utf-8")
    (folder / "tests" / "test_priors" / "test_roughness.py").write_text(TEST, encoding="utf-8")
    (folder / "ablations" / "roughness.py").write_text(ABLATION, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A run, a study and a cell of today's priors, and the run's fingerprint."""
    folder = tmp_path_factory.mktemp("project")
    config = smoke(folder, training__folder=folder / "old")
    train(config, MemoryTracker())

    def search(arguments: Sequence[str]) -> int:
        return study("loss_weights", arguments)

    name = ("--study.name", "old", "--study.trials", "2", "--study.confirm", "0")
    assert inside(folder, search, *flags(folder), *name).returncode == 0
    arms = ("--ablation.arms", "[without kurtosis]", "--ablation.seeds", "1")
    done = inside(folder, lambda a: ablate(SUITE, a), *flags(folder), *arms)
    assert done.returncode == 0, done.stderr
    return folder, fingerprint(config)


def process(overlay: Path, folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    path = f"{overlay}{os.pathsep}{overlay / 'tests' / 'helpers'}"
    return subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=900,
    )


@pytest.fixture(scope="module")
def after(overlay: Path, before: tuple[Path, str]) -> dict[str, Any]:
    """What tests/helpers/added_prior.py found with the prior installed."""
    folder, _ = before
    script = str(overlay / "tests" / "helpers" / "added_prior.py")
    done = process(overlay, folder, script, str(folder), *flags(folder))
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_what_was_recorded_before_goes_on(after: dict[str, Any], before: tuple[Path, str]) -> None:
    assert after["weight of old"] == 0
    assert after["fingerprint of old"] == before[1]  # cells, studies and runs keep their keys
    assert after["steps of old"] == [0, 3, 6, 9, 12, 18, 24]
    assert after["channels of old"] == 6
    assert "roughness" not in after["criteria of old"]
    status, said = after["study of old"]
    assert status == 0, said
    status, said = after["cells of old"]
    assert status == 0, said
    assert "2 of them known, 0 to train" in " ".join(said.split())
    assert after["report of old"][0] == 0, after["report of old"][1]


def test_what_cannot_go_on_says_why(after: dict[str, Any]) -> None:
    status, said = after["study refused"]
    assert status == 2
    assert "priors.roughness.weight was absent" in said
    assert "--study.name old-2" in said
    assert "Traceback" not in said
    status, said = after["ablation refused"]
    assert status == 2
    assert "priors.roughness.weight is 0 in the base" in said


def test_a_run_trains_with_it_and_is_judged(after: dict[str, Any]) -> None:
    assert len(after["penalty"]) == 12
    assert all(value > 0 for value in after["penalty"])
    assert {"spectrum", "variance", "finite"} <= set(after["criteria"])
    assert after["label"] == "roughness of neighbours"


def test_a_study_searches_it_and_an_ablation_leaves_it_out(after: dict[str, Any]) -> None:
    assert after["study"][0] == 0, after["study"][1]
    assert "priors.roughness.weight" in after["searched"]
    status, said = after["ablation"]
    assert status == 0, said
    assert "without roughness: roughness of neighbours rises" in " ".join(said.split())
    assert after["plan"][0] == 0, after["plan"][1]
    for name, arms in (("plan", 1 + 7 * 6), ("plan without", 1 + 6 * 6)):
        assert after[name][0] == 0, after[name][1]
        assert f"{arms} arms x 2 seeds" in " ".join(after[name][1].split())


def test_what_was_found_is_compared_and_reported(after: dict[str, Any]) -> None:
    for name in ("compare", "report of study", "report of ablation"):
        assert after[name][0] == 0, after[name][1]
    said = " ".join(after["compare"][1].split())
    assert "priors.roughness.weight" in said
    assert "roughness of neighbours" in said


def test_the_contract_tests_pass(overlay: Path) -> None:
    tests = ("tests/test_architecture.py", "tests/test_priors/test_roughness.py")
    done = process(overlay, overlay, "-m", "pytest", *tests, "tests/test_golden.py", "-q", "-x")
    assert done.returncode == 0, done.stdout[-3000:]
