"""What a user types: bad input ends with one line and status 2, good input with what to do next."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from inside import inside
from smoke import CONFIGS, sentences

from vlatent.__main__ import main

ROOT = Path(__file__).parent.parent
SMOKE = ("--config", str(CONFIGS / "smoke.yaml"))


def vlatent(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "vlatent", *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


def write(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    return str(path)


BAD_INPUT: dict[str, tuple[list[str], str]] = {
    "misspelt key": (["--training.stepz", "5"], "did you mean training.steps?"),
    "wrong type": (["--training.steps", "many"], "training.steps must be a whole number"),
    "negative weight": (["--priors.kurtosis.weight", "-1"], "priors.kurtosis.weight must be at"),
    "no steps": (["--training.steps", "0"], "training.steps must be above 0"),
    "missing file": (["--data.train", "missing.txt"], "missing.txt does not exist"),
    "empty file": (["--data.train", "empty.txt"], "empty.txt is empty"),
    "blank lines": (["--data.train", "blank.txt"], "blank.txt has only blank lines"),
    "not UTF-8": (["--data.train", "latin.txt"], "latin.txt is not UTF-8: byte 0xe9 at offset 15"),
    "broken JSONL": (["--data.train", "broken.jsonl"], "broken.jsonl, line 2"),
    "unknown tokenizer": (["--data.tokenizer", "no/such-tokenizer"], "no/such-tokenizer"),
    "unreachable server": (["--tracking.uri", "http://127.0.0.1:9"], "http://127.0.0.1:9"),
    "unwritable folder": (["--training.folder", "/proc/nowhere"], "training.folder /proc/nowhere"),
    "truncated checkpoint": (["--training.resume", "torn.pt"], "torn.pt is damaged"),
    "missing checkpoint": (["--training.resume", "gone.pt"], "gone.pt"),
}


IN_A_PROCESS = ("misspelt key", "unreachable server", "truncated checkpoint")


@pytest.mark.parametrize("case", BAD_INPUT)
def test_bad_input_is_one_clear_line_and_status_2(case: str, tmp_path: Path) -> None:
    arguments, message = BAD_INPUT[case]
    write(tmp_path / "empty.txt", b"")
    write(tmp_path / "blank.txt", b"\n  \n\n")
    write(tmp_path / "latin.txt", "a line\nthe caf\u00e9\n".encode("latin-1").rjust(17))
    write(tmp_path / "broken.jsonl", b'{"original": "a red cube"}\n{"original": \n')
    write(tmp_path / "torn.pt", b"PK\x03\x04 half a checkpoint")
    if case in IN_A_PROCESS:
        done = vlatent(tmp_path, "train", *SMOKE, *arguments)
    else:
        done = inside(tmp_path, main, "train", *SMOKE, *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("error: ")
    if (tmp_path / "mlflow.db").exists():  # nothing was recorded as a run that began
        with sqlite3.connect(tmp_path / "mlflow.db") as database:
            assert database.execute("select count(*) from runs").fetchone() == (0,)


def test_train_then_evaluate_then_resume(tmp_path: Path) -> None:
    data = ("--data.train", str(sentences(tmp_path)), "--data.max_length", "200")
    flags = (*SMOKE, *data, "--training.folder", "runs/one")
    trained = vlatent(tmp_path, "train", *flags, "--training.steps", "20")
    assert trained.returncode == 0, trained.stderr
    assert "after 20 steps" in trained.stdout
    assert "decorrelation" in trained.stdout
    assert "vlatent evaluate --checkpoint runs/one" in trained.stdout
    assert "mlflow ui" in trained.stdout
    files = {path.name for path in (tmp_path / "runs" / "one").iterdir()}
    records = {"checkpoint.pt", "config.yaml", "evaluations.json", "verdict.md"}
    assert records | {"overview.png", "montage.png"} <= files

    judged = vlatent(tmp_path, "evaluate", "--checkpoint", "runs/one", "--out", "again")
    assert judged.returncode == 0, judged.stderr
    table = trained.stdout[trained.stdout.index("criterion") : trained.stdout.index("The latent")]
    assert table in judged.stdout  # the same numbers from the saved weights
    assert (tmp_path / "again" / "overview.png").exists()

    refused = inside(tmp_path, main, "train", *flags, "--training.steps", "20")
    assert refused.returncode == 2
    assert "runs/one holds a run already" in refused.stderr
    other = vlatent(
        tmp_path, "train", *flags, "--training.resume", "runs/one", "--encoder.hidden", "48"
    )
    assert other.returncode == 2
    assert "another architecture" in other.stderr
    assert len(other.stderr.strip().splitlines()) == 1
    longer = vlatent(
        tmp_path, "train", *flags, "--training.resume", "runs/one", "--training.steps", "30"
    )
    assert longer.returncode == 0, longer.stderr
    assert "after 30 steps" in longer.stdout


def test_help_teaches(tmp_path: Path) -> None:
    for arguments in (["--help"], ["train", "--help"], ["evaluate", "--help"]):
        done = inside(tmp_path, main, *arguments)
        assert done.returncode == 0
        assert "vlatent train --config" in done.stdout or "vlatent evaluate" in done.stdout
    unknown = inside(tmp_path, main, "trian")
    assert unknown.returncode == 2
    assert "there is no command trian" in unknown.stderr


def test_a_missing_dependency_is_one_line(tmp_path: Path) -> None:
    """As after `pip install --no-deps`."""
    (tmp_path / "jsonargparse.py").write_text("raise ModuleNotFoundError(name='jsonargparse')")
    done = subprocess.run(
        [sys.executable, "-c", "from vlatent.__main__ import entry; entry()", "train"],
        env=os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: jsonargparse is not installed; pip install vlatent")
    assert len(done.stderr.splitlines()) == 1
