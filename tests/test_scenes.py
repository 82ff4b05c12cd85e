"""Scenes and sentences, checked in pictures: blocks at places where a sentence is true or not."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path
from typing import NamedTuple, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlatent.scenes import (
    FIXED_SENTENCES,
    Block,
    Complexity,
    Example,
    Fact,
    Scene,
    Wording,
    default_corpus,
    generate,
    generation,
    parse,
)
from vlatent.scenes.__main__ import main
from vlatent.scenes.sentence import Clause, Sentence, put_into_words
from vlatent.scenes.variants import COUNTERFACTUALS, PARAPHRASES
from vlatent.shapes import UserError

LEVELS: tuple[Complexity, ...] = (1, 2, 3)
WORDINGS = get_args(Wording)

# --- an independent reader: its own words, its own grammar -----------------------------------

# Verb with a plural subject -> (what is compared, 1 if the subject is on the far side of it).
VERBS: dict[str, tuple[str, int]] = {}
for axis, up, down in (
    (
        "rests",
        "are on/are on top of/rest on/sit on/are supported by/are held up by/are carried by",
        "are under/are underneath/are beneath/support/hold up/carry",
    ),
    (
        "left",
        "are left of/are to the left of/are on the left of",
        "are right of/are to the right of/are on the right of",
    ),
    ("front", "are in front of/stand in front of", "are behind/stand behind/are in back of"),
    ("large", "are larger than/are bigger than", "are smaller than/are tinier than"),
    ("near", "are next to/are beside/stand next to/stand beside", ""),
    ("contact", "touch/are touching/are in contact with/are touched by", ""),
):
    VERBS |= dict.fromkeys(up.split("/"), (axis, 1))
    VERBS |= dict.fromkeys(filter(None, down.split("/")), (axis, -1))
SAME = {
    "violet": "purple", "grey": "gray",
    "ball": "sphere", "orb": "sphere", "hoop": "ring", "wedge": "prism",
}  # fmt: skip
NUMBERS = {"a": 1, "an": 1, "the": 1, "one": 1, "two": 2, "three": 3}
Kind = tuple[str, str]


class Claim(NamedTuple):
    axis: str
    ends: tuple[Kind, Kind]
    counts: tuple[int, int]
    holds: bool


def read(text: str) -> list[Claim]:
    """Split at the joints; the last two words of a clause are the object, and so on."""
    claims: list[Claim] = []
    previous: tuple[Kind, int] = (("", ""), 0)
    for part in re.split(r", and |, while |; |, (?=which)", text.lower().removesuffix(".")):
        words = part.split()
        if words[0] == "which":
            subject, rest = previous, words[1:]
        else:
            at = 2 if words[1] not in NUMBERS else 3
            subject, rest = noun(words[: at + 1]), words[at + 1 :]
        at = max(i for i, word in enumerate(rest[:-2]) if word in NUMBERS)
        if rest[at - 1] == "the" and rest[at] in ("two", "three"):
            at -= 1
        verb, previous = rest[:at], noun(rest[at:])
        holds = "not" not in verb
        verb = [word for word in verb if word not in ("not", "do", "does")]
        if verb[0] == "is":
            verb[0] = "are"
        plural = {"carries": "carry", "touches": "touch"}
        verb[0] = plural.get(verb[0], verb[0].removesuffix("s"))
        axis, side = VERBS[" ".join(verb)]
        (first, n), (second, m) = (subject, previous)[::side]
        claims.append(Claim(axis, (first, second), (n, m), holds))
    return claims


def noun(words: list[str]) -> tuple[Kind, int]:
    number = max(NUMBERS[word] for word in words[:-2])
    color, shape = words[-2:]
    if number > 1:
        assert shape.endswith("s")
        shape = shape.removesuffix("s")
    return (SAME.get(color, color), SAME.get(shape, shape)), number


AXES = {"left of": "left", "in front of": "front", "larger than": "large", "on": "rests"}


class World:
    """A picture in which everything that a scene says holds: a place for each block.

    Heights, columns, rows and sizes come from sorting the blocks; sorting fails on a cycle.
    """

    def __init__(self, scene: Scene) -> None:
        kinds = [(block.color, block.shape) for block in scene.blocks]
        self.kinds = set(kinds)
        self.rank: dict[str, dict[Kind, int]] = {}
        for relation, axis in AXES.items():
            order: TopologicalSorter[Kind] = TopologicalSorter(dict.fromkeys(kinds, ()))
            for subject, name, object in scene.relations:
                if name == relation:
                    order.add(kinds[subject], kinds[object])
            self.rank[axis] = {kind: place for place, kind in enumerate(order.static_order())}
        self.pairs = {
            axis: {
                frozenset((kinds[subject], kinds[object]))
                for subject, name, object in scene.relations
                if name == relation
            }
            for relation, axis in (("next to", "near"), ("touching", "contact"), ("on", "rests"))
        }

    def shows(self, text: str) -> bool:
        return all(self._holds(claim) == claim.holds for claim in read(text))

    def _holds(self, claim: Claim) -> bool:
        if claim.counts != (1, 1) or not self.kinds.issuperset(claim.ends):
            return False
        first, second = claim.ends
        pairs = self.pairs.get(claim.axis)
        rank = self.rank.get(claim.axis)
        return (pairs is None or frozenset(claim.ends) in pairs) and (
            rank is None or rank[first] > rank[second]
        )


def breaks(kind: str, text: str, example: Example, world: World) -> bool:
    """Whether a counterfactual says what the scene does not.

    A picture may happen to show another relation too ("on" and "left of" go together), so that
    kind is held against the graph: one of its claims is not in it.
    """
    if kind == "relation":
        return not canonical(text) <= canonical(example.text)
    return not world.shows(text)


def canonical(text: str) -> frozenset[object]:
    """What the independent reader takes from a sentence, without its wording."""
    return frozenset(
        (claim.axis, claim.holds, tuple(sorted(ends)) if symmetric else ends)
        for claim in read(text)
        for ends in [tuple(zip(claim.ends, claim.counts, strict=True))]
        for symmetric in [claim.axis in ("near", "contact")]
    )


def many(count: int, seed: int = 0) -> Iterator[Example]:
    for level in LEVELS:
        for wording in WORDINGS:
            yield from generate(count, level, wording, seed)


# --- meaning --------------------------------------------------------------------------------


def test_the_independent_reader_reads() -> None:
    text = "One violet cube does not rest on two blue orbs, which are left of an orange cone."
    assert read(text) == [
        Claim("rests", (("purple", "cube"), ("blue", "sphere")), (1, 2), False),
        Claim("left", (("blue", "sphere"), ("orange", "cone")), (2, 1), True),
    ]


def test_thousands_of_variants_in_pictures() -> None:
    """Original and paraphrases hold in the scene's picture; no counterfactual is true of it."""
    paraphrases, counterfactuals = set(), set()
    for example in many(90):
        world = World(example.scene)
        assert world.shows(example.text), example.text
        for kind, text in example.paraphrases():
            assert world.shows(text), (kind, example.text, text)
            assert text != example.text
            assert parse(text) == parse(example.text) == example.scene.meaning
            paraphrases.add(kind)
        for kind, text in example.counterfactuals():
            assert breaks(kind, text, example, world), (kind, example.text, text)
            assert parse(text) != example.scene.meaning
            counterfactuals.add(kind)
    assert paraphrases == set(PARAPHRASES) == {"synonym", "determiner", "voice", "order", "inverse"}
    assert counterfactuals == set(COUNTERFACTUALS)
    assert counterfactuals == {"color", "relation", "swap", "object", "negation", "count"}


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10**9), st.sampled_from(LEVELS), st.sampled_from(WORDINGS))
def test_every_variant_that_could_be_drawn(seed: int, level: Complexity, wording: Wording) -> None:
    (example,) = generate(1, level, wording, seed)
    world = World(example.scene)
    for paraphrases in PARAPHRASES.values():
        for sentence in paraphrases(example.sentence):
            assert str(sentence) != example.text
            assert world.shows(str(sentence)), (example.text, str(sentence))
            assert parse(str(sentence)) == example.scene.meaning
    for kind, counterfactuals in COUNTERFACTUALS.items():
        for sentence in counterfactuals(example.sentence, example.scene.complexity):
            assert breaks(kind, str(sentence), example, world), (example.text, str(sentence))
            assert parse(str(sentence)) != example.scene.meaning


