"""Latents that know the scene graph pass the criteria of meaning; those that pretend to do not.

A new impostor is one function from a sentence to what is painted of it.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Hashable, Mapping
from functools import cache

import pytest
import torch
from torch import Tensor

from vlatent.dependence import probe_texts
from vlatent.encoder import Encoder, EncoderConfig
from vlatent.evaluation import Evaluation
from vlatent.evaluation.meaning_criteria import of_meaning
from vlatent.meaning import EncodedTriples, bags_of_words, measured, retrieval
from vlatent.scenes import Line, parse
from vlatent.scenes.splits import draw_parts, held_out_wordings

Told = Mapping[Hashable, float]  # what is painted of a sentence, and how strongly
COUNT, SIZE, WAVES = 120, 24, 5
ENCODER = Encoder(EncoderConfig(hidden=8, layers=1, heads=2, grid_layers=1), vocabulary=4)


@cache
def field(of: Hashable) -> Tensor:
    """A smooth random field of its own for everything: few waves, so that shifts change little."""
    seed = int.from_bytes(hashlib.sha256(repr(of).encode()).digest()[:4])
    draw = torch.randn(6, WAVES, WAVES, generator=torch.Generator().manual_seed(seed))
    order = torch.arange(WAVES)
    sizes = 1 / (1 + order[:, None] ** 2 + order**2)
    sizes[0, 0] = 0
    waves = torch.cos(torch.pi * order[:, None] * (torch.arange(SIZE) + 0.5) / SIZE)
    return torch.einsum("cuv,uh,vw->hwc", draw * sizes, waves, waves)


def painted(told: Told) -> Tensor:
    # In one order, so that equal things are painted equally to the last bit.
    return torch.stack([told[of] * field(of) for of in sorted(told, key=repr)]).sum(0)


def scene_graph(text: str) -> Told:
    """Every block with all that is said of it, and faintly the words: what should be learned."""
    told: dict[Hashable, float] = {}
    facts = parse(text)
    for fact in facts:
        for block in (fact.subject, fact.object):
            told[block, *sorted(other for other in facts if block in other)] = 3
        told |= dict.fromkeys((*fact.subject[:2], fact.relation, *fact.object[:2]), 1)
    return told


def bag_of_words(text: str) -> Told:
    """Which words there are, and not who stands on whom."""
    return Counter(
        word
        for subject, relation, object, holds in parse(text)
        for word in (*subject, relation, holds, *object)
    )


def hashed_without_order(text: str) -> Told:
    """Noise of its own for every meaning, the same when a subject and an object are exchanged."""
    facts = sorted((sorted(fact[::2]), fact[1], fact[3]) for fact in parse(text))
    return {repr(facts): 1.0}


def hashed(text: str) -> Told:
    """Noise of its own for every meaning: nothing in it can be read."""
    return {repr(sorted(parse(text))): 1.0}


def template(text: str) -> Told:
    """One picture for all, and a little of each sentence's own."""
    return {"template": 10.0, **scene_graph(text)}


@pytest.fixture(scope="module")
def splits() -> dict[str, list[Line]]:
    parts = draw_parts(unseen=True, training=1, held_out=COUNT)[1]
    return {
        name: held_out_wordings(name, parts[name], unseen=True)
        for name in ("random", "compositional")
    }


def texts_of(lines: list[Line]) -> tuple[list[str], list[str], list[str], list[str]]:
    """Sentences, paraphrases, counterfactuals and kinds, as triples take them in turn."""
    turn = list(enumerate(lines))
    paraphrases = [line.paraphrases[at % len(line.paraphrases)] for at, line in turn]
    other = [line.counterfactuals[at % len(line.kinds)] for at, line in turn]
    kinds = [line.kinds[at % len(line.kinds)] for at, line in turn]
    return [line.text for line in lines], paraphrases, other, kinds


def violated(metrics: Mapping[str, float]) -> dict[str, str]:
    """The criteria that do not hold, and what was found."""
    last = Evaluation(9, dict(metrics), {})
    return {name: found for name, _, found, margin in of_meaning(last, last) if margin > 0}


def judged(tell: Callable[[str], Told], splits: Mapping[str, list[Line]]) -> dict[str, str]:
    metrics: dict[str, float] = {}

    def paint(texts: list[str]) -> Tensor:
        return torch.stack([painted(tell(text)) for text in texts])

    known = [line.text for line in splits["random"]]
    trained = paint(known)
    for split, lines in splits.items():
        *texts, kinds = texts_of(lines)
        encoded = EncodedTriples(*map(paint, texts))
        found = measured(ENCODER, encoded, "coarse", kinds)
        if split != "random":
            found |= probe_texts(trained, known, encoded.originals, texts[0])
        metrics |= {f"meaning/{split}/{name}": value for name, value in found.items()}
    return violated(metrics)


def test_a_latent_that_holds_the_scene_graph_passes(splits: dict[str, list[Line]]) -> None:
    assert judged(scene_graph, splits) == {}


@pytest.mark.parametrize(
    ("impostor", "caught_by"),
    [
        (bag_of_words, {"gap": "swap", "triplet accuracy": "swap"}),
        (hashed_without_order, {"gap": "swap", "triplet accuracy": "swap", "color AUC": ""}),
        (hashed, {"color AUC": "", "shape AUC": "", "relation AUC": ""}),
        (template, {"gap": ""}),
    ],
)
def test_an_impostor_fails(
    impostor: Callable[[str], Told], caught_by: dict[str, str], splits: dict[str, list[Line]]
) -> None:
    failed = judged(impostor, splits)
    for name, kind in caught_by.items():
        assert name in failed
        assert kind in failed[name].split(", ")[0]  # the worst split comes first


def test_bags_of_words_retrieve_nearly_all_and_do_not_pass(splits: dict[str, list[Line]]) -> None:
    metrics: dict[str, float] = {}
    for split, lines in splits.items():
        *texts, kinds = texts_of(lines)
        found = retrieval(*bags_of_words(*texts), kinds)
        assert found["recall_at_1"] > 0.9
        assert found["triplet_accuracy"] > 0.8  # in the mean
        assert (found["gap_swap"], found["triplet_accuracy_swap"]) == (0, 0.5)
        metrics |= {f"meaning/{split}/{name}": value for name, value in found.items()}
    assert violated(metrics).keys() == {"gap", "triplet accuracy"}
