"""A decoder that learns beside the encoder of a run: made, averaged, kept in its checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from vlatent import checkpoints
from vlatent.config import Config
from vlatent.corpus import Corpus
from vlatent.decoder import Decoder
from vlatent.encoder_check import latent_size
from vlatent.optimization import MovingAverage
from vlatent.own_encoder import embed_of
from vlatent.reader import ReadingConfig, Training, decoder_name, new_decoder
from vlatent.shapes import UserError


class Joint:
    """A decoder that learns beside an encoder.

    Attributes:
        training: Its loss, rate and steps.
        average: The moving average of its weights, which reads what the encoder's average encodes.
    """

    def __init__(self, config: Config, corpus: Corpus, encoder: nn.Module) -> None:
        """Make one with first weights, on the device of the encoder.

        Raises:
            UserError: Its patches do not fill the latent.
        """
        device = next(encoder.parameters()).device
        decoder = decoder_of(config, corpus, encoder).to(device)
        self.training = Training(decoder, embed_of(encoder), settings(config))
        self.average = MovingAverage(decoder, config.optimizer)

    @property
    def averaged(self) -> Decoder:
        """The decoder with its averaged weights."""
        return cast(Decoder, self.average.module).eval()

    def follow(self) -> None:
        """Follow the gradient by one step, and the weights by their average."""
        self.training.follow()
        self.average.update_parameters(self.training.decoder)

    def begin(self, weights: Mapping[str, Any]) -> None:
        """Begin with the weights of another decoder, before the first step.

        Raises:
            UserError: It has other sizes.
        """
        checkpoints.load_weights(self.training.decoder, weights)
        checkpoints.load_weights(self.average.module, weights)

    def state(self) -> dict[str, Any]:
        """Everything from which it can go on bitwise."""
        return {"decoder": self.training.state(), "decoder_average": self.average.state_dict()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from the state in a checkpoint.

        Raises:
            UserError: There is none, or one of other sizes.
        """
        if "decoder" not in state:
            raise UserError(
                "this checkpoint has no decoder, which terms.reconstruction trains: begin another "
                "run with it, --run FOLDER instead of --training.resume FOLDER."
            )
        self.training.restore(state["decoder"])
        checkpoints.load_weights(self.average, state["decoder_average"])


def settings(config: Config) -> ReadingConfig:
    """How a run trains its decoder: its own rate, everything else as the encoder."""
    term, training = config.terms.reconstruction, config.training
    return ReadingConfig(
        decoder=term.decoder,
        optimizer=replace(config.optimizer, learning_rate=term.learning_rate),
        steps=training.steps,
        batch_size=training.batch_size,
        noise=term.noise,
        seed=training.seed,
    )


def decoder_of(config: Config, corpus: Corpus, encoder: nn.Module) -> Decoder:
    """The decoder of a run with first weights.

    Raises:
        UserError: Its patches do not fill the latent.
    """
    size = latent_size(config, corpus)
    like = next(encoder.parameters())
    embedding = embed_of(encoder)(torch.zeros(1, *size, device=like.device)).shape[1]
    return new_decoder(config.terms.reconstruction.decoder, corpus, size, embedding)


def joint_of(config: Config, corpus: Corpus, encoder: nn.Module) -> Joint | None:
    """The decoder that a run trains; None where it trains none."""
    wanted = config.terms.reconstruction.weight > 0
    return Joint(config, corpus, encoder) if wanted else None


def averaged_decoder(
    state: Mapping[str, Any], config: Config, corpus: Corpus, encoder: nn.Module
) -> Decoder | None:
    """The decoder that learned beside an encoder, from their checkpoint; None if none did."""
    if "decoder_average" not in state:
        return None
    with torch.random.fork_rng(devices=[]):
        average = MovingAverage(decoder_of(config, corpus, encoder), config.optimizer)
    checkpoints.load_weights(average, state["decoder_average"])
    return cast(Decoder, average.module).eval().requires_grad_(False)


def decoder_weights(state: Mapping[str, Any], place: Path) -> Mapping[str, Any] | None:
    """Weights of a run's decoder: the one that learned beside it, or was trained on it later.

    Args:
        state: Its checkpoint.
        place: Its folder.
    """
    if "decoder_average" in state:
        begin = "module."
        named = state["decoder_average"].items()
        return {k.removeprefix(begin): v for k, v in named if k.startswith(begin)}
    kept = place / decoder_name("latent")
    if not kept.exists():
        return None
    weights: Mapping[str, Any] = checkpoints.load(kept, "remove it to begin with a new one")[
        "decoder"
    ]
    return weights
