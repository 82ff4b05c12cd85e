"""How long a cell will take, from a few timed steps."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from vlatent.config import Config, override
from vlatent.reading_back import ReadBackConfig, of_encoder, read_back
from vlatent.tracking import MemoryTracker
from vlatent.training import train

EVALUATIONS = 3  # the fewest that a run has, beside the one before the first step
SHORT, LONG = 4, 12  # steps


def seconds_a_cell(config: Config) -> float:
    """Seconds that one run of this config takes here, alone, without figures.

    Two short runs, after one that warms up, tell the time of a step from that of an evaluation.
    """
    _seconds(config, SHORT)
    short, long = _seconds(config, SHORT), _seconds(config, LONG)
    step = max((long - short) / (LONG - SHORT), 0.0)
    evaluation = max((short - SHORT * step) / (EVALUATIONS + 1), 0.0)
    encoder = config.training.steps * step + (config.evaluation.count + 1) * evaluation
    return encoder + (_of_reading(config) if isinstance(config, ReadBackConfig) else 0.0)


def _seconds(config: Config, steps: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        return train(_short(config, steps, folder), MemoryTracker()).seconds


def _of_reading(config: ReadBackConfig) -> float:
    """Seconds of a decoder: a short training, all that is encoded and judged, and more steps.

    An untrained decoder does not end its sentences, so these are rather too many.
    """
    steps: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        place = train(_short(config, SHORT, folder), MemoryTracker()).folder
        began, few = time.perf_counter(), override(config, {"reading.steps": LONG})
        read_back(place, few, lambda step, loss: steps.append(time.perf_counter()))
        taken = time.perf_counter() - began
    return taken + (config.reading.steps - LONG) * (steps[-1] - steps[0]) / (LONG - 1)


def _short(config: Config, steps: int, folder: str) -> Config:
    changes = {
        "training.steps": steps,
        "training.folder": Path(folder),
        "training.resume": None,
        "evaluation.count": EVALUATIONS,
        "evaluation.probed": 0,
        "tracking.figures": False,
    }
    return override(of_encoder(config), changes)
