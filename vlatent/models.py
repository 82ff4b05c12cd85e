"""Trained models: a checkpoint's averaged weights in the encoder that its config describes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from vlatent import checkpoints
from vlatent.config import from_yaml
from vlatent.encoder import Encoder
from vlatent.optimization import MovingAverage


def trained_model(state: Mapping[str, Any], vocabulary_size: int) -> Encoder:
    """The averaged weights of a checkpoint."""
    config = from_yaml(state["config"])
    average = MovingAverage(Encoder(config.encoder, vocabulary_size), config.optimizer)
    checkpoints.load_weights(average, state["average"])
    return cast(Encoder, average.module)
