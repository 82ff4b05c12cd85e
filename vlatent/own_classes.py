"""Classes of a user's own in a config: their path, their arguments and the source they are from."""

from __future__ import annotations

import hashlib
import inspect
import json
import sys
import sysconfig
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from vlatent.command_line import Parser
from vlatent.imported import imported
from vlatent.shapes import UserError

LIBRARY = Path(__file__).parent


@dataclass(frozen=True, kw_only=True)
class OwnClass:
    """A class of a user's own with its arguments, as plain data that any process can read.

    Attributes:
        class_path: Where it is found: package.module.Name or file.py:Name.
        init_args: What it is called with, by the argument's name, plain defaults included.
        source: Sixteen hexadecimal digits of the file that defines it; null for a class that was
            installed, whose package has a version, or that stands in no file.
    """

    class_path: str
    init_args: Mapping[str, Any] = field(default_factory=dict)
    source: str | None = None

    def __hash__(self) -> int:
        return hash((self.class_path, json.dumps(self.init_args, sort_keys=True), self.source))


def own_class(
    class_path: str,
    init_args: Mapping[str, object],
    place: str,
    given: Collection[str] = (),
    base: type | None = None,
) -> OwnClass:
    """Find a class, or a function that makes an object, and check its arguments; call nothing.

    Args:
        class_path: What was given.
        init_args: Its arguments, by name.
        place: Where it was given, a dotted name of the config: `encoder`.
        given: Arguments that the caller adds where the class names them.
        base: What it must be derived from; None takes functions too.

    Raises:
        UserError: It cannot be imported, or an argument is missing, unknown or of a wrong kind:
            names it by its place.
    """
    called = _called(class_path, place, base)
    checked = _checked(called, class_path, init_args, place, _named(called, given, init_args))
    plain = {name: value for name, value in checked.items() if _is_plain(value)}
    return OwnClass(
        class_path=class_path, init_args={**init_args, **plain}, source=source_digest(called)
    )


def instance(own: OwnClass, place: str, base: type | None = None, **given: object) -> Any:
    """Call a class with its arguments.

    A checkpoint of somebody else's may name any class: with a `base` nothing else is called.

    Args:
        own: The class.
        place: Where it was given, a dotted name of the config.
        base: What it must be derived from; None takes functions too.
        given: Arguments that it gets too, where it names them and the user did not give them.

    Raises:
        UserError: As `own_class`, or the class refuses its arguments: names the cause.
    """
    called = _called(own.class_path, place, base)
    added = _named(called, given, own.init_args)
    values = _checked(called, own.class_path, own.init_args, place, added)
    try:
        return called(**values, **{name: given[name] for name in added})
    except UserError:
        raise
    except Exception as error:
        raise UserError(
            f"{place}: {own.class_path} cannot be built from its init_args "
            f"({type(error).__name__}: {' '.join(str(error).split())})."
        ) from error


def changed_source(own: OwnClass, place: str) -> str | None:
    """Say how a class is not the one that was recorded; None when it is.

    Raises:
        UserError: It cannot be imported.
    """
    now = source_digest(_called(own.class_path, place))
    if now == own.source:
        return None
    return f"the source of {place} {own.class_path} changed: it was {own.source}, and is {now}"


@lru_cache(maxsize=64)  # a file that is edited later is not what was imported
def source_digest(called: Callable[..., object]) -> str | None:
    """Sixteen hexadecimal digits of the file that defines a class; None where that says nothing.

    Installed packages and this one have versions. What the file imports is not looked at.
    """
    file = _file(called)
    installed = [Path(sysconfig.get_path(name)) for name in ("purelib", "platlib", "stdlib")]
    if file is None or any(file.is_relative_to(folder) for folder in (*installed, LIBRARY)):
        return None
    return hashlib.sha256(file.read_bytes()).hexdigest()[:16]


