"""Trained models from checkpoints, and whether the corpus is still the one of the checkpoint."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import nn

from vlatent import checkpoints
from vlatent.balance import weighed
from vlatent.config import Config, from_yaml
from vlatent.corpus import Corpus, changed_parts
from vlatent.fingerprints import corpus_digests
from vlatent.joint import Joint, decoder_weights
from vlatent.optimization import MovingAverage
from vlatent.own_encoder import encoder_of
from vlatent.own_sources import changed_sources, warn_of_changed_sources
from vlatent.reader import decoder_name
from vlatent.shapes import UserError


def trained_model(state: Mapping[str, Any], vocabulary_size: int) -> nn.Module:
    """The averaged weights of a checkpoint.

    Raises:
        UserError: Its encoder is a class that cannot be imported, or has other parts now.
    """
    config = from_yaml(state["config"])
    warn_of_changed_sources(config, state.get("sources", {}))
    average = MovingAverage(encoder_of(config.encoder, vocabulary_size), config.optimizer)
    checkpoints.load_weights(average, state["average"])
    return average.module


def require_same_corpus(
    state: Mapping[str, Any],
    corpus: Mapping[str, str],
    place: Path,
    flags: str = "",
    otherwise: str = "",
) -> None:
    """Compare the corpus of a checkpoint with the one that is read now, where it kept digests.

    Args:
        state: What the checkpoint holds.
        corpus: Digests of the parts that count.
        place: The checkpoint.
        flags: Settings of the checkpoint's corpus that are others now, as flags.
        otherwise: What helps beside bringing its corpus back.

    Raises:
        UserError: They differ; names the parts.
    """
    parts = changed_parts(state.get("corpus", {}), corpus)
    if parts:
        raise UserError(
            f"checkpoint {place} belongs to another corpus: {', '.join(parts)} changed; "
            f"{f'give its own {flags}' if flags else _restoring(state)}{otherwise}."
        )


def begin_with(place: Path, corpus: Corpus, model: nn.Module, joint: Joint | None) -> bool:
    """Give an encoder the averaged weights of another run, and a decoder those of its decoder.

    Args:
        place: Folder of the other run, or its checkpoint.
        corpus: What is read now.
        model: The encoder.
        joint: The decoder; None if none is trained.

    Returns:
        Whether there was a decoder to begin with, where one is trained.

    Raises:
        UserError: The run cannot be read, or has another tokenizer or other sizes.
    """
    way_out = "name the folder of a run, or leave --run out to begin anew"
    state = checkpoints.load(place, way_out)
    if "average" not in state:
        raise UserError(f"{place} is no checkpoint of an encoder; {way_out}.")
    require_same_corpus(state, {"tokenizer": corpus.tokenizer.digest}, place)
    trained = trained_model(state, corpus.vocabulary_size)
    checkpoints.load_weights(model, trained.state_dict())
    if joint is None:
        return False
    weights = decoder_weights(state, place if place.is_dir() else place.parent)
    if weights is not None:
        joint.begin(weights)
    return weights is not None


def first_weights(config: Config) -> dict[str, str]:
    """Digests of what a run begins with, by the file's name; none of one that begins anew.

    Raises:
        UserError: There is no such run.
    """
    place = config.training.start
    if place is None:
        return {}
    checkpoint = place / checkpoints.NAME if place.is_dir() else place
    if not checkpoint.exists():
        raise UserError(f"training.start {place} holds no run: name the folder of one.")
    files = [checkpoint]
    if config.terms.reconstruction.weight > 0:
        files += sorted(checkpoint.parent.glob(decoder_name("latent")))
    return {
        f"first weights ({file.name})": hashlib.sha256(file.read_bytes()).hexdigest()[:16]
        for file in files
    }


def state_to_resume(place: Path, config: Config, corpus: Corpus) -> dict[str, Any]:
    """Read the checkpoint from which a run is to go on.

    Raises:
        UserError: It cannot be read or continued, or belongs to another corpus or other classes.
    """
    state = checkpoints.load_to_resume(place)
    begun = from_yaml(state["config"])
    own, given = asdict(begun.data), asdict(config.data)
    flags = " ".join(
        f"--data.{name} {'null' if value is None else shlex.quote(str(value))}"
        for name, value in own.items()
        if value != given[name] and name != "cache"
    )
    otherwise = ", or begin another run: another --training.folder without --training.resume"
    require_same_corpus(state, corpus_digests(config, corpus), place, flags, otherwise)
    if said := changed_sources(begun, state.get("sources", {})):
        raise UserError(
            f"checkpoint {place} cannot be continued: {'; '.join(said)}; restore the file"
            f"{otherwise}."
        )
    if _balanced(begun) != _balanced(config):
        raise UserError(
            f"checkpoint {place} was trained with objective.balance {begun.objective.balance} of "
            f"{', '.join(weighed(begun.priors, begun.terms))}: what a method keeps is of these "
            f"losses, so go on with the same{otherwise}."
        )
    return state


def _balanced(config: Config) -> tuple[str, list[str]]:
    """What a method of balancing keeps depends on: itself and the losses; fixed weights do not."""
    method = config.objective.balance
    return method, [] if method == "fixed" else weighed(config.priors, config.terms)


def _restoring(state: Mapping[str, Any]) -> str:
    """How the corpus of a checkpoint comes back."""
    data = from_yaml(state["config"]).data
    files = [str(file) for file in (data.train, data.validation, data.tokenizer) if file]
    return f"restore {' and '.join(files)}" if files else "use the version of vlatent that wrote it"
