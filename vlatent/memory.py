"""What a run needs of memory, known from its config before any of it is taken."""

from __future__ import annotations

import os
import warnings
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor, nn

from vlatent.config import Config, flatten
from vlatent.corpus import Corpus
from vlatent.encoder import Encoder, EncoderConfig
from vlatent.encoder_check import latent_size
from vlatent.own_classes import OwnClass
from vlatent.own_encoder import encoder_of
from vlatent.shapes import UserError

# Bytes of a trained parameter: itself, its gradient, AdamW's two moments, the moving average.
TRAINED = 5 * 4
WARN = 0.7  # share of the memory from which a run may fail all the same


class Need(NamedTuple):
    """Numbers, not bytes.

    Attributes:
        parameters: Trained parameters.
        spare: Parameters that are kept without being trained.
        shared: What a step keeps for its gradient, whatever the batch.
        sentence: What it keeps for each sentence.
        largest: The largest of that at once.
    """

    parameters: int
    spare: int
    shared: int
    sentence: int
    largest: int


@lru_cache(maxsize=8)
def need(config: EncoderConfig, vocabulary: int, tokens: int) -> Need:
    """What an encoder needs for sentences of so many tokens, by a step that computes nothing."""
    if config.layers > 3:  # each needs what the one before needs, and a thousand take a minute
        two, three = (need(replace(config, layers=count), vocabulary, tokens) for count in (2, 3))
        pairs = zip(two, three, strict=True)
        return Need(*(more + (config.layers - 3) * (more - less) for less, more in pairs))
    with torch.device("meta"):
        return _need(Encoder(config, vocabulary), tokens)


@lru_cache(maxsize=8)
def own_need(config: OwnClass, vocabulary: int, tokens: int) -> Need:
    """The same of a user's own encoder, by small steps that are computed."""
    with torch.random.fork_rng(devices=[]):
        return _need(encoder_of(config, vocabulary), tokens)


def _need(model: nn.Module, tokens: int) -> Need:
    pair, triple = (_kept(model, sentences, tokens) for sentences in (2, 3))
    trained = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    sentence = sum(triple) - sum(pair)
    return Need(
        trained,
        sum(parameter.numel() for parameter in model.parameters()) - trained,
        sum(pair) - 2 * sentence,
        sentence,
        max(triple) // 3,
    )


def require_memory(config: Config, corpus: Corpus, device: torch.device, half: bool) -> None:
    """Refuse what cannot fit, and warn of what may not.

    Raises:
        UserError: Weights or one step need more than the whole memory; names the numbers.
    """
    size, sentences = config.training.batch_size, len(corpus.train)
    if size > sentences:
        warnings.warn(
            f"training.batch_size is {size}, but there are {sentences} training sentences: every "
            "batch holds them all.",
            stacklevel=2,
        )
    encoder, views = (
        config.encoder,
        2 + config.terms.counterfactuals if config.terms.compared else 1,
    )
    tokens = int(max(corpus.train.lengths.max(), corpus.validation.lengths.max()))
    count = need if isinstance(encoder, EncoderConfig) else own_need
    needed = count(encoder, corpus.vocabulary_size, tokens)
    height, width, _ = latent_size(config, corpus)
    weights = TRAINED * needed.parameters + 4 * needed.spare
    number = 2 if half else 4
    batch = views * min(size, sentences)
    step = number * (needed.shared + batch * needed.sentence)
    judged = min(config.evaluation.batch_size, max(len(corpus.validation), len(corpus.fixed)))
    encoded = number * judged * needed.largest
    # The rings of the spectrum are averaged by a matrix: pixels x rings up to the corner.
    rings = 4 * height * width * int(0.7 * max(height, width))
    total = weights + max(step, encoded) + rings
    held = memory(device)
    if total <= WARN * held:
        return
    said = (
        f"{needed.parameters + needed.spare:,} parameters need {_size(weights)}, a step on {batch} "
        f"sentences {_size(step)}, encoding {judged} {_size(encoded)}, the spectrum {_size(rings)}"
    )
    place = "this GPU" if device.type == "cuda" else "this machine"
    if total > held:
        raise UserError(
            f"{_culprit(config)} is too much here: {said}, and {place} has {_size(held)}; lower it."
        )
    warnings.warn(
        f"this run may not fit: {said}, and {place} has {_size(held)}.",
        stacklevel=2,
    )


def memory(device: torch.device) -> int:
    """Bytes of memory of a device."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _kept(model: nn.Module, sentences: int, tokens: int) -> list[int]:
    """Sizes of the tensors that a forward pass keeps for the gradient, beside the weights."""
    device = next(model.parameters()).device
    ids = torch.zeros(sentences, tokens, dtype=torch.int64, device=device)
    kept: dict[int, Tensor] = {}  # held, as the place of what is gone is taken again

    def note(tensor: Tensor) -> None:
        kept[tensor.untyped_storage()._cdata] = tensor.detach()

    own = {parameter.untyped_storage()._cdata for parameter in model.parameters()}
    with torch.autograd.graph.saved_tensors_hooks(note, lambda nothing: nothing):
        latent = model(ids, ids == 0)
    kept[latent.untyped_storage()._cdata] = latent
    return [tensor.untyped_storage().nbytes() // 4 for at, tensor in kept.items() if at not in own]


def _culprit(config: Config) -> str:
    """The size that lies farthest above its default."""
    defaults, given = flatten(Config()), flatten(config)
    sizes = {
        name: value / usual
        for name, value in given.items()
        if name.startswith("encoder.") or name.endswith(".batch_size")
        if isinstance(value, int) and isinstance(usual := defaults.get(name) or 10_000, int)
    }
    name = max(sizes, key=lambda size: sizes[size])
    return f"{name} {given[name]}"


def _size(count: float) -> str:
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} PB"
