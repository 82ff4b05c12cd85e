"""The one way in which every command reads its arguments and reports bad input."""

from __future__ import annotations

import contextlib
import difflib
import re
import signal
import sys
import warnings
from argparse import ArgumentError, HelpFormatter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import is_dataclass, replace
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import ArgumentParser, Namespace, set_loader

from vlatent.class_keys import require_class_alone, spelled_out
from vlatent.config_files import with_configs_found
from vlatent.help_page import HelpAll, page
from vlatent.open_groups import OpenGroups, given_flags
from vlatent.parse_errors import in_plain_words
from vlatent.parts import init_fields
from vlatent.runtime.interruption import STATUS, Stop, interruption
from vlatent.runtime.streams import outlast_readers
from vlatent.shapes import UserError
from vlatent.yaml_reader import load_flag, read_settings_file

set_loader("settings", load_flag, exceptions=(yaml.YAMLError,))


class Parser(ArgumentParser):
    """jsonargparse's parser whose errors are one line with the key, the value and the way out."""

    def __init__(self, *, own: str = "", examples: Sequence[str] = (), **settings: Any) -> None:
        """Make a parser.

        Args:
            own: The group of keys that matter most, which the short help explains; none for a
                command with few keys.
            examples: Whole commands, for the short help.
            settings: jsonargparse's own.
        """
        ours: dict[str, Any] = {"exit_on_error": False, "parser_mode": "settings"}
        super().__init__(**ours | settings)
        self.own, self.examples = own, examples
        if own:
            self.add_argument("--help-all", action=HelpAll)
        self.places: dict[str, str] = {}  # file and line of every key that a file gave
        self.open = OpenGroups(self, self._read)  # to the user's own priors and terms

    def parse_path(self, path: Any, *arguments: Any, **settings: Any) -> Namespace:
        """Read a config file; UserError names the line of what has a wrong form."""
        values = self.open.as_declared(self._read(str(path)))
        self._require_form(values)
        text = yaml.safe_dump(spelled_out(values, self._leaves()))
        return self.parse_string(text, f"{path}", *arguments, **settings)

    def format_help(self, formatter: HelpFormatter | None = None) -> str:
        if not self.own:
            return super().format_help(formatter)
        return page(self, self.own, self.examples, self._leaves())

    def format_everything(self) -> str:
        """jsonargparse's help: every key of every group."""
        return super().format_help()

    def checked(self, arguments: Sequence[str]) -> dict[str, Any]:
        """Parse and build the dataclasses; UserError names the nearest valid key."""
        self.places = {}
        with self._placed():
            arguments = self.open.arguments(list(with_configs_found(arguments)))
        given = list(given_flags(arguments))
        for name, value in given:
            self._require_form_of_flag(name, value)
        files = [value for name, value in given if name == "config"]
        made = self._made(lambda: self.parse_args(arguments), dict(given), files)
        keys = [key for key in self._leaves() if key.rpartition(".")[0] not in self.open.parts]
        require_class_alone(keys, self.places, dict(given))  # a part's class replaces none of ours
        return made

    def checked_object(self, values: Mapping[str, object]) -> dict[str, Any]:
        """Check the form of nested dictionaries likewise."""
        with self._placed():
            self.open.join(values)
        values = self.open.as_declared(values)
        self._require_form(values)
        values = spelled_out(values, self._leaves())
        return self._made(lambda: self.parse_object(values), {}, [])

    def _made(
        self, parse: Callable[[], Namespace], flags: Mapping[str, str], files: Sequence[str]
    ) -> dict[str, Any]:
        try:
            with self._placed(flags):
                return _built(self.open.instances(parse()))
        except (ArgumentError, OverflowError) as error:
            raise UserError(self._explained(str(error), flags, files)) from None

    @contextlib.contextmanager
    def _placed(self, flags: Collection[str] = ()) -> Iterator[None]:
        """Errors of what does not know where its values stand say where the file has them."""
        try:
            yield
        except UserError as error:
            text = str(error)
            key = text.partition(" ")[0].rstrip(":")
            raise UserError(text + ("" if key in flags else self._place(key))) from None

    def _read(self, path: str) -> dict[str, Any]:
        """A file of settings, whose lines are remembered."""
        values, lines = read_settings_file(Path(path))
        self.places |= {key: f"{path}, line {line}" for key, line in lines.items()}
        return values

    def _require_form(
        self,
        values: Mapping[str, object],
        group: str = "",
        leaves: Mapping[str, object] | None = None,
    ) -> None:
        """Groups hold known keys, and nothing is null that has another default."""
        leaves = leaves or self._leaves()
        for name, value in values.items():
            key = f"{group}.{name}" if group else f"{name}"
            if key in (self.groups or {}):
                if not isinstance(value, Mapping):
                    raise UserError(_no_group(key, value, leaves, "") + self._place(key))
                self._require_form(value, key, leaves)
            elif key == "config":
                raise UserError(
                    f"config is no key of a file: give --config twice{self._place(key)}"
                )
            elif key not in leaves:
                raise UserError(f"there is no key {key}{self._nearest(key)}{self._place(key)}")
            elif value is None and leaves[key] is not None:
                raise UserError(
                    f"{key} must not be null: leave it out, which takes {leaves[key]!r}"
                    f"{self._place(key)}"
                )

    def _require_form_of_flag(self, name: str, value: str) -> None:
        """A group given as a whole, as a text of YAML or a file of it; --config as a text."""
        is_group = name in (self.groups or {})
        settings: object = value
        with contextlib.suppress(yaml.YAMLError, OSError):
            if not Path(value).is_file():
                settings = load_flag(value)
            elif is_group:
                settings = read_settings_file(Path(value))[0]
        has_class = isinstance(settings, Mapping) and "class_path" in settings
        if has_class and is_group and name not in self.open.parts:
            raise UserError(f"--{name} takes no class_path: give --{name}.class_path NAME.")
        if isinstance(settings, Mapping) and (is_group or name == "config"):
            self._require_form(settings, name if is_group else "")
        elif is_group:
            raise UserError(_no_group(name, settings, self._leaves(), "--"))

    def _leaves(self) -> dict[str, object]:
        """Every key that takes a value, and its default."""
        return vars(self.get_defaults().as_flat())

    def _place(self, key: str) -> str:
        """Where a file has a key."""
        places = {self.open.key(name): at for name, at in self.places.items()}
        return f" ({places[key]})" if key in places else ""

    def _explained(self, message: str, flags: Mapping[str, str], files: Sequence[str]) -> str:
        text = re.sub(r"\S{200,}", lambda long: f"{long[0][:60]}...", " ".join(message.split()))
        patterns = (
            r"unrecognized arguments: --(?P<key>[^\s=]+)",
            r"Group '(?P<group>[^']+)' does not accept option '(?P<key>[^']+)'",
            r"Option '(?P<key>[^']+)' is not accepted",
        )
        for pattern in patterns:
            match = re.search(pattern, text)
            if match:
                group = match.groupdict().get("group")
                key = f"{group}.{match['key']}" if group else match["key"]
                text = f"there is no key {key}{self._nearest(key)}"
                break
        else:
            missing = re.search(r"(?:required: |Key \"?)(?P<key>\w+(?:\.\w+)+).*", text)
            if missing and "required" in text:
                return f"{missing['key']} is missing: it has no default."
            *outer, what = re.split(r'Parser key "[^"]+": ', text)
            key = ".".join(re.findall(r'Parser key "([^"]+)": ', text))
            if outer:
                text = f"{key} {in_plain_words(what)}"
        if key in flags:
            return text
        return text + (self._place(key) or (f" (in {' or '.join(files)})" if files else ""))

    def _nearest(self, key: str) -> str:
        """The valid key that was probably meant."""
        valid = list(self._leaves())
        leaf = key.rpartition(".")[2]
        near = difflib.get_close_matches(key, valid, n=1, cutoff=0.6) or [
            name
            for name in valid
            if difflib.SequenceMatcher(None, name.rpartition(".")[2], leaf).ratio() > 0.75
        ]
        meant = (
            f"; did you mean {near[0]}?"
            if near
            else f"; --help{'-all' if self.own else ''} lists all keys."
        )
        return meant + self.open.way(key)


