"""Sentences with other wordings and with changed meanings: triples to learn from and to judge."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from vlatent.corpus.batching import Sentences, TokenBatch
from vlatent.scenes import Line, Meaning, parse
from vlatent.shapes import UserError

Encode = Callable[[Sequence[str]], Sentences]
# Kinds of counterfactual that leave every block as it is: no bag of words tells them apart by it.
STRUCTURE = ("swap", "relation")


@dataclass(frozen=True, eq=False)
class Pool:
    """Variants of every sentence of a corpus, in its order.

    Attributes:
        sentences: All of them, those of one sentence in a row.
        bounds: Where each sentence's variants begin, and the end of the last.
        structure: Which of them change the structure and no block.
    """

    sentences: Sentences
    bounds: Int[np.ndarray, " bound"]
    structure: Bool[np.ndarray, " variant"]

    def draw(
        self,
        index: Int[np.ndarray, " batch"],
        count: int,
        generator: np.random.Generator,
        structure_first: bool = False,
    ) -> Int[np.ndarray, "batch count"]:
        """Places of variants of these sentences, none twice where there are enough."""
        first, many = self.bounds[index, None], np.diff(self.bounds)[index, None]
        if not structure_first:
            begin = generator.integers(0, many)
            # From a random one on in turn: that is without replacement, and one draw a sentence.
            return np.asarray(first + (begin + np.arange(count)) % many)
        rows = []
        for at, some in zip(first.ravel(), many.ravel(), strict=True):
            turn = at + generator.permutation(some)
            turn = turn[np.argsort(~self.structure[turn], kind="stable")]
            rows.append(turn[np.arange(count) % some])
        return np.stack(rows)


@dataclass(frozen=True, eq=False)
class Variants:
    """What a batch of training sentences is compared with.

    Attributes:
        paraphrases: They mean the same.
        counterfactuals: They mean something else in nearly the same words; none of any sentence
            where the file has none.
        meanings: Equal numbers for sentences that mean the same.
    """

    paraphrases: Pool
    counterfactuals: Pool
    meanings: Int[Tensor, " sentence"]

    def batch(
        self,
        train: Sentences,
        index: Int[Tensor, " batch"],
        counterfactuals: int,
        generator: np.random.Generator,
        structure_first: bool = False,
    ) -> tuple[TokenBatch, Bool[Tensor, "batch batch"]]:
        """The sentences, a paraphrase of each, then the counterfactuals of each in a row.

        Also which two sentences of the batch mean the same.
        """
        places = index.numpy()
        same = torch.from_numpy(self.paraphrases.draw(places, 1, generator)).ravel()
        parts = [train.batch(index), self.paraphrases.sentences.batch(same)]
        if len(self.counterfactuals.sentences):
            drawn = self.counterfactuals.draw(places, counterfactuals, generator, structure_first)
            if counterfactuals:
                other = torch.from_numpy(drawn).ravel()
                parts.append(self.counterfactuals.sentences.batch(other))
        meanings = self.meanings[index]
        return _joined(parts), meanings[:, None] == meanings


@dataclass(frozen=True, eq=False)
class Triples:
    """Held-out sentences, no two of one meaning, each with a paraphrase and a counterfactual.

    Attributes:
        counterfactuals: One of each sentence, or none at all where the file has none.
        kinds: What was changed in each counterfactual; empty where that is not known.
    """

    originals: Sentences
    paraphrases: Sentences
    counterfactuals: Sentences
    kinds: list[str]

    def __len__(self) -> int:
        return len(self.originals)


def variants(lines: Sequence[Line], encode: Encode, place: str) -> Variants:
    """All variants of all lines; of counterfactuals, none where no line has one.

    Raises:
        UserError: If a line lacks what others have; names the sentence and the file.
    """
    for kind in ("paraphrases", "counterfactuals"):
        if kind == "counterfactuals" and not any(line.counterfactuals for line in lines):
            continue
        without = [line.text for line in lines if not getattr(line, kind)]
        if without:
            raise UserError(
                f"{place}: {len(without)} of {len(lines)} training sentences have no {kind}, the "
                f"first is {without[0]!r:.60}; terms that see the text need a .jsonl file with the "
                "keys original, paraphrases and counterfactuals, or generated sentences."
            )
    numbers: dict[Meaning | str, int] = {}
    meanings = [numbers.setdefault(meaning_of(line.text), len(numbers)) for line in lines]
    return Variants(
        _pool([line.paraphrases for line in lines], encode),
        _pool([line.counterfactuals for line in lines], encode, [line.kinds for line in lines]),
        torch.tensor(meanings),
    )


def triples(lines: Sequence[Line], encode: Encode, place: str) -> Triples:
    """The first line of every meaning; the kinds of its variants change from line to line.

    Where no line has a counterfactual, lines with a paraphrase are enough.

    Raises:
        UserError: If there are not two lines with both kinds.
    """
    both = any(line.counterfactuals for line in lines)
    first = {meaning_of(line.text): line for line in reversed(lines)}
    chosen = [
        line
        for line in lines
        if line is first[meaning_of(line.text)]
        and line.paraphrases
        and (line.counterfactuals or not both)
    ]
    if len(chosen) < 2:
        raise UserError(
            f"{place}: {len(chosen)} held-out sentences have a paraphrase"
            f"{' and a counterfactual' if both else ''}, but two are needed; give a .jsonl file "
            "with the keys original, paraphrases and counterfactuals, or --evaluation.retrieved 0."
        )
    turn = list(enumerate(chosen))
    return Triples(
        encode([line.text for line in chosen]),
        encode([line.paraphrases[at % len(line.paraphrases)] for at, line in turn]),
        encode([line.counterfactuals[at % len(line.counterfactuals)] for at, line in turn if both]),
        [line.kinds[at % len(line.kinds)] if line.kinds else "" for at, line in turn],
    )


def _pool(
    groups: Sequence[tuple[str, ...]], encode: Encode, kinds: Sequence[tuple[str, ...]] = ()
) -> Pool:
    bounds = np.cumsum([0, *map(len, groups)])
    structure = np.zeros(bounds[-1], dtype=bool)
    for begin, some in zip(bounds, kinds, strict=False):  # () where they are not known
        structure[begin : begin + len(some)] = np.isin(some, STRUCTURE)
    return Pool(encode([text for group in groups for text in group]), bounds, structure)


def meaning_of(text: str) -> Meaning | str:
    """What a sentence about blocks means; of other sentences, the words."""
    try:
        return parse(text)
    except UserError:
        return text


def _joined(parts: Sequence[TokenBatch]) -> TokenBatch:
    """Batches one after another, padded to the longest."""
    longest = max(part.ids.shape[1] for part in parts)
    padded = [
        torch.nn.functional.pad(tensor, (0, longest - tensor.shape[1]))
        for part in parts
        for tensor in (part.ids, part.mask)
    ]
    return TokenBatch(torch.cat(padded[::2]), torch.cat(padded[1::2]))
