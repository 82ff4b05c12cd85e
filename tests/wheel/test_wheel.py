"""What `pip install vlatent` brings, in an environment of its own and an empty folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from filelock import FileLock

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.timeout(3000)  # whole studies, on a machine that does much else
Command = Callable[..., "subprocess.CompletedProcess[str]"]
MADE = "made"  # a file in the environment once it is whole
# As for someone else: what stands here must not be found from there.
VARIABLES = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment with the wheel, made by the first worker that needs it."""
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "environment"
    with FileLock(folder.with_suffix(".lock")):
        if not (folder / MADE).exists():
            make_environment(folder)
    return folder / "venv" / "bin"


def make_environment(folder: Path) -> None:
    """An environment with the wheel; its dependencies are those that we have.

    A path in a .pth file brings packages, but not what an editable install hangs into a start.
    """
    venv.create(folder / "venv", symlinks=True)
    python = folder / "venv" / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    for stale in ("lib", f"bdist.{sysconfig.get_platform()}"):  # holds files of earlier builds
        subprocess.run(["rm", "-rf", ROOT / "build" / stale], check=True)
    wheel = ["wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, ROOT]
    subprocess.run([*pip, *wheel], check=True, env=VARIABLES)
    [built] = folder.glob("*.whl")
    install = ["--python", python, "install", "--no-deps", "--no-index", built]
    subprocess.run([*pip, *install], check=True, env=VARIABLES)
    ours = sysconfig.get_paths(vars={"base": f"{folder / 'venv'}"})["purelib"]
    Path(ours, "dependencies.pth").write_text(sysconfig.get_paths()["purelib"], encoding="utf-8")
    (folder / MADE).touch()


@pytest.fixture
def run(environment: Path, tmp_path: Path) -> Command:
    """Run a program of the environment in an empty folder."""

    def command(program: str, *arguments: str, status: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [environment / program, *arguments],
            cwd=tmp_path,
            env=VARIABLES,
            capture_output=True,
            text=True,
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done

    return command


def test_every_room_is_there_and_comes_from_the_wheel(run: Command, environment: Path) -> None:
    code = (
        "import vlatent, studies, ablations, analysis\n"
        "print(*(room.__file__ for room in (vlatent, studies, ablations, analysis)), sep='\\n')"
    )
    for place in run("python", "-c", code).stdout.split():
        assert Path(place).is_relative_to(environment.parent)
    assert run("vlatent", "--version").stdout == "vlatent 0.1.0\n"
    listed = run("vlatent", "--help").stdout
    names = [line.split()[0] for line in listed.split("\n\n")[2].splitlines()]
    assert names == [
        *("train", "evaluate", "read", "scenes", "study", "screen", "ablate", "report"),
        *("statistics", "compare", "importance", "probe", "runs", "status", "replay", "doctor"),
    ]
    code = (
        "import contextlib, sys\n"
        "from vlatent.__main__ import main\n"
        "for name in sys.argv[1:]:\n"
        "    with contextlib.suppress(SystemExit):\n"
        "        main([name, '--help'])\n"
    )
    assert run("python", "-c", code, *names).stdout.count("usage: ") == len(names)


def test_every_file_of_the_rooms_is_there(environment: Path) -> None:
    """Templates and configs too, which packaging leaves out unless it is told."""
    rooms = ("vlatent", "studies", "ablations", "analysis")
    here = {
        path.relative_to(ROOT)
        for room in rooms
        for path in ROOT.glob(f"{room}/**/*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    here |= {Path("vlatent", "configs", file.name) for file in ROOT.glob("configs/*")}
    [packages] = environment.parent.glob("lib/*/site-packages")
    assert {path for path in here if not (packages / path).is_file()} == set()
    assert len(here) > 150


def test_a_study_and_its_report(run: Command, tmp_path: Path) -> None:
    run("vlatent", "study", "loss_weights", "--config", "smoke", "--study.trials", "3")
    assert (tmp_path / "studies.db").is_file()
    assert "loss_weights" in run("vlatent", "status").stdout
    assert "3 of 3 trials done" in run("vlatent", "status", "loss_weights").stdout
    run("vlatent", "report", "loss_weights")
    report = tmp_path / "runs" / "reports" / "study_loss_weights" / "report.html"
    assert "loss_weights" in report.read_text(encoding="utf-8")
    code = (
        "from mlflow import MlflowClient\n"
        "runs = MlflowClient('sqlite:///mlflow.db').search_runs(['1'])\n"
        "print({run.data.tags['vlatent.version'] for run in runs})"
    )
    assert run("python", "-c", code).stdout.startswith("{'0.1.0'}")


def test_an_ablation_and_its_report(run: Command, tmp_path: Path) -> None:
    small = ("--config", "smoke", "--training.steps", "6", "--ablation.seeds", "2")
    run("vlatent", "ablate", "spectrum", *small)
    run("vlatent", "report", "spectrum")
    report = tmp_path / "runs" / "reports" / "ablation_spectrum" / "report.html"
    assert "without spectrum" in report.read_text(encoding="utf-8")


def test_a_study_by_its_module(run: Command, tmp_path: Path) -> None:
    run("python", "-m", "studies.loss_weights", "--config", "smoke", "--study.trials", "3")
    assert (tmp_path / "studies.db").is_file()


def test_an_unknown_config_is_refused_in_one_line(run: Command, tmp_path: Path) -> None:
    refused = run("vlatent", "train", "--config", "smoek", status=2)
    assert refused.stderr == (
        "error: there is no config smoek; did you mean smoke? The package has full, lasting, "
        "meaning, quick, quick_documented, quick_meaning, quick_reading, quick_round_trip, "
        "reading, round_trip, smoke, winner; or give the path of a YAML file.\n"
    )
    assert list(tmp_path.iterdir()) == []


SHORT = (
    *("--config", "smoke", "--training.steps", "6", "--evaluation.count", "3"),
    *("--tracking.figures", "false"),
)
SEARCH = ("--study.trials", "3", "--study.confirm", "0", "--study.workers", "2")
BY_TWO = ("--ablation.seeds", "2", "--ablation.workers", "2")
ON_RAY = (*BY_TWO, "--ablation.launcher", "ray", "--ablation.cpus", "0.5")
RAY = ("own_prior", "pinn")  # a class by its module, a file by its path; its start takes long


@dataclass(frozen=True)
class Example:
    """What is typed for one of the examples.

    Attributes:
        own: Flags that name its class.
        study: What follows `vlatent study`, and the study's name.
        ablation: What follows `vlatent ablate`, and the ablation's name.
        arm: What is compared with the base.
        missing: How the line begins that says that its file is gone.
    """

    own: tuple[str, ...]
    study: tuple[str, str]
    ablation: tuple[str, str]
    arm: str
    missing: str


EXAMPLES = {
    "own_encoder": Example(
        ("--encoder.class_path", "own_encoder.py:Convolutional"),
        ("loss_weights", "loss_weights"),
        ("spectrum", "spectrum"),
        "without spectrum",
        "error: encoder.class_path: there is no file own_encoder.py; give file.py:Name.",
    ),
    "own_prior": Example(
        ("--priors.sharpness.class_path", "own_prior.Sharpness"),
        ("loss_weights", "loss_weights"),
        ("sharpness", "sharpness"),
        "without sharpness",
        "error: priors.sharpness.class_path: there is no module own_prior; install it",
    ),
    "own_question": Example(
        (),
        ("own_question.py:QUESTION", "blur"),
        ("spectrum", "spectrum"),
        "without spectrum",
        "error: vlatent study: there is no file own_question.py; give file.py:Name.",
    ),
    "pinn": Example(
        (),
        ("pinn.py:QUESTION", "pinn"),
        ("pinn.py:QUESTION", "pinn"),
        "without boundary",
        "error: vlatent study: there is no file pinn.py; give file.py:Name.",
    ),
}


def brought(name: str, folder: Path) -> Path:
    """The example in a folder where nothing else is."""
    file = Path(shutil.copy(ROOT / "examples" / f"{name}.py", folder))
    assert len(file.read_text(encoding="utf-8").splitlines()) <= 40
    return file


@pytest.mark.parametrize("name", EXAMPLES)
def test_from_training_to_report(name: str, run: Command, tmp_path: Path) -> None:
    """A study by two processes, an ablation by two or on Ray: each finds the file by its path.

    A problem writes no checkpoint; what is read back of it are a trial and the best weights.
    """
    file, example = brought(name, tmp_path), EXAMPLES[name]
    if name == "pinn":  # a tenth of its steps
        text = file.read_text(encoding="utf-8")
        assert text.count("range(1, 401)") == text.count("steps=400") == 1
        text = text.replace("range(1, 401)", "range(1, 51)").replace("steps=400", "steps=50")
        file.write_text(text, encoding="utf-8")
    asked, study = example.study
    flags = () if name == "pinn" else (*SHORT, *example.own)
    done = run("vlatent", "study", asked, *flags, *SEARCH)
    assert " 0 failed" in " ".join(done.stdout.split())

    folder = tmp_path / "runs" / study
    found = next(f for f in (folder / "best.yaml", folder / "nearest.yaml") if f.is_file())
    asked, ablation = example.ablation
    base = ("--config", str(found))
    two = ON_RAY if name in RAY else BY_TWO
    done = run("vlatent", "ablate", asked, *base, *two, "--ablation.arms", f"[{example.arm}]")
    assert "4 cells measured, 0 missing" in done.stdout
    for kind, named in (("study", study), ("ablation", ablation)):
        run("vlatent", "report", f"--{kind}", named)
        report = tmp_path / "runs" / "reports" / f"{kind}_{named}" / "report.html"
        assert named in report.read_text(encoding="utf-8")
    again, is_own = ("replay", study, "1"), bool(example.own)
    same = run("vlatent", *again)
    assert "agree to the last bit" in same.stdout
    assert "changed" not in same.stderr
    if name != "pinn":
        run("vlatent", "train", *base, "--training.folder", "runs/own")
        judged = ("evaluate", "--checkpoint", "runs/own", "--out", "judged")
        assert "changed" not in run("vlatent", *judged).stderr
        assert (tmp_path / "judged" / "verdict.md").is_file()

    with file.open("a", encoding="utf-8") as opened:
        opened.write("# Another file from now on.\n")
    reading = judged if is_own else again
    assert run("vlatent", *reading).stderr.count(" changed") == 1
    file.unlink()
    refused = run("vlatent", *reading, status=2).stderr
    assert refused.splitlines()[-1].startswith(example.missing)
    assert "Traceback" not in refused


def test_own_text_from_file_to_report(run: Command, tmp_path: Path) -> None:
    """The example types the commands itself; then its checkpoint, two workers, and Ray."""
    brought("own_text", tmp_path)
    done = run("python", "own_text.py")
    assert "duplicates left out" in done.stdout
    runs = tmp_path / "runs"
    assert "about" in (runs / "own" / "probes" / "probes.md").read_text(encoding="utf-8")
    report = runs / "reports" / "study_loss_weights" / "report.html"
    assert "manual.jsonl" in report.read_text(encoding="utf-8")
    assert "changed" not in run("vlatent", "evaluate", "--checkpoint", "runs/own").stderr
    base = ("--config", "runs/own/config.yaml", "--training.steps", "6")
    run("vlatent", "study", "loss_weights", *base, "--study.name", "two", *SEARCH)
    run("vlatent", "ablate", "variance", *base, *ON_RAY, "--ablation.arms", "[without variance]")
    (tmp_path / "manual.jsonl").unlink()
    refused = run("vlatent", "evaluate", "--checkpoint", "runs/own", status=2).stderr
    assert refused.startswith("error: ")
    assert refused.count("\n") == 1
    assert "manual.jsonl" in refused
