"""A decoder of a frozen encoder: its settings, its controls, the sentences that judge it."""

from __future__ import annotations

import json
import math
import shlex
from dataclasses import dataclass
from pathlib import Path

from jsonargparse.typing import PositiveInt
from rich.progress import Progress

from vlatent import checkpoints
from vlatent.corpus import Part, held_out
from vlatent.decoder import Decoder
from vlatent.evaluation.reading_criteria import Scores
from vlatent.evaluation.round_trip import SPLITS
from vlatent.reader import ReadingConfig
from vlatent.reading_run import Frozen, Shown, frozen, trained_decoder
from vlatent.shapes import UserError
from vlatent.tracking import Tracker, TrackingConfig

# What is shown to the decoder that is judged, and to those beside it: which decoder reads it, and
# what it is called.
CONTROLS: dict[Shown, tuple[Shown, str]] = {
    "latent": ("latent", "its latents"),
    "another": ("latent", "another sentence's latent"),
    "untrained": ("untrained", "untrained encoder"),
    "permuted": ("permuted", "pixels permuted, trained so"),
}
FILE = "reading.json"

Measured = dict[Shown, dict[str, Scores]]  # scores by what is shown and by view


@dataclass(frozen=True, kw_only=True)
class DecoderRunConfig:
    """A decoder of a trained encoder, and on what it is judged.

    Attributes:
        run: The folder of the run whose encoder is read.
        folder: Where decoders, scores and figures go; null takes the folder of the run.
        sentences: Held-out sentences of each split on which it is judged.
        held_out: Which of three disjoint sets these are from: that of a study's `search`, as in
            every single run, or those that it keeps for `confirmation` and `test`.
        reading: How the decoder is trained.
        tracking: Where it is recorded.
    """

    run: Path
    folder: Path | None = None
    sentences: PositiveInt = 200
    held_out: Part = "search"
    reading: ReadingConfig = ReadingConfig()
    tracking: TrackingConfig = TrackingConfig()

    @property
    def training(self) -> ReadingConfig:
        """Steps and seed, where studies look for those of every config."""
        return self.reading


def opened(config: DecoderRunConfig) -> Frozen:
    """The run that is read, its decoders in their folder.

    Raises:
        UserError: It cannot be read.
    """
    run = frozen(config.run)
    return run if config.folder is None else run._replace(place=config.folder)


def judged_texts(run: Frozen, config: DecoderRunConfig) -> dict[str, list[str]]:
    """Held-out sentences by split.

    Raises:
        UserError: They were not generated: what can be known of others is not known; or the set
            has fewer than 16.
    """
    if run.config.data.train is not None:
        raise UserError(
            f"{config.run} was trained on {run.config.data.train}: a decoder is judged on "
            f"generated sentences alone; vlatent read {shlex.quote(str(config.run))} SENTENCE "
            "reads others."
        )
    by_split = {
        split: [line.text for line in lines] for split, lines in run.corpus.held_out_lines.items()
    }
    if config.held_out != "search":
        judged = run.config.evaluation.sentences  # by who chose the encoder
        kept = held_out(run.corpus, config.held_out, judged, config.sentences).splits
        by_split = {split: triples.originals.texts for split, triples in kept.items()}
    return {split: by_split[split][: config.sentences] for split in SPLITS if split in by_split}


def trained_beside(
    run: Frozen,
    config: DecoderRunConfig,
    shown: Shown,
    said: str,
    tracker: Tracker,
    progress: Progress,
) -> tuple[Decoder, dict[int, float]]:
    """A decoder of a run or of a control, and its losses by step, which the tracker keeps too.

    Args:
        run: The run.
        config: Sizes and course of the training.
        shown: What it is trained on.
        said: What that is, for the bar in a running display.
        tracker: Where losses are recorded.
        progress: The display.
    """
    losses: dict[int, float] = {}
    bar = progress.add_task(f"decoder, {said}", total=config.reading.steps)

    def report(step: int, loss: float) -> None:
        progress.update(bar, completed=step)
        losses[step] = loss
        if step % config.tracking.every == 0:
            tracker.metrics({f"loss/{shown}": loss}, step)

    decoder = trained_decoder(run, config.reading, shown, report)
    progress.remove_task(bar)
    return decoder, losses


def known(scores: Scores) -> Scores:
    """Those that are known: where no two blocks were read, none have an order."""
    return {name: value for name, value in scores.items() if not math.isnan(value)}


def keep_scores(run: Frozen, measured: Measured, words: str, step: int, tracker: Tracker) -> None:
    """Keep scores, and what they say in words, beside the decoders and in the tracker."""
    found = {
        shown: {view: known(scores) for view, scores in views.items()}
        for shown, views in measured.items()
    }
    for shown, views in found.items():
        for view, scores in views.items():
            place = f"{shown}/{view.replace(', ', '_')}"
            tracker.metrics({f"{place}/{name}": value for name, value in scores.items()}, step)
    for name, content in ((FILE, json.dumps(found, indent=1)), ("reading.md", words)):
        checkpoints.write(run.place / name, content)
        tracker.text(name, content)
    tracker.note(words)
