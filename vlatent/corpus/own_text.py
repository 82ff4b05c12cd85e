"""The sentences of a user's own files: those to learn from, and those that are held out."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from vlatent.corpus.files import hold_out, read
from vlatent.corpus.settings import DataConfig
from vlatent.scenes import Line
from vlatent.shapes import UserError


class OwnText(NamedTuple):
    """Lines of a user's files.

    Attributes:
        training: Lines to learn from; of a corpus of colored blocks, those that were given.
        held_out: Lines to judge on.
        dropped: How many repeats were left out.
    """

    training: list[Line]
    held_out: list[Line]
    dropped: int


def own_text(config: DataConfig, training: Sequence[Line] = ()) -> OwnText:
    """Read the files of a config, and hold a part out where no file is given for that.

    Args:
        config: The settings; one of the two files at least is given.
        training: What is learned from where `config.train` is null.

    Raises:
        UserError: A file is not usable.
    """
    lines = list(training) if config.train is None else read(config.train, config.key, config.split)
    if config.validation is None:
        assert config.train is not None
        found = lines if config.duplicates == "keep" else without_repeats(lines)
        return OwnText(*hold_out(found, config.train), len(lines) - len(found))
    held_out = read(config.validation, config.key, config.split)
    if config.duplicates == "keep":
        return OwnText(lines, held_out, 0)
    kept = without_repeats(lines) if config.train else lines
    apart = without_repeats(held_out, kept)
    if not apart:
        raise UserError(
            f"every sentence of {config.validation} is in the training sentences: give others, or "
            "leave --data.validation out, which holds some of those out."
        )
    return OwnText(kept, apart, len(lines) + len(held_out) - len(kept) - len(apart))


def without_repeats(lines: Sequence[Line], known: Sequence[Line] = ()) -> list[Line]:
    """The first line of every text, without those of which the known ones have a wording."""
    shared = _shared(known, lines)
    seen: set[str] = set()
    kept = []
    for line, is_known in zip(lines, shared, strict=True):
        if not is_known and line.text not in seen:
            seen.add(line.text)
            kept.append(line)
    return kept


def warn_of_shared(training: Sequence[Line], held_out: Sequence[Line], place: Path | None) -> None:
    """Warn of sentences that are held out in name only."""
    shared = sum(_shared(training, held_out))
    if shared:
        warnings.warn(
            f"{shared} of {len(held_out)} sentences in {place} are in the training sentences too, "
            "so they are not held out; take them out of one of the two, or set --data.duplicates "
            "drop.",
            stacklevel=4,
        )


def _shared(training: Sequence[Line], held_out: Sequence[Line]) -> list[bool]:
    """Of every held-out line, whether training has it or a paraphrase of it."""
    trained_on = {text for line in training for text in (line.text, *line.paraphrases)}
    return [not trained_on.isdisjoint((line.text, *line.paraphrases)) for line in held_out]
