"""What jsonargparse says of a value of the wrong kind, in words that say what to give instead."""

from __future__ import annotations

import re

# Its words, and the kind in ours.
KINDS = (
    (r"Subtypes: \[[^,]*Int\W.*Given value: ?(?P<value>.*)", "a whole number or null"),
    (r"Subtypes: \[.*Given value: ?(?P<value>.*)", "a text (in quotes, if need be) or null"),
    (r"Not of type \w+Int: .*digits", "a whole number of fewer digits"),
    (r"Not of type \w+Int: .*?(?P<value>\S+) not an? \w+$", "a whole number"),
    (r"Not of type \w+Int: .*: (?P<value>'.*')", "a whole number"),
    (r"Not of type \w+Int: .*, not (?P<value>'\w+')", "a whole number"),
    (r"Not of type \w+: (?P<value>\S+) not a number", "a number"),
    (r"Not of type \w+: .*: (?P<value>'.*')", "a number"),
    (r"Not of type \w+: .*, not (?P<value>'\w+')", "a number"),
    (r"Expected a <class 'bool'>. Got value: ?(?P<value>.*)", "true or false"),
    (r"Expected a <class 'str'>. Got value: ?(?P<value>.*)", "a text (in quotes, if need be)"),
    (r"Expected a <class 'float'>. Got value: ?(?P<value>.*)", "a number"),
    (r"Expected a <class 'int'>. Got value: ?(?P<value>.*)", "a whole number"),
    (r"Expected a <class 'dict'>. Got value: ?(?P<value>.*)", "a group such as {name: value}"),
    (r"Expected a <class 'list'>. Got value: ?(?P<value>.*)", "a list such as [1, 2]"),
)


def in_plain_words(what: str) -> str:
    """jsonargparse's words for a wrong value, shorter."""
    match = re.search(r"Not of type \w+: (.*) does not conform to restriction (.*)", what)
    if match:
        allowed = match[2].replace("v>=", "at least ").replace("v<=", "at most ")
        return f"must be {allowed.replace('v>', 'above ')}, but got {match[1]}."
    match = re.search(r"Expected a typing.Literal\[(.*)\]. Got value: (.*)", what)
    if match:
        return f"must be one of {match[1]}, but got {match[2]!r}."
    for pattern, kind in KINDS:
        match = re.search(pattern, what)
        if match:
            value = match.groupdict().get("value", "").replace("'NoneType'", "null")
            return f"must be {kind}" + (f", but got {value}." if value else ".")
    return f"is wrong: {what}"
