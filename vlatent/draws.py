"""What a decoder says freely of the latents of a step: draws, their latents, their probability."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from vlatent.decoding import sampled
from vlatent.reader import Told, Training, log_probability
from vlatent.terms import Terms, represent
from vlatent.terms.base import Said

ROOM = 8  # tokens by which a draw may be longer than the longest sentence


def said_of(
    training: Training,
    encoder: nn.Module,
    told: Told,
    terms: Terms,
    autocast: Callable[[], torch.autocast],
) -> Said:
    """Draw several readings of each latent, and encode them without a gradient.

    Args:
        training: Of the decoder.
        encoder: What made the latents.
        told: The sentences and their latents.
        terms: How many are drawn, and what of two latents is compared.
        autocast: Precision of the encoder.
    """
    decoder, embed, draws = training.decoder, training.embed, terms.reconstruction.draws
    latent, longest = told.latent, told.ids.shape[1] + ROOM
    rows = torch.arange(len(latent), device=latent.device).repeat_interleave(draws)
    state = tuple(layer.at(rows) for layer in decoder.begin(latent, embed(latent)))
    free = sampled(decoder, state, longest, top_p=1.0)
    spoken = [torch.tensor(ids or [0], device=latent.device) for ids in free]
    ids = nn.utils.rnn.pad_sequence(spoken, batch_first=True)
    lengths = torch.tensor([len(each) for each in free], device=latent.device)
    column = torch.arange(ids.shape[1], device=latent.device)
    was_training = encoder.training
    encoder.eval()
    with torch.no_grad(), autocast():
        again = encoder(ids, column < lengths.clamp(min=1)[:, None]).float()
        own, same = (represent(part, terms.on, embed) for part in (latent.detach(), again))
    encoder.train(was_training)
    cosine = ((own[rows] * same).sum(1) * (lengths > 0)).unflatten(0, (-1, draws))
    gains = log_probability(decoder, state, ids, column < lengths[:, None], longest)
    return Said(
        [free[at : at + draws] for at in range(0, len(free), draws)],
        [row[known].tolist() for row, known in zip(told.ids, told.mask, strict=True)],
        cosine,
        gains.unflatten(0, (-1, draws)),
    )
