"""An encoder and the decoder that reads it once it is frozen, as one run."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import NamedTuple

from jsonargparse.typing import PositiveInt
from rich.progress import Progress

from vlatent.config import Config, flatten
from vlatent.decoder import Decoder
from vlatent.evaluation import Verdict
from vlatent.evaluation.reading_criteria import Scores, judge_reading
from vlatent.evaluation.round_trip import SPLITS
from vlatent.preparation import corpus_of, size_of_latents
from vlatent.reader import ReadingConfig
from vlatent.reading_run import (
    Frozen,
    NotFinite,
    Source,
    frozen,
    judged,
    readings,
    source,
    trained_decoder,
)
from vlatent.result import Result
from vlatent.shapes import UserError
from vlatent.statistics import READING
from vlatent.step import Diverged
from vlatent.tracking import Tracker
from vlatent.training import Report, train
from vlatent.workload import EncoderWorkload

NOISE = 0.3  # in standard deviations of a latent: it judges, whatever noise a decoder is trained on
Follow = Callable[[int, float], None]
VIEWS = tuple(f"{split}{noise}" for split in SPLITS for noise in ("", ", noise"))


@dataclass(frozen=True, kw_only=True)
class ReadBackConfig(Config):
    """An encoder, and the decoder that reads it once it is frozen.

    Attributes:
        sentences: Held-out sentences of each split on which the decoder is judged.
        reading: How the decoder is trained; its seed is counted from that of the encoder.
    """

    sentences: PositiveInt = 100
    reading: ReadingConfig = ReadingConfig()


class _Reader(NamedTuple):
    """A run, its decoder, and what that is shown."""

    run: Frozen
    decoder: Decoder
    given: Source


class ReadBackWorkload(EncoderWorkload):
    """Our encoder, and then a decoder of it, both on the same seed."""

    config_type = ReadBackConfig
    example = "--config quick_round_trip --config quick_reading"

    def completed(self, config: Config) -> Config:
        assert isinstance(config, ReadBackConfig)
        if not config.data.unseen:
            raise UserError(
                "what is read is judged on combinations that training never saw: set "
                "--data.unseen true, or begin with --config quick_round_trip."
            )
        super().completed(config)
        Decoder(config.reading.decoder, 1, size_of_latents(config), 1)  # refuses what cannot be
        return config

    def has_decoder(self, config: Config) -> bool:
        return True

    def train(
        self,
        config: Config,
        tracker: Tracker,
        report: Report,
        progress: Progress | None = None,
    ) -> Result:
        """Train the encoder, then the decoder; its scores join the encoder's last evaluation."""
        assert isinstance(config, ReadBackConfig)
        began = time.perf_counter()
        result = train(of_encoder(config), tracker, report, progress)
        tracker.params(flatten(config))
        with step_bar(progress, config.reading.steps) as follow:
            views = read_back(result.folder, config, follow)
        metrics = reading_metrics(views)
        tracker.metrics(metrics, config.training.steps)
        last = result.history[-1]
        last = replace(last, metrics=last.metrics | metrics)
        verdict = judge_reading(views)
        return replace(
            result,
            history=[*result.history[:-1], last],
            verdict=Verdict((*result.verdict.criteria, *verdict.criteria)),
            steps_to_pass=result.steps_to_pass if verdict.passed else None,
            seconds=time.perf_counter() - began,
        )


def of_encoder(config: Config) -> Config:
    """The config of the encoder alone, as its checkpoint keeps it."""
    return Config(**{field.name: getattr(config, field.name) for field in fields(Config)})


READ_BACK = ReadBackWorkload()


@contextmanager
def step_bar(progress: Progress | None, steps: int) -> Iterator[Follow]:
    """A bar for the steps of a decoder in a running display, if there is one."""
    if progress is None:
        yield _unseen
        return
    bar = progress.add_task("decoder", total=steps)

    def follow(step: int, loss: float) -> None:
        progress.update(bar, completed=step, description=f"decoder, loss {loss:.2f}")

    try:
        yield follow
    finally:
        progress.remove_task(bar)


def _unseen(step: int, loss: float) -> None:
    pass


def read_back(folder: Path, config: ReadBackConfig, follow: Follow = _unseen) -> dict[str, Scores]:
    """Judge a decoder of the encoder in a folder, trained first unless it is kept beside it.

    Args:
        folder: Where the encoder is.
        config: How the decoder is trained.
        follow: Called with each of its steps and the loss.

    Returns:
        Its scores by view: a split, clean and under noise.
    """
    reader = _reader(folder, config, follow)
    held_out = reader.run.corpus.held_out_lines
    texts = {split: [line.text for line in held_out[split][: config.sentences]] for split in SPLITS}
    return scores_by_view(*reader, texts)


def scores_by_view(
    run: Frozen, decoder: Decoder, given: Source, texts: Mapping[str, Sequence[str]]
) -> dict[str, Scores]:
    """Judge a decoder on sentences by split: each split is a view, clean and under noise."""
    return {
        f"{split}{said}": judged(run, decoder, given, part, strength)
        for split, part in texts.items()
        for said, strength in (("", 0.0), (", noise", NOISE))
    }


def reading_metrics(views: Mapping[str, Scores]) -> dict[str, float]:
    """What is known of the scores that are compared, by the names of their metrics."""
    return {
        READING[name].of_split(view).name: scores[name]
        for view, scores in views.items()
        for name in READING
        if not math.isnan(scores[name])
    }


def fixed_read(folder: Path, config: ReadBackConfig, count: int) -> list[str]:
    """What the decoder beside an encoder says of the first fixed sentences."""
    run, decoder, given = _reader(folder, config)
    latents = given.latents(run.corpus.fixed.texts[:count])
    return readings(run, decoder, latents, given.embed, run.corpus.config.max_length)


def _reader(folder: Path, config: ReadBackConfig, follow: Follow = _unseen) -> _Reader:
    run = frozen(folder, corpus_of(config.data))
    reading = replace(config.reading, seed=config.training.seed + config.reading.seed)
    try:
        decoder = trained_decoder(run, reading, report=follow)
    except NotFinite as error:
        raise Diverged(str(error)) from None
    return _Reader(run, decoder, source(run, "latent", reading.seed))
