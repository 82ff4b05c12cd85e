"""Trained models from checkpoints, and whether the corpus is still the one of the checkpoint."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import nn

from vlatent import checkpoints
from vlatent.balance import weighed
from vlatent.config import Config, corpus_digests, from_yaml
from vlatent.corpus import Corpus, changed_parts
from vlatent.optimization import MovingAverage
from vlatent.own_encoder import encoder_of
from vlatent.own_sources import changed_sources, warn_of_changed_sources
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
