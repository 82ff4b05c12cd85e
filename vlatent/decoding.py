"""Sentences out of a decoder, many at a time: the likeliest word by word, beams, or samples."""

from __future__ import annotations

import torch
from torch import Tensor

from vlatent.annotations import Float, Int
from vlatent.decoder import Decoder, State

Ids = list[list[int]]  # of each sentence, without what begins and ends it


@torch.no_grad()
def greedy(decoder: Decoder, state: State, longest: int) -> Ids:
    """Say the likeliest token, again and again.

    Args:
        decoder: Weights to read with.
        state: Of `decoder.begin`.
        longest: Tokens after which a sentence is cut.
    """
    return sampled(decoder, state, longest, top_p=0.0)


@torch.no_grad()
def sampled(
    decoder: Decoder,
    state: State,
    longest: int,
    top_p: float,
    generator: torch.Generator | None = None,
) -> Ids:
    """Draw tokens among the likeliest that together have a probability of `top_p` or more.

    That is nucleus sampling (Holtzman et al. 2020): 1 draws from all, 0 takes the likeliest.

    Args:
        decoder: Weights to read with.
        state: Of `decoder.begin`.
        longest: Tokens after which a sentence is cut.
        top_p: Probability of the tokens among which is drawn.
        generator: Where the draws come from; PyTorch's own if it is None.
    """
    count, device = len(state[0].key), state[0].key.device
    said = torch.full((count, 1), decoder.boundary, device=device)
    ended = torch.zeros(count, dtype=torch.bool, device=device)
    for _ in range(longest):
        logits, state = decoder(said[:, -1:], state)
        shares, tokens = logits[:, -1].float().softmax(-1).sort(descending=True)
        shares = shares.masked_fill(shares.cumsum(-1) - shares >= max(top_p, 1e-9), 0.0)
        place = torch.multinomial(shares, 1, generator=generator) if top_p else tokens[:, :1] * 0
        following = tokens.gather(1, place).masked_fill(ended[:, None], decoder.boundary)
        said = torch.cat([said, following], dim=1)
        ended |= following[:, 0] == decoder.boundary
        if ended.all():
            break
    return _without_boundaries(said, decoder.boundary)


@torch.no_grad()
def beams(decoder: Decoder, state: State, longest: int, width: int) -> Ids:
    """Say the likeliest sentence of those that `width` beams come to.

    After each token the `width` likeliest beginnings of every sentence are kept; what has ended
    stays as it is. The log probabilities are not divided by the length.

    Args:
        decoder: Weights to read with.
        state: Of `decoder.begin`.
        longest: Tokens after which a sentence is cut.
        width: Beginnings that are kept; 1 is `greedy`.
    """
    count, device = len(state[0].key), state[0].key.device
    rows = torch.arange(count, device=device).repeat_interleave(width)
    state = tuple(layer.at(rows) for layer in state)
    said = torch.full((count * width, 1), decoder.boundary, device=device)
    # At first all beams are alike: one goes on.
    total = torch.full((count, width), float("-inf"), device=device)
    total[:, 0] = 0.0
    ended = torch.zeros(count * width, dtype=torch.bool, device=device)
    for _ in range(longest):
        logits, state = decoder(said[:, -1:], state)
        grown = _grown(logits[:, -1].float().log_softmax(-1), ended, decoder.boundary)
        entries = grown.shape[-1]
        total, chosen = (total[..., None] + grown.view(count, width, -1)).flatten(1).topk(width)
        kept = (chosen // entries + width * torch.arange(count, device=device)[:, None]).flatten()
        following = (chosen % entries).flatten()
        said = torch.cat([said[kept], following[:, None]], dim=1)
        state = tuple(layer.at(kept) for layer in state)
        ended = following == decoder.boundary
        if ended.all():
            break
    return _without_boundaries(said.view(count, width, -1)[:, 0], decoder.boundary)


def _grown(
    gains: Float[Tensor, "row entry"], ended: Tensor, boundary: int
) -> Float[Tensor, "row entry"]:
    """Log probabilities of the next token; of what has ended, to end again costs nothing."""
    gains = gains.masked_fill(ended[:, None], float("-inf"))
    gains[ended, boundary] = 0.0
    return gains


def _without_boundaries(said: Int[Tensor, "sentence token"], boundary: int) -> Ids:
    sentences = []
    for row in said[:, 1:].tolist():
        sentences.append(row[: row.index(boundary)] if boundary in row else row)
    return sentences