def test_equal_meanings_are_equal_for_the_independent_reader() -> None:
    """`parse` and the reader above sort all sentences into the same classes."""
    texts = [example.text for example in many(120)]
    texts += [text for example in many(30) for _, text in example.paraphrases()]
    texts += [text for example in many(30) for _, text in example.counterfactuals()]
    by_parse = {text: parse(text) for text in texts}
    by_reader = {text: canonical(text) for text in texts}
    assert (
        len(set(by_parse.values()))
        == len(set(by_reader.values()))
        == len({(by_parse[text], by_reader[text]) for text in texts})
        < len(by_parse)
    )


def test_parse_by_hand() -> None:
    red, blue, cone = Block("red", "cube"), Block("blue", "sphere"), Block("orange", "cone")
    expected = {Fact(red, "on", blue), Fact(blue, "left of", cone)}
    for text in (
        "A red cube is on a blue sphere, and the blue sphere is left of an orange cone.",
        "The blue ball carries the red cube, which is on the blue orb; "
        "the orange cone is to the right of the blue ball.",
        "One red cube is supported by one blue sphere, which is on the left of one orange cone.",
    ):
        assert parse(text) == expected
    assert parse("A red cube touches a blue sphere.") == parse(
        "A blue ball is touched by a red cube."
    )
    two = parse("Two red cubes do not rest on the three blue balls.")
    assert two == {Fact(Block("red", "cube", 2), "on", Block("blue", "sphere", 3), holds=False)}


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("", 1),
        ("Which is on a blue cube.", 1),
        ("A crimson cube is on a blue sphere.", 1),
        ("A red cube flies over a blue sphere.", 1),
        ("Two red cube are on a blue sphere.", 13),
        ("Two red cubes is on a blue sphere.", 15),
        ("A red cube is on a blue sphere and so on.", 31),
        ("A red cube is on a blue sphere, and so on.", 37),
    ],
)
def test_parse_names_the_column(text: str, column: int) -> None:
    with pytest.raises(UserError, match=rf"column {column} should"):
        parse(text)


