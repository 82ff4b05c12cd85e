"""Groups of parts, such as the priors: declared ones, and a user's own that join them by name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields, make_dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any, ClassVar, cast

from vlatent.imported import imported
from vlatent.shapes import UserError


@dataclass(frozen=True, kw_only=True)
class Parts:
    """A group of parts of one kind, each a field.

    Given one more part by its name, the group is of a type that has that field too: whatever goes
    through the fields of a dataclass goes through a user's own parts as through the declared ones.

    >>> from vlatent.priors import Priors, Variance
    >>> [name for name, _ in Priors(scale=Variance(weight=0.2))][-2:]
    ['contours', 'scale']
    """

    kind: ClassVar[type]  # what its parts are
    own: ClassVar[Mapping[str, type]] = MappingProxyType({})  # classes of those that joined

    def __new__(cls, **parts: object) -> Parts:
        declared = {part.name for part in fields(cls)}
        joining = {name: type(part) for name, part in parts.items() if name not in declared}
        return object.__new__(_with(cls, joining) if joining else cls)

    def __post_init__(self) -> None:
        for name in self.own:
            try:
                hash(getattr(self, name))
            except TypeError as error:
                group = _root(type(self)).__name__.lower()
                raise UserError(
                    f"{group}.{name} cannot be compared ({error}): its settings must be numbers, "
                    "texts or tuples of them, no lists."
                ) from None

    def __reduce__(self) -> tuple[object, ...]:
        """The type is made again where the group is unpickled, own classes found by their paths."""
        values = {part.name: getattr(self, part.name) for part in fields(self)}
        found = {
            name: (_paths[kind], {f.name: getattr(values[name], f.name) for f in init_fields(kind)})
            for name, kind in self.own.items()
            if kind in _paths
        }
        others = {name: value for name, value in values.items() if name not in found}
        return _again, (_root(type(self)), others, found)


def part_name(part: type) -> str:
    """The name of a part by that of its class: `TotalVariation` is `total_variation`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", part.__name__).lower()


def init_fields(part: Any) -> list[Field[Any]]:
    """The fields of a dataclass that its call takes."""
    return [field for field in fields(part) if field.init]


# By which path a class was found, as a config may have named it.
_paths: dict[type, str] = {}


def remember_path(part: type, path: str) -> None:
    """Keep the path by which a class was found: by it another process shall find it too."""
    _paths[part] = path


def remembered_path(part: type) -> str | None:
    """The path by which a class was found; None of one that Python code gave."""
    return _paths.get(part)


def _with(group: type[Parts], joining: Mapping[str, type]) -> type[Parts]:
    own, root = {**group.own, **joining}, cast(Any, _root(group))
    return _made(root, tuple(sorted(own.items(), key=lambda part: part[0])))


@lru_cache(maxsize=256)
def _made(root: Any, own: tuple[tuple[str, type], ...]) -> type[Parts]:
    """One type for the same parts: groups are equal where their parts are."""
    for name, part in own:
        if not issubclass(part, root.kind):
            raise TypeError(f"{root.__name__} has no {name}, and this is no {root.kind.__name__}")
        if not name.isidentifier() or hasattr(root, name):
            raise UserError(f"{name!r} cannot be the name of a {root.kind.__name__}; take another.")
    added: list[Any] = [(name, part, field()) for name, part in own]
    return make_dataclass(
        root.__name__,
        added,
        bases=(root,),
        namespace={"own": MappingProxyType(dict(own)), "__doc__": root.__doc__},
        frozen=True,
        kw_only=True,
    )


def _root(group: type[Parts]) -> type[Parts]:
    """The declared type that a group's type was made from."""
    return next(base for base in group.__mro__ if Parts in base.__bases__)


def _again(
    root: type[Parts],
    values: Mapping[str, object],
    found: Mapping[str, tuple[str, Mapping[str, object]]],
) -> Parts:
    own = {}
    for name, (path, settings) in found.items():
        kind: Any = imported(path, f"{root.__name__.lower()}.{name}.class_path")
        remember_path(kind, path)
        own[name] = kind(**settings)
    return root(**values, **own)
