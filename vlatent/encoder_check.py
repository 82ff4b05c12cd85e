"""Whether a user's own encoder can be trained, tried on a few sentences before anything is."""

from __future__ import annotations

import warnings
from functools import lru_cache

import torch
from torch import Tensor, nn

from vlatent.config import Config
from vlatent.corpus import Corpus, TokenBatch
from vlatent.encoder import EncoderConfig
from vlatent.evaluation.photographs import measured_sizes
from vlatent.own_classes import OwnClass
from vlatent.own_encoder import embed_of, encoder_of
from vlatent.shapes import UserError
from vlatent.statistics import CHANNELS_NEEDED

PADDING = 3  # places that are added behind the longer sentence, where there is room
# Of the latent's size: rounding in a batch of the same shape, and of another one.
SAME_SHAPE, OTHER_SHAPE = 1e-6, 1e-4
SMALLEST = 4  # heights and widths that the finest wavelets and gradients need


def latent_size(config: Config, corpus: Corpus) -> tuple[int, int, int]:
    """Height, width and channels of the latents; a user's own encoder is checked for them.

    Raises:
        UserError: It is not fit to be trained: says what is wrong and what to do.
    """
    if isinstance(config.encoder, EncoderConfig):
        return config.encoder.height, config.encoder.width, config.encoder.channels
    return _checked(config.encoder, corpus)


@lru_cache(maxsize=8)
def _checked(own: OwnClass, corpus: Corpus) -> tuple[int, int, int]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = encoder_of(own, corpus.vocabulary_size)
        height, width, channels = check(model, own.class_path, *_sentences(corpus))
    sizes = measured_sizes()
    if (height, width) not in [(size, size) for size in sizes]:
        known = ", ".join(f"{size} x {size}" for size in sizes)
        warnings.warn(
            f"latents of {height} x {width} are judged by photographs of the nearest size that was "
            f"measured ({known}): what the verdict says of their likeness is approximate.",
            stacklevel=2,
        )
    if channels < CHANNELS_NEEDED:
        warnings.warn(
            f"a verdict passes with {CHANNELS_NEEDED} channels in band, and this latent has "
            f"{channels}: no run can pass; compare scores and statistics.",
            stacklevel=2,
        )
    return height, width, channels


def _sentences(corpus: Corpus) -> tuple[TokenBatch, TokenBatch]:
    """Two sentences that differ with padding behind both, and the shorter one without any."""
    train = corpus.train
    by_length = train.lengths[:500].argsort(stable=True)
    first = int(by_length[0])
    alone = train.batch([first])
    for other in by_length.flip(0).tolist():
        both = train.batch([first, other])
        if not torch.equal(both.ids[0], both.ids[1]):
            room = corpus.config.max_length - both.ids.shape[1]  # an encoder may know no more
            pad = (0, min(PADDING, max(room, 0)))
            ids, mask = nn.functional.pad(both.ids, pad), nn.functional.pad(both.mask, pad)
            return TokenBatch(ids, mask), alone
    raise UserError("all training sentences are the same to the tokenizer: give others.")


def check(model: nn.Module, name: str, both: TokenBatch, alone: TokenBatch) -> tuple[int, int, int]:
    """Check an encoder on two sentences, the shorter one first, and on that one alone.

    Returns:
        Height, width and channels of its latents.

    Raises:
        UserError: It is not fit to be trained.
    """
    model.eval()
    latent = _latent(model, name, both.ids, both.mask)
    with torch.no_grad():
        if torch.equal(latent[0], latent[1]):
            raise UserError(
                f"encoder {name} ignores its sentence: two that differ have the same latent to the "
                "last bit; use ids, and begin with weights that are not 0."
            )
        size = float(latent.abs().mean())
        other = both.ids.masked_fill(~both.mask, int(both.ids[both.mask].max()))
        _require_same(
            latent,
            _latent(model, name, other, both.mask),
            SAME_SHAPE * size,
            f"encoder {name} sees its padding: other ids where mask is false change the latent; "
            "mask the token states, in attention, convolutions and means alike.",
        )
        _require_same(
            latent[:1],
            _latent(model, name, alone.ids, alone.mask),
            OTHER_SHAPE * size,
            f"encoder {name} sees its padding: a sentence has another latent alone than padded to "
            "the length of a longer one; mask the token states, and count tokens by mask.sum(1).",
        )
    _require_gradient(model, name, both)
    return latent.shape[1], latent.shape[2], latent.shape[3]


def _latent(model: nn.Module, name: str, ids: Tensor, mask: Tensor) -> Tensor:
    given = f"ids {list(ids.shape)} and mask {list(mask.shape)}"
    try:
        latent = model(ids, mask)
    except UserError:
        raise
    except Exception as error:
        what = " ".join(str(error).split())[:300]
        raise UserError(
            f"encoder {name} fails on {given}: {type(error).__name__}: {what}; its forward(ids, "
            "mask) must return latents [batch, height, width, channel]."
        ) from error
    wanted = f"it must return [batch, height, width, channel], here [{len(ids)}, ...]"
    if not isinstance(latent, Tensor):
        raise UserError(
            f"encoder {name} returns {type(latent).__name__} for {given}, no tensor: {wanted}."
        )
    shape = list(latent.shape)
    if len(shape) != 4 or shape[0] != len(ids) or 0 in shape:
        raise UserError(f"encoder {name} returns the shape {shape} for {given}: {wanted}.")
    if not latent.is_floating_point():
        raise UserError(
            f"encoder {name} returns {latent.dtype}, but latents are floating-point numbers."
        )
    _, height, width, channels = shape
    if 2 * height <= width == channels:
        raise UserError(
            f"encoder {name} returns {shape}, which looks like channels first: "
            "return latent.movedim(1, -1)."
        )
    if min(height, width) < SMALLEST:
        raise UserError(
            f"encoder {name} returns {shape}: latents must be at least {SMALLEST} x {SMALLEST}, "
            "and 8 x 8 for contours."
        )
    if not torch.isfinite(latent).all():
        raise UserError(
            f"encoder {name} returns NaN or infinite values before the first step: look at its "
            "first weights, and at divisions by the number of tokens."
        )
    return latent


def _require_same(latent: Tensor, again: Tensor, tolerance: float, message: str) -> None:
    if float((latent - again).abs().max()) > tolerance:
        raise UserError(message)


def _require_gradient(model: nn.Module, name: str, both: TokenBatch) -> None:
    """Every parameter that asks for a gradient must be reached by one."""
    trained = {path: value for path, value in model.named_parameters() if value.requires_grad}
    if not trained:
        raise UserError(f"encoder {name} has no parameter with requires_grad: nothing to train.")
    model.train()
    latent = model(both.ids, both.mask)
    if not latent.requires_grad:
        raise UserError(
            f"no gradient reaches the parameters of encoder {name}: its latent is detached; leave "
            "out detach(), .data and torch.no_grad()."
        )
    rows = embed_of(model)(latent)
    if rows.ndim != 2 or len(rows) != len(latent):
        raise UserError(
            f"embed(latent) of encoder {name} returns {list(rows.shape)} for {list(latent.shape)}: "
            f"it must return [batch, feature], here [{len(latent)}, ...]."
        )
    (latent.float().square().mean() + rows.float().square().mean()).backward()
    missed = [path for path, value in trained.items() if value.grad is None]
    model.zero_grad()
    if missed:
        more = f" and {len(missed) - 1} more" if len(missed) > 1 else ""
        raise UserError(
            f"no gradient reaches {missed[0]}{more} of encoder {name}: use it in forward, or "
            "freeze it by requires_grad_(False)."
        )
