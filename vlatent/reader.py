"""Training of a decoder on what is given of sentences: latents of an encoder, or of controls.

An encoder that is trained too gets the gradient of `Training.loss`; one that is frozen gets none.
What a step adds to latents is drawn by its number, so that a training that was stopped goes on
bitwise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from vlatent import checkpoints
from vlatent.annotations import (
    Bool,
    Float,
    Int,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveInt,
)
from vlatent.bounds import require_bounds
from vlatent.corpus import Corpus
from vlatent.decoder import Decoder, DecoderConfig, State
from vlatent.noise import half_noisy
from vlatent.optimization import OptimizerConfig, adamw, learning_rate, restore, set_learning_rate
from vlatent.shapes import Latent, PerBatch

Embed = Callable[[Latent], Float[Tensor, "batch embedding"]]


@dataclass(frozen=True, kw_only=True)
class ReadingConfig:
    """How a decoder is trained.

    Attributes:
        decoder: Its sizes.
        optimizer: AdamW and the course of its rate; the moving average is not used.
        steps: Steps of training.
        batch_size: Sentences in a step.
        noise: Standard deviation of the noise that half of the latents of a step get, in their own
            standard deviations: a reader without noise finds everything in any encoder.
        seed: Seed of first weights, batches and noise.
    """

    decoder: DecoderConfig = DecoderConfig()
    optimizer: OptimizerConfig = field(
        default_factory=lambda: OptimizerConfig(learning_rate=2e-3, warmup_steps=50)
    )
    steps: PositiveInt = 1200
    batch_size: PositiveInt = 64
    noise: NonNegativeFloat = 0.3
    seed: NonNegativeInt = 0

    def __post_init__(self) -> None:
        require_bounds("reading", self)
        self.decoder.check("reading.decoder")


class Told(NamedTuple):
    """Sentences and the latents that show them.

    Attributes:
        latent: What the decoder sees.
        ids: Tokens, padded with 0.
        mask: True where a token is.
    """

    latent: Latent
    ids: Int[Tensor, "batch token"]
    mask: Bool[Tensor, "batch token"]


class Training:
    """A decoder that is being trained, step by step.

    Args:
        decoder: Whose weights are changed.
        embed: Pools a latent, as the encoder does.
        config: Rate, noise and seed.
    """

    def __init__(self, decoder: Decoder, embed: Embed, config: ReadingConfig) -> None:
        self.decoder, self.embed, self.config = decoder, embed, config
        self.optimizer = adamw(decoder, config.optimizer)
        self.step = 0

    def take(self, told: Told) -> float:
        """Take one step by the cross-entropy of the next token; returns it."""
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.loss(told)
        loss.backward()
        self.clip()
        self.follow()
        return float(loss.detach())

    def loss(self, told: Told) -> PerBatch:
        """The cross-entropy of the next token, half of the latents under noise."""
        latent = half_noisy(told.latent, self.config.noise, (self.config.seed, self.step))
        self.decoder.train()
        return cross_entropy(self.decoder, self.embed, told._replace(latent=latent))

    def clip(self) -> Tensor:
        """Clip the gradient, once there is one; returns the norm that it had."""
        clip = self.config.optimizer.clip
        return nn.utils.clip_grad_norm_(self.decoder.parameters(), clip)

    def follow(self) -> None:
        """Follow the gradient at the rate of this step."""
        config = self.config
        set_learning_rate(self.optimizer, learning_rate(config.optimizer, self.step, config.steps))
        self.optimizer.step()
        self.step += 1

    def state(self) -> dict[str, Any]:
        """Everything from which the training can go on bitwise."""
        return {
            "step": self.step,
            "decoder": self.decoder.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "random": checkpoints.random_state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a state.

        Raises:
            UserError: It is of a decoder of other sizes.
        """
        checkpoints.load_weights(self.decoder, state["decoder"])
        restore(self.optimizer, state["optimizer"])
        checkpoints.set_random_state(state["random"])
        self.step = state["step"]


def decoder_name(shown: str) -> str:
    """Name of the file in a run's folder that keeps a decoder, by what it was shown."""
    return f"decoder-{shown}.pt"


def new_decoder(
    config: DecoderConfig, corpus: Corpus, latent: tuple[int, int, int], embedding: int
) -> Decoder:
    """A decoder with first weights for the tokens of a corpus.

    Args:
        config: Its sizes.
        corpus: Whose training sentences have the tokens that it may say, if not all may be said.
        latent: Height, width and channels of the latents.
        embedding: Width of the pooled embedding.

    Raises:
        UserError: Patches do not fill the latent.
    """
    allowed = None
    if config.restricted:
        allowed = torch.zeros(corpus.vocabulary_size, dtype=torch.bool)
        allowed[corpus.train.tokens.long()] = True
    return Decoder(config, corpus.vocabulary_size, latent, embedding, allowed)


def cross_entropy(decoder: Decoder, embed: Embed, told: Told) -> PerBatch:
    """Mean over the tokens, the end included, of -log p(token | latent, true tokens before)."""
    read, said = decoder.targets(told.ids, told.mask)
    logits, _ = decoder(read, decoder.begin(told.latent, embed(told.latent)))
    return functional.cross_entropy(logits.flatten(0, 1), said.flatten())


def log_probability(
    decoder: Decoder,
    state: State,
    ids: Int[Tensor, "row token"],
    mask: Bool[Tensor, "row token"],
    longest: int,
) -> Float[Tensor, " row"]:
    """Log probability of what was drawn: of its tokens, and of its end unless it was cut there."""
    read, said = decoder.targets(ids, mask)
    cut = (mask.sum(1, keepdim=True) == longest) & (said == decoder.boundary)
    logits, _ = decoder(read, state)
    lost = functional.cross_entropy(
        logits.flatten(0, 1), said.masked_fill(cut, -100).flatten(), reduction="none"
    )
    return -lost.view_as(said).sum(1)


class TokensRead(NamedTuple):
    """What a decoder says of the true sentence, word by word: teacher forcing.

    Attributes:
        right: Whether its likeliest token is the true one.
        log_probability: Of the true token, in nats.
        counted: False behind the end of a sentence.
    """

    right: Bool[Tensor, "batch token"]
    log_probability: Float[Tensor, "batch token"]
    counted: Bool[Tensor, "batch token"]


@torch.no_grad()
def tokens_read(decoder: Decoder, embed: Embed, told: Told) -> TokensRead:
    """Follow true sentences, the end included, behind what is shown of them."""
    decoder.eval()
    read, said = decoder.targets(told.ids, told.mask)
    logits, _ = decoder(read, decoder.begin(told.latent, embed(told.latent)))
    counted = said >= 0
    said = said.clamp(min=0)
    gains = logits.float().log_softmax(-1).gather(-1, said[..., None])[..., 0]
    return TokensRead((logits.argmax(-1) == said) & counted, gains, counted)


def normalised(accuracy: float, floor: float, ceiling: float) -> float:
    """How far an accuracy has come from a language model's to that of who knows the meaning.

    (accuracy - floor) / (ceiling - floor): 0 reads nothing, 1 all that a meaning can tell; more
    takes the wording from the latent.
    """
    return (accuracy - floor) / (ceiling - floor)
