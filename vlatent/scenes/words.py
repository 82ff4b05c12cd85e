"""The words of the blocks' world: each with the complexity level at which it enters."""

from __future__ import annotations

from dataclasses import dataclass

COLORS = {
    "red": 1, "green": 1, "blue": 1, "yellow": 1,
    "purple": 2, "orange": 2,
    "black": 3, "white": 3, "gray": 3,
}  # fmt: skip
SHAPES = {
    "cube": 1, "sphere": 1, "cylinder": 1,
    "cone": 2, "pyramid": 2,
    "ring": 3, "prism": 3,
}  # fmt: skip

SYNONYMS = {
    "purple": ("violet",),
    "gray": ("grey",),
    "sphere": ("ball", "orb"),
    "ring": ("hoop",),
    "prism": ("wedge",),
}

NUMBERS = {1: "one", 2: "two", 3: "three"}


@dataclass(frozen=True)
class Relation:
    """What can hold between two blocks, and the verbs that say it.

    Attributes:
        level: Complexity level at which the relation enters.
        forward: Verbs with the relation's subject in front ("X is on Y").
        backward: Verbs that say the same from the other side ("Y is under X").
        plain: The verbs of plain wording.
        symmetric: Whether "X verb Y" and "Y verb X" mean the same.
    """

    level: int
    forward: tuple[str, ...]
    backward: tuple[str, ...]
    plain: tuple[str, ...]
    symmetric: bool = False


RELATIONS = {
    "on": Relation(
        level=1,
        forward=(
            "is on", "is on top of", "rests on", "sits on",
            "is supported by", "is held up by", "is carried by",
        ),
        backward=("is under", "is underneath", "is beneath", "supports", "holds up", "carries"),
        plain=("is on", "is under", "supports"),
    ),
    "left of": Relation(
        level=1,
        forward=("is left of", "is to the left of", "is on the left of"),
        backward=("is right of", "is to the right of", "is on the right of"),
        plain=("is left of", "is right of"),
    ),
    "in front of": Relation(
        level=2,
        forward=("is in front of", "stands in front of"),
        backward=("is behind", "stands behind", "is in back of"),
        plain=("is in front of", "is behind"),
    ),
    "next to": Relation(
        level=2,
        forward=("is next to", "is beside", "stands next to", "stands beside"),
        backward=(),
        plain=("is next to",),
        symmetric=True,
    ),
    "touching": Relation(
        level=3,
        forward=("touches", "is touching", "is in contact with"),
        backward=("is touched by",),
        plain=("touches",),
        symmetric=True,
    ),
    "larger than": Relation(
        level=3,
        forward=("is larger than", "is bigger than"),
        backward=("is smaller than", "is tinier than"),
        plain=("is larger than", "is smaller than"),
    ),
}  # fmt: skip

# Verb -> (relation, whether it is said from the other side).
VERBS = {
    verb: (name, backward)
    for name, relation in RELATIONS.items()
    for backward, verbs in ((False, relation.forward), (True, relation.backward))
    for verb in verbs
}

PASSIVES = {
    "supports": "is supported by",
    "holds up": "is held up by",
    "carries": "is carried by",
    "touches": "is touched by",
}
VOICES = PASSIVES | {passive: active for active, passive in PASSIVES.items()}

# The first word of each verb with a singular subject, and with a plural one.
PLURALS = {
    "is": "are",
    "rests": "rest",
    "sits": "sit",
    "stands": "stand",
    "supports": "support",
    "holds": "hold",
    "carries": "carry",
    "touches": "touch",
}


def available(levels: dict[str, int], level: int) -> list[str]:
    """The words that have entered by a complexity level."""
    return [word for word, entry in levels.items() if entry <= level]


def said(verb: str, count: int, negated: bool) -> str:
    """The verb as it follows `count` blocks: "rests on", "rest on", "does not rest on"."""
    first, _, rest = verb.partition(" ")
    singular = count == 1
    if not negated:
        head = first if singular else PLURALS[first]
    elif first == "is":
        head = "is not" if singular else "are not"
    else:
        head = f"{'does' if singular else 'do'} not {PLURALS[first]}"
    return f"{head} {rest}".rstrip()
