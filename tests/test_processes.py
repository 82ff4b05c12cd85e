"""What killed processes leave behind: the next start or the doctor ends it, and nothing else."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import mlflow
import pytest
from inside import inside
from mlflow.entities import Run
from smoke import CONFIGS, sentences
from test_databases import ablation
from test_study import again, environment

from ablations.cells import Cells
from studies.__main__ import main as studies
from vlatent.__main__ import main as vlatent
from vlatent.tracking import TrackingConfig, deliver, journals
from vlatent.tracking.processes import PROCESS, is_gone, own_label

pytestmark = pytest.mark.processes

KILLED_AT_THE_END = """
import os, signal, sys
from ablations import ablation, kurtosis
from vlatent.tracking import MlflowTracker
close = MlflowTracker.close
def die(tracker, status, error=None):
    if ", seed " in tracker._run["name"]:
        os.kill(os.getpid(), signal.SIGKILL)
    close(tracker, status, error)
MlflowTracker.close = die
ablation.main(kurtosis.ABLATION, sys.argv[1:])
"""

KILLED_IN_TRAINING = """
import os, signal, sys
from vlatent.tracking import MlflowTracker
MlflowTracker.metrics = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
MAIN
"""
ABLATE = "from ablations import ablation, kurtosis; ablation.main(kurtosis.ABLATION, sys.argv[1:])"
TRAIN = "from vlatent.__main__ import main; main(sys.argv[1:])"
STUDY = 'from studies.study import main; main("loss_weights", sys.argv[1:])'


def killed(folder: Path, code: str, *flags: str) -> None:
    small = ("--config", str(CONFIGS / "smoke.yaml"), "--training.steps", "6")
    small += ("--data.train", str(sentences(folder)), "--tracking.figures", "false")
    command = [sys.executable, "-c", code, *flags, *small]
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr


def runs(folder: Path, status: str = "RUNNING") -> list[Run]:
    client = mlflow.MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("vlatent")
    found = client.search_runs([experiment.experiment_id], max_results=1000)
    return [run for run in found if run.info.status == status]


def kinds(folder: Path, status: str = "RUNNING") -> list[str]:
    return sorted(run.data.tags["kind"] for run in runs(folder, status))


def doctor(folder: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    return inside(folder, studies, "doctor", *flags)


def cured(folder: Path, *says: str) -> None:
    """The doctor finds it, and nothing is left afterwards."""
    found = doctor(folder)
    words = " ".join(found.stdout.split())
    assert found.returncode == 1, found.stdout + found.stderr
    for each in says:
        assert each in words
    fixed = doctor(folder, "--fix")
    assert fixed.returncode == 0, fixed.stdout + fixed.stderr
    assert not runs(folder)
    assert "Nothing to do" in doctor(folder).stdout


ARM = ("--ablation.seeds", "1", "--ablation.arms", "[without kurtosis]")


@pytest.mark.parametrize(
    ("code", "ends_as"),
    [(KILLED_AT_THE_END, "FINISHED"), (KILLED_IN_TRAINING.replace("MAIN", ABLATE), "KILLED")],
)
def test_runs_of_a_killed_ablation(tmp_path: Path, code: str, ends_as: str) -> None:
    killed(tmp_path, code, *ARM)
    assert kinds(tmp_path) == ["ablation", "arm", "arm", "cell"]
    [cell] = [run for run in runs(tmp_path) if run.data.tags["kind"] == "cell"]
    copy = tmp_path / "copy"
    shutil.copytree(tmp_path, copy)
    cured(copy, f"run {cell.info.run_id} (cell 'base, seed 100') is RUNNING, but its process")
    assert "cell" in kinds(copy, ends_as)
    assert ablation(tmp_path).returncode == 0  # the next start does it as well
    assert not runs(tmp_path)
    assert kinds(tmp_path, "FINISHED") == ["ablation", "arm", "arm", "cell", "cell"]
    keys = [run.data.tags["cell"] for run in runs(tmp_path, "FINISHED") if "cell" in run.data.tags]
    entries = Cells(f"sqlite:///{tmp_path / 'ablations.db'}", tmp_path).read(keys).values()
    assert all(entry.result for entry in entries)


def test_the_run_of_a_killed_training(tmp_path: Path) -> None:
    killed(tmp_path, KILLED_IN_TRAINING.replace("MAIN", TRAIN), "train")
    copy = tmp_path / "copy"
    shutil.copytree(tmp_path, copy)
    cured(copy, "(train 'train ", "end it as KILLED")
    flags = ("--config", str(CONFIGS / "smoke.yaml"), "--training.steps", "2")
    flags += ("--data.train", str(sentences(tmp_path)), "--tracking.figures", "false")
    assert inside(tmp_path, vlatent, "train", *flags, "--training.folder", "next").returncode == 0
    assert not runs(tmp_path)
    assert (kinds(tmp_path, "KILLED"), kinds(tmp_path, "FINISHED")) == (["train"], ["train"])


def test_runs_of_a_killed_study(tmp_path: Path) -> None:
    flags = ("--study.trials", "1", "--study.confirm", "0", "--study.heartbeat", "1")
    killed(tmp_path, KILLED_IN_TRAINING.replace("MAIN", STUDY), *flags)
    assert kinds(tmp_path) == ["study", "trial"]
    cured_at_once = doctor(tmp_path, "--fix", "--silence", "0")
    assert cured_at_once.returncode == 0, cured_at_once.stdout
    assert not runs(tmp_path)
    assert kinds(tmp_path, "KILLED") == ["study", "trial"]


def test_what_waits_of_a_dead_worker_is_delivered_and_ended(tmp_path: Path) -> None:
    """It died while the tracker was away: the run is made only now, and nobody else ends it."""
    assert again(tmp_path, "--study.trials", "1", "--tracking.figures", "false").returncode == 0
    code = """
