"""Predictions of the next word beside every sentence that the generator can draw, one by one."""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence
from itertools import permutations
from typing import Any, TypeVar, cast

import pytest

from vlatent.scenes import Meaning, Wording, continuations, generate, prediction, scene, words
from vlatent.scenes.continuations import words_of
from vlatent.scenes.prediction import content_places, given_meaning, given_nothing, kind_of
from vlatent.scenes.scene import draw_scene
from vlatent.scenes.sentence import put_into_words
from vlatent.scenes.words import Relation
from vlatent.shapes import UserError

Drawn = TypeVar("Drawn")


class Script:
    """A generator of random numbers that draws what it is told, and knows how likely that was."""

    def __init__(self, told: list[int]) -> None:
        self.told, self.sizes, self.probability = told, list[int](), 1.0

    def _draw(self, size: int) -> int:
        place = len(self.sizes)
        if place == len(self.told):
            self.told.append(0)
        self.sizes.append(size)
        self.probability /= size
        return self.told[place]

    def choice(self, items: Sequence[Drawn]) -> Drawn:
        return items[self._draw(len(items))]

    def randrange(self, size: int) -> int:
        return self._draw(size)

    def randint(self, low: int, high: int) -> int:
        return low + self._draw(high - low + 1)

    def random(self) -> float:
        return (0.25, 0.75)[self._draw(2)]

    def sample(self, items: Sequence[Drawn], count: int) -> list[Drawn]:
        return list(self.choice(list(permutations(items, count))))

    def shuffle(self, items: list[Any]) -> None:
        items[:] = self.choice(list(permutations(items)))


def every(draw: Callable[[random.Random], Drawn]) -> Iterator[tuple[float, Drawn]]:
    """Everything that can be drawn, with its probability."""
    told: list[int] = []
    while True:
        script = Script(told)
        drawn = draw(cast(random.Random, script))
        yield script.probability, drawn
        told = script.told[: len(script.sizes)]
        while told and told[-1] == script.sizes[len(told) - 1] - 1:
            told.pop()
        if not told:
            return
        told[-1] += 1


def test_a_script_draws_everything() -> None:
    drawn = list(every(lambda generator: (generator.choice("ab"), generator.randint(1, 3))))
    assert [pair for _, pair in drawn] == [(a, b) for a in "ab" for b in (1, 2, 3)]
    assert [probability for probability, _ in drawn] == [1 / 6] * 6


def shrink(patch: pytest.MonkeyPatch, size: tuple[int, int], **left: dict[str, Any]) -> None:
    """Leave these entries of the tables of words, and sizes of scenes, at level 1."""
    for name, entries in left.items():
        table = getattr(words, name)
        for gone in [entry for entry in table if entry not in entries]:
            patch.delitem(table, gone)
        for entry, value in entries.items():
            patch.setitem(table, entry, value)
    patch.setitem(scene.SIZES, 1, size)


@pytest.fixture
def small() -> Iterator[pytest.MonkeyPatch]:
    """For a grammar of few words, which nothing remembers before or afterwards."""
    caches = (
        continuations._kinds,
        continuations._verbs_of_level,
        continuations._mention,
        continuations._orders,
    )
    tables = {id(it): (it, dict(it)) for it in vars(words).values() if isinstance(it, dict)}
    with pytest.MonkeyPatch.context() as patch:
        for cache in caches:
            cache.cache_clear()
        yield patch
    for cache in caches:
        cache.cache_clear()
    for table, before in tables.values():  # in their order, by which sentences are drawn
        table.clear()
        table.update(before)


def sentences(wording: Wording) -> dict[tuple[str, Meaning], float]:
    """Every sentence of level 1 with its meaning, and how likely it is."""
    found: dict[tuple[str, Meaning], float] = defaultdict(float)

    def say(generator: random.Random) -> tuple[str, Meaning]:
        drawn = draw_scene(1, generator)
        return str(put_into_words(drawn, wording, generator)), drawn.meaning

    for probability, sentence in every(say):
        found[sentence] += probability
    assert sum(found.values()) == pytest.approx(1)
    return found


