"""Encoders of a user's own: what they must do, and how a config becomes one."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any, Protocol, cast

from torch import Tensor, nn

from vlatent.annotations import Int
from vlatent.encoder import Encoder, EncoderConfig, Mask
from vlatent.imported import imported
from vlatent.layers import mean_and_variance
from vlatent.own_classes import OwnClass, changed_source, instance, own_class, path_of
from vlatent.shapes import Latents, UserError

PLACE = "encoder"
GIVEN = ("vocabulary",)  # what the class is given where it names it: the tokenizer's size


class SentenceEncoder(Protocol):
    """What an encoder must do: any `torch.nn.Module` that does it can be trained.

    It may have three methods more. `embed(latent)` gives rows [batch, feature] that represent
    sentences where `terms.on` is `embedding` (without it, means and variances of the channels);
    `no_weight_decay()` names parameters that are not to decay, beside biases and norms;
    `learning_rate_factors()` gives parameters a factor of the learning rate by their names.
    """

    def forward(self, ids: Int[Tensor, "batch token"], mask: Mask) -> Latents:
        """Encode sentences as [batch, height, width, channel].

        The latent of a sentence depends neither on what stands under its padding nor on the other
        sentences of its batch.

        Args:
            ids: Token ids; 0 where there is no token.
            mask: True where there is a token.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class EncoderSettings(EncoderConfig):
    """Sizes of the encoder. The defaults are the documented model: 32.5 M parameters.

    Attributes:
        class_path: A class of your own to be trained instead, package.module.Name or file.py:Name;
            then the settings above do not count, and its own are init_args.
        init_args: Arguments of that class.
        source: Digest of the file that defines it, as configs that were written down have it.
    """

    class_path: str | None = None
    init_args: dict[str, Any] = field(default_factory=dict)
    source: str | None = None

    def chosen(self, stored: bool) -> EncoderConfig | OwnClass:
        """The settings of our encoder, or the class that is trained instead.

        Args:
            stored: Whether they were written down by a run, whose class may be gone by now.

        Raises:
            UserError: The class cannot be imported or does not take these arguments.
        """
        if self.class_path is None:
            if self.init_args:
                raise UserError("encoder.init_args needs a class: give --encoder.class_path too.")
            names = [each.name for each in fields(EncoderConfig)]
            return EncoderConfig(**{name: getattr(self, name) for name in names})
        written = OwnClass(class_path=self.class_path, init_args=self.init_args, source=self.source)
        if stored:
            return written
        if self.source is not None:
            warn_of_changed_source(written)
        return own_class(self.class_path, self.init_args, PLACE, GIVEN, nn.Module)


def described(encoder: Callable[..., object]) -> OwnClass:
    """A class, or a functools.partial of one, as a config names it.

    Raises:
        UserError: No other process could import it, or it does not take these arguments.
    """
    whole = encoder if isinstance(encoder, functools.partial) else functools.partial(encoder)
    if whole.args:
        raise UserError("encoder: give the arguments of a functools.partial by their names.")
    return own_class(path_of(whole.func, PLACE), whole.keywords, PLACE, GIVEN, nn.Module)


def our_settings(encoder: EncoderConfig | OwnClass, question: str) -> EncoderConfig:
    """The settings of our encoder, for what changes them.

    Raises:
        UserError: Another encoder is trained, which has none of them.
    """
    if isinstance(encoder, OwnClass):
        raise UserError(
            f"{question} changes settings of our encoder, and {encoder.class_path} has others: "
            "leave encoder.class_path out."
        )
    return encoder


def encoder_of(config: EncoderConfig | OwnClass, vocabulary: int) -> nn.Module:
    """Build the encoder of a config for a tokenizer with so many tokens.

    Raises:
        UserError: The class cannot be imported or built.
    """
    if isinstance(config, EncoderConfig):
        return Encoder(config, vocabulary)
    model: nn.Module = instance(config, PLACE, base=nn.Module, vocabulary=vocabulary)
    return model


def own_tokenizer(own: OwnClass) -> str | None:
    """Name or folder of the tokenizer that a class brings along; None if it brings none."""
    called = imported(own.class_path, f"{PLACE}.class_path")
    found = getattr(called, "own_tokenizer", None)
    return None if found is None else cast(str, found(**own.init_args))


def warn_of_changed_source(own: OwnClass) -> None:
    """Say it where a class is not the one that was written down."""
    if said := changed_source(own, PLACE):
        warnings.warn(f"{said}; what is computed now may differ.", stacklevel=2)


def embed_of(model: nn.Module) -> Callable[[Latents], Tensor]:
    """The encoder's own pooled embedding; of one that has none, means and variances of channels."""
    found: Callable[[Latents], Tensor] = getattr(model, "embed", mean_and_variance)
    return found
