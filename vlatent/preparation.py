"""Checks before a training: device and precision, sentences, memory, size of the latent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from math import isfinite

import torch

from vlatent.balance import balance_of
from vlatent.config import Config, TrainingConfig
from vlatent.corpus import Corpus, held_out, load
from vlatent.encoder import EncoderConfig
from vlatent.encoder_check import latent_size
from vlatent.evaluation import measure
from vlatent.memory import require_memory
from vlatent.objective import loss
from vlatent.priors import Priors
from vlatent.reader import new_decoder
from vlatent.scenes import about_blocks
from vlatent.shapes import UserError
from vlatent.soundness import require_sound_priors, require_sound_terms

# A study trains many runs on the same sentences.
corpus_of = lru_cache(maxsize=2)(load)


def corpus_for(config: Config) -> Corpus:
    """The sentences of a run, and the variants of them that its terms and criteria need.

    Raises:
        UserError: Bad input, sentences without variants, or more than the memory holds.
    """
    device, autocast = placement(config.training)
    balance_of(config.objective.balance, config.priors, config.terms)
    corpus = corpus_of(config.data)
    require_memory(config, corpus, device, half=autocast()._enabled)
    size = latent_size(config, corpus)
    _require_statistics(config.priors, *size)
    require_sound_terms(config.terms, size)
    if config.terms.compared:
        counterfactuals = corpus.variants.counterfactuals
        if config.terms.counterfactuals and not len(counterfactuals.sentences):
            raise UserError(
                f"terms.contrast.counterfactuals is {config.terms.counterfactuals}, but no "
                f"sentence in {config.data.train} has any: give them there, or set "
                "--terms.contrast.counterfactuals 0, which contrasts sentences with each other."
            )
        if config.terms.structure_first and not counterfactuals.structure.any():
            raise UserError(
                "terms.contrast.kinds is structure_first, but no counterfactual in "
                f"{config.data.train} is known to be a swap or a change of relation: give "
                "counterfactual_kinds in it, or --terms.contrast.kinds alike."
            )
    if config.terms.reconstruction.weight > 0:
        sizes = replace(config.terms.reconstruction.decoder, restricted=False)
        with torch.device("meta"):  # only to see whether its patches fill the latent
            new_decoder(sizes, corpus, size, 1)
    config.evaluation.sentences_of(corpus)
    return corpus


def corpus_lines(config: Config, corpus: Corpus) -> str:
    """The corpus in a line, and in another what is not judged since its sentences lack it."""
    if config.data.train is None:
        return f"{corpus}"
    lines, evaluation, missing = corpus.held_out_lines["random"], config.evaluation, []
    known = [about_blocks(line.text) for line in lines]
    if evaluation.read and config.terms.reconstruction.weight and not all(known):
        missing.append("what is read back, as its facts are not known")
    if evaluation.retrieved:
        if not any(known):
            missing.append(
                "color, shape and relation AUC, splits of unseen combinations and wordings"
            )
        if not any(line.counterfactuals for line in lines):
            missing.append("gap and triplet accuracy, for want of counterfactuals")
        elif not any(line.kinds for line in lines):
            missing.append("kinds of change one by one, for want of counterfactual_kinds")
    left_out = f"\nNot judged: {'; '.join(missing)}." if missing else ""
    return f"{corpus}{left_out}"


def size_of_latents(config: Config) -> tuple[int, int, int]:
    """Height, width and channels of the latents of a config.

    Raises:
        UserError: Its encoder is a class that is not fit to be trained.
    """
    if isinstance(config.encoder, EncoderConfig):  # which is known without sentences
        return config.encoder.height, config.encoder.width, config.encoder.channels
    return latent_size(config, corpus_of(config.data))


def not_divided(config: Config, corpus: Corpus) -> str | None:
    """Why the held-out sentences do not make three sets; None if they do."""
    sizes = config.evaluation
    try:
        for part in ("confirmation", "test"):
            held_out(corpus, part, sizes.sentences, sizes.retrieved)
    except UserError as error:
        return str(error)
    return None


@lru_cache(maxsize=8)
def _require_statistics(priors: Priors, height: int, width: int, channels: int) -> None:
    """Measure noise, as what fails at the first evaluation can fail before anything is written."""
    noise = torch.randn(2, height, width, channels, generator=torch.Generator().manual_seed(0))
    if priors.own:
        built_in = measure(0, noise, Priors())
        require_sound_priors(priors, (height, width, channels), built_in)
    loss(priors, noise)
    measured = measure(0, noise, priors)
    missing = [name for name, values in measured.channels.items() if not all(map(isfinite, values))]
    if missing:
        raise UserError(
            f"encoder.height {height} and encoder.width {width} are too small: that latent has no "
            f"{missing[0]}; raise both to 8 or more."
            if channels > 1
            else f"a latent with one channel has no {missing[0]}: give it 2 channels or more."
        )


def placement(training: TrainingConfig) -> tuple[torch.device, Callable[[], torch.autocast]]:
    """The device and the precision of the encoder there."""
    has_gpu = torch.cuda.is_available()
    if training.device == "cuda" and not has_gpu:
        raise UserError(
            "training.device is cuda, but torch sees no GPU here: leave it at auto or set "
            "--training.device cpu."
        )
    device = torch.device("cuda" if has_gpu and training.device != "cpu" else "cpu")
    if device.type == "cuda":  # fp32 is fp32 everywhere; what may be less exact is bf16
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    fast = device.type == "cuda" or torch.cpu.get_capabilities().get("avx512_bf16", False)
    use_bf16 = training.precision == "bf16" or (training.precision == "auto" and bool(fast))
    return device, lambda: torch.autocast(device.type, torch.bfloat16, enabled=use_bf16)
