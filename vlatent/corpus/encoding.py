"""Sentences to tokens, a few at a time."""

from __future__ import annotations

from array import array

import numpy as np
import torch

from vlatent.corpus.batching import Sentences
from vlatent.corpus.tokenizer import Tokenizer
from vlatent.shapes import UserError

TOGETHER = 500  # sentences that are encoded at once


def encoded(texts: list[str], tokenizer: Tokenizer, max_length: int) -> Sentences:
    """The sentences and their tokens, cut at `max_length`.

    Raises:
        UserError: If the tokenizer has no token for one of them.
    """
    tokens, lengths, truncated = array("i"), [0], 0
    # The tokenizer takes a hundred bytes a token: of a few sentences at once, not of all.
    for start in range(0, len(texts), TOGETHER):
        part = texts[start : start + TOGETHER]
        for text, ids in zip(part, tokenizer.encode(part), strict=True):
            if not ids:
                raise UserError(
                    f"the tokenizer has no token for the sentence {text!r:.60}; remove it, or "
                    "leave data.tokenizer out."
                )
            tokens.extend(ids[:max_length])
            lengths.append(min(len(ids), max_length))
            truncated += len(ids) > max_length
    return Sentences(
        texts,
        tokens=torch.from_numpy(np.array(tokens, dtype=np.int32)),
        offsets=torch.tensor(lengths).cumsum(0),
        truncated=truncated,
    )
