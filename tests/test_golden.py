"""The trainer against the plain step of benchmarks/reference.py and against a golden curve.

Dropout is off, everything else is a run as users start it. `python tests/test_golden.py` writes the
curve anew, with the plain step: needed only when the mathematics is meant to change.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict
from functools import partial
from pathlib import Path

import pytest
import torch
from smoke import smoke

from benchmarks import reference
from benchmarks.reference import ReferenceStep, penalty
from vlatent.config import Config
from vlatent.corpus import load, stream
from vlatent.encoder import Encoder
from vlatent.objective import loss
from vlatent.priors import Priors
from vlatent.tracking import MemoryTracker
from vlatent.training import train

CURVE = Path(__file__).parent / "golden.json"
STEPS = 50


def without_dropout(folder: Path) -> Config:
    changes = {"encoder__dropout": 0.0, "training__steps": STEPS, "evaluation__probed": 0}
    return smoke(folder, tracking__figures=False, training__device="cpu", **changes)


def plain_curve(config: Config, steps: int) -> list[float]:
    """The first losses of the plain step, from the weights and batches of a run of this config."""
    corpus = load(config.data)
    torch.manual_seed(config.training.seed)
    encoder = Encoder(config.encoder, corpus.vocabulary_size).train()
    step = ReferenceStep(encoder, config.priors, config.optimizer, STEPS)
    batches = stream(corpus.train, config.training.batch_size, config.training.seed)
    return [step(next(batches)) for _ in range(steps)]


@pytest.fixture(scope="module")
def curve(tmp_path_factory: pytest.TempPathFactory) -> list[float]:
    """Losses of a real run."""
    tracker = MemoryTracker()
    train(without_dropout(tmp_path_factory.mktemp("golden")), tracker)
    return list(tracker.history["loss"].values())


def test_the_trainer_follows_the_plain_step(curve: list[float], tmp_path: Path) -> None:
    assert curve[:5] == pytest.approx(plain_curve(without_dropout(tmp_path), 5), rel=1e-6)


def test_the_trainer_follows_the_golden_curve(curve: list[float]) -> None:
    golden = json.loads(CURVE.read_text(encoding="utf-8"))
    assert len(golden) == STEPS
    assert golden[-1] < 0.1 * golden[0]
    assert curve == pytest.approx(golden, rel=1e-5)  # rounding; 2e-6 where it was written


def test_every_prior_and_its_gradient_follow_the_loops() -> None:
    latent = torch.randn(3, 16, 24, 6, dtype=torch.float64).cumsum(1).requires_grad_()
    for name in filter(partial(hasattr, reference), asdict(Priors())):  # those that it has
        off = {other: {"weight": 0.0} for other in asdict(Priors()) if other != name}
        alone = Priors(**{n: type(p)(**off.get(n, {})) for n, p in Priors()})
        (fast,) = torch.autograd.grad(loss(alone, latent).total, latent)
        (plain,) = torch.autograd.grad(penalty(alone, latent), latent)
        torch.testing.assert_close(fast, plain, rtol=1e-5, atol=1e-9)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        losses = plain_curve(without_dropout(Path(folder)), STEPS)
        CURVE.write_text(json.dumps(losses, indent=0) + "\n", encoding="utf-8")
