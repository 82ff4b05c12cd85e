"""python -m analysis: which analyses there are, and what each shows."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Sequence
from pathlib import Path

from vlatent.command_line import listed, run


def found() -> dict[str, str]:
    """The first line of every module of this package that is a command, by its name."""
    commands = {}
    for file in sorted(Path(__file__).parent.glob("[!_]*.py")):  # importing all takes seconds
        source = file.read_text(encoding="utf-8")
        if 'if __name__ == "__main__":' in source:
            words = ast.get_docstring(ast.parse(source)) or ""
            commands[file.stem] = words.partition("\n")[0]
    return commands


def main(arguments: Sequence[str]) -> int:
    """List the analyses, or run the one that is named."""
    name = listed("analysis", "analysis", found(), arguments)
    if name is None:
        return 0
    status: int = importlib.import_module(f"analysis.{name}").main(arguments[1:])
    return status


if __name__ == "__main__":
    run(main)
