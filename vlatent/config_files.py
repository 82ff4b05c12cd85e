"""Configs that come with the package, found by name: `--config quick`."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from vlatent.shapes import UserError

# In a checkout a link to configs/, which stands at the top; in a wheel a copy.
FOLDER = Path(__file__).parent / "configs"


def with_configs_found(arguments: Sequence[str]) -> Iterator[str]:
    """The arguments of a command, with the file of every config that is given by its name."""
    is_config = False
    for argument in arguments:
        flag, equals, value = argument.partition("=")
        if is_config:
            yield config_file(argument)
        elif flag == "--config" and equals:
            yield f"--config={config_file(value)}"
        else:
            yield argument
        is_config = argument == "--config"


def config_file(given: str) -> str:
    """The path of a config; what is no name, or a file of that name here, stays as it is.

    Raises:
        UserError: There is no config of this name; lists those that there are.
    """
    if not re.fullmatch(r"[\w-]+", given) or Path(given).is_file():
        return given
    names = sorted(file.stem for file in FOLDER.glob("*.yaml"))
    if given in names:
        return str(FOLDER / f"{given}.yaml")
    near = difflib.get_close_matches(given, names, n=1)
    meant = f"; did you mean {near[0]}?" if near else "."
    raise UserError(
        f"there is no config {given}{meant} The package has {', '.join(names)}; or "
        "give the path of a YAML file."
    )
