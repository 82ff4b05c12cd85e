"""README, guide and docstrings: their Python runs, their links and commands are there."""

from __future__ import annotations

import doctest
import importlib
import importlib.util
import re
from itertools import pairwise
from pathlib import Path

import pytest

from vlatent.__main__ import COMMANDS
from vlatent.config_files import config_file

ROOT = Path(__file__).parents[1]
PAGES = ("README.md", "CONTRIBUTING.md", *(f"docs/{file.name}" for file in ROOT.glob("docs/*.md")))
MODULES = [
    ".".join(file.relative_to(ROOT).with_suffix("").parts)
    for room in ("vlatent", "studies", "ablations", "analysis")
    for file in sorted((ROOT / room).rglob("*.py"))
    if ">>> " in file.read_text(encoding="utf-8")
]


def text(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def anchors(page: Path) -> set[str]:
    """What a heading is called in a link, by GitHub and the site alike."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_readme_is_short() -> None:
    lines = text("README.md").splitlines()
    assert len(lines) <= 150
    assert max(map(len, lines)) <= 100


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", text(page)):
        if re.match(r"https?://", target):
            continue
        path, _, anchor = target.partition("#")
        place = (ROOT / page).parent / path if path else ROOT / page
        assert place.exists(), target
        assert not anchor or anchor in anchors(place), target


@pytest.mark.parametrize("page", PAGES)
def test_commands_exist(page: str) -> None:
    """Every command in a block or in backticks names a command, a module and configs of ours."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", text(page), flags=re.MULTILINE | re.DOTALL)
    prose = re.sub(r"^```\w*\n.*?^```", "", text(page), flags=re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    for line in lines + re.findall(r"`([^`\n]+)`", prose):
        words = line.partition("#")[0].split()
        if words[:1] == ["vlatent"] and len(words) > 1:
            assert words[1] in COMMANDS or words[1].startswith("-"), line
        if words[:2] == ["python", "-m"] and not words[2].endswith(".NAME"):
            assert importlib.util.find_spec(words[2]), line
        for flag, value in pairwise(words):
            if flag == "--config":
                config_file(value)  # raises where a name is none


@pytest.mark.parametrize(
    "page",
    [
        "README.md",
        "docs/guide.md",
        "docs/own_encoder.md",
        "docs/balancing.md",
        "docs/notebooks.md",
        "docs/reading.md",
    ],
)
def test_python_runs(
    page: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(ROOT / "examples")
    [code] = re.findall(r"^```python\n(.*?)^```", text(page), flags=re.MULTILINE | re.DOTALL)
    exec(compile(code, page, "exec"), {})
    assert capsys.readouterr().out.count("\n") > 0


@pytest.mark.parametrize("module", MODULES)
def test_examples_of_docstrings_are_right(module: str) -> None:
    result = doctest.testmod(importlib.import_module(module))
    assert result.attempted > 0
    assert result.failed == 0
