"""How long a cell will take, from a few timed steps."""

from __future__ import annotations

import tempfile
from pathlib import Path

from vlatent.config import Config, override
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
    return config.training.steps * step + (config.evaluation.count + 1) * evaluation


def _seconds(config: Config, steps: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        changes = {
            "training.steps": steps,
            "training.folder": Path(folder),
            "training.resume": None,
            "evaluation.count": EVALUATIONS,
            "evaluation.probed": 0,
            "tracking.figures": False,
        }
        return train(override(config, changes), MemoryTracker()).seconds