def followed(
    found: dict[tuple[str, Meaning], float], known: Callable[[Meaning], Hashable]
) -> dict[Hashable, dict[str, float]]:
    """How likely each word is behind what is known of the meaning and the words before."""
    following: dict[Hashable, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for (text, meaning), probability in found.items():
        read = words_of(text)
        for place, word in enumerate(read):
            following[known(meaning), tuple(read[:place])][word] += probability
    return following


ON = Relation(1, ("is on",), ("is under", "supports"), ("is on", "is under"))
BESIDE = Relation(1, ("is beside",), (), ("is beside",), symmetric=True)


@pytest.mark.parametrize(("wording", "count"), [("plain", 234), ("varied", 7608)])
def test_predictions_are_those_of_every_sentence(
    small: pytest.MonkeyPatch, wording: Wording, count: int
) -> None:
    """Two or three of three blocks, two relations, a word with a synonym."""
    shrink(
        small,
        (2, 3),
        COLORS={"orange": 1},
        SHAPES={"cube": 1, "ring": 1, "cone": 1},
        SYNONYMS={"ring": ("hoop",)},
        RELATIONS={"on": ON, "next to": BESIDE},
    )
    compare_with_every_sentence(wording, count, 1 if wording == "plain" else 15)


def test_orders_of_clauses_are_as_likely_as_in_every_sentence(small: pytest.MonkeyPatch) -> None:
    """Four blocks: of three clauses in a row the middle one comes first in half of all orders."""
    shrink(
        small,
        (4, 4),
        COLORS={"orange": 1},
        SHAPES={"cube": 1, "cylinder": 1, "cone": 1, "pyramid": 1},
        SYNONYMS={},
        RELATIONS={"on": ON},
    )
    compare_with_every_sentence("plain", 4608, 15)


def compare_with_every_sentence(wording: Wording, count: int, every_nth: int) -> None:
    found = sentences(wording)
    assert len({text for text, _ in found}) == count
    with_meaning = followed(found, lambda meaning: meaning)
    without = followed(found, lambda meaning: None)
    for text, meaning in list(found)[::every_nth]:
        read = words_of(text)
        for known, table, predictions in (
            (meaning, with_meaning, given_meaning(text, wording)),
            (None, without, given_nothing(text, wording, 1)),
        ):
            assert [each.word for each in predictions] == read
            for place, each in enumerate(predictions):
                shares = table[known, tuple(read[:place])]
                total = sum(shares.values())
                assert each.probability == pytest.approx(shares[each.word] / total)
                assert each.best == pytest.approx(max(shares.values()) / total)
                named = sum(shares[word] for word in shares if kind_of(word) != "function")
                assert each.content == pytest.approx(named / total)


def test_limits_are_what_the_best_guesses_come_to(small: pytest.MonkeyPatch) -> None:
    """Guesses counted over all sentences, as often as they are drawn; ties either way."""
    shrink(
        small,
        (2, 3),
        COLORS={"orange": 1},
        SHAPES={"cube": 1, "ring": 1, "cone": 1},
        SYNONYMS={},
        RELATIONS={"on": Relation(1, ("is on",), ("supports",), ("is on", "supports"))},
    )
    found = sentences("plain")
    assert len(set(found.values())) == 2  # of one clause, of two
    twice = [pair for pair in found for _ in range(round(found[pair] / min(found.values())))]
    nothing = [given_nothing(text, "plain", 1) for text, _ in twice]
    places = list(map(content_places, nothing))
    for known, predictions in (
        (lambda meaning: meaning, [given_meaning(text) for text, _ in twice]),
        (lambda meaning: None, nothing),
    ):
        table = followed(found, known)
        measured = prediction.limits(predictions, places).accuracy
        for first in (min, max):  # of words as likely as each other
            hits = []
            for (text, meaning), counted in zip(twice, places, strict=True):
                read = words_of(text)
                for place, counts in enumerate(counted):
                    shares = table[known(meaning), tuple(read[:place])]
                    best = max(shares.values())
                    guess = first(word for word in shares if math.isclose(shares[word], best))
                    hits += [guess == read[place]] if counts else []
            assert sum(hits) / len(hits) == pytest.approx(measured)


ABOVE, BELOW = "A red cube is on a blue sphere.", "A blue sphere supports a red cube."


def test_predictions_worked_by_hand() -> None:
    """Plain wording says "on" by "is on", or from the other side by "is under" or "supports"."""
    above = given_meaning(ABOVE)
    assert [round(each.probability, 4) for each in above] == [1, 0.3333, 1, 1, 1, 1, 1, 1, 1]
    assert [round(each.best, 4) for each in above] == [1, 0.6667, 1, 1, 1, 1, 1, 1, 1]
    below = given_meaning(BELOW)
    assert [round(each.probability, 4) for each in below] == [1, 0.6667, 1, 0.5, 1, 1, 1, 1]
    places = [content_places(given_nothing(text)) for text in (ABOVE, BELOW)]
    # red cube is on blue sphere; blue sphere supports red cube
    assert [sum(counted) for counted in places] == [6, 5]
    measured = prediction.limits([above, below], places)
    assert measured.accuracy == pytest.approx((5 + 0.6667 + 3 + 0.6667 + 0.5) / 11, abs=1e-4)
    assert measured.cross_entropy == pytest.approx(math.log(3 * 1.5 * 2) / 17)
    # Without the meaning: one of 4, 6 or 9 colors, where "a" leaves out the orange of two levels.
    nothing = given_nothing(ABOVE)
    assert nothing[1].probability == pytest.approx((1 / 4 + 1 / 6 + 1 / 9) / (1 + 5 / 6 + 8 / 9))
    assert nothing[2].probability == pytest.approx(
        (1 / 12 + 1 / 30 + 1 / 63) / (1 / 4 + 1 / 6 + 1 / 9)
    )


def test_knowing_the_meaning_helps() -> None:
    texts = [example.text for example in generate(30, "all", "plain")]
    nothing = list(map(given_nothing, texts))
    places = list(map(content_places, nothing))
    ceiling = prediction.limits(map(given_meaning, texts), places)
    floor = prediction.limits(nothing, places)
    assert 0.88 < ceiling.accuracy < 0.95
    assert 0.3 < floor.accuracy < 0.45
    assert ceiling.cross_entropy < 0.2 < floor.cross_entropy


@pytest.mark.parametrize(
    "text",
    [
        "Two red cubes are on a blue sphere.",  # drawn by a counterfactual alone
        "A red cube is not on a blue sphere.",
        "A red cube rests on a blue sphere.",  # in varied wording
        "A red cube is on a red cube.",
    ],
)
def test_what_is_never_generated_is_refused(text: str) -> None:
    for predict in (given_meaning, given_nothing):
        with pytest.raises(UserError, match="no sentence that is generated"):
            predict(text)
