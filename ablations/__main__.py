"""python -m ablations: which ablations there are, and what each asks."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence

import ablations
from ablations.ablation import main as run_ablation
from ablations.question import Ablation
from vlatent.command_line import listed, run


def found() -> dict[str, Ablation]:
    """Every ablation of this package by the name of its module."""
    names = [entry.name for entry in pkgutil.iter_modules(ablations.__path__)]
    modules = {n: importlib.import_module(f"ablations.{n}") for n in names if n != "__main__"}
    return {n: module.ABLATION for n, module in modules.items() if hasattr(module, "ABLATION")}


def main(arguments: Sequence[str]) -> int:
    """List the ablations, or run the one that is named."""
    ablations = found()
    questions = {name: ablation.question for name, ablation in ablations.items()}
    name = listed("ablations", "ablation", questions, arguments)
    return 0 if name is None else run_ablation(ablations[name], arguments[1:])


if __name__ == "__main__":
    run(main)
