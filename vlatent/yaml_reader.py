"""YAML as settings need it: no key twice, nothing that grows or ends in itself when it is read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode

from vlatent.shapes import UserError
from vlatent.text_files import read_text

LARGEST = 256 * 1024  # bytes of a file of settings; those of the project have one or two thousand
DEEPEST = 16  # levels of nesting

Lines = dict[str, int]  # where every dotted key stands


class _Reader(yaml.SafeLoader):
    """PyYAML's safe loader without what surprises: aliases of groups, tags, 1:30 as 90."""

    depth = 0

    def compose_node(self, parent: Node | None, index: Any) -> Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if getattr(event, "tag", None) is not None:
            raise _error(f"the tag {event.tag!r:.40} is not understood; remove it", event)
        if self.depth >= DEEPEST:
            raise _error(f"nested more than {DEEPEST} levels deep", event)
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        if isinstance(event, yaml.AliasEvent) and not isinstance(node, ScalarNode):
            raise _error(f"*{event.anchor} stands for a group or a list; write it out there", event)
        return node

    def construct_object(self, node: Node, deep: bool = False) -> Any:
        if isinstance(node, ScalarNode) and "\0" in node.value:
            raise _error("a NUL character is no text", node)
        try:
            return super().construct_object(node, deep=True)
        except ValueError as error:  # a number of 100,000 digits
            raise _error(f"{node.value!r:.40} is no number: {error}", node) from None

    def construct_mapping(self, node: MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Keys are words, also `on` and `3`; none stands there twice."""
        lines: Lines = {}
        values: dict[Any, Any] = {}
        for key, value in node.value:
            if not isinstance(key, ScalarNode):
                raise _error("a key must be a word", key)
            if key.value in values:
                raise _error(
                    f"the key {key.value} stands there twice, first in line {lines[key.value]}; "
                    "keep one",
                    key,
                )
            lines[key.value] = key.start_mark.line + 1
            values[key.value] = self.construct_object(value, deep=True)
        return values


def _keep_words() -> None:
    """Leave out what YAML 1.1 takes for numbers and dates and nobody means: 1:30, 010, 2026-01-01.

    A number may do without a point, as 1e-3.
    """
    number = re.compile(
        r"[-+]?(?:0|[1-9][0-9_]*|[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?$"
        r"|[-+]?\.(?:inf|Inf|INF)$|\.(?:nan|NaN|NAN)$"
    )
    dropped = {f"tag:yaml.org,2002:{name}" for name in ("int", "float", "timestamp", "merge")}
    _Reader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag not in dropped]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    whole = re.compile(r"[-+]?(?:0|[1-9][0-9_]*)$|[-+]?0x[0-9a-fA-F]+$")
    for tag, pattern in (("int", whole), ("float", number)):
        _Reader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", pattern, list("-+0123456789."))


_keep_words()


def _read(text: str) -> tuple[Any, Lines]:
    if len(text) > LARGEST:
        raise yaml.YAMLError(f"longer than {LARGEST:,} characters")
    reader = _Reader(text)
    try:
        node = reader.get_single_node()
        return (None if node is None else reader.construct_document(node)), _lines("", node)
    finally:
        reader.dispose()


def load_flag(text: str) -> Any:
    """The value of a flag; `a:` and `{a}` are words there.

    Raises:
        yaml.YAMLError: It is none.
    """
    value, _ = _read(text)
    if isinstance(value, dict) and value and all(item is None for item in value.values()):
        return text
    return value


def read_settings(text: str, place: str) -> tuple[dict[str, Any], Lines]:
    """A text of YAML that holds groups of settings, and the line of every dotted key.

    Raises:
        UserError: It does not; names the place and the line.
    """
    try:
        values, lines = _read(text)
    except yaml.YAMLError as error:
        raise UserError(_said(error, place)) from None
    if not isinstance(values, dict):
        kinds = {type(None): "empty", list: "a list", str: "a text"}
        raise UserError(
            f"{place} is {kinds.get(type(values), 'a value')}, but must hold groups of settings, "
            "for instance training: {steps: 100}"
        )
    return values, lines


def read_settings_file(path: Path) -> tuple[dict[str, Any], Lines]:
    """Read a file likewise.

    Raises:
        UserError: It cannot be read, or holds none.
    """
    text = read_text(path, LARGEST, "name a YAML file, or leave --config out.")
    return read_settings(text, f"{path}")


def _lines(prefix: str, node: Node | None) -> Lines:
    if not isinstance(node, MappingNode):
        return {}
    lines: Lines = {}
    for key, value in node.value:
        name = f"{prefix}{key.value}"
        lines |= {name: key.start_mark.line + 1} | _lines(f"{name}.", value)
    return lines


def _error(problem: str, at: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=at.start_mark)


def _said(error: yaml.YAMLError, place: str) -> str:
    """PyYAML's words in one line, with the place first."""
    mark = getattr(error, "problem_mark", None)
    line = f", line {mark.line + 1}" if mark is not None else ""
    if isinstance(error, yaml.reader.ReaderError):
        what = f"the character {ord(error.character):#x} is not allowed"
    else:
        words = (getattr(error, "context", None), getattr(error, "problem", None))
        what = " ".join(" ".join(filter(None, words)).split()) or f"{error}"
    if "cannot start any token" in what:
        what += "; indent with blanks instead of tabs, and quote texts that begin with % @ or `"
    return f"{place}{line}: {what}."
