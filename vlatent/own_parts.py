"""A user's own priors and terms in configs and flags: found, checked, written as the declared ones.

In a config a part of one's own stands beside the declared ones,
`priors: {sharpness: {class_path: my_file.Sharpness, init_args: {weight: 0.1}}}`, or without its
class where an installed package declares it as the entry point `sharpness` of `vlatent.priors`.
From then on its settings are keys like all others: `--priors.sharpness.weight 0.2`.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import fields
from importlib.metadata import entry_points
from typing import Any

from vlatent.imported import imported
from vlatent.parts import Parts, remember_path
from vlatent.shapes import UserError

PATH, ARGUMENTS = "class_path", "init_args"
Groups = Mapping[str, type[Parts]]  # the groups of a config that take parts of one's own


def own_paths(settings: object, groups: Groups) -> Iterator[tuple[str, str]]:
    """The dotted name and the class path of every part in these settings that is the user's own.

    Raises:
        UserError: A class is given for a declared part, or what is given is no path.
    """
    for group, name, part in _parts(settings, groups):
        key = f"{group}.{name}"
        path = part.get(PATH) if isinstance(part, Mapping) else None
        if name in {declared.name for declared in fields(groups[group])}:
            if path is not None:
                raise UserError(
                    f"{key} is declared by vlatent, and {key}.{PATH} would make it another class; "
                    "give yours another name."
                )
            continue
        if path is None:
            path = _installed(group, name)
        if path is None:
            continue
        if not name.isidentifier() or hasattr(groups[group], name):
            raise UserError(f"{key}: {name!r} cannot be the name of a part; take another.")
        if not isinstance(path, str):
            raise UserError(f"{key}.{PATH} must be package.module.Name or file.py:Name.")
        yield key, path


def found(path: str, key: str, kind: type) -> type:
    """The class of a part.

    Args:
        path: Where it is.
        key: Dotted name of the part.
        kind: What it must be.

    Raises:
        UserError: It cannot be imported, or is none; says what it lacks.
    """
    place, part = f"{key}.{PATH}", imported(path, f"{key}.{PATH}")
    if not (inspect.isclass(part) and issubclass(part, kind)):
        raise UserError(f"{place}: {path} is no {kind.__name__}; derive it from {_home(kind)}.")
    lacking = sorted(getattr(part, "__abstractmethods__", ()))
    if lacking:
        raise UserError(f"{place}: {path} has no {' and no '.join(lacking)}; see {_home(kind)}.")
    if "__dataclass_fields__" not in vars(part):
        raise UserError(
            f"{place}: {path} is no dataclass; write @dataclass(frozen=True, kw_only=True) over it."
        )
    search = getattr(part, "search", None)
    if not (isinstance(search, tuple) and len(search) == 2 and 0 < search[0] < search[1]):
        raise UserError(
            f"{place}: {path} does not say which weights studies try: give it its lowest and "
            "highest, for instance search = (0.01, 1.0)."
        )
    remember_path(part, path)
    return part


def as_declared(settings: Any, groups: Groups) -> Any:
    """The settings with `init_args` of own parts beside their class, where arguments are keys."""
    plain = dict(settings)
    for group, name, part in _parts(settings, groups):
        if not isinstance(part, Mapping):
            continue
        arguments = part.get(ARGUMENTS)
        if isinstance(arguments, Mapping):
            others = {key: value for key, value in part.items() if key != ARGUMENTS}
            plain[group] = {**plain[group], name: {**others, **arguments}}
    return plain


def without_arguments(key: str, own: Mapping[str, object]) -> str:
    """A dotted name as if a part's arguments were keys of the part.

    >>> without_arguments("priors.sharpness.init_args.weight", {"priors.sharpness": "a.B"})
    'priors.sharpness.weight'
    """
    for part in own:
        prefix = f"{part}.{ARGUMENTS}"
        if key == prefix or key.startswith(f"{prefix}."):
            return part + key.removeprefix(prefix)
    return key


def _parts(settings: object, groups: Groups) -> Iterator[tuple[str, str, object]]:
    if not isinstance(settings, Mapping):
        return
    for group in groups:
        named = settings.get(group)
        if isinstance(named, Mapping):
            for name, part in named.items():
                yield group, f"{name}", part


def _installed(group: str, name: str) -> str | None:
    """The class that an installed package declares as an entry point; None if there is none.

    Raises:
        UserError: Several packages declare another one.
    """
    declared = {entry.value for entry in entry_points(group=f"vlatent.{group}", name=name)}
    if len(declared) > 1:
        raise UserError(
            f"{group}.{name} is declared by several packages ({', '.join(sorted(declared))}); say "
            f"which one you mean: {group}.{name}.{PATH}."
        )
    return next(iter(declared)).replace(":", ".") if declared else None


def _home(kind: type) -> str:
    return f"vlatent.{kind.__name__}"
