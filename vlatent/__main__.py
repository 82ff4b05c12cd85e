"""`vlatent COMMAND`: every command under one name. What one needs is imported when it is called."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from vlatent.runtime.process import prepare_command
from vlatent.runtime.streams import outlast_readers
from vlatent.version import VERSION


class _Command(NamedTuple):
    """A command: what it does, and the module whose function takes its arguments.

    Attributes:
        text: One line for the list of commands.
        module: The module, of whichever room.
        first: Arguments that come before those of the command line.
        function: The function of the module.
    """

    text: str
    module: str
    first: tuple[str, ...] = ()
    function: str = "main"


COMMANDS = {
    "train": _Command("train one encoder", "vlatent.commands", function="train_command"),
    "evaluate": _Command("judge a checkpoint", "vlatent.commands", function="evaluate_command"),
    "read": _Command("read a sentence back from its latent", "vlatent.read_command"),
    "scenes": _Command("write sentences about colored blocks", "vlatent.scenes.__main__"),
    "study": _Command("search loss weights or learning rates", "studies.__main__", ("run",)),
    "screen": _Command("screen loss weights without an encoder", "studies.screening"),
    "ablate": _Command("measure what each prior buys", "ablations.__main__"),
    "report": _Command("report on a study or an ablation", "analysis.__main__", ("report",)),
    "statistics": _Command("measure latents beside photographs", "vlatent.statistics_command"),
    "compare": _Command("compare runs, trials or arms", "analysis.__main__", ("compare",)),
    "importance": _Command("rank the parameters of a study", "analysis.__main__", ("importance",)),
    "probe": _Command("probe what latents know of the text", "analysis.__main__", ("probes",)),
    "runs": _Command("list recorded runs as CSV", "analysis.__main__", ("runs",)),
    "status": _Command("show how a study stands; without a name, all", "studies.__main__"),
    "replay": _Command("train a trial again and compare", "studies.__main__", ("replay",)),
    "doctor": _Command("check run records, and repair them", "studies.__main__", ("doctor",)),
}
ROOMS = ("vlatent", "studies", "ablations", "analysis")
EXAMPLES = """
For instance:
  vlatent train --config quick
  vlatent study loss_weights --config smoke --study.trials 12
  vlatent ablate spectrum --config smoke
  vlatent report loss_weights
"""


def main(arguments: Sequence[str]) -> int:
    """Run a command, or list them all."""
    status = _listed(arguments)
    if status is not None:
        return status
    name, *rest = arguments
    if name not in COMMANDS:
        _refuse(name)
    command = COMMANDS[name]
    first = command.first
    if name == "report":
        rest = _with_kind(rest)
    elif name == "status":
        first = ("status",) if rest and not rest[0].startswith("-") else ("list",)
    run: Callable[[Sequence[str]], int] = getattr(import_module(command.module), command.function)
    return run([*first, *rest])


def _listed(arguments: Sequence[str]) -> int | None:
    """The status after a list of all commands, or the version; None where a command is named."""
    if arguments[:1] == ["--version"]:
        print(f"vlatent {VERSION}")
        return 0
    if arguments and arguments[0] not in ("-h", "--help"):
        return None
    wide = max(map(len, COMMANDS))
    print("usage: vlatent COMMAND [--help]\n")
    print("Train encoders on image priors, search their loss weights, ablate the priors.\n")
    for name, command in COMMANDS.items():
        print(f"  {name:<{wide}}  {command.text}")
    print(EXAMPLES)
    return 0 if arguments else 2


def _refuse(name: str) -> None:
    from vlatent.shapes import UserError  # imports PyTorch, which the list does not need

    near = difflib.get_close_matches(name, COMMANDS, n=1)
    meant = f"did you mean {near[0]}? " if near else ""
    raise UserError(f"there is no command {name}; {meant}vlatent --help lists them.")


def _with_kind(arguments: Sequence[str]) -> list[str]:
    """`report NAME` with the flag that says what NAME is: an ablation by its folder, or a study."""
    if not arguments or arguments[0].startswith("-"):
        return list(arguments)
    name, *rest = arguments
    is_ablation = Path("runs", "ablations", name).is_dir()
    if is_ablation and Path("runs", name).is_dir():
        from vlatent.shapes import UserError

        raise UserError(
            f"{name} is a study and an ablation: say vlatent report --study {name} or "
            f"vlatent report --ablation {name}."
        )
    return ["--ablation" if is_ablation else "--study", name, *rest]


def entry() -> None:
    """Run the program `vlatent`."""
    prepare_command()
    outlast_readers()
    status = _listed(sys.argv[1:])
    if status is not None:
        sys.exit(status)
    try:
        from vlatent.command_line import run  # imports PyTorch, for seconds

        run(main)
    except ModuleNotFoundError as error:  # installed without its dependencies
        if error.name is None or error.name.partition(".")[0] in ROOMS:
            raise
        print(
            f"error: {error.name} is not installed; pip install vlatent, without --no-deps, "
            "brings what its commands need",
            file=sys.stderr,
        )
        sys.exit(2)


if __name__ == "__main__":
    entry()
