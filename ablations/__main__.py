"""python -m ablations: which ablations there are, and what each asks."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence

import ablations
from ablations.ablation import main as run_ablation
from ablations.ablation import read
from ablations.problem import ablation_at
from ablations.question import Ablation, ablation_of_prior
from vlatent.command_line import listed, run
from vlatent.config import Config
from vlatent.own_questions import is_path


def found() -> dict[str, Ablation]:
    """Every ablation of this package by the name of its module."""
    names = [entry.name for entry in pkgutil.iter_modules(ablations.__path__)]
    modules = {n: importlib.import_module(f"ablations.{n}") for n in names if n != "__main__"}
    return {n: module.ABLATION for n, module in modules.items() if hasattr(module, "ABLATION")}


def of_own_prior(name: str, arguments: Sequence[str]) -> Ablation | None:
    """The ablation of a prior of the user's own; None if the config has none of this name."""
    if name.startswith("-") or {"-h", "--help", "--help-all"} & set(arguments):
        return None
    ablation = ablation_of_prior(name, f"What does {name} buy?")
    config, _ = read(ablation, arguments)
    is_own = isinstance(config, Config) and name in config.priors.own
    return ablation if is_own else None


def main(arguments: Sequence[str]) -> int:
    """List the ablations, or run the one that is named."""
    ablations = found()
    if arguments and is_path(arguments[0]):
        return run_ablation(ablation_at(arguments[0]), arguments[1:])
    if arguments and arguments[0] not in ablations:
        own = of_own_prior(arguments[0], arguments[1:])
        if own is not None:
            return run_ablation(own, arguments[1:])
    questions = {name: ablation.question for name, ablation in ablations.items()}
    name = listed("ablations", "ablation", questions, arguments)
    return 0 if name is None else run_ablation(ablations[name], arguments[1:])


if __name__ == "__main__":
    run(main)
