"""Balancing: known answers on two losses, what the config's weights mean, whole runs, resumed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest
import torch
from smoke import smoke
from torch import Tensor

from vlatent import checkpoints
from vlatent.balance import EPOCH, Balance, balance_of
from vlatent.config import override, read_config
from vlatent.evaluation import Evaluation, Verdict
from vlatent.objective import Loss, Method
from vlatent.preparation import corpus_for
from vlatent.priors import Priors
from vlatent.shapes import UserError
from vlatent.terms import Invariance, Terms
from vlatent.tracking import MemoryTracker
from vlatent.training import train

METHODS = tuple(method for method in get_args(Method) if method != "fixed")
STATEFUL = ("uncertainty", "dwa", "gradnorm")
OURS = ("gradnorm",)  # all others are torchjd's

# Two gradients that conflict, at the latent (0, 0): their sum, (3, 1), raises the second loss.
FIRST, SECOND = (4.0, 0.0), (-1.0, 1.0)


class Stop(Exception):
    pass


def needs_torchjd(method: str) -> None:
    if method not in OURS:
        pytest.importorskip("torchjd")


def of_two(
    weights: tuple[float, float] = (1.0, 1.0),
    gradients: tuple[tuple[float, float], ...] = (FIRST, SECOND),
    values: tuple[float, float] = (2.0, 1.0),
) -> tuple[Loss, Tensor]:
    """Two losses that are linear in a latent of two numbers, and that latent."""
    latent = torch.zeros(2, requires_grad=True)
    penalties = {
        name: value + (torch.tensor(gradient) * latent).sum()
        for name, gradient, value in zip("ab", gradients, values, strict=True)
    }
    named = dict(zip("ab", weights, strict=True))
    weighted = {name: named[name] * penalty for name, penalty in penalties.items()}
    return Loss(torch.stack(list(weighted.values())).sum(), penalties, named, weighted), latent


def in_force(method: Method, *given: object, **named: object) -> Tensor:
    """The weights of the first step."""
    loss, latent = of_two(*given, **named)  # type: ignore[arg-type]
    weights = Balance(method, ("a", "b"))(loss, (latent,)).weights
    return torch.stack([torch.as_tensor(weights[name]) for name in "ab"])


def direction(method: Method) -> Tensor:
    """The gradient that goes on to the encoder."""
    loss, latent = of_two()
    Balance(method, ("a", "b"))(loss, (latent,)).total.backward()
    assert latent.grad is not None
    return latent.grad


def test_fixed_weights_leave_the_loss_as_it_is() -> None:
    loss, latent = of_two((0.5, 0.1))
    fixed = Balance("fixed", ("a", "b"))
    assert fixed(loss, (latent,)) is loss
    assert (fixed.in_force(), fixed.learned, dict(fixed.state_dict())) == ({}, [], {})


@pytest.mark.parametrize("method", ["mgda", "upgrad", "pcgrad", "imtl_g", "nash_mtl"])
def test_conflicting_gradients_give_a_step_that_hurts_neither(method: Method) -> None:
    needs_torchjd(method)
    first, second = torch.tensor(FIRST), torch.tensor(SECOND)
    assert (first + second) @ second < 0
    step = direction(method)
    assert step @ first > -1e-3
    assert step @ second > -1e-3


def test_known_answers_of_two_losses() -> None:
    pytest.importorskip("torchjd")
    # The shortest vector between (4, 0) and (-1, 1) is 3/13 of the way to the first.
    torch.testing.assert_close(in_force("mgda"), torch.tensor([3 / 13, 10 / 13]))
    # Each gradient's projection off the other, (2, 2) = g + 2 h and (0, 1) = g / 4 + h: their sum,
    # and their mean (which torchjd regularises by a part in ten thousand).
    torch.testing.assert_close(in_force("pcgrad"), torch.tensor([1.25, 3.0]))
    torch.testing.assert_close(in_force("upgrad"), torch.tensor([0.625, 1.5]), rtol=5e-3, atol=0)
    # As far along one gradient as along the other.
    step = direction("imtl_g")
    along = [step @ torch.tensor(g) / torch.tensor(g).norm() for g in (FIRST, SECOND)]
    torch.testing.assert_close(*along)
    # Nash: each loss gains the inverse of its factor, up to the Gramian's unit, 18 / 2.
    factors = in_force("nash_mtl")
    gains = torch.tensor([[16.0, -4.0], [-4.0, 2.0]]) / 9 @ factors
    torch.testing.assert_close(gains * factors, torch.ones(2), rtol=1e-3, atol=0)
    # CAGrad: within .4 of the mean's length around it, and better for who gains least.
    mean = (torch.tensor(FIRST) + torch.tensor(SECOND)) / 2
    step = direction("cagrad")
    assert (step - mean).norm() <= 0.401 * mean.norm()
    assert step @ torch.tensor(SECOND) > mean @ torch.tensor(SECOND)


def test_what_the_weights_of_the_config_mean() -> None:
    """Multiplied before, so a preference, the opposite, nothing, or where learning begins."""
    pytest.importorskip("torchjd")
    equal, unequal = (1.0, 1.0), (3.0, 1.0)
    orthogonal = ((2.0, 0.0), (0.0, 1.0))

    def change(method: Method, gradients: tuple[tuple[float, float], ...]) -> float:
        """How many times as much weight the first loss has against the second, given three."""
        torch.manual_seed(0)
        before = in_force(method, equal, gradients)
        torch.manual_seed(0)
        after = in_force(method, unequal, gradients)
        return float(after[0] / after[1] / (before[0] / before[1]))

    for method in ("uncertainty", "dwa", "random", "pcgrad", "gradnorm"):
        assert change(method, orthogonal) == pytest.approx(3, rel=1e-5), method
    assert change("upgrad", orthogonal) == pytest.approx(3, rel=1e-3)
    assert change("cagrad", orthogonal) > 1.5
    assert change("mgda", orthogonal) == pytest.approx(1 / 3, rel=1e-2)
    for gradients in (orthogonal, (FIRST, SECOND)):
        assert change("imtl_g", gradients) == pytest.approx(1, rel=1e-4)
        assert change("nash_mtl", gradients) == pytest.approx(1, rel=1e-3)


@pytest.mark.parametrize("method", ["uncertainty", "gradnorm"])
def test_what_is_learned_forgets_the_weights_with_which_it_began(method: Method) -> None:
    needs_torchjd(method)
    ratios = []
    for weights in ((1.0, 1.0), (3.0, 1.0)):
        balance = Balance(method, ("a", "b"))
        optimizer = torch.optim.Adam(balance.learned or [torch.zeros(1)], lr=0.02)
        for step in range(400):
            loss, latent = of_two(weights, ((2.0, 0.0), (0.0, 1.0)))
            balance(loss, (latent,))
            optimizer.step()
            if step == 300:
                balance.in_force()  # means over steps: from here on
        found = balance.in_force()
        ratios.append(found["weight/a"] / found["weight/b"])
    # The weight of equilibrium is 1 / L of uncertainty, and of GradNorm that of equal norms.
    assert ratios == pytest.approx([0.5, 0.5], rel=0.1)


def test_a_loss_without_a_gradient_has_no_say() -> None:
    """Else the shortest vector would be that of a hinge that is satisfied, and training stand."""
    pytest.importorskip("torchjd")
    gradients = ((0.0, 0.0), SECOND)
    for method in ("mgda", "imtl_g", "nash_mtl", "pcgrad", "upgrad", "cagrad"):
        found = in_force(method, gradients=gradients, values=(0.0, 1.0))
        assert torch.isfinite(found).all(), method
        assert found[1] > 0.5, method


def test_dwa_raises_the_weight_of_what_falls_more_slowly() -> None:
    pytest.importorskip("torchjd")
    balance = Balance("dwa", ("a", "b"))
    for epoch in range(3):
        for _ in range(EPOCH):
            loss, latent = of_two(values=(2.0 / 2**epoch, 1.0))
            weights = balance(loss, (latent,)).weights
    # The first loss fell to half, the second to 1 of itself: softmax of (1/2, 1) / 2, times 2.
    wanted = 2 * torch.softmax(torch.tensor([0.25, 0.5]), 0)
    torch.testing.assert_close(torch.stack([weights["a"], weights["b"]]), wanted)


@pytest.mark.parametrize("method", METHODS)
def test_each_method_makes_a_finite_step(tmp_path: Path, method: Method) -> None:
    needs_torchjd(method)
    few = {"training__steps": 3, "evaluation__count": 3, "priors__contours__weight": 0.1}
    config = smoke(tmp_path, objective__balance=method, tracking__figures=False, **few)
    tracker = MemoryTracker()
    result = train(config, tracker)
    names = {f"weight/{name}" for name, _ in config.priors}
    assert names <= result.history[-1].metrics.keys()
    assert not names & result.history[0].metrics.keys()  # no weight was in force before
    found = {name: tracker.history[name] for name in names}
    assert all(sorted(values) == [1, 2, 3] for values in found.values())
    for step in range(3):
        shares = [tracker.history[f"weighted/{name}"][step] for name, _ in config.priors]
        assert tracker.history["loss"][step] == pytest.approx(sum(shares), rel=1e-4)
        penalty = tracker.history["penalty/spectrum"][step]
        weight = found["weight/spectrum"][step + 1]
        assert tracker.history["weighted/spectrum"][step] == pytest.approx(weight * penalty, 1e-4)


@pytest.mark.parametrize("method", STATEFUL)
def test_a_resumed_run_is_bitwise_the_uninterrupted_one(
    tmp_path: Path, method: Method, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs_torchjd(method)
    monkeypatch.setattr("vlatent.balance.EPOCH", 2)  # of the 12 steps

    def run(place: str, **changes: object) -> None:
        usual = {"objective__balance": method, "tracking__figures": False}
        config = smoke(tmp_path, training__folder=tmp_path / place, **usual, **changes)
        train(config, MemoryTracker(), report=stop if place == "parts" else None)

    def stop(step: int, evaluation: Evaluation, verdict: Verdict) -> None:
        if step == 9 and not resumed:
            raise Stop

    resumed = False
    run("whole")
    with pytest.raises(Stop):
        run("parts")
    resumed = True
    run("parts", training__resume=tmp_path / "parts")
    one, other = (checkpoints.load(tmp_path / place) for place in ("whole", "parts"))
    assert one["history"] == other["history"]
    for part in ("model", "average"):
        assert all(torch.equal(one[part][name], other[part][name]) for name in one[part])


def test_terms_that_see_the_text_are_balanced_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their gradients are with respect to all the latents that they see."""
    sentences, paraphrases = (torch.ones(2, requires_grad=True) for _ in range(2))
    penalties = {"prior": sentences.sum(), "term": (3 * paraphrases * sentences).sum()}
    loss = Loss(sum(penalties.values()), penalties, dict.fromkeys(penalties, 1.0), penalties)
    balance = Balance("gradnorm", list(penalties))
    seen: list[Tensor] = []

    def rule(losses: Tensor, gramian: Callable[[], Tensor]) -> Tensor:
        seen.append(gramian())
        return torch.ones_like(losses)

    monkeypatch.setattr(balance.rule, "forward", rule)
    balance(loss, (sentences, paraphrases, torch.zeros(0, 2, requires_grad=True)))
    # Gradients (1, 1 | 0, 0) and (3, 3 | 3, 3): products 2, 6 and 36, in units of (2 + 36) / 2.
    torch.testing.assert_close(seen[0] * 19, torch.tensor([[2.0, 6.0], [6.0, 36.0]]).double())