def _built(namespace: Namespace) -> dict[str, Any]:
    return {name: _plain(value) for name, value in vars(namespace).items()}


def _plain(value: Any) -> Any:
    """Numbers as Python's own: jsonargparse's PositiveInt is an int that no file format knows."""
    if is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in init_fields(value)]
        return replace(value, **{name: _plain(getattr(value, name)) for name in names})
    for kind in (bool, int, float):
        if isinstance(value, kind):
            return kind(value)
    return value


def _no_group(key: str, value: object, leaves: Mapping[str, object], dashes: str) -> str:
    """What to say of a value in the place of a group, with a way out that works."""
    inside = next(
        leaf
        for leaf, default in leaves.items()
        if leaf.startswith(f"{key}.") and default is not None
    )
    numeric = isinstance(value, int | float) and isinstance(leaves[inside], float) and value < 1e9
    wanted = value if numeric else leaves[inside]
    example = f"--{inside} {wanted}"
    if not dashes:
        *parents, leaf = inside.split(".")
        example = f"{leaf}: {wanted}"
        for parent in reversed(parents):
            example = f"{parent}: {{{example}}}"
    shown = "null" if value is None else f"{value!r:.60}"
    return (
        f"{dashes}{key} is a group of settings, not a value, but got {shown}; set what is in it, "
        f"for instance {example}"
    )


def listed(
    package: str, kind: str, commands: Mapping[str, str], arguments: Sequence[str]
) -> str | None:
    """The command that is named; None after a list of all, where none or --help is.

    Args:
        package: Package of the commands.
        kind: What one of them is called.
        commands: Description of each command, by its name.
        arguments: Arguments of the command line.

    Raises:
        UserError: There is no such command.
    """
    wanted = arguments[0] if arguments else "--help"
    if wanted in commands:
        return wanted
    if wanted not in ("-h", "--help"):
        near = difflib.get_close_matches(wanted, commands, n=1)
        meant = f"did you mean {near[0]}? " if near else ""
        raise UserError(f"there is no {kind} {wanted}; {meant}python -m {package} lists them.")
    print(f"usage: python -m {package}.NAME [--help]\n")
    wide = max(map(len, commands))
    for name, text in commands.items():
        print(f"  {name:<{wide}}  {text}")
    return None


def run(command: Callable[[Sequence[str]], int | None]) -> None:
    """Run a command with the program's arguments; bad input ends with one line and status 2."""
    outlast_readers()
    warnings.showwarning = lambda message, *_: print(f"warning: {message}", file=sys.stderr)
    try:
        with interruption(Stop()):
            sys.exit(command(sys.argv[1:]))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt as error:
        print("interrupted", file=sys.stderr)
        sys.exit(STATUS + getattr(error, "number", signal.SIGINT))
