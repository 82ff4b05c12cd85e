"""The names of parameters, short and in lines."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from vlatent.figures.page import measured


def short_names(names: Sequence[str]) -> dict[str, str]:
    """Dotted names without the parts with which all of them begin and end.

    `priors.kurtosis.weight` beside `priors.wavelet.weight` is `kurtosis`; alone it stays whole.
    """
    if len(names) < 2:
        return {name: name for name in names}
    parts = [name.split(".") for name in names]

    def common(room: int) -> int:
        """With how many equal parts all names begin, leaving each at least one of its own."""
        same = (len(set(column)) == 1 for column in zip(*parts, strict=False))
        return next((at for at, equal in enumerate(same) if not equal or at == room), room)

    shortest = min(map(len, parts))
    begin = common(shortest - 1)
    parts = [part[::-1] for part in parts]
    end = common(shortest - begin - 1)
    return {
        name: ".".join(part[::-1][begin : len(part) - end])
        for name, part in zip(names, parts, strict=True)
    }


def pattern(short: Mapping[str, str]) -> str:
    """Where in the config the short names stand, if they are shorter."""
    for name, label in short.items():
        if name != label:
            begin, end = name.split(label, 1) if name.count(label) == 1 else ("", "")
            return f" Names: {begin}*{end}." if begin or end else ""
    return ""


def broken(name: str, width: float, size: float) -> str:
    """The whole name in lines of this many pixels if bold, broken at dots and underscores first."""
    lines = [""]
    for part in split(name):
        if lines[-1] and measured(lines[-1] + part, size, "bold") > width:
            lines.append("")
        for character in part:
            if lines[-1] and measured(lines[-1] + character, size, "bold") > width:
                lines.append("")
            lines[-1] += character
    return "\n".join(lines)


def split(name: str) -> list[str]:
    """The words of a name, each with the dots and underscores behind it."""
    return re.findall(r"[^._]+[._]*|[._]+", name)
