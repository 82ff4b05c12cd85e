"""Three sets of held-out sentences without a meaning in common: search, confirmation and test.

What chose among runs does not judge the one that was chosen: a study searches on the first set,
confirms on the second, and judges the trial that it names on the third.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from vlatent.corpus.batching import Sentences
from vlatent.corpus.files import groups
from vlatent.corpus.loading import Corpus
from vlatent.corpus.wordings import Triples, meaning_of
from vlatent.scenes import Meaning
from vlatent.shapes import UserError

Part = Literal["search", "confirmation", "test"]
LEAST = 16  # sentences of a set, as many as the fixed ones: fewer say little about a mean


@dataclass(frozen=True, eq=False)
class HeldOut:
    """The held-out sentences of one set.

    Attributes:
        judged: Those whose latents are judged: of the search's beside the fixed ones, and None
            where these are all; of the others' as many as the search's and the fixed ones.
        probed: Those whose latents are probed.
        splits: Those with a paraphrase and a counterfactual, by split; {} unless they are asked.
    """

    judged: Sentences | None
    probed: Sentences
    splits: Mapping[str, Triples]


@lru_cache(maxsize=4)
def held_out(corpus: Corpus, part: Part, sentences: int, retrieved: int) -> HeldOut:
    """The held-out sentences of one set.

    The search's are the fixed ones and the first of every split, as in a run that belongs to no
    study. Of the others, whose meaning the search does not see, each belongs to the confirmation
    or to the test by its own content alone, whatever else is held out.

    Args:
        corpus: All sentences.
        part: The set.
        sentences: How many the search judges beside the fixed ones.
        retrieved: How many of each split it retrieves; 0 leaves the splits out.

    Raises:
        UserError: The set has fewer than 16 sentences.
    """
    splits = corpus.splits if retrieved else {}
    judged = [] if corpus.judged is None else corpus.judged.texts[:sentences]
    if part == "search":
        return HeldOut(corpus.encoded(judged) if judged else None, corpus.validation, splits)
    seen = {*corpus.fixed.texts, *judged}
    for triples in splits.values():
        for group in (triples.originals, triples.paraphrases, triples.counterfactuals):
            seen.update(group.texts[:retrieved])
    same = _same(corpus)

    def meaning(text: str) -> Meaning | str:
        return meaning_of(same.get(text, text))

    known = set(map(meaning, seen))

    def places(texts: Sequence[str], what: str) -> list[int]:
        meanings = list(enumerate(map(meaning, texts)))
        chosen = [place for place, own in meanings if _part(own) == part and own not in known]
        if len(chosen) < LEAST:
            flag = "retrieved" if what else "sentences"
            raise UserError(
                f"of {len(texts)} held-out sentences{what} {len(chosen)} are left for evaluation."
                f"held_out {part}, and {LEAST} are needed: lower --evaluation.{flag} "
                f"({retrieved if what else sentences}) or give more in --data.validation"
            )
        return chosen

    def only(pool: Sentences, at: Sequence[int]) -> Sentences:
        return corpus.encoded([pool.texts[place] for place in at])

    at = places(corpus.validation.texts, "")
    judges = only(corpus.validation, at[: sentences + len(corpus.fixed)])
    own, parts = only(corpus.validation, at), {}
    for split, triples in splits.items():
        at = places(triples.originals.texts, f" of the split {split}")
        parts[split] = Triples(
            only(triples.originals, at),
            only(triples.paraphrases, at),
            only(triples.counterfactuals, at if len(triples.counterfactuals) else []),
            [triples.kinds[place] for place in at],
        )
    return HeldOut(judges, own, parts)


def _same(corpus: Corpus) -> dict[str, str]:
    """By sentence, one of those that mean the same, where a file lists paraphrases."""
    place = corpus.config.validation or corpus.config.train
    if place is None or place.suffix.lower() == ".txt":
        return {}
    return groups(corpus.held_out_lines["random"])


def _part(meaning: Meaning | str) -> Part:
    """The set of what the search does not see."""
    content = meaning if isinstance(meaning, str) else repr(sorted(meaning))
    odd = hashlib.sha256(content.encode()).digest()[0] % 2
    return "test" if odd else "confirmation"
