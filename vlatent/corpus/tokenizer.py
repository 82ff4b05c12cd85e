"""Tokenizers: a byte-level BPE of our own, or any of Hugging Face's."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tokenizers

from vlatent.corpus.digests import digest
from vlatent.hugging_face import loaded
from vlatent.shapes import UserError

PAD, END = "<pad>", "</s>"


@dataclass(frozen=True)
class Tokenizer:
    """Text to token ids and back.

    Attributes:
        encode: The ids of each of many texts.
        decode: The text of one sequence of ids, without special tokens.
        size: Number of ids.
        digest: Sixteen hexadecimal digits that change with the vocabulary.
    """

    encode: Callable[[list[str]], list[list[int]]]
    decode: Callable[[list[int]], str]
    size: int
    digest: str


def default_cache() -> Path:
    """`vlatent` in the user's cache folder.

    Raises:
        UserError: The user has none.
    """
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vlatent"
    except RuntimeError:
        raise UserError(
            "there is no home folder in which a tokenizer could be kept: name another with "
            "--data.cache, or set HOME."
        ) from None


def trained(texts: list[str], vocabulary: int, cache: Path) -> Tokenizer:
    """Train a byte-level BPE, or take the one that was trained on the same texts before.

    Its alphabet is the 256 bytes, so every text comes back from its tokens unchanged. A sentence
    ends with an end token.

    Raises:
        UserError: If the cache folder cannot be written.
    """
    # Threads of the tokenizer do not survive a fork; one is enough for files of this size.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    content = json.dumps([tokenizers.__version__, vocabulary, PAD, END, texts])
    path = cache / f"bpe-{hashlib.sha256(content.encode()).hexdigest()[:16]}.json"
    bpe = _cached(path) or _train(texts, vocabulary, path)
    bpe.encode_special_tokens = True  # "</s>" in a sentence is its four characters
    return Tokenizer(
        encode=lambda texts: [encoding.ids for encoding in bpe.encode_batch(texts)],
        decode=bpe.decode,
        size=bpe.get_vocab_size(),
        digest=digest(sorted(bpe.get_vocab().items())),
    )


def _cached(path: Path) -> tokenizers.Tokenizer | None:
    try:
        return tokenizers.Tokenizer.from_file(str(path))
    except Exception:  # the library raises nothing narrower, for a missing or a broken file
        return None


def _train(texts: list[str], vocabulary: int, path: Path) -> tokenizers.Tokenizer:
    bpe = tokenizers.Tokenizer(tokenizers.models.BPE())
    bpe.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=vocabulary,
        min_frequency=2,
        special_tokens=[PAD, END],
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(texts, trainer)
    bpe.post_processor = tokenizers.processors.TemplateProcessing(
        single=f"$A {END}", special_tokens=[(END, bpe.token_to_id(END))]
    )
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(bpe.to_str(), encoding="utf-8")
        os.replace(partial, path)
    except OSError as error:
        raise UserError(
            f"cannot write the tokenizer to {path.parent}: {error.strerror}; choose another folder "
            "with --data.cache."
        ) from None
    return bpe


def pretrained(name: str) -> Tokenizer:
    """A Hugging Face tokenizer by its folder or its name on the hub.

    Raises:
        UserError: If there is none, or it can neither be found on this machine nor downloaded.
    """
    # Importing transformers takes seconds, and few runs need it.
    from transformers import AutoTokenizer

    def load(name: str, **settings: Any) -> Any:
        tokenizer = AutoTokenizer.from_pretrained(name, **settings)
        tokenizer(["a"], verbose=False)
        return tokenizer

    tokenizer = loaded(
        load,
        name,
        "tokenizer",
        "save it there again, or leave data.tokenizer out, which trains one",
        "without data.tokenizer one is trained",
    )

    def encode(texts: list[str]) -> list[list[int]]:
        ids: list[list[int]] = tokenizer(texts, verbose=False)["input_ids"]
        return ids

    return Tokenizer(
        encode=encode,
        decode=lambda ids: str(tokenizer.decode(ids, skip_special_tokens=True)),
        size=len(tokenizer),
        digest=digest(sorted(tokenizer.get_vocab().items())),
    )