import os, signal, sys
from pathlib import Path
from vlatent.tracking import TrackingConfig, open_run
tags = {"kind": "trial", "study": "loss_weights", "trial": 0}
tracker = open_run(TrackingConfig(uri="http://127.0.0.1:9"), "left", tags=tags,
                   folder=Path("runs/loss_weights"), patient=True)
tracker.metrics({"loss": 1.0}, 1)
tracker.flush()
os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment(), check=False)
    [journal] = journals(tmp_path)
    assert deliver(journal, TrackingConfig(uri=f"sqlite:///{tmp_path / 'mlflow.db'}")) == 2
    [left] = [run for run in runs(tmp_path, "KILLED") if run.info.run_name == "left"]
    assert left.data.metrics == {"loss": 1.0}


def alter_process(change: Callable[[list[str]], None]) -> str:
    parts = own_label()[PROCESS].split()
    change(parts)
    return " ".join(parts)


def set_at(place: int, value: str) -> Callable[[list[str]], None]:
    return lambda parts: parts.__setitem__(place, value)


def test_only_what_is_surely_gone_is_called_so() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    began = Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[19]
    other = alter_process(lambda parts: parts.__setitem__(slice(4, 6), [str(child.pid), began]))
    assert is_gone(other) is False
    child.kill()
    while is_gone(other) is False:  # it becomes a zombie, as long as nobody waits for it
        time.sleep(0.01)
    assert is_gone(other) is True
    child.wait()
    assert is_gone(own_label()[PROCESS]) is False
    assert is_gone(alter_process(set_at(5, "17"))) is True  # its number was given to another
    assert is_gone(alter_process(set_at(2, "another"))) is True  # the machine was started again
    for place in (0, 1, 3):  # another host, machine, container
        assert is_gone(alter_process(set_at(place, "another"))) is None
    assert is_gone(None) is None


def test_the_doctor_leaves_the_living_and_says_what_it_cannot_see(tmp_path: Path) -> None:
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    experiment = client.create_experiment("vlatent", str(tmp_path / "mlartifacts"))
    elsewhere = alter_process(set_at(0, "faraway"))
    for process in (own_label()[PROCESS], elsewhere):
        client.create_run(experiment, tags={"kind": "train", PROCESS: process})
    for flags in ((), ("--fix",)):
        said = doctor(tmp_path, *flags)
        assert said.returncode == 0, said.stdout + said.stderr
        assert "on host faraway, whose processes cannot be seen" in " ".join(said.stdout.split())
        assert len(runs(tmp_path)) == 2
    assert doctor(tmp_path, "--fix", "--gone", "faraway").returncode == 0
    [alive] = runs(tmp_path)
    assert alive.data.tags[PROCESS] != elsewhere


def test_files_left_half_written_are_removed(tmp_path: Path) -> None:
    assert again(tmp_path, "--study.trials", "1", "--tracking.figures", "false").returncode == 0
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    place = tmp_path / "runs" / "loss_weights"
    left, alive, young = (
        place / f".checkpoint.pt.{number}" for number in (child.pid, os.getpid(), child.pid + 10**7)
    )
    for file in (left, alive, young):
        file.touch()
    for file in (left, alive):
        os.utime(file, (0, 0))
    cured(tmp_path, f"{left.relative_to(tmp_path)} was left half-written by process {child.pid}")
    assert [left.exists(), alive.exists(), young.exists()] == [False, True, True]


def test_a_study_that_only_the_tracker_knows_needs_a_person(tmp_path: Path) -> None:
    assert again(tmp_path, "--study.trials", "1", "--tracking.figures", "false").returncode == 0
    database = tmp_path / "studies.db"
    database.rename(tmp_path / "aside.db")
    for flags in ((), ("--fix",)):
        said = doctor(tmp_path, *flags)
        words = " ".join(said.stdout.split())
        assert said.returncode == 1
        assert "1 of its trials, but sqlite:///studies.db does not know the study" in words
        assert "1 found that only you can repair" in words
        assert "Repair:" not in words
        assert "0 repaired" not in words
        assert not database.exists()
    (tmp_path / "aside.db").rename(database)
    assert "Nothing to do" in doctor(tmp_path).stdout
