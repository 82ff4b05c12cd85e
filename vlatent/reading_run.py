"""The decoder of a run: trained on the latents of its frozen encoder, kept beside it, judged."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from itertools import compress
from math import isfinite
from pathlib import Path
from typing import Literal, NamedTuple

import torch
from torch import nn

from vlatent import checkpoints
from vlatent.config import Config, from_yaml
from vlatent.corpus import Corpus, load, order
from vlatent.decoder import Decoder, DecoderConfig
from vlatent.dependence import encode
from vlatent.evaluation.attention import tokens_of_words
from vlatent.evaluation.reading import reading_scores
from vlatent.evaluation.round_trip import TOGETHER, texts_read
from vlatent.joint import averaged_decoder
from vlatent.models import require_same_corpus, trained_model
from vlatent.noise import leading, noisy, permuted
from vlatent.optimization import OptimizerConfig
from vlatent.own_encoder import embed_of, encoder_of
from vlatent.reader import (
    Embed,
    ReadingConfig,
    TokensRead,
    Told,
    Training,
    decoder_name,
    new_decoder,
    normalised,
    tokens_read,
)
from vlatent.scenes import Complexity
from vlatent.scenes.continuations import words_of
from vlatent.scenes.prediction import content_places, given_meaning, given_nothing, limits
from vlatent.shapes import Latents, UserError

# What a decoder is shown: latents, or a control.
Shown = Literal["latent", "another", "untrained", "permuted", "nothing"]
SAVED_EVERY = 100  # steps
REMOVE = "remove it to train another"
MOST = 20_000  # training sentences whose latents are kept in memory: half a gigabyte of 32 x 32 x 6


class NotFinite(UserError):
    """The loss of a decoder is no finite number any more."""


class Frozen(NamedTuple):
    """A run whose encoder is read, and is not trained any more.

    Attributes:
        place: Its folder.
        digest: Sixteen hexadecimal digits that change with the encoder's weights.
        decoder: The one that learned beside the encoder; None where none did.
    """

    place: Path
    config: Config
    corpus: Corpus
    encoder: nn.Module
    digest: str
    decoder: Decoder | None = None


class Source(NamedTuple):
    """What a decoder is shown of sentences.

    Attributes:
        latents: Of texts.
        embed: Pools a latent.
    """

    latents: Callable[[Sequence[str]], Latents]
    embed: Embed


def frozen(place: Path, corpus: Corpus | None = None) -> Frozen:
    """Open a run to read its latents; its corpus is loaded unless it is given.

    Raises:
        UserError: It has no checkpoint that can be read, or its corpus is another one now.
    """
    way_out = "name the folder of a run, which vlatent train makes"
    state = checkpoints.load(place, way_out)
    if "config" not in state:
        raise UserError(f"{place} is no checkpoint of an encoder; {way_out}.")
    config = from_yaml(state["config"])
    corpus = corpus or load(config.data)
    require_same_corpus(state, {"tokenizer": corpus.tokenizer.digest}, place)
    encoder = trained_model(state, corpus.vocabulary_size).eval().requires_grad_(False)
    weights = hashlib.sha256()
    for parameter in encoder.parameters():
        weights.update(parameter.detach().float().numpy().tobytes())
    folder = place if place.is_dir() else place.parent
    decoder = averaged_decoder(state, config, corpus, encoder)
    return Frozen(folder, config, corpus, encoder, weights.hexdigest()[:16], decoder)


def source(run: Frozen, shown: Shown, seed: int) -> Source:
    """What is shown of sentences.

    latent: the latents of the run. another: those of the sentences before them. untrained: those
    of its encoder with first weights. permuted: its latents with the pixels of all in one other
    order. nothing: zeros, which leaves a language model.
    """
    encoder = run.encoder
    if shown == "untrained":
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            encoder = encoder_of(run.config.encoder, run.corpus.vocabulary_size)
        encoder = encoder.eval().requires_grad_(False)

    def latents(texts: Sequence[str]) -> Latents:
        made = encode(encoder, run.corpus.encoded(texts), TOGETHER)
        if shown == "nothing":
            return torch.zeros_like(made)
        if shown == "another":
            return made.roll(1, 0)
        return permuted(made, seed) if shown == "permuted" else made

    return Source(latents, embed_of(encoder))


def decoder_file(run: Frozen, shown: Shown = "latent") -> Path:
    """Where the decoder of a run is kept."""
    return run.place / decoder_name(shown)


def kept_settings(run: Frozen, shown: Shown = "latent") -> ReadingConfig | None:
    """Settings of the decoder that is kept beside a run; None where there is none.

    Raises:
        UserError: It cannot be read.
    """
    file = decoder_file(run, shown)
    if not file.exists():
        return None
    state = checkpoints.load(file, REMOVE)
    try:
        kept = json.loads(state["identity"])["reading"]
        decoder = DecoderConfig(**kept.pop("decoder"))
        optimizer = OptimizerConfig(**kept.pop("optimizer"))
        return ReadingConfig(decoder=decoder, optimizer=optimizer, **kept)
    except (KeyError, TypeError):  # settings that are not those of today
        raise UserError(f"{file} is no decoder of this version of vlatent; {REMOVE}.") from None


def trained_decoder(
    run: Frozen,
    config: ReadingConfig,
    shown: Shown = "latent",
    report: Callable[[int, float], None] = lambda step, loss: None,
) -> Decoder:
    """The decoder of a run; one that is kept beside it is taken, or trained to its end.

    Of a corpus of more than `MOST` sentences, evenly spaced ones are read.

    Args:
        run: The run.
        config: Sizes and course of the training.
        shown: What it is trained on.
        report: Called with the step and its loss.

    Raises:
        UserError: The decoder beside the run is one of other settings or another encoder.
        NotFinite: Its loss is no number any more.
    """
    file = decoder_file(run, shown)
    identity = json.dumps({"reading": asdict(config), "encoder": run.digest}, sort_keys=True)
    given = source(run, shown, config.seed)
    corpus = run.corpus
    every = -(-len(corpus.train) // MOST)
    sentences = corpus.encoded(corpus.train.texts[::every])
    probe = given.latents(sentences.texts[:1])
    torch.manual_seed(config.seed)
    size = probe.shape[1], probe.shape[2], probe.shape[3]
    decoder = new_decoder(config.decoder, corpus, size, given.embed(probe).shape[1])
    training = Training(decoder, given.embed, config)
    if file.exists():
        state = checkpoints.load(file, REMOVE)
        if state.get("identity") != identity:
            raise UserError(
                f"{file} was trained with other settings or on another encoder; {REMOVE}."
            )
        training.restore(state)
    if training.step < config.steps:
        # A place that cannot be written is found before the long work.
        checkpoints.save(file, training.state() | {"identity": identity})
        latents = given.latents(sentences.texts)
        batches = order(sentences, config.batch_size, config.seed, training.step)
        while training.step < config.steps:
            index = next(batches)
            batch = sentences.batch(index)
            loss = training.take(Told(latents[index], batch.ids, batch.mask))
            if not isfinite(loss):
                raise NotFinite(
                    f"the decoder's loss is {loss} at step {training.step}: lower "
                    "reading.optimizer.learning_rate."
                )
            report(training.step, loss)
            if training.step % SAVED_EVERY == 0 or training.step == config.steps:
                checkpoints.save(file, training.state() | {"identity": identity})
    return decoder.eval()


def readings(
    run: Frozen, decoder: Decoder, latents: Latents, embed: Embed, longest: int
) -> list[str]:
    """What a decoder says, word by likeliest word, of latents alone."""
    return texts_read(decoder, embed, latents, longest, run.corpus.tokenizer.decode)


def judged(
    run: Frozen,
    decoder: Decoder,
    given: Source,
    texts: Sequence[str],
    strength: float = 0.0,
    complexity: Complexity = "all",
) -> dict[str, float]:
    """Judge a decoder on sentences about blocks in plain wording, beside what can be known.

    Args:
        run: The run.
        decoder: Its decoder.
        given: What the decoder is shown.
        texts: Held-out sentences.
        strength: Of noise on the latents, in their own standard deviations.
        complexity: Of the sentences.

    Returns:
        accuracy: at the `content_places`, share of words whose tokens are all the likeliest behind
        the true words before; normalised: see there. cross_entropy: nats a word of its own latent;
        cross_entropy_shuffled: of its own with the pixels in another order. ceiling, floor,
        cross_entropy_ceiling, cross_entropy_floor: what a Bayes-optimal reader reaches with the
        meaning, and with nothing. And `reading_scores` of the greedy reading; leading_f1: the mean
        fact F1 of that of their leading components.
    """
    sentences = run.corpus.encoded(texts)
    batch = sentences.batch(range(len(texts)))
    nothing = [given_nothing(text, "plain", complexity) for text in texts]
    places = list(map(content_places, nothing))
    latents = noisy(given.latents(texts), strength, (len(texts),))
    decode = run.corpus.tokenizer.decode
    found: dict[str, float] = {}
    for name, view in (("_shuffled", permuted(latents, 1)), ("", latents)):
        read = read_in_parts(decoder, given.embed, Told(view, batch.ids, batch.mask))
        lost = -float(read.log_probability[read.counted].sum())
        found[f"cross_entropy{name}"] = lost / sum(map(len, places))
    hits = [
        right
        for text, ids, tokens_right, counted in zip(
            texts, batch.ids.tolist(), read.right, places, strict=True
        )
        for right in compress(_words_right(text, ids, tokens_right, decode), counted)
    ]
    found["accuracy"] = sum(hits) / len(hits)
    for name, known in (("ceiling", map(given_meaning, texts)), ("floor", nothing)):
        found[name], found[f"cross_entropy_{name}"] = limits(known, places)
    found["normalised"] = normalised(found["accuracy"], found["floor"], found["ceiling"])
    longest = 2 * int(sentences.lengths.max())
    whole, part = (
        reading_scores(readings(run, decoder, shown, given.embed, longest), texts)
        for shown in (latents, leading(latents))
    )
    return found | whole | {"leading_f1": part["fact_f1"]}


def read_in_parts(decoder: Decoder, embed: Embed, told: Told) -> TokensRead:
    """Follow true sentences, as `tokens_read` does, a few at once."""
    parts = [
        tokens_read(decoder, embed, Told(*part))
        for part in zip(*(tensor.split(TOGETHER) for tensor in told), strict=True)
    ]
    return TokensRead(*(torch.cat(tensors) for tensors in zip(*parts, strict=True)))


def _words_right(
    text: str, ids: Sequence[int], right: torch.Tensor, decode: Callable[[list[int]], str]
) -> list[bool]:
    """Of each word of a sentence, whether all tokens that make it are right.

    Words behind the greatest length, of which no token is left, are not.
    """
    found = [bool(right[places].all()) for _, places in tokens_of_words(ids, decode)]
    return [*found, *[False] * (len(words_of(text)) - len(found))]
