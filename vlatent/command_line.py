"""The one way in which every command reads its arguments and reports bad input."""

from __future__ import annotations

import difflib
import re
import sys
import warnings
from argparse import ArgumentError
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from itertools import pairwise
from typing import Any

from jsonargparse import ArgumentParser, Namespace

from vlatent.shapes import UserError


class Parser(ArgumentParser):
    """jsonargparse's parser whose errors are one line with the key, the value and the way out."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{"exit_on_error": False} | settings)

    def checked(self, arguments: Sequence[str]) -> dict[str, Any]:
        """Parse and build the dataclasses; UserError names the nearest valid key."""
        try:
            return _built(self.instantiate(self.parse_args(list(arguments))))
        except ArgumentError as error:
            files = [value for flag, value in pairwise(arguments) if flag == "--config"]
            files += [a.removeprefix("--config=") for a in arguments if a.startswith("--config=")]
            raise UserError(self._explained(str(error), arguments, files)) from None

    def checked_object(self, values: Mapping[str, object]) -> dict[str, Any]:
        """The same for nested dictionaries."""
        try:
            return _built(self.instantiate(self.parse_object(dict(values))))
        except ArgumentError as error:
            raise UserError(self._explained(str(error), [], [])) from None

    def _explained(self, message: str, arguments: Sequence[str], files: Sequence[str]) -> str:
        text = " ".join(message.split())
        patterns = (
            r"unrecognized arguments: --(?P<key>[^\s=]+)",
            r"Group '(?P<group>[^']+)' does not accept option '(?P<key>[^']+)'",
            r"Option '(?P<key>[^']+)' is not accepted",
        )
        for pattern in patterns:
            found = re.search(pattern, text)
            if found:
                group = found.groupdict().get("group")
                key = f"{group}.{found['key']}" if group else found["key"]
                text = f"there is no key {key}{self._nearest(key)}"
                break
        else:
            *outer, what = re.split(r'Parser key "[^"]+": ', text)
            key = ".".join(re.findall(r'Parser key "([^"]+)": ', text))
            if not outer:
                return text + _place("", arguments, files)
            text = f"{key} {_plainly(what)}"
        return text + _place(key, arguments, files)

    def _nearest(self, key: str) -> str:
        """The valid key that was probably meant."""
        valid = list(vars(self.get_defaults().as_flat()))
        leaf = key.rpartition(".")[2]
        near = difflib.get_close_matches(key, valid, n=1, cutoff=0.6) or [
            name
            for name in valid
            if difflib.SequenceMatcher(None, name.rpartition(".")[2], leaf).ratio() > 0.75
        ]
        return f"; did you mean {near[0]}?" if near else "; --help lists all keys."


def _built(namespace: Namespace) -> dict[str, Any]:
    return {name: _plain(value) for name, value in vars(namespace).items()}


def _plain(value: Any) -> Any:
    """Numbers as Python's own: jsonargparse's PositiveInt is an int that no file format knows."""
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{f.name: _plain(getattr(value, f.name)) for f in fields(value)})
    for kind in (bool, int, float):
        if isinstance(value, kind):
            return kind(value)
    return value


def _plainly(what: str) -> str:
    """jsonargparse's words for a wrong value, shorter."""
    found = re.search(r"Not of type \w+: (.*) does not conform to restriction (.*)", what)
    if found:
        allowed = found[2].replace("v>=", "at least ").replace("v<=", "at most ")
        return f"must be {allowed.replace('v>', 'above ')}, but got {found[1]}."
    found = re.search(r"Not of type (\w+): .*: '(.*)'", what)
    if found:
        kind = "a whole number" if found[1].endswith("Int") else "a number"
        return f"must be {kind}, but got {found[2]!r}."
    found = re.search(r"Expected a typing.Literal\[(.*)\]. Got value: (.*)", what)
    if found:
        return f"must be one of {found[1]}, but got {found[2]!r}."
    return f"is wrong: {what}"


def _place(key: str, arguments: Sequence[str], files: Sequence[str]) -> str:
    """Which file a wrong key stands in, when it was not given as a flag."""
    given = any(argument.partition("=")[0] == f"--{key}" for argument in arguments)
    return "" if given or not files else f" (in {' or '.join(files)})"


def run(command: Callable[[Sequence[str]], int | None]) -> None:
    """Run a command with the program's arguments; bad input ends with one line and status 2."""
    warnings.showwarning = lambda message, *_: print(f"warning: {message}", file=sys.stderr)
    try:
        sys.exit(command(sys.argv[1:]))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