def path_of(called: object, place: str) -> str:
    """The path by which another process finds a class or function.

    Args:
        called: The class. One of a script that is being run is found by the script's file.
        place: What it was given as.

    Raises:
        UserError: It stands inside a function or has no name, so that nothing can find it.
    """
    name, module = getattr(called, "__qualname__", ""), getattr(called, "__module__", "")
    is_there = name.isidentifier() and getattr(sys.modules.get(module), name, None) is called
    if not (is_there and callable(called)):
        what = f"{name or 'an object'} of type {type(called).__name__}"
        raise UserError(
            f"{place} must be a class that other processes can import, but got {what}: define it "
            "at the top of a file, and give its arguments by functools.partial."
        )
    file = _file(called)
    if module != "__main__" or file is None:  # that of a notebook is found by the notebook alone
        return f"{module}.{name}"
    here = Path.cwd()
    return f"{file.relative_to(here) if file.is_relative_to(here) else file}:{name}"


def _called(class_path: str, place: str, base: type | None = None) -> Callable[..., Any]:
    called: Any = imported(class_path, f"{place}.class_path")
    if not callable(called):
        kind = type(called).__name__
        raise UserError(
            f"{place}.class_path must name a class, but {class_path} is of type {kind}."
        )
    if base is not None and not (isinstance(called, type) and issubclass(called, base)):
        raise UserError(
            f"{place}.class_path must name a class derived from {base.__module__.split('.')[0]}'s "
            f"{base.__qualname__}, but {class_path} is none."
        )
    found: Callable[..., Any] = called
    return found


def _checked(
    called: Callable[..., Any],
    class_path: str,
    init_args: Mapping[str, object],
    place: str,
    added: set[str],
) -> dict[str, Any]:
    """The arguments as the class takes them, defaults included, but for those that are added."""
    where = f"{place}.init_args"
    arguments = _arguments(called)
    for name, is_required in arguments.items():
        if is_required and name not in added and name not in init_args:
            raise UserError(f"{where}.{name} is missing: {class_path} has no default for it.")
    if not arguments.keys() - added:
        for name in init_args:
            raise UserError(f"there is no key {where}.{name}: {class_path} takes no arguments.")
        return {}
    found: Any = _parser(called, where, added).checked_object({where: dict(init_args)})
    for name in where.split("."):
        found = found[name]
    return {name: _plain(value) for name, value in vars(found).items()}


def _named(
    called: Callable[..., Any], given: Collection[str], init_args: Mapping[str, object]
) -> set[str]:
    """Those of the given arguments that a class names and the user did not give."""
    return (_arguments(called).keys() & set(given)) - init_args.keys()


@lru_cache(maxsize=64)
def _arguments(called: Callable[..., Any]) -> dict[str, bool]:
    """Arguments that a class names, or hands on to its parents, and whether it needs them."""
    top = "arguments."
    found = {
        action.dest.removeprefix(top).split(".")[0]: action.required
        for action in _parser(called, top[:-1], set())._actions
        if action.dest.startswith(top)
    }
    for name in found:  # jsonargparse requires none that has no type
        parameter = inspect.signature(called).parameters.get(name)
        found[name] |= parameter is not None and parameter.default is parameter.empty
    return found


def _parser(called: Callable[..., Any], where: str, skip: set[str]) -> Parser:
    parser = Parser()
    skipped: set[str | int] = {*skip}
    if inspect.isclass(called):
        parser.add_class_arguments(
            called, where, skip=skipped, instantiate=False, fail_untyped=False
        )
    else:
        parser.add_function_arguments(called, where, skip=skipped, fail_untyped=False)
    return parser


def _file(called: Callable[..., object]) -> Path | None:
    try:
        file = inspect.getsourcefile(called)
    except (TypeError, OSError):  # the latter of a class that a cell of a notebook defines
        return None
    return Path(file).resolve() if file and Path(file).is_file() else None


def _is_plain(value: object) -> bool:
    """Whether YAML holds it as it is."""
    if isinstance(value, list):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_plain(inner) for key, inner in value.items())
    return value is None or type(value) in (bool, int, float, str)


def _plain(value: object) -> object:
    """Numbers as Python's own: jsonargparse's PositiveInt is an int that no file format knows."""
    for kind in (bool, int, float):
        if isinstance(value, kind):
            return kind(value)
    return value