def test_kinds_that_cannot_change_the_meaning_do_not_apply() -> None:
    cube, sphere = Block("red", "cube"), Block("blue", "sphere")
    beside = Sentence((Clause(cube, "is next to", sphere),), "a", ())
    swapped = parse("A blue sphere is next to a red cube.")
    assert parse(str(beside)) == swapped
    assert not list(COUNTERFACTUALS["swap"](beside, 3))
    assert not list(PARAPHRASES["order"](beside))
    assert not list(PARAPHRASES["voice"](beside))
    assert [str(s) for s in PARAPHRASES["inverse"](beside)] == [
        "A blue sphere is next to a red cube."
    ]


def test_another_relation_is_one_that_the_level_knows() -> None:
    """Each other relation in turn, and never the same said from the other side."""
    cube, sphere = Block("red", "cube"), Block("blue", "sphere")
    on = Sentence((Clause(cube, "is on", sphere),), "a", ())
    found = {
        level: {
            claim.axis for s in COUNTERFACTUALS["relation"](on, level) for claim in read(str(s))
        }
        for level in LEVELS
    }
    assert found == {
        1: {"left"},
        2: {"left", "front", "near"},
        3: {"left", "front", "near", "contact", "large"},
    }


def test_counterfactuals_change_one_thing() -> None:
    def kinds(text: str) -> set[tuple[Kind, int]]:
        return {pair for c in read(text) for pair in zip(c.ends, c.counts, strict=True)}

    for example in many(60):
        before, claims = kinds(example.text), read(example.text)
        for kind, text in example.counterfactuals():
            (gone, new), after = (before - kinds(text), kinds(text) - before), read(text)
            if kind in ("color", "object", "count"):
                (((color, shape), _),), (((new_color, new_shape), number),) = gone, new
                assert (shape == new_shape) == (kind != "object")
                assert (number == 1) == (kind != "count")
                assert (color == new_color) == (kind != "color")
            else:
                assert not gone
                assert not new
                assert sum(a != b for a, b in zip(claims, after, strict=True)) == 1


