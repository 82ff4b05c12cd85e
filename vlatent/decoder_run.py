"""A decoder of a frozen encoder: its settings, and the sentences on which it is judged."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from jsonargparse.typing import PositiveInt
from rich.progress import Progress

from vlatent.corpus import Part, held_out
from vlatent.decoder import Decoder
from vlatent.reader import ReadingConfig
from vlatent.reading_run import Frozen, Shown, frozen, trained_decoder
from vlatent.shapes import UserError
from vlatent.tracking import Tracker, TrackingConfig

SPLITS = ("random", "compositional")


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
