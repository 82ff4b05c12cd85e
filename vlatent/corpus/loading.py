"""Everything that a run reads, from one group of settings."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path

import torch

from vlatent.corpus.batching import Sentences
from vlatent.corpus.digests import SPLITS, digest, of_sentences, of_variants
from vlatent.corpus.encoding import encoded
from vlatent.corpus.files import read
from vlatent.corpus.own_text import OwnText, own_text, warn_of_shared
from vlatent.corpus.settings import DataConfig
from vlatent.corpus.tokenizer import Tokenizer, default_cache, pretrained, trained
from vlatent.corpus.wordings import Triples, Variants, triples, variants
from vlatent.scenes import FIXED_SENTENCES, Line, about_blocks
from vlatent.scenes.splits import draw_parts, held_out_wordings, training_wordings
from vlatent.shapes import UserError

parts_of = lru_cache(maxsize=2)(draw_parts)


@dataclass(frozen=True, eq=False)
class Corpus:
    """Everything that a run reads.

    Attributes:
        train: The sentences to learn from.
        validation: Held-out sentences.
        fixed: The 16 sentences of every figure, the same in every run: those of
            `FIXED_SENTENCES` where held-out sentences are about blocks, else held-out ones.
        tokenizer: What made the tokens.
        vocabulary_size: Number of token ids.
        config: Settings of the corpus.
        dropped: How many repeated sentences were left out.
    """

    train: Sentences
    validation: Sentences
    fixed: Sentences
    tokenizer: Tokenizer
    vocabulary_size: int
    config: DataConfig
    dropped: int = 0

    def digests(self, variants: bool, splits: bool) -> dict[str, str]:
        """Sixteen hexadecimal digits of every part that is read, by the part's name.

        Args:
            variants: Whether variants of the training sentences are read.
            splits: Whether held-out sentences are read with theirs.
        """
        found = self._sentence_digests
        if variants:
            found = found | self._variant_digests
        if splits:
            found = found | self._split_digests
        return found

    @cached_property
    def variants(self) -> Variants:
        """Other wordings of the training sentences and changes of their meaning, made when asked.

        Raises:
            UserError: If a sentence of the file has none.
        """
        made = variants(self._training_lines, self.encoded, f"{self.config.train}")
        counted = {
            "training paraphrases": [made.paraphrases.sentences],
            "training counterfactuals": [made.counterfactuals.sentences],
        }
        _warn_of_truncation(counted, self.config.max_length)
        return made

    @cached_property
    def splits(self) -> dict[str, Triples]:
        """Held-out sentences by the name of their split, each with a variant of either kind.

        Raises:
            UserError: If no held-out sentence has both.
        """
        place = self.config.validation or self.config.train
        made = {
            split: triples(lines, self.encoded, f"{place}")
            for split, lines in self.held_out_lines.items()
        }
        counted = {
            "held-out paraphrases": [triple.paraphrases for triple in made.values()],
            "held-out counterfactuals": [triple.counterfactuals for triple in made.values()],
        }
        _warn_of_truncation(counted, self.config.max_length)
        return made

    @cached_property
    def judged(self) -> Sentences | None:
        """The held-out sentences that are judged beside the fixed ones; None when those are all."""
        fixed = set(self.fixed.texts)
        others = [text for text in self.validation.texts if text not in fixed]
        if len(others) == len(self.validation):
            return self.validation
        return self.encoded(others) if others else None

    def judging(self, place: Path) -> Corpus:
        """This corpus with the sentences of another file held out, and the same tokenizer.

        Raises:
            UserError: If the file is not usable.
        """
        lines = read(place, self.config.key, self.config.split)
        texts = [line.text for line in lines]
        warn_of_shared([Line(text) for text in self.train.texts], lines, place)
        held_out = self.encoded(texts)
        _warn_of_truncation({"sentences": [held_out]}, self.config.max_length)
        return replace(self, validation=held_out, fixed=self.encoded(_fixed(texts)))

    def __str__(self) -> str:
        """How many sentences and tokens there are, in one line."""
        parts = (self.train, self.validation)
        texts = [text for part in parts for text in part.texts]
        lengths = torch.cat([part.lengths for part in parts])
        repeated = f"{len(texts) - len(set(texts))} duplicates"
        if self.config.duplicates == "drop":
            repeated = f"{self.dropped} duplicates left out"
        limit, cut = self.config.max_length, sum(part.truncated for part in parts)
        return (
            f"Corpus {self.config.train or 'of colored blocks'}: {len(texts)} sentences "
            f"({repeated}), {len(self.validation)} held out; "
            f"{lengths.double().mean():.1f} tokens on average, {int(lengths.max())} at most, "
            f"{cut or 'none'} cut at {limit}."
        )

    @cached_property
    def _training_lines(self) -> list[Line]:
        """The training sentences with their variants."""
        place = self.config.train
        if place is None:
            return training_wordings(*parts_of(self.config.unseen), self.config.unseen)
        lines = self._own_text.training
        _require_same(lines, self.train, place)
        return lines

    @cached_property
    def held_out_lines(self) -> dict[str, list[Line]]:
        """The held-out sentences with their variants, by the name of their split."""
        train, validation, unseen = self.config.train, self.config.validation, self.config.unseen
        if train is None:
            parts = parts_of(unseen)[1]
            return {split: held_out_wordings(split, parts[split], unseen) for split in parts}
        place = validation or train
        lines = self._own_text.held_out
        _require_same(lines, self.validation, place)
        return {"random": lines}

    @cached_property
    def _own_text(self) -> OwnText:
        return own_text(self.config)

    @cached_property
    def _sentence_digests(self) -> dict[str, str]:
        parts = (self.train, self.validation, self.fixed)
        return of_sentences(*parts, self.tokenizer.digest, self.vocabulary_size)

    @cached_property
    def _variant_digests(self) -> dict[str, str]:
        return of_variants("training", self._training_lines, self.config.max_length)

    @cached_property
    def _split_digests(self) -> dict[str, str]:
        lines = self.held_out_lines
        texts = {split: [line.text for line in part] for split, part in lines.items()}
        every = [line for part in lines.values() for line in part]
        variants = of_variants("held-out", every, self.config.max_length)
        return {SPLITS: digest(texts)} | variants

    def encoded(self, texts: Sequence[str]) -> Sentences:
        """Other sentences as tokens, made as those of the corpus."""
        return encoded(list(texts), self.tokenizer, self.config.max_length)


def load(config: DataConfig) -> Corpus:
    """Read or make the sentences, get the tokenizer, and encode.

    Raises:
        UserError: If a file, the tokenizer or the cache folder is not usable.
    """
    training, validation, dropped = _texts(config)
    tokenizer = (
        trained(training, config.vocabulary, config.cache or default_cache())
        if config.tokenizer is None
        else pretrained(config.tokenizer)
    )
    train, held_out, fixed = parts = [
        encoded(texts, tokenizer, config.max_length)
        for texts in (training, validation, _fixed(validation))
    ]
    own = fixed.texts != list(FIXED_SENTENCES)  # then they are some of the held-out ones
    counted = {"sentences": [train, held_out], "fixed sentences": [] if own else [fixed]}
    _warn_of_truncation(counted, config.max_length)
    # The vocabulary of a downloaded tokenizer can have gaps, and then ids beyond its length.
    size = max(tokenizer.size, *(int(part.tokens.max()) + 1 for part in parts))
    return Corpus(train, held_out, fixed, tokenizer, size, config, dropped)


def _fixed(held_out: Sequence[str]) -> list[str]:
    """The sentences of every figure: chosen by content, not by place."""
    if all(map(about_blocks, held_out)):
        return list(FIXED_SENTENCES)
    by_hash = sorted(set(held_out), key=lambda text: hashlib.sha256(text.encode()).digest())
    return by_hash[: len(FIXED_SENTENCES)]


def _texts(config: DataConfig) -> tuple[list[str], list[str], int]:
    """Texts to learn from and held-out ones, and how many repeats were left out."""
    blocks: list[Line] = []
    if config.train is None:
        made, parts = parts_of(config.unseen)
        blocks = [Line(example.text) for example in made]
        if config.validation is None:
            return _only_texts(blocks), [example.text for example in parts["random"]], 0
    training, held_out, dropped = own_text(config, blocks)
    warn_of_shared(training, held_out, config.validation)
    return _only_texts(training), _only_texts(held_out), dropped


def _only_texts(lines: Sequence[Line]) -> list[str]:
    return [line.text for line in lines]


def _require_same(lines: list[Line], sentences: Sentences, place: Path) -> None:
    if [line.text for line in lines] != sentences.texts:
        raise UserError(f"{place} changed since it was read first; try again when it is complete.")


def _warn_of_truncation(parts: Mapping[str, Sequence[Sentences]], max_length: int) -> None:
    counted = [
        f"{truncated} of {sum(map(len, group))} {name}"
        for name, group in parts.items()
        if (truncated := sum(sentences.truncated for sentences in group))
    ]
    if counted:
        cut = [group for part in parts.values() for group in part if group.truncated]
        longest = max((text for group in cut for text in group.texts), key=len)
        warnings.warn(
            f"{' and '.join(counted)} are longer than {max_length} tokens and were cut there; "
            f"--data.max_length takes longer ones. The longest begins {longest!r:.60}.",
            stacklevel=3,
        )