# --- scenes ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("level", "fewest", "most"), [(1, 2, 3), (2, 3, 4), (3, 4, 6)])
def test_scenes_are_connected_trees_of_different_blocks(
    level: Complexity, fewest: int, most: int
) -> None:
    sizes = set()
    for example in generate(400, level, "varied"):
        scene = example.scene
        sizes.add(len(scene.blocks))
        assert len({(block.color, block.shape) for block in scene.blocks}) == len(scene.blocks)
        assert len(scene.relations) == len(scene.blocks) - 1
        reached, todo = set(), {0}
        while todo:
            reached |= todo
            ends = [(a, b) for s, _, o in scene.relations for a, b in ((s, o), (o, s))]
            todo = {b for a, b in ends if a in reached} - reached
        assert reached == set(range(len(scene.blocks)))
    assert sizes == set(range(fewest, most + 1))


def test_words_grow_with_the_level() -> None:
    def words(level: Complexity) -> tuple[set[str], set[str], set[str]]:
        scenes = [example.scene for example in generate(500, level)]
        blocks = [block for scene in scenes for block in scene.blocks]
        return (
            {block.color for block in blocks},
            {block.shape for block in blocks},
            {relation for scene in scenes for _, relation, _ in scene.relations},
        )

    first, second, third = map(words, LEVELS)
    for small, middle, large in zip(first, second, third, strict=True):
        assert small < middle < large


def test_varied_wording_has_more_words() -> None:
    plain, varied = (
        {word for e in generate(300, "all", wording) for word in re.findall(r"\w+", e.text)}
        for wording in ("plain", "varied")
    )
    assert {"violet", "ball", "which", "while", "beneath"} <= varied - plain
    assert plain <= {word.capitalize() for word in varied} | varied


# --- seeds ----------------------------------------------------------------------------------


def test_seed_decides_everything() -> None:
    """Literal sentences: another Python or another machine must draw the same."""
    assert [example.text for example in generate(3, "all", "varied", seed=1)] == GOLDEN
    assert [e.text for e in generate(3, seed=1)] != [e.text for e in generate(3, seed=2)]
    (a,), (b,) = generate(1, 3, "varied", seed=5), generate(1, 3, "varied", seed=5)
    assert a.record() == a.record() == b.record()


GOLDEN = [
    "One green cylinder is carried by one yellow orb.",
    "The red cylinder is held up by the red ball, and the yellow cube is beside the red ball.",
    "One violet cube stands next to one violet ball, and the violet cube stands beside one grey "
    "ball, and the violet cube is beneath one yellow prism; the grey ball stands beside one white "
    "ring, and the grey ball is larger than one violet cylinder.",
]


@pytest.mark.parametrize("complexity", [1, 2, 3, "all"])
def test_a_sentence_does_not_depend_on_how_many_are_drawn(
    complexity: Complexity,
) -> None:
    assert generate(500, complexity)[:100] == generate(100, complexity)


def test_global_random_state_is_left_alone() -> None:
    """In a process of its own: the checks of annotations that run here draw random numbers."""
    code = """
import random, sys, numpy, torch
from vlatent.scenes import default_corpus, generate
state = lambda: [random.getstate(), str(numpy.random.get_state()), str(torch.get_rng_state())]
before = state()
for example in generate(20, "all", "varied"):
    example.record()
default_corpus(30, 10)
sys.exit(state() != before)
"""
    root = Path(__file__).parents[1]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0


# --- corpora --------------------------------------------------------------------------------


def test_default_corpus_shares_no_meaning() -> None:
    training, validation = default_corpus()
    assert (len(training), len(validation)) == (5000, 500)
    texts = [example.text for example in training]
    assert len(set(texts)) == 5000
    assert len({example.text for example in validation}) == 500
    held_out = {canonical(example.text) for example in validation}
    held_out |= {canonical(text) for e in validation[:60] for _, text in e.paraphrases()}
    fixed = set(map(canonical, FIXED_SENTENCES))
    known = set(map(canonical, texts))
    assert not known & held_out
    assert not (known | held_out) & fixed
    for part in (training, validation):
        levels = [example.scene.complexity for example in part]
        assert all(levels.count(level) > 0.33 * len(part) for level in (1, 2, 3))