def test_a_run_goes_on_with_the_method_with_which_it_began(tmp_path: Path) -> None:
    few = {"training__steps": 3, "evaluation__count": 3, "tracking__figures": False}
    usual = few | {"objective__balance": "gradnorm"}
    train(smoke(tmp_path, **usual), MemoryTracker())
    resumed = {"training__resume": tmp_path / "run", "training__folder": tmp_path / "more"}
    for change in ({"objective__balance": "fixed"}, {"priors__wavelet__weight": 0.0}):
        with pytest.raises(UserError, match=r"objective\.balance gradnorm of spectrum, tot"):
            train(smoke(tmp_path, **usual | resumed | change), MemoryTracker())


def test_what_cannot_be_balanced_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    off = {f"priors.{name}.weight": 0.0 for name, _ in Priors() if name != "variance"}
    config = override(read_config("smoke"), off | {"objective.balance": "gradnorm"})
    with pytest.raises(UserError, match="variance alone has a weight above 0"):
        corpus_for(config)
    late = Terms(invariance=Invariance(weight=1.0, start=5))
    with pytest.raises(UserError, match=r"set terms\.invariance\.start to 0"):
        balance_of("gradnorm", Priors(), late)
    monkeypatch.setitem(sys.modules, "torchjd", None)
    with pytest.raises(UserError, match=r"upgrad needs torchjd .*'vlatent\[balance\]'") as error:
        balance_of("upgrad", Priors(), Terms())
    assert "\n" not in str(error.value)


def test_a_gradient_that_is_not_finite_breaks_no_method() -> None:
    """The step is not taken, and says why; see test_training."""
    pytest.importorskip("torchjd")
    for method in METHODS:
        assert torch.isfinite(in_force(method, values=(torch.nan, 1.0))).all(), method
        loss, latent = of_two()
        loss.weighted["a"] = latent.square().sum().sqrt()  # 0, and its gradient is not a number
        weights = Balance(method, ("a", "b"))(loss, (latent,)).weights
        assert torch.isfinite(torch.as_tensor(weights["b"])), method
