"""The groups of a parser that take a user's own parts: what joins them becomes keys like others.

`priors.sharpness.class_path` says where a class is; then `--priors.sharpness.weight` is a flag,
`init_args: {weight: 0.1}` another way to write it, and its class says which settings there are.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import ArgumentParser, Namespace

from vlatent.own_parts import PATH, as_declared, found, own_paths, without_arguments
from vlatent.parts import Parts, part_name
from vlatent.shapes import UserError
from vlatent.yaml_reader import load_flag

CONFIG = "config"


class OpenGroups:
    """The parts that joined a parser's groups.

    Attributes:
        parts: Their class paths, by dotted name.
    """

    def __init__(self, parser: ArgumentParser, read: Callable[[str], dict[str, Any]]) -> None:
        """Begin with the parts that are declared.

        Args:
            parser: Whose groups.
            read: Reads a file of settings.
        """
        self._parser, self._read = parser, read
        self.parts: dict[str, str] = {}

    def join(self, settings: object) -> None:
        """Declare the parts of the user's own that these settings name.

        Raises:
            UserError: One cannot be found, or is no such part.
        """
        groups = self._groups()
        for key, path in own_paths(settings, groups):
            if self.parts.get(key) == path:
                continue
            part = found(path, key, groups[key.partition(".")[0]].kind)
            if key not in self.parts:
                self._declare(key, path, part)
            elif part is not self._kind(key):
                raise UserError(
                    f"{key} has two classes, {self.parts[key]} and {path}; keep one, or give them "
                    "two names."
                )

    def as_declared(self, settings: Mapping[str, object]) -> dict[str, Any]:
        """The settings, arguments of own parts written as keys of the parts."""
        return as_declared(settings, self._groups())

    def key(self, name: str) -> str:
        """A dotted name, arguments of own parts written as keys of the parts."""
        return without_arguments(name, self.parts)

    def way(self, key: str) -> str:
        """How a key that is none would be one: the class of a part of the user's own is missing."""
        group, _, rest = key.partition(".")
        name = rest.partition(".")[0]
        if (
            group not in self._groups()
            or not name
            or f"{group}.{name}" in (self._parser.groups or {})
        ):
            return ""
        return f" One of your own needs {group}.{name}.{PATH}."

    def arguments(self, arguments: Sequence[str]) -> list[str]:
        """The arguments of a command as if the user's own parts in them were declared.

        Raises:
            UserError: As `join`.
        """
        for name, value in given_flags(arguments):
            self.join(self._settings(name, value))
        if not self.parts:
            return list(arguments)
        plain, left = [], iter(arguments)
        for argument in left:
            flag, equals, value = argument.partition("=")
            name = self.key(flag.removeprefix("--"))
            if not flag.startswith("--"):
                plain.append(argument)
            elif name in {CONFIG, *self._groups(), *self.parts}:
                given = value if equals else next(left, "")
                plain.append(f"--{name}={self._in_one_line(name, given)}")
            else:
                plain.append(f"--{name}{equals}{value}")
        return plain

    def instances(self, parsed: Namespace) -> Namespace:
        """The dataclasses of what was parsed; what a class of the user's own refuses is bad input.

        Raises:
            UserError: A class refuses its settings.
        """
        calls: list[Any] = []
        for key in self.parts:
            parsed.pop(f"{key}.{PATH}", None)
            calls.append((partial(_called, key), self._kind(key), False))
        return self._parser.instantiate(parsed, instantiators=calls)

    def _declare(self, key: str, path: str, part: type) -> None:
        try:
            self._parser.add_class_arguments(part, key)
        except ValueError as error:
            raise UserError(
                f"{key}.{PATH}: the settings of {path} cannot be read ({error})."
            ) from None
        place = "Where its class is: package.module.Name or file.py:Name."
        (self._parser.groups or {})[key].add_argument(f"--{key}.{PATH}", default=path, help=place)
        self.parts[key] = path

    def _groups(self) -> dict[str, type[Parts]]:
        kinds = {name: self._kind(name) for name in self._parser.groups or {}}
        return {
            name: kind
            for name, kind in kinds.items()
            if inspect.isclass(kind) and issubclass(kind, Parts)
        }

    def _kind(self, key: str) -> Any:
        """The class of a group of settings."""
        return getattr((self._parser.groups or {})[key], "group_class", None)

    def _settings(self, name: str, value: str) -> dict[str, Any]:
        """What a flag says of the open groups, nested as in a file."""
        if name != CONFIG and name.partition(".")[0] not in self._groups():
            return {}
        settings: Any = value
        if name == CONFIG or name.count(".") < 2:
            with contextlib.suppress(yaml.YAMLError, OSError):
                settings = self._read(value) if Path(value).is_file() else load_flag(value)
        for inner in reversed(name.split(".") if name != CONFIG else ()):
            settings = {inner: settings}
        return settings if isinstance(settings, dict) else {}

    def _in_one_line(self, name: str, value: str) -> str:
        """The value of a group or a config; a text of YAML with its own parts as declared."""
        if name == CONFIG and Path(value).is_file():
            return value
        settings: Any = self.as_declared(self._settings(name, value))
        for inner in name.split(".") if name != CONFIG else ():
            settings = settings[inner]
        if not isinstance(settings, dict):
            return value
        return yaml.safe_dump(settings, default_flow_style=True, width=10**6).strip()


def given_flags(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Names and values of the flags, as `--name value` and `--name=value`."""
    for flag, value in pairwise([*arguments, ""]):
        name, equals, behind = flag.partition("=")
        if name.startswith("--"):
            yield name.removeprefix("--"), behind if equals else value


def _called(key: str, part: type, **settings: object) -> object:
    """A part of these settings, which its class may refuse."""
    try:
        return part(**settings)
    except UserError as error:  # a class knows its own name, but not the part's
        own = f"{key.partition('.')[0]}.{part_name(part)}."
        raise UserError(str(error).replace(own, f"{key}.")) from None
    except Exception as error:
        raise UserError(
            f"{key} cannot be made of its settings ({type(error).__name__}: {error})."
        ) from error
