"""Digests of a corpus, part by part, so that two can be compared and what differs be named."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence

from vlatent.corpus.batching import Sentences
from vlatent.scenes import Line

TOKENS = "tokens"  # of sentences, with their texts
SENTENCES = ("training sentences", "held-out sentences", "tokenizer", TOKENS)
VARIANTS = ("{} paraphrases", "{} counterfactuals", "kinds of {} counterfactuals")
SPLITS = "splits"  # their sentences, and in which one they are

# Parts that follow others: they are named only where those are equal.
FOLLOWS = {TOKENS: SENTENCES[:-1]} | {
    part.format(which): (f"{which} sentences", SPLITS)
    for part in VARIANTS
    for which in ("training", "held-out")
}


def digest(content: object) -> str:
    """Sixteen hexadecimal digits of anything that JSON can hold."""
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]


def of_sentences(
    train: Sentences, held_out: Sentences, fixed: Sentences, vocabulary: str, size: int
) -> dict[str, str]:
    """The parts that every run reads; `vocabulary` is the tokenizer's digest, `size` its length."""
    tokens = hashlib.sha256(str(size).encode())
    for part in (train, held_out, fixed):
        tokens.update(json.dumps(part.texts).encode())
        tokens.update(part.tokens.numpy().tobytes() + part.offsets.numpy().tobytes())
    held_out_texts = [held_out.texts, fixed.texts]
    values = (digest(train.texts), digest(held_out_texts), vocabulary, tokens.hexdigest()[:16])
    return dict(zip(SENTENCES, values, strict=True))


def of_variants(which: str, lines: Sequence[Line], max_length: int) -> dict[str, str]:
    """The parts of sentences' variants: `which` is training or held-out."""
    variants = zip(*(line[1:4] for line in lines), strict=True)  # labels teach nothing
    parts = {
        part.format(which): digest(content)
        for part, content in zip(VARIANTS, variants, strict=True)
    }
    return parts | {"data.max_length": str(max_length)}  # beyond it variants are cut


def corpus_fingerprint(digests: Mapping[str, str]) -> str:
    """Sixteen hexadecimal digits that change with any part.

    Where no variants are read they are the digest of the tokens, which follows every other part.
    """
    if digests.keys() <= set(SENTENCES):
        return digests[TOKENS]
    return digest(sorted(digests.items()))


def changed_parts(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Names of the parts that differ, among those that both have."""
    names = [name for name in before if name in now and before[name] != now[name]]
    return [name for name in names if not set(FOLLOWS.get(name, ())) & set(names)]
