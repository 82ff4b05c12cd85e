"""The learning rate by hand, the moving average against NumPy, decay where it belongs; the blur."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import nn

from vlatent.config import TrainingConfig
from vlatent.encoder import Encoder, EncoderConfig
from vlatent.jitter import blurred
from vlatent.optimization import MovingAverage, OptimizerConfig, adamw, average_decay, learning_rate
from vlatent.preparation import placement
from vlatent.shapes import UserError

CONFIG = OptimizerConfig(learning_rate=0.8, warmup_steps=4)


# --- learning rate -------------------------------------------------------------------------------


def test_learning_rate_by_hand() -> None:
    rates = [learning_rate(CONFIG, step, 12) for step in range(12)]
    assert rates[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 0.8])
    assert rates[6] == pytest.approx(0.4 * (1 + math.sqrt(0.5)))  # a quarter of the cosine
    assert rates[8] == pytest.approx(0.4)  # half
    assert rates[10] == pytest.approx(0.4 * (1 - math.sqrt(0.5)))
    assert rates[11] == pytest.approx(0.4 * (1 + math.cos(math.pi * 7 / 8)))
    assert rates[4:] == sorted(rates[4:], reverse=True)
    assert min(rates) > 0


def test_run_shorter_than_its_warm_up_only_warms_up() -> None:
    documented = OptimizerConfig()
    assert (documented.learning_rate, documented.warmup_steps) == (2e-4, 1000)
    rates = [learning_rate(documented, step, 500) for step in range(500)]
    np.testing.assert_allclose(rates, 2e-4 * np.arange(1, 501) / 1000)


def test_no_warm_up() -> None:
    config = OptimizerConfig(learning_rate=1.0, warmup_steps=0)
    assert learning_rate(config, 0, 10) == 1.0
    assert learning_rate(config, 5, 10) == pytest.approx(0.5)
    assert learning_rate(config, 0, 1) == 1.0


# --- moving average ------------------------------------------------------------------------------


def test_decay_warms_up() -> None:
    config = OptimizerConfig(average_decay=0.999)
    assert average_decay(config, 0) == pytest.approx(0.1)
    assert average_decay(config, 8) == pytest.approx(0.5)
    assert average_decay(config, 8989) == pytest.approx(8990 / 8999)
    assert average_decay(config, 10**6) == 0.999
    assert average_decay(OptimizerConfig(average_decay=0.5), 100) == 0.5


@pytest.mark.parametrize("largest", [0.999, 0.6])
def test_average_is_numpys(largest: float) -> None:
    torch.manual_seed(0)
    model = nn.Linear(3, 5)
    average = MovingAverage(model, OptimizerConfig(average_decay=largest))
    generator = np.random.default_rng(0)
    wanted = np.zeros((5, 3))
    for t in range(40):
        weight = generator.standard_normal((5, 3))
        with torch.no_grad():
            model.weight.copy_(torch.tensor(weight))
        average.update_parameters(model)
        # the first weights are taken as they are; t counts the updates before this one
        decay = min(largest, (1 + t) / (10 + t)) if t else 0.0
        wanted = decay * wanted + (1 - decay) * weight
    assert average.module.weight.dtype == torch.float32
    np.testing.assert_allclose(average.module.weight.detach(), wanted, atol=1e-6)
    assert average.module.weight.data_ptr() != model.weight.data_ptr()


def test_first_weights_are_soon_forgotten() -> None:
    model = nn.Linear(1, 1, bias=False)
    average = MovingAverage(model, OptimizerConfig())
    nn.init.ones_(model.weight)
    average.update_parameters(model)
    nn.init.zeros_(model.weight)
    for _ in range(499):
        average.update_parameters(model)
    assert average.module.weight.item() < 1e-6  # 0.61 with a decay that does not warm up
    assert 0.999**499 > 0.6


# --- weight decay --------------------------------------------------------------------------------

SMALL = EncoderConfig(
    hidden=16, layers=1, heads=2, feed_forward=16, height=8, width=12, grid_hidden=4,
    grid_layers=1, grid_feed_forward=16, smoothing=True, embedding=8,
)  # fmt: skip


def test_decay_is_for_matrices() -> None:
    torch.manual_seed(0)
    model = Encoder(SMALL, 20)
    optimizer = adamw(model, OptimizerConfig(learning_rate=0.5, weight_decay=0.1))
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    for name, parameter in model.named_parameters():
        plain = name.endswith("bias") or "norm" in name or name == "grid.seeds"
        factor = 1.0 if plain else 1 - 0.5 * 0.1
        torch.testing.assert_close(parameter.detach(), factor * before[name], msg=name)


def test_every_parameter_is_in_one_group_with_the_documented_settings() -> None:
    model = Encoder(SMALL, 20)
    optimizer = adamw(model, OptimizerConfig())
    listed = [id(p) for group in optimizer.param_groups for p in group["params"]]
    assert sorted(listed) == sorted(id(p) for p in model.parameters() if p.requires_grad)
    for group in optimizer.param_groups:
        assert group["betas"] == (0.9, 0.95)
        assert group["lr"] == 2e-4
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.01, 0.0]
    assert OptimizerConfig().clip == 1.0


# --- what the loop does around a step ------------------------------------------------------------


@pytest.mark.parametrize("deviation", [0.2, 0.8, 1.5])
def test_blur_is_scipys(deviation: float) -> None:
    pictures = torch.randn(2, 16, 24, 3, dtype=torch.float64)
    wanted = ndimage.gaussian_filter(
        pictures.numpy(),
        (0, deviation, deviation, 0),
        mode="nearest",
        radius=(0, *2 * [max(1, round(3 * deviation))], 0),
    )
    np.testing.assert_allclose(blurred(pictures, deviation).numpy(), wanted, atol=1e-12)


def test_blur_of_nothing_and_of_a_constant() -> None:
    pictures = torch.randn(2, 16, 24, 3)
    assert blurred(pictures, 0.0) is pictures
    flat = torch.full((1, 16, 24, 2), 3.0)
    torch.testing.assert_close(blurred(flat, 0.8), flat)


def test_precision_is_the_one_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    for has_bf16 in (True, False):
        capabilities = {"avx512_bf16": has_bf16}
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda found=capabilities: found)
        for precision, expected in (("fp32", False), ("bf16", True), ("auto", has_bf16)):
            device, autocast = placement(TrainingConfig(device="cpu", precision=precision))
            assert device == torch.device("cpu")
            with autocast():
                product = torch.ones(2, 2) @ torch.ones(2, 2)
            assert product.dtype == (torch.bfloat16 if expected else torch.float32)


def test_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert placement(TrainingConfig())[0].type == "cpu"
    with pytest.raises(UserError, match=r"training\.device is cuda"):
        placement(TrainingConfig(device="cuda"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert placement(TrainingConfig())[0].type == "cuda"
    assert placement(TrainingConfig(device="cuda"))[0].type == "cuda"
    assert placement(TrainingConfig(device="cpu"))[0].type == "cpu"
