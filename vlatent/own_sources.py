"""Whether the files of a user's own classes are still what they were when something was recorded.

A config has the digest of an own encoder's file; those of own priors and terms are kept beside it,
in checkpoints, trials and jobs.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping

from vlatent.config import Config, RunConfig, own_parts
from vlatent.own_classes import OwnClass, changed_source, source_digest
from vlatent.own_encoder import PLACE
from vlatent.parts import remembered_path


def part_sources(config: RunConfig) -> dict[str, str]:
    """Digests of the files that define the user's own priors and terms, by their dotted names."""
    digests = {f"{group}.{name}": source_digest(part) for group, name, part in own_parts(config)}
    return {place: digest for place, digest in digests.items() if digest is not None}


def changed_sources(config: RunConfig, recorded: Mapping[str, str]) -> list[str]:
    """Say of every class of the user's own how its file is not the one that was recorded.

    Args:
        config: As it was written down.
        recorded: What `part_sources` gave then; nothing is said of parts that are not there.

    Raises:
        UserError: A class cannot be imported.
    """
    own: dict[str, OwnClass] = {}
    if isinstance(config, Config) and isinstance(config.encoder, OwnClass):
        own[PLACE] = config.encoder
    for group, name, part in own_parts(config):
        place, path = f"{group}.{name}", remembered_path(part)
        if path is not None and place in recorded:
            own[place] = OwnClass(class_path=path, source=recorded[place])
    said = (changed_source(each, place) for place, each in own.items())
    return [words for words in said if words is not None]


def warn_of_changed_sources(config: RunConfig, recorded: Mapping[str, str]) -> None:
    """Say it where a class is not the one that was recorded; arguments as `changed_sources`."""
    for said in changed_sources(config, recorded):
        warnings.warn(f"{said}; what is computed now may differ.", stacklevel=2)
