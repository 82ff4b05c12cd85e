"""`vlatent read`: from a run to a reading, and what is said of bad input."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from pathlib import Path

import pytest
from inside import inside
from smoke import smoke

from vlatent import checkpoints
from vlatent.__main__ import main
from vlatent.read_command import _line
from vlatent.scenes import generate
from vlatent.tracking import MemoryTracker
from vlatent.training import train

TEXT = "A red cube is on a blue sphere."


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run on sentences about blocks."""
    folder = tmp_path_factory.mktemp("trained")
    with contextlib.chdir(folder):
        lines = [example.text for example in generate(60)]
        Path("blocks.txt").write_text("\n".join(lines), encoding="utf-8")
        changes = {"data__train": Path("blocks.txt"), "data__cache": folder / "cache"}
        changes |= {"training__steps": 2, "tracking__figures": False, "evaluation__probed": 0}
        train(smoke(folder, training__folder=Path("run"), **changes), MemoryTracker())
    return folder


@pytest.fixture
def folder(trained: Path, tmp_path: Path) -> Path:
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    return tmp_path


def read(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return inside(folder, main, "read", *arguments)


def test_a_reading_stays_on_its_line() -> None:
    assert _line("drawn", "a\nred\u2028cube\x1b", TEXT).plain.split()[0] == "drawn"
    assert len(_line("drawn", "a\nred\u2028cube\x1b", TEXT).plain.splitlines()) == 1


def test_a_sentence_is_read_back(folder: Path) -> None:
    first = read(folder, "run", TEXT, "--steps", "3", "--samples", "2")
    assert first.returncode == 0, first.stderr
    lines = first.stdout.splitlines()
    assert lines[0] == "Training a decoder for run: 3 steps, once."
    assert lines[1] == f"told  {TEXT}"
    assert [line.split()[0] for line in lines[2:5]] == ["read", "drawn", "drawn"]
    assert lines[5].startswith("fact F1 0.00, ROUGE-L")
    assert lines[6] == "Written: run/reading.png"
    assert lines[7].startswith("It reads at once from now on: vlatent read run 'A red cube")
    assert (folder / "run" / "decoder-latent.pt").is_file()
    drawn = (folder / "run" / "reading.png").read_bytes()
    again = read(folder, "run", TEXT, "--samples", "2")  # of the same decoder, without training
    assert again.stdout.splitlines() == lines[1:7]
    assert (folder / "run" / "reading.png").read_bytes() == drawn
    other = read(folder, "run", "Call me Ishmael.", "--noise", "0.3", "--figure", "new/other.png")
    assert other.returncode == 0
    assert "facts are not counted" in other.stdout
    assert other.stdout.splitlines()[-1] == "Written: new/other.png"
    assert (folder / "new" / "other.png").read_bytes()[:4] == b"\x89PNG" != drawn
    assert (folder / "run" / "reading.png").read_bytes() == drawn


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run", " "), "SENTENCE is empty"),
        (("nowhere", TEXT), "nowhere cannot be read: no such file or directory; name the folder"),
        (("blocks.txt", TEXT), "damaged, or none; name the folder of a run"),
        (("run", TEXT, "--noise", "-1"), "noise"),
        (("run", TEXT, "--steps", "0"), "steps"),
        (("run",), "text"),
    ],
)
def test_bad_input_is_one_line(folder: Path, arguments: tuple[str, ...], said: str) -> None:
    done = read(folder, *arguments)
    assert done.returncode == 2
    assert said in done.stderr.lower() or said in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_damaged_decoder_and_another_training_are_refused(folder: Path) -> None:
    assert read(folder, "run", TEXT, "--steps", "2").returncode == 0
    other = read(folder, "run", TEXT, "--steps", "3")
    assert other.returncode == 2
    assert "other settings or on another encoder; remove it" in other.stderr
    (folder / "run" / "decoder-latent.pt").write_bytes(b"damaged")
    damaged = read(folder, "run", TEXT)
    assert damaged.returncode == 2
    assert "is damaged, or none; remove it" in damaged.stderr
    checkpoints.save(folder / "run" / "decoder-latent.pt", {"step": 3})
    foreign = read(folder, "run", TEXT)
    assert foreign.returncode == 2
    assert "no decoder of this version of vlatent; remove it" in foreign.stderr
    mistaken = read(folder, "run/decoder-latent.pt", TEXT)
    assert mistaken.returncode == 2
    assert "is no checkpoint of an encoder; name the folder of a run" in mistaken.stderr
