"""Values that Python code gives to settings, taken as a file of settings would give them."""

from __future__ import annotations

import sys
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from typing import Any, get_type_hints

from vlatent.command_line import Parser
from vlatent.shapes import UserError


def as_declared(kind: type, key: str, value: object) -> Any:
    """A value as the field of a dataclass declares it: a text as a path, a list as a tuple.

    Args:
        kind: The dataclass.
        key: Dotted name of the setting, which ends with the field's.
        value: What is given; a part that is a dataclass itself stays as it is.

    Raises:
        UserError: The field cannot take it; says what it takes.
    """
    group, dot, name = key.rpartition(".")
    beyond = isinstance(value, int) and abs(value) > sys.float_info.max  # what bounds refuse
    parser = None if beyond or is_dataclass(value) else _parser(kind, name)
    if parser is None:
        return value
    try:
        return parser.checked_object({name: value})[name]
    except UserError as error:
        raise UserError(f"{group}{dot}{error}") from None


@cache
def _parser(kind: Any, name: str) -> Parser | None:
    """What reads a field alone; None of one that there is not, or whose type cannot be found."""
    try:
        hints = get_type_hints(kind)
    except NameError:  # of a class that was declared inside of a function
        return None
    for field in fields(kind):
        if field.name == name:
            parser = Parser()
            default = None if field.default is MISSING else field.default
            parser.add_argument(f"--{name}", type=hints[name], default=default)
            return parser
    return None
