"""docs/priors.md: its Python, its config and its commands run, in their order."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from inside import inside
from PIL import Image

from vlatent import read_config
from vlatent.__main__ import main

PAGE = (Path(__file__).parents[1] / "docs" / "priors.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)


def test_python_runs(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, object] = {}
    for code in blocks("python"):
        exec(compile(code, "docs/priors.md", "exec"), names)
        assert capsys.readouterr().out.count("\n") > 0
    for call in re.findall(r"`((?:Wavelet|Kurtosis|Variance|Contours|Spectrum)\([^`]*\))`", PAGE):
        exec(f"from vlatent.priors import *\n{call}", names)


def test_the_config_is_one(tmp_path: Path) -> None:
    [text] = blocks("yaml")
    (tmp_path / "own.yaml").write_text(text, encoding="utf-8")
    priors = read_config("quick", str(tmp_path / "own.yaml")).priors
    assert (priors.spectrum.alpha, priors.decorrelation.modes) == (1.6, 2)


def test_commands_run(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    np.savez(tmp_path / "latents.npz", generator.random((8, 4, 16, 16), dtype=np.float32))
    (tmp_path / "folder_of_images").mkdir()
    for number in range(2):
        image = Image.fromarray(generator.integers(0, 256, (16, 16, 3), dtype=np.uint8))
        image.save(tmp_path / "folder_of_images" / f"{number}.png")
    commands = re.findall(r"^vlatent .*$", PAGE, flags=re.MULTILINE)
    assert len(commands) == 2
    for line in commands:
        done = inside(tmp_path, main, *line.split()[1:])
        assert done.returncode == 0, done.stderr
    written = {file.name for file in tmp_path.iterdir()}
    assert {"latents.json", "latents.statistics.png", "images.png"} <= written
