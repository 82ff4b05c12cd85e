"""What a step of an arm costs: parameters, and the memory that waits for the backward pass."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial

import torch
from torch import Tensor

from vlatent.config import Config
from vlatent.corpus import order
from vlatent.joint import joint_of
from vlatent.objective import loss
from vlatent.own_encoder import encoder_of
from vlatent.preparation import corpus_of
from vlatent.step import encode_views


@dataclass(frozen=True)
class Cost:
    """Cost of one config.

    Attributes:
        parameters: Numbers that are trained.
        kept: Bytes of activations that a training step keeps for its backward pass, each storage
            counted once, parameters left out.
    """

    parameters: int
    kept: int


@cache  # of an arm it is asked for every screen and report
def cost(config: Config) -> Cost:
    """Count on one batch, in fp32 on the CPU; what is counted is the same on every machine."""
    corpus = corpus_of(config.data)
    torch.manual_seed(config.training.seed)
    model = encoder_of(config.encoder, corpus.vocabulary_size)
    model.train()
    joint = joint_of(config, corpus, model)
    reader = None if joint is None else joint.training
    parts = [model] if reader is None else [model, reader.decoder]
    weights = [parameter for part in parts for parameter in part.parameters()]
    owned = {parameter.untyped_storage().data_ptr() for parameter in weights}
    kept: dict[int, int] = {}
    alive: list[Tensor] = []  # a freed storage's address may be given out again

    def keep(tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in owned:
            kept[storage.data_ptr()] = storage.nbytes()
            alive.append(tensor.detach())  # with its graph it would hold itself, for ever

    index = next(order(corpus.train, config.training.batch_size, config.training.seed))
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda nothing: nothing):
        if config.terms.active:
            exact = partial(torch.autocast, "cpu", enabled=False)
            views = encode_views(model, corpus, config, index, 0, exact, reader)
            loss(config.priors, views.sentences, config.terms, views)
        else:
            batch = corpus.train.batch(index)
            loss(config.priors, model(batch.ids, batch.mask))
    trained = sum(parameter.numel() for parameter in weights if parameter.requires_grad)
    return Cost(trained, sum(kept.values()))
