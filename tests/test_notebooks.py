"""examples/*.ipynb run to their ends at smoke size, show pictures and tables, leave nothing."""

from __future__ import annotations

import base64
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
NOTEBOOKS = sorted(file.stem for file in EXAMPLES.glob("*.ipynb"))
PAGE = (ROOT / "docs" / "notebooks.md").read_text(encoding="utf-8")

# Sizes for the tests, pictures, and what the tables begin with.
SMOKE: dict[str, tuple[dict[str, object], int, tuple[str, ...]]] = {
    "autoencoder_latents": ({"steps": 3, "batch": 2, "measured": 12}, 3, ("12 latents",)),
    "own_encoder": ({"steps": 12}, 1, ("Run of 12 steps",)),
    "own_prior": ({"config_name": "smoke", "steps": 12}, 2, ("Run of 12 steps",)),
    "pinn": ({"trials": 3, "seeds": 2}, 4, ("Study pinn", "Ablation pinn")),
    "quick_start": (
        {"config_name": "smoke", "steps": 12, "trials": 2},
        3,
        ("Run of 12 steps", "Study loss_weights"),
    ),
}


# What a cell says of its own sizes: a notebook of minutes has too few seeds to establish anything.
SAID = {"pinn": ["with 2 seeds nothing can be established"]}


def cells(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((EXAMPLES / f"{name}.ipynb").read_text("utf-8"))[
        "cells"
    ]
    return found


def source(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def sizes(name: str) -> int:
    """Index of the one cell with the sizes."""
    tagged = [
        index
        for index, cell in enumerate(cells(name))
        if "parameters" in cell["metadata"].get("tags", ())
    ]
    assert len(tagged) == 1
    return tagged[0]


def test_every_notebook_is_tried_and_named_on_its_page() -> None:
    assert sorted(SMOKE) == NOTEBOOKS
    assert sorted(re.findall(r"^\| `(\w+)\.ipynb`", PAGE, flags=re.MULTILINE)) == NOTEBOOKS
    [command] = re.findall(r"^jupyter execute (\S+)", PAGE, flags=re.MULTILINE)
    assert (ROOT / command).exists()


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_is_short_and_explains_itself(name: str) -> None:
    first, *others = cells(name)
    assert first["cell_type"] == "markdown"
    assert source(first).startswith("# ")
    place = sizes(name)
    assert source(cells(name)[place - 1]) == "## Sizes"
    code = [cell for cell in others if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    assert len(others) <= 20
    assert sum(len(source(cell).splitlines()) for cell in code) <= 130
    assigned = set(re.findall(r"^(\w+) = ", source(cells(name)[place]), flags=re.MULTILINE))
    assert set(SMOKE[name][0]) <= assigned  # so that smaller sizes reach what they are for


@pytest.mark.processes
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.soak) if name == "pinn" else name  # minutes
        for name in NOTEBOOKS
    ],
)
def test_a_notebook_runs_to_its_end(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Here, since the other tests of this file need none of it.
    import nbformat
    from nbclient import NotebookClient

    values, pictures, tables = SMOKE[name]
    notebook = nbformat.read(EXAMPLES / f"{name}.ipynb", as_version=4)
    nbformat.validate(notebook)
    smaller = "\n".join(f"{key} = {value!r}" for key, value in values.items())
    notebook.cells.insert(sizes(name) + 1, nbformat.v4.new_code_cell(smaller))
    here = {"TMPDIR": tmp_path, "IPYTHONDIR": tmp_path, "PYTHONPATH": ROOT}
    for variable, value in here.items():
        monkeypatch.setenv(variable, str(value))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    before = files()
    run = {"metadata": {"path": str(EXAMPLES)}}
    NotebookClient(notebook, timeout=1000, resources=run).execute()  # raises what a cell raises
    assert files() == before
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert "\\u001b" not in json.dumps(outputs)
    said = [o.text for o in outputs if o.output_type == "stream" and o.name == "stderr"]
    assert [line.split(" in the family")[0] for line in said] == SAID.get(name, [])
    assert max(len(cell.get("outputs", ())) for cell in notebook.cells) <= 3
    shown = [output.data for output in outputs if "data" in output]
    drawn = [data["image/png"] for data in shown if "image/png" in data]
    assert len(drawn) == pictures
    for png in drawn:
        pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(png))).convert("L"), float)
        assert min(pixels.shape) > 200
        assert pixels.std() > 5  # something is drawn
    made = [data["text/html"] for data in shown if "<table>" in data.get("text/html", "")]
    titles = [re.findall(r"<strong>(.*?)</strong>", page)[0] for page in made]
    assert len(titles) == len(tables)
    assert all(map(str.startswith, titles, tables)), titles


def files() -> set[Path]:
    """Whatever lies in the checkout where a notebook could write."""
    return {*ROOT.iterdir(), *EXAMPLES.iterdir()}
