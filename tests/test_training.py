"""The trainer: deterministic, resumed bitwise, stopped before a broken update."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.ndimage
import torch
from smoke import smoke

from vlatent import checkpoints
from vlatent.evaluation import Evaluation, Verdict
from vlatent.jitter import blurred
from vlatent.objective import loss
from vlatent.preparation import placement
from vlatent.priors import Priors
from vlatent.run_record import FILE, RunRecord
from vlatent.shapes import UserError
from vlatent.step import Diverged
from vlatent.tracking import MemoryTracker
from vlatent.training import train


class Stop(Exception):
    pass


def weights(folder: Path) -> dict[str, torch.Tensor]:
    state = checkpoints.load(folder)
    return {f"{part}.{k}": v for part in ("model", "average") for k, v in state[part].items()}


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(
        torch.equal(first[name], second[name]) for name in first
    )


def test_a_run_depends_on_its_seed_alone(tmp_path: Path) -> None:
    results = {}
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        torch.manual_seed(99)
        np.random.seed(len(name))  # noqa: NPY002 - the global state is the point
        config = smoke(tmp_path, training__folder=tmp_path / name, training__seed=seed)
        results[name] = train(config, MemoryTracker())
    assert same(weights(tmp_path / "a"), weights(tmp_path / "b"))
    assert not same(weights(tmp_path / "a"), weights(tmp_path / "c"))
    assert results["a"].history == results["b"].history


@pytest.mark.parametrize("stop_at", [3, 6, 9])
def test_a_resumed_run_is_bitwise_the_uninterrupted_one(tmp_path: Path, stop_at: int) -> None:
    whole = train(smoke(tmp_path, training__folder=tmp_path / "whole"), MemoryTracker())

    def stop(step: int, evaluation: Evaluation, verdict: Verdict) -> None:
        if step == stop_at:
            raise Stop

    parts = tmp_path / "parts"
    first, second = MemoryTracker(), MemoryTracker()
    with pytest.raises(Stop):
        train(smoke(tmp_path, training__folder=parts), first, report=stop)
    torch.manual_seed(1234)  # another process has another random state
    resumed = train(smoke(tmp_path, training__folder=parts, training__resume=parts), second)

    assert same(weights(tmp_path / "whole"), weights(parts))
    assert resumed.history == whole.history
    assert resumed.verdict == whole.verdict
    assert json.loads(checkpoints.load(parts)["log"]) == json.loads(
        checkpoints.load(tmp_path / "whole")["log"]
    )
    stopped = RunRecord.from_json(first.files[FILE], FILE)
    assert stopped.history == tuple(whole.history[: len(stopped.history)])
    assert (stopped.history[-1].step, stopped.steps_to_pass) == (stop_at, None)
    left = RunRecord.from_json((parts / FILE).read_bytes(), FILE)
    assert (left.history, left.verdict) == (tuple(whole.history), whole.verdict)
    assert (left.score, left.steps_to_pass) == (whole.score, whole.steps_to_pass)
    assert second.files[FILE] == (parts / FILE).read_bytes()
    retold = MemoryTracker()  # a run that had ended tells its whole story again
    again = train(smoke(tmp_path, training__folder=parts, training__resume=parts), retold)
    assert again.history == whole.history
    assert set(second.history["loss"]) == set(retold.history["loss"]) == set(range(12))
    assert second.history["score"] == retold.history["score"]
    assert {k: second.history["loss"][k] for k in range(stop_at)} == first.history["loss"]


def test_the_loop_evaluates_before_the_first_and_after_the_last_step(tmp_path: Path) -> None:
    reported: list[int] = []
    tracker = MemoryTracker()
    result = train(
        smoke(tmp_path), tracker, report=lambda step, evaluation, verdict: reported.append(step)
    )
    assert [evaluation.step for evaluation in result.history] == [0, 3, 6, 9, 12]
    assert reported == [3, 6, 9, 12]
    assert sorted(tracker.history["score"]) == [0, 3, 6, 9, 12]
    assert sorted(tracker.history["loss"]) == list(range(12))
    assert result.score == tracker.history["score"][12]


def test_everything_of_a_run_is_recorded(tmp_path: Path) -> None:
    config, tracker = smoke(tmp_path), MemoryTracker()
    train(config, tracker)
    assert tracker.settings["priors.spectrum.weight"] == 0.5
    assert {"config.yaml", "verdict.md", "figures/overview.png", "figures/montage.png"} <= set(
        tracker.files
    )
    # MLflow lists metrics in this order, and compares runs by the first.
    assert list(tracker.history)[:3] == ["score", "passed", "margin/worst"]
    assert tracker.description.startswith("**FAIL** after 12 steps")
    trained = [name for name, prior in config.priors if prior.weight > 0]
    for name in trained:
        assert {f"penalty/{name}", f"weighted/{name}", f"statistic/{name}"} <= set(tracker.history)
    assert {f"statistic_by_channel/spectrum_{index}" for index in range(6)} <= set(tracker.history)
    for step, total in tracker.history["loss"].items():
        parts = [tracker.history[f"weighted/{name}"][step] for name in trained]
        assert total == pytest.approx(sum(parts), rel=1e-5)


def test_a_stopped_run_has_pictures_too(tmp_path: Path) -> None:
    def stop(step: int, evaluation: Evaluation, verdict: Verdict) -> None:
        raise Stop

    tracker = MemoryTracker()
    with pytest.raises(Stop):
        train(smoke(tmp_path), tracker, report=stop)
    assert "figures/overview.png" in tracker.files
    assert (tmp_path / "run" / "overview.png").stat().st_size > 1000


def test_nan_stops_before_the_update_and_names_step_and_term(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vlatent.priors import Variance

    calls = iter(range(100))
    original = Variance.penalty

    def broken(self: Variance, latent: torch.Tensor) -> torch.Tensor:
        return original(self, latent) * (torch.nan if next(calls) == 6 else 1.0)

    monkeypatch.setattr(Variance, "penalty", broken)
    seen: list[torch.Tensor] = []
    step = torch.optim.AdamW.step

    def update(self: torch.optim.AdamW, *arguments: object) -> object:
        out = step(self, *arguments)
        seen.append(self.param_groups[0]["params"][0].detach().clone())
        return out

    monkeypatch.setattr(torch.optim.AdamW, "step", update)
    with pytest.raises(Diverged, match=r"step 6: penalty/variance is not finite.*learning_rate"):
        train(smoke(tmp_path), MemoryTracker())
    assert len(seen) == 7
    assert not torch.equal(seen[4], seen[5])
    assert torch.equal(seen[5], seen[6])
    assert checkpoints.load(tmp_path / "run")["step"] == 6  # saved before the broken step


def test_an_infinite_gradient_is_found_though_the_loss_is_finite(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    norm = torch.nn.utils.clip_grad_norm_
    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", lambda *a: norm(*a) * float("inf"))
    with pytest.raises(Diverged, match="step 0: the gradient is not finite"):
        train(smoke(tmp_path), MemoryTracker())


def test_a_folder_with_a_run_is_not_overwritten(tmp_path: Path) -> None:
    train(smoke(tmp_path), MemoryTracker())
    before = (tmp_path / "run" / "checkpoint.pt").read_bytes()
    with pytest.raises(UserError, match=r"holds a run already.*--training\.resume"):
        train(smoke(tmp_path, training__seed=5), MemoryTracker())
    with pytest.raises(UserError, match="has done 12 of 9 steps"):
        train(
            smoke(tmp_path, training__steps=9, training__resume=tmp_path / "run"), MemoryTracker()
        )
    assert (tmp_path / "run" / "checkpoint.pt").read_bytes() == before


def test_a_checkpoint_of_another_architecture_is_refused(tmp_path: Path) -> None:
    train(smoke(tmp_path), MemoryTracker())
    with pytest.raises(UserError, match=r"another architecture.*encoder\.\*"):
        train(
            smoke(tmp_path, encoder__hidden=48, training__resume=tmp_path / "run"),
            MemoryTracker(),
        )


def test_the_priors_see_fp32_under_bf16(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[torch.dtype] = []

    def spy(priors: Priors, latent: torch.Tensor, *others: Any) -> object:
        seen.append(latent.dtype)
        assert not torch.is_autocast_enabled("cpu")
        return loss(priors, latent, *others)

    monkeypatch.setattr("vlatent.step.loss", spy)
    config = smoke(tmp_path, training__precision="bf16", training__steps=4)
    result = train(config, MemoryTracker())
    assert set(seen) == {torch.float32}
    assert all(np.isfinite(list(result.history[-1].metrics.values())))


def test_blur_is_scipys_gaussian_with_edges_continued() -> None:
    latent = torch.randn(2, 16, 24, 3, dtype=torch.float64)
    expected = scipy.ndimage.gaussian_filter(
        latent.numpy(), (0, 0.8, 0.8, 0), mode="nearest", radius=(0, 2, 2, 0)
    )
    np.testing.assert_allclose(blurred(latent, 0.8).numpy(), expected, atol=1e-12)
    assert blurred(latent, 0.0) is latent


def test_the_blur_ends_after_its_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr(
        "vlatent.step.blurred", lambda latent, deviation: calls.append(deviation) or latent
    )
    train(smoke(tmp_path, training__blur_steps=5), MemoryTracker())
    assert calls == [0.8] * 5


def test_cuda_without_a_gpu_is_refused(tmp_path: Path) -> None:
    if torch.cuda.is_available():
        assert placement(smoke(tmp_path, training__device="cuda").training)[0].type == "cuda"
        return
    with pytest.raises(UserError, match=r"torch sees no GPU"):
        train(smoke(tmp_path, training__device="cuda"), MemoryTracker())
