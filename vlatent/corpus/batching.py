"""Sentences as tokens, and the order in which a run sees them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor

# Batches that are grouped by length together: more of them pad less but mix less.
POOL = 32
# Batches for a GPU are padded to a multiple of so many tokens.
STRIDE = 8


@dataclass(frozen=True)
class TokenBatch:
    """Sentences padded with id 0 to the longest of them; the mask is true where a token is."""

    ids: Int[Tensor, "batch length"]
    mask: Bool[Tensor, "batch length"]


@dataclass(frozen=True, eq=False)
class Sentences:
    """Sentences and their tokens, one after another without padding.

    Attributes:
        texts: The sentences.
        tokens: The ids of all of them.
        offsets: Where each begins in `tokens`, and the end of the last.
        truncated: How many were cut at the greatest length.
    """

    texts: list[str]
    tokens: Int[Tensor, " token"]
    offsets: Int[Tensor, " bound"]
    truncated: int

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def lengths(self) -> Int[Tensor, " sentence"]:
        """Tokens in each sentence."""
        return self.offsets.diff()

    def batch(self, index: Sequence[int] | Int[Tensor, " batch"]) -> TokenBatch:
        """The sentences at these places, padded to their own longest."""
        index = torch.as_tensor(index)
        lengths = self.lengths[index, None]
        column = torch.arange(int(lengths.max()))
        mask = column < lengths
        ids = torch.zeros(mask.shape, dtype=torch.int64)
        ids[mask] = self.tokens[(self.offsets[index, None] + column)[mask]].long()
        return TokenBatch(ids, mask)


@dataclass(frozen=True, eq=False)
class TokenTable:
    """All sentences of a corpus on one device, where batches are cut out of them.

    Attributes:
        ids: Their tokens, padded with id 0 to the longest, [sentence, token].
        lengths: Tokens in each, there.
        host_lengths: The same for the host, which need not ask.
    """

    ids: Int[Tensor, "sentence token"]
    lengths: Int[Tensor, " sentence"]
    host_lengths: Int[Tensor, " sentence"]

    @classmethod
    def of(cls, sentences: Sentences, device: torch.device) -> TokenTable:
        everything = sentences.batch(torch.arange(len(sentences)))
        ids = torch.nn.functional.pad(everything.ids, (0, -everything.ids.shape[1] % STRIDE))
        return cls(ids.to(device), sentences.lengths.to(device), sentences.lengths)

    def length(self, index: Int[Tensor, " batch"]) -> int:
        """To how many tokens a batch is padded: few different numbers, for few shapes."""
        return -(-int(self.host_lengths[index].max()) // STRIDE) * STRIDE

    def batch(self, index: Int[Tensor, " batch"], length: int) -> TokenBatch:
        """The sentences at these places of the device."""
        column = torch.arange(length, device=self.ids.device)
        return TokenBatch(self.ids[index, :length], column < self.lengths[index, None])


def batches(
    lengths: Int[Tensor, " sentence"], batch_size: int, seed: int, epoch: int
) -> list[Int[Tensor, " batch"]]:
    """The batches of one epoch, as indices of sentences of similar length.

    Sentences are shuffled, sorted by length within pools of a few batches, and the batches are
    shuffled again. The result depends on nothing but the arguments. Each sentence comes once;
    those that would make an incomplete batch (others in each epoch) are left out, unless all
    sentences together are fewer than a batch.
    """
    generator = np.random.default_rng((seed, epoch))
    order = generator.permutation(len(lengths))
    order = order[: max(len(order) // batch_size, 1) * batch_size]
    for start in range(0, len(order), POOL * batch_size):
        pool = order[start : start + POOL * batch_size]
        pool[:] = pool[np.argsort(lengths.numpy()[pool], kind="stable")]
    starts = generator.permutation(range(0, len(order), batch_size))
    return [torch.from_numpy(order[start : start + batch_size]) for start in starts]


def order(
    sentences: Sentences, batch_size: int, seed: int, start_step: int = 0
) -> Iterator[Int[Tensor, " batch"]]:
    """Indices of batches without end, from any step on as if it had begun at step 0."""
    epoch, step = divmod(start_step, max(len(sentences) // batch_size, 1))
    lengths = sentences.lengths
    while True:
        yield from batches(lengths, batch_size, seed, epoch)[step:]
        epoch, step = epoch + 1, 0


def stream(
    sentences: Sentences, batch_size: int, seed: int, start_step: int = 0
) -> Iterator[TokenBatch]:
    """Batches without end, epoch after epoch, from any step on as if it had begun at step 0."""
    return map(sentences.batch, order(sentences, batch_size, seed, start_step))
