"""python -m analysis: which analyses there are, and what each shows."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Callable, Sequence
from pathlib import Path

from vlatent.command_line import listed, run


def found() -> dict[str, str]:
    """The first line of every module of this package that is a command, by its name."""
    commands = {}
    room = Path(__file__).parent
    for file in sorted([*room.glob("[!_]*.py"), *room.glob("[!_]*/__main__.py")]):
        source = file.read_text(encoding="utf-8")  # importing all takes seconds
        if 'if __name__ == "__main__":' in source:
            words = ast.get_docstring(ast.parse(source)) or ""
            name = file.parent.name if file.stem == "__main__" else file.stem
            commands[name] = words.partition("\n")[0]
    return dict(sorted(commands.items()))


def command(name: str) -> Callable[[Sequence[str]], int]:
    """The function behind `python -m analysis.NAME`."""
    place = f"{name}.__main__" if (Path(__file__).parent / name).is_dir() else name
    return importlib.import_module(f"analysis.{place}").main


def main(arguments: Sequence[str]) -> int:
    """List the analyses, or run the one that is named."""
    name = listed("analysis", "analysis", found(), arguments)
    if name is None:
        return 0
    return command(name)(arguments[1:])


if __name__ == "__main__":
    run(main)
