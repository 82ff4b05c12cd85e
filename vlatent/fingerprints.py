"""What of a config can change what is computed, and the digests that stand for it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping

from vlatent.config import Config, RunConfig, flatten, own_parts
from vlatent.corpus import Corpus
from vlatent.own_classes import OwnClass, source_digest

# Where a run happens and what watches it: these keys cannot change what is computed.
WITHOUT_EFFECT = ("tracking.", "training.folder", "training.resume", "data.cache")

# Settings that came later, with what every run did before there was a choice.
EARLIER: Mapping[str, object] = {
    "data.key": "original",
    "data.split": "line",
    "data.duplicates": "keep",
    "evaluation.held_out": "search",
    "evaluation.read": 0,
    "encoder.initialisation": "normal",
    "encoder.window": 0,
    "objective.balance": "fixed",
    "terms.contrast.kinds": "alike",
    "training.start": None,
    "priors.spectrum.reference": (),
    "priors.decorrelation.modes": 0,
    "priors.decorrelation.over": "batch",
}


def effective(config: RunConfig) -> dict[str, object]:
    """Collect the dotted names and values that can change what is computed.

    A prior that is off, was declared off and is not judged changes nothing, nor does a term that
    came later and is off, and settings that came later change nothing where they have the value
    that every run had before (`EARLIER`): adding any leaves what was recorded before it comparable.
    """
    flat = flatten(config)
    unused: tuple[str, ...] = ()
    if isinstance(config, Config):
        if isinstance(config.encoder, OwnClass) and config.encoder.source is not None:
            # Its file is identified by its content, wherever it lies.
            flat["encoder.class_path"] = re.split(r"[.:]", config.encoder.class_path)[-1]
        unused = tuple(f"priors.{name}." for name, prior in config.priors if prior.unused)
        unused += tuple(f"terms.{name}." for name, term in config.terms if term.unused)
    for group, name, part in own_parts(config):
        if digest := source_digest(part):  # wherever its file lies
            flat[f"{group}.{name}.class_path"] = f"{part.__qualname__} {digest}"
        if group == "terms" and flat[f"{group}.{name}.weight"] == 0:
            unused = (*unused, f"{group}.{name}.")
    for name, earlier in EARLIER.items():
        if name in flat and flat[name] == earlier:
            del flat[name]
    return {name: flat[name] for name in flat if not name.startswith((*WITHOUT_EFFECT, *unused))}


def fingerprint(config: RunConfig) -> str:
    """Sixteen hexadecimal digits that change whenever a key that changes the result does."""
    values = json.dumps(effective(config), sort_keys=True)
    return hashlib.sha256(values.encode()).hexdigest()[:16]


def corpus_digests(config: Config, corpus: Corpus) -> dict[str, str]:
    """Digests of every part of the corpus that a run with this config reads, by the part's name."""
    return corpus.digests(config.terms.compared, config.evaluation.retrieved > 0)
