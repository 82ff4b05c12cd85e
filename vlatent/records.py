"""Records as JSON: frozen dataclasses to text and back, every float to the last bit."""

from __future__ import annotations

import json
import math
import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import lru_cache
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from vlatent.shapes import UserError

R = TypeVar("R", bound="Record")


class Record:
    """A frozen dataclass that is written as JSON.

    Its field `version`, if it has one, holds the version that is written, and `readable` those
    that are read, if they are more: fields that they lack have defaults.
    """

    def to_json(self) -> str:
        """Strict JSON; floats that are not finite become "nan", "inf" and "-inf"."""
        return json.dumps(_plain(self), allow_nan=False, indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls: type[R], text: str | bytes, place: str) -> R:
        """The record that `to_json` wrote.

        Args:
            text: What was written; fields that this version does not have are ignored.
            place: Where it was read, for the error.

        Raises:
            UserError: It is damaged, no such record, or of another version.
        """
        try:
            values = json.loads(text)
            expected = getattr(cls, "readable", (getattr(cls, "version", None),))
            if values.get("version") not in expected:
                raise UserError(
                    f"{place} has version {values.get('version')}, and this version of vlatent "
                    f"reads {' and '.join(map(str, expected))}; run the command that wrote it again"
                )
            record: R = _made(cls, values)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(f"{place} is damaged, or no record of vlatent ({error})") from None
        return record


def _plain(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def _made(kind: Any, value: Any) -> Any:
    """A value of this type from what JSON holds."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        if value is None:
            return None
        return _made(next(part for part in inner if part is not type(None)), value)
    if origin is Literal and value not in inner:
        raise ValueError(f"{value!r} is none of {inner}")
    if is_dataclass(kind):
        return _dataclass(kind, value)
    if origin is tuple:
        kinds = inner[:1] * len(value) if inner[-1] is Ellipsis else inner
        return tuple(_made(part, item) for part, item in zip(kinds, value, strict=True))
    if origin is list:
        return [_made(inner[0], item) for item in value]
    if origin in (dict, Mapping):
        return {key: _made(inner[1], item) for key, item in value.items()}
    if kind is float:
        return float(value)
    return value


def _dataclass(kind: Any, values: Mapping[str, Any]) -> Any:
    hints = _hints(kind)
    given = {
        field.name: _made(hints[field.name], values[field.name])
        for field in fields(kind)
        if field.name in values or (field.default is MISSING and field.default_factory is MISSING)
    }
    return kind(**given)


@lru_cache(maxsize=64)
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)
