"""What a terminal is shown: words of others as they are, styles of ours alone."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import pytest
from rich.progress import Progress
from rich.table import Table

from vlatent import console

ROOT = Path(__file__).parent.parent
STYLE = re.compile(r"\[/?(bold|dim|italic|red|green|yellow|blue|magenta|cyan)\b|\[/\]")


@pytest.mark.parametrize("name", ["[/b]", "[bold]x[/bold]", "a:smile:b", "[link=x]y", "x\\[red]"])
def test_words_of_others_are_plain_text(name: str) -> None:
    table = Table(title=f"1 {name}")
    table.add_column(f"2 {name}")
    table.add_row(f"3 {name}")
    progress = Progress(*console.progress_display().columns, console=console.console)
    progress.add_task(f"6 {name}")
    with console.console.capture() as shown:
        console.console.print(table)
        console.console.print(f"4 {name}", style="bold")
        console.console.rule(f"5 {name}")
        console.console.print(progress.get_renderable())
    for number in range(1, 7):
        assert f"{number} {name}" in shown.get()


def test_no_terminal_obeys_a_name() -> None:
    with console.console.capture() as shown:
        console.console.print("\x1b[2Jgone\rover\x9b31m")
    assert shown.get() == "\\x1b[2Jgone\\x0dover\\x9b31m\n"


def test_progress_is_quiet_where_there_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    log = console.PlainConsole(file=io.StringIO(), force_terminal=False)
    monkeypatch.setattr(console, "console", log)
    with console.progress_display() as progress:
        assert list(progress.track([1, 2], description="steps")) == [1, 2]
    assert log.file.getvalue() == ""  # type: ignore[attr-defined]


def test_no_style_is_written_as_markup() -> None:
    """It would be shown as it stands."""
    rooms = ("vlatent", "studies", "ablations", "analysis", "benchmarks")
    found = [
        f"{file.name}: {line.strip()}"
        for room in rooms
        for file in (ROOT / room).rglob("*.py")
        for line in file.read_text(encoding="utf-8").splitlines()
        if STYLE.search(line)
    ]
    assert not found


def test_columns_are_aligned_by_what_they_hold() -> None:
    def aligned(**flags: Any) -> list[str]:
        return [
            column.justify for column in console.empty_table("", "a", "b", "c", **flags).columns
        ]

    assert aligned() == ["left", "left", "left"]
    assert aligned(left=("a",)) == ["left", "right", "right"]
    assert aligned(right="b") == ["left", "right", "left"]
