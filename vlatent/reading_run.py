"""The decoder of a run: trained on the latents of its frozen encoder, kept beside it, judged."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Literal, NamedTuple

import torch
from torch import nn

from vlatent import checkpoints
from vlatent.config import Config, from_yaml
from vlatent.corpus import Corpus, load, order
from vlatent.decoder import Decoder, DecoderConfig
from vlatent.decoding import greedy
from vlatent.dependence import encode
from vlatent.evaluation.reading import reading_scores
from vlatent.models import require_same_corpus, trained_model
from vlatent.optimization import OptimizerConfig
from vlatent.own_encoder import embed_of, encoder_of
from vlatent.reader import (
    Embed,
    ReadingConfig,
    TokensRead,
    Told,
    Training,
    noisy,
    normalised,
    permuted,
    tokens_read,
)
from vlatent.scenes.continuations import words_of
from vlatent.scenes.prediction import CONTENT, given_meaning, given_nothing, kind_of, limits
from vlatent.shapes import Latents, UserError

# What a decoder is trained on: latents, or a control.
Shown = Literal["latent", "untrained", "permuted", "nothing"]
SAVED_EVERY = 100  # steps
REMOVE = "remove it to train another"
TOGETHER = 50  # sentences that are read at once
MOST = 20_000  # training sentences whose latents are kept in memory: half a gigabyte of 32 x 32 x 6


class Frozen(NamedTuple):
    """A run whose encoder is read, and is not trained any more.

    Attributes:
        place: Its folder.
        digest: Sixteen hexadecimal digits that change with the encoder's weights.
    """

    place: Path
    config: Config
    corpus: Corpus
    encoder: nn.Module
    digest: str


class Source(NamedTuple):
    """What a decoder is shown of sentences.

    Attributes:
        latents: Of texts.
        embed: Pools a latent.
    """

    latents: Callable[[Sequence[str]], Latents]
    embed: Embed


def frozen(place: Path) -> Frozen:
    """Open a run to read its latents.

    Raises:
        UserError: It has no checkpoint that can be read, or its corpus is another one now.
    """
    way_out = "name the folder of a run, which vlatent train makes"
    state = checkpoints.load(place, way_out)
    if "config" not in state:
        raise UserError(f"{place} is no checkpoint of an encoder; {way_out}.")
    config = from_yaml(state["config"])
    corpus = load(config.data)
    require_same_corpus(state, {"tokenizer": corpus.tokenizer.digest}, place)
    encoder = trained_model(state, corpus.vocabulary_size).eval().requires_grad_(False)
    weights = hashlib.sha256()
    for parameter in encoder.parameters():
        weights.update(parameter.detach().float().numpy().tobytes())
    folder = place if place.is_dir() else place.parent
    return Frozen(folder, config, corpus, encoder, weights.hexdigest()[:16])


def source(run: Frozen, shown: Shown, seed: int) -> Source:
    """What is shown of sentences.

    latent: the latents of the run. untrained: those of its encoder with first weights. permuted:
    its latents with the pixels of all in one other order. nothing: zeros, which leaves a language
    model.
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
        return permuted(made, seed) if shown == "permuted" else made

    return Source(latents, embed_of(encoder))


