"""What a step keeps for its backward pass, against what must be kept at least and at most."""

from __future__ import annotations

import gc
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from smoke import smoke
from test_comparison import cell, table

from ablations.arms import BASE, Arm
from ablations.cost import cost
from ablations.measurement import Measured
from ablations.tables import cost_rows
from vlatent.config import override
from vlatent.encoder import Encoder
from vlatent.preparation import corpus_of


def test_parameters_are_counted_and_kept_bytes_grow_with_the_batch(tmp_path: Path) -> None:
    config = smoke(tmp_path)
    found = cost(config)
    model = Encoder(config.encoder, corpus_of(config.data).vocabulary_size)
    assert found.parameters == sum(p.numel() for p in model.parameters())
    assert cost(config) == found
    double = cost(override(config, {"training.batch_size": 8}))
    assert double.parameters == found.parameters
    assert 1.7 * found.kept < double.kept < 2.1 * found.kept  # but for padding and constants
    latent = 4 * 16 * 16 * 6 * torch.float32.itemsize
    assert found.kept > 5 * latent  # the priors alone keep several pictures


def test_nothing_is_held_when_all_is_counted(tmp_path: Path) -> None:
    def tensors() -> int:
        gc.collect()
        return sum(type(each) is torch.Tensor for each in gc.get_objects())

    config = smoke(tmp_path)
    cost(config)
    before = tensors()
    cost(override(config, {"priors.spectrum.weight": 0.3}))
    assert tensors() - before < 10  # a step keeps hundreds


def test_a_larger_latent_keeps_more(tmp_path: Path) -> None:
    config = smoke(tmp_path)
    larger = override(config, {"encoder.height": 32, "encoder.width": 32})
    assert cost(larger).kept > 2 * cost(config).kept


def test_throughput_is_the_median_over_seeds(tmp_path: Path) -> None:
    arm = Arm("twice", "setting", {})

    def value(which: Arm, at: int) -> Measured:
        speed = (200.0 if which == arm else 100.0) if at else 1.0  # the first one warms up
        return replace(cell(), sentences_per_second=speed)

    found = cost(smoke(tmp_path))
    rows = cost_rows(table([BASE, arm], value), {"base": found, "twice": found})
    assert [row[1:3] for row in rows] == [("100", "1.00 x"), ("200", "2.00 x")]
    assert float(rows[0][3].split()[0]) == pytest.approx(found.kept / 2**20, abs=0.05)