def test_without_the_check_a_meaning_would_be_shared() -> None:
    """The test above has teeth: drawn blindly, the two parts do overlap."""
    drawn = [canonical(example.text) for example in generate(1500)]
    assert set(drawn[:300]) & set(drawn[300:])


def test_fixed_sentences() -> None:
    assert len(FIXED_SENTENCES) == len(set(map(parse, FIXED_SENTENCES))) == 16
    sizes = [len({end for claim in read(text) for end in claim.ends}) for text in FIXED_SENTENCES]
    assert sizes == sorted(sizes)
    assert set(sizes) == {2, 3, 4, 5, 6}


def test_bad_arguments_and_exhaustion(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"count must be at least 1, but got count=0"):
        generate(0)
    monkeypatch.setattr(generation, "_PATIENCE", 0)
    with pytest.raises(UserError, match=r"found only \d+ different sentences for count=3000"):
        generate(3000, 1)


# --- command line ---------------------------------------------------------------------------


def test_writes_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new" / "train.txt"
    main(["--count", "40", "--complexity", "1", "--seed", "3", "--out", str(out)])
    assert out.read_text().splitlines() == [example.text for example in generate(40, 1, seed=3)]
    printed = capsys.readouterr().out
    assert printed.count("\n") == 1
    assert f"vlatent train --data.train {out}" in printed
    assert [path.name for path in out.parent.iterdir()] == ["train.txt"]


def test_writes_jsonl_and_validation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "train.jsonl"
    main(f"--count 60 --validation 12 --wording varied --out {out}".split())
    assert f"--data.validation {tmp_path / 'validation.jsonl'}" in capsys.readouterr().out
    training, validation = (
        [json.loads(line) for line in (tmp_path / name).read_text().splitlines()]
        for name in ("train.jsonl", "validation.jsonl")
    )
    assert (len(training), len(validation)) == (60, 12)
    assert {canonical(r["original"]) for r in training}.isdisjoint(
        canonical(text) for r in validation for text in (r["original"], *r["paraphrases"])
    )
    for record in training:
        graph = record["scene"]
        scene = Scene(
            graph["complexity"],
            tuple(Block(o["color"], o["shape"]) for o in graph["objects"]),
            tuple((r["subject"], r["relation"], r["object"]) for r in graph["relations"]),
        )
        assert World(scene).shows(record["original"])
        assert all(map(World(scene).shows, record["paraphrases"]))
        for text in record["counterfactuals"]:
            assert not canonical(text) <= canonical(record["original"])
        assert len(record["paraphrases"]) == len(record["paraphrase_kinds"]) > 0
        assert len(record["counterfactuals"]) == len(record["counterfactual_kinds"]) > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--count 0", r"count must be at least 1, but got count=0"),
        ("--validation -1", r"validation must be at least 0, but got validation=-1"),
        ("--complexity 4", r"complexity.*4"),
        ("--wording odd", r"wording.*odd"),
        ("--cuont 5", r"there is no key cuont; did you mean count\?"),
        ("--out train.csv", r"out must end in \.txt or \.jsonl, but got 'train\.csv'"),
        ("--out validation.txt --validation 5", r"validation\.txt would be both files"),
        ("--out file.txt/train.txt", r"cannot write file\.txt/train\.txt: .*--out"),
    ],
)
def test_bad_arguments(
    arguments: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file.txt").write_text("a file where a folder should be")
    with pytest.raises(UserError, match=message) as raised:
        main(["--count", "5", *arguments.split()])
    assert "\n" not in str(raised.value)
    assert [path.name for path in tmp_path.iterdir()] == ["file.txt"]


def test_bad_input_ends_with_one_line_and_status_2(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "vlatent.scenes", "--count", "0", "--out", str(tmp_path / "a.txt")],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[1],
        check=False,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert re.fullmatch(r"[^\n]*count must be at least 1[^\n]*\n", done.stderr)


def test_put_into_words_keeps_the_random_numbers_of_its_own() -> None:
    """The same scene and generator state give the same sentence, another state another one."""
    scene = generate(1, 3)[0].scene
    said = {str(put_into_words(scene, "varied", random.Random(seed))) for seed in range(20)}
    assert len(said) > 10
    assert {parse(text) for text in said} == {scene.meaning}