def decoder_file(run: Frozen, shown: Shown = "latent") -> Path:
    """Where the decoder of a run is kept."""
    return run.place / f"decoder-{shown}.pt"


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
    """
    file = decoder_file(run, shown)
    identity = json.dumps({"reading": asdict(config), "encoder": run.digest}, sort_keys=True)
    given = source(run, shown, config.seed)
    corpus = run.corpus
    every = -(-len(corpus.train) // MOST)
    sentences = corpus.encoded(corpus.train.texts[::every])
    probe = given.latents(sentences.texts[:1])
    allowed = torch.zeros(corpus.vocabulary_size, dtype=torch.bool)
    allowed[corpus.train.tokens.long()] = True
    torch.manual_seed(config.seed)
    decoder = Decoder(
        config.decoder,
        corpus.vocabulary_size,
        (probe.shape[1], probe.shape[2], probe.shape[3]),
        given.embed(probe).shape[1],
        allowed if config.decoder.restricted else None,
    )
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
            report(training.step, loss)
            if training.step % SAVED_EVERY == 0 or training.step == config.steps:
                checkpoints.save(file, training.state() | {"identity": identity})
    return decoder.eval()


def readings(
    run: Frozen, decoder: Decoder, latents: Latents, embed: Embed, longest: int
) -> list[str]:
    """What a decoder says, word by likeliest word, of latents alone."""
    said: list[list[int]] = []
    for part in latents.split(TOGETHER):
        said += greedy(decoder, decoder.begin(part, embed(part)), longest)
    return [run.corpus.tokenizer.decode(ids) for ids in said]


def judged(
    run: Frozen,
    decoder: Decoder,
    given: Source,
    texts: Sequence[str],
    strength: float = 0.0,
    seed: int = 0,
) -> dict[str, float]:
    """Judge a decoder on sentences about blocks in plain wording, beside what can be known.

    Args:
        run: The run.
        decoder: Its decoder.
        given: What the decoder is shown.
        texts: Held-out sentences.
        strength: Of noise on the latents, in their own standard deviations.
        seed: Of the noise.

    Returns:
        content_accuracy: share of content words whose tokens are all the likeliest behind the true
        words before; ceiling, floor: what a Bayes-optimal guess reaches with the meaning, and with
        nothing; normalised: see there. cross_entropy: nats a token of its own latent;
        cross_entropy_other: of another sentence's; cross_entropy_shuffled: of its own with the
        pixels in another order. And `reading_scores` of the greedy reading.
    """
    sentences = run.corpus.encoded(texts)
    batch = sentences.batch(range(len(texts)))
    latents = noisy(given.latents(texts), strength, (seed, len(texts)))
    views = {"": latents, "_other": latents.roll(1, 0), "_shuffled": permuted(latents, seed + 1)}
    found: dict[str, float] = {}
    for name, view in views.items():
        read = _read_in_parts(decoder, given.embed, Told(view, batch.ids, batch.mask))
        found[f"cross_entropy{name}"] = -float(read.log_probability[read.counted].mean())
        if not name:
            own = read
    decode = run.corpus.tokenizer.decode
    hits = [
        right
        for row, text in enumerate(texts)
        for word, right in _words_right(text, batch.ids[row].tolist(), own.right[row], decode)
        if kind_of(word) in CONTENT
    ]
    found["content_accuracy"] = sum(hits) / len(hits)
    found["ceiling"] = limits(map(given_meaning, texts)).accuracy
    found["floor"] = limits(map(given_nothing, texts)).accuracy
    found["normalised"] = normalised(found["content_accuracy"], found["floor"], found["ceiling"])
    longest = 2 * int(sentences.lengths.max())
    return found | reading_scores(readings(run, decoder, latents, given.embed, longest), texts)


def _read_in_parts(decoder: Decoder, embed: Embed, told: Told) -> TokensRead:
    parts = [
        tokens_read(decoder, embed, Told(*part))
        for part in zip(*(tensor.split(TOGETHER) for tensor in told), strict=True)
    ]
    return TokensRead(*(torch.cat(tensors) for tensors in zip(*parts, strict=True)))


def _words_right(
    text: str, ids: Sequence[int], right: torch.Tensor, decode: Callable[[list[int]], str]
) -> list[tuple[str, bool]]:
    """Each word of a sentence, and whether all tokens that make it are right."""
    words = words_of(text)
    found = [True] * len(words)
    for place in range(len(ids)):
        before, after = (words_of(decode(list(ids[:end]))) for end in (place, place + 1))
        if after != before:  # the token adds to these words
            for word in range(min(len(before), len(after) - 1), len(after)):
                found[word] &= bool(right[place])
    return list(zip(words, found, strict=True))
