"""The short help of a command with a hundred keys: what it does, its own group, two examples."""

from __future__ import annotations

import argparse
import json
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args, get_origin

WIDTH, COLUMN = 100, 31  # of a line, and where explanations begin


class HelpAll(argparse.Action):
    """`--help-all`: jsonargparse's own help, with every key."""

    def __init__(self, option_strings: Sequence[str], dest: str, **_: Any) -> None:
        text = "Explain every key of every group."
        super().__init__(option_strings, argparse.SUPPRESS, 0, default=argparse.SUPPRESS, help=text)

    def __call__(self, parser: Any, *_: object) -> None:
        print(parser.format_everything())
        parser.exit()


def page(
    parser: argparse.ArgumentParser,
    own: str,
    examples: Sequence[str],
    defaults: Mapping[str, object],
) -> str:
    """The help of a command.

    Args:
        parser: What the command takes.
        own: The group of keys that are the command's own.
        examples: Whole commands.
        defaults: The default of every key.
    """
    lines = [
        f"usage: {parser.prog} [--config NAME] [--{own}.KEY VALUE …] [--GROUP.KEY VALUE …]",
        "",
        *textwrap.wrap(parser.description or "", WIDTH),
    ]
    others = []
    for group in parser._action_groups:
        flags = [action.option_strings[0] for action in group._group_actions]
        name = flags[0][2:] if flags else ""
        if name == own:
            lines += ["", f"{group.title}; in brackets the defaults:"]
            for action in group._group_actions[1:]:
                lines += _row(action.option_strings[0], _explained(action, defaults))
        elif any(key.startswith(f"{name}.") for key in defaults) and "." not in name:
            others += _row(f"--{name}.*", f"{group.title}")
    lines += ["", "Examples:", *(f"  {example}" for example in examples)]
    lines += ["", "Other groups; --help-all explains their keys:", *others]
    lines += ["", "Every key may also stand in a YAML file:"]
    lines += _row(
        "--config NAME",
        "Read it: quick, for instance, or the path of a file; what stands later wins.",
    )
    lines += _row("--print_config", "Write a whole config to start from.")
    return "\n".join(lines) + "\n"


def _explained(action: argparse.Action, defaults: Mapping[str, object]) -> str:
    """What a key means, its choices and its default."""
    kind = getattr(action, "_typehint", None)
    choices = f" One of {', '.join(get_args(kind))}." if get_origin(kind) is Literal else ""
    default = defaults.get(action.dest)
    plain = default is None or isinstance(default, bool | dict | list)
    return f"{action.help}{choices} [{json.dumps(default) if plain else default}]"


def _row(name: str, text: str) -> list[str]:
    indent = " " * COLUMN
    lines = textwrap.wrap(" ".join(text.split()), WIDTH - COLUMN)
    if len(name) + 4 > COLUMN:
        return [f"  {name}", *(indent + line for line in lines)]
    return [f"  {name:<{COLUMN - 2}}{lines[0]}", *(indent + line for line in lines[1:])]
