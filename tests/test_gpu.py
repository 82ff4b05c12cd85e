"""What only a GPU can show: recorded steps are the steps as written, and nothing waits for them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from smoke import CONFIGS, smoke
from torch.nn.utils import parameters_to_vector

from vlatent import checkpoints
from vlatent.config import Config, from_yaml, override
from vlatent.corpus import load, order
from vlatent.encoder import Encoder
from vlatent.optimization import MovingAverage, adamw
from vlatent.preparation import placement
from vlatent.priors import Variance
from vlatent.step import Diverged, RecordedStep, Step
from vlatent.tracking import MemoryTracker
from vlatent.training import train

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU here")

STEPS = 60  # every shape is met more than twice


def begun(config: Config, kind: type[Step]) -> tuple[Step, Iterator[torch.Tensor]]:
    corpus = load(config.data)
    device, autocast = placement(config.training)
    torch.manual_seed(config.training.seed)
    model = Encoder(config.encoder, corpus.vocabulary_size).to(device).train()
    average = MovingAverage(model, config.optimizer)
    take = kind(config, corpus, model, average, adamw(model, config.optimizer), autocast)
    return take, order(corpus.train, config.training.batch_size, config.training.seed)


def course(config: Config, kind: type[Step]) -> tuple[list[list[float]], Step]:
    """Loss, norm and penalties of every step."""
    take, batches = begun(config, kind)
    rows = []
    for step in range(STEPS):
        result = take(next(batches), step)
        rows.append([result.loss.total, result.norm, *result.loss.penalties.values()])
        rows[-1] = [value.item() for value in rows[-1]]
    return rows, take


def quiet(tmp_path: Path, **changes: Any) -> Config:
    here = {
        "encoder__dropout": 0.0,
        "training__steps": STEPS,
        "training__blur_steps": 20,
        "data__train": None,
    }
    return smoke(tmp_path, **here | changes)


def test_recorded_steps_are_the_steps_as_written(tmp_path: Path) -> None:
    written, one = course(quiet(tmp_path), Step)
    recorded, other = course(quiet(tmp_path), RecordedStep)
    assert isinstance(other, RecordedStep)
    assert sum(graph is not None for graph in other.graphs.values()) >= 3  # blurred, and lengths
    torch.testing.assert_close(torch.tensor(recorded), torch.tensor(written), rtol=2e-3, atol=1e-5)
    assert one.average.n_averaged == other.average.n_averaged == STEPS
    mine, theirs = (parameters_to_vector(each.average.parameters()) for each in (one, other))
    start = parameters_to_vector(begun(quiet(tmp_path), Step)[0].model.parameters())
    assert (mine - theirs).norm() < 0.01 * (mine - start).norm()


def test_compiled_steps_are_the_steps_as_written(tmp_path: Path) -> None:
    """In processes of their own: what checks the shapes in tests, the compiler cannot read."""
    found = []
    for compiled in ("false", "true"):
        folder = tmp_path / compiled
        command = [sys.executable, "-m", "vlatent", "train", "--config", CONFIGS / "smoke.yaml"]
        command += ["--encoder.dropout", "0", "--training.folder", folder]
        command += ["--tracking.uri", f"sqlite:///{folder}.db", "--training.compile", compiled]
        subprocess.run([str(word) for word in command], check=True, cwd=tmp_path)
        found.append([row["loss"] for row in json.loads(checkpoints.load(folder)["log"])])
    np.testing.assert_allclose(found[0], found[1], rtol=2e-3)


def test_a_gpu_finds_what_a_cpu_finds(tmp_path: Path) -> None:
    """The same sentences, weights and loss; shapes are padded further and sums are in turn."""
    rows, _ = course(quiet(tmp_path), RecordedStep)
    expected, _ = course(quiet(tmp_path, training__device="cpu"), Step)
    torch.testing.assert_close(
        torch.tensor(rows[:10]), torch.tensor(expected[:10]), rtol=2e-3, atol=1e-5
    )


def test_dropout_is_drawn_anew_in_every_replay(tmp_path: Path) -> None:
    config = quiet(tmp_path, encoder__dropout=0.5, optimizer__learning_rate=1e-12)
    take, batches = begun(config, RecordedStep)
    index = next(batches)
    losses = {take(index, 20).loss.total.item() for _ in range(6)}
    assert len(losses) == 6


def test_the_host_waits_for_nothing(tmp_path: Path) -> None:
    take, batches = begun(quiet(tmp_path), RecordedStep)
    for step in range(STEPS):
        take(next(batches), step)
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        for step in range(STEPS, STEPS + 20):
            take(next(batches), step)
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("at", [0, 6, 50])
def test_a_step_that_is_not_finite_leaves_the_weights_alone(tmp_path: Path, at: int) -> None:
    take, batches = begun(quiet(tmp_path), RecordedStep)
    for step in range(at):
        take(next(batches), step)
    before = [parameter.detach().clone() for parameter in take.model.parameters()]
    spoiled = take.model.paint.bias
    with torch.no_grad():
        spoiled[0] = torch.nan
    for step in range(at, at + 3):
        take(next(batches), step)
    with torch.no_grad():
        spoiled[0] = 0.0
    before[[id(p) for p in take.model.parameters()].index(id(spoiled))][0] = 0.0
    for mine, kept in zip(take.model.parameters(), before, strict=True):
        assert torch.equal(mine, kept)
    with pytest.raises(Diverged, match=rf"step {at}: penalty/spectrum and .* is not finite"):
        take.check()


def test_nan_ends_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = Variance.penalty
    monkeypatch.setattr(
        Variance, "penalty", lambda self, latent: original(self, latent) * torch.nan
    )
    with pytest.raises(Diverged, match="step 0: penalty/variance is not finite"):
        train(smoke(tmp_path), MemoryTracker())


def test_a_run_goes_on_from_a_gpu_on_a_cpu_and_back(tmp_path: Path) -> None:
    whole = train(smoke(tmp_path, training__folder=tmp_path / "whole"), MemoryTracker())
    folder = tmp_path / "parts"
    for steps, device in ((6, "cuda"), (9, "cpu"), (12, "cuda")):
        config = smoke(
            tmp_path,
            training__folder=folder,
            training__device=device,
            training__resume=folder if steps > 6 else None,
            optimizer__warmup_steps=12,
            training__steps=steps,
        )
        parts = train(config, MemoryTracker())
    assert [each.step for each in parts.history][-1] == 12
    assert all(map(torch.isfinite, map(torch.tensor, parts.history[-1].metrics.values())))
    assert whole.history[-1].step == 12


def test_terms_that_see_the_text_train_on_a_gpu(tmp_path: Path) -> None:
    text = (CONFIGS / "quick_meaning.yaml").read_text(encoding="utf-8")
    changes = {
        "training.steps": 20,
        "training.folder": tmp_path / "run",
        "terms.invariance.start": 3,
    }
    result = train(override(from_yaml(text), changes), MemoryTracker())
    assert "meaning/random/recall_at_1" in result.history[-1].metrics


def test_fp32_is_not_tf32(tmp_path: Path) -> None:
    placement(smoke(tmp_path).training)
    left, right = torch.randn(2, 512, 512, device="cuda").unbind()
    exact = left.double() @ right.double()
    assert (left @ right - exact).abs().max() < 1e-3  # TF32 is off by some hundredths
    kernel, picture = (
        torch.randn(64, 64, 3, 3, device="cuda"),
        torch.randn(1, 64, 32, 32, device="cuda"),
    )
    error = torch.conv2d(picture, kernel) - torch.conv2d(picture.double(), kernel.double())
    assert error.abs().max() < 1e-3
