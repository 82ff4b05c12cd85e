"""Anybody's latents at the door of the priors: every layout and kind of number, every mistake."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from contract import latent
from torch import Tensor

from vlatent.config import Config, override
from vlatent.fingerprints import effective
from vlatent.priors import Decorrelation, Prior, Priors, Spectrum, as_latent
from vlatent.shapes import UserError

LAST = latent(batch=4, height=16, width=24, channels=3)
FIRST = np.ascontiguousarray(np.transpose(LAST.numpy(), (0, 3, 1, 2)))


def alike(channels: int) -> Tensor:
    """Channels that correlate by about .98, [batch, channel, height, width]."""
    shared = torch.tensor(np.moveaxis(latent(16, 32, 32, 1).numpy(), -1, 1)).float()
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(16, channels, 32, 32, generator=generator)
    return shared + 0.05 * noise


@pytest.mark.parametrize("name", [name for name, _ in Priors()])
def test_channels_first_is_channels_last(name: str) -> None:
    prior: Prior = getattr(Priors(), name)
    first, last = torch.tensor(FIRST).requires_grad_(), LAST.clone().requires_grad_()
    turned = as_latent(first, channels_first=True)
    torch.testing.assert_close(prior.statistic(turned), prior.statistic(last), rtol=1e-6, atol=0)
    torch.testing.assert_close(prior.penalty(turned), prior.penalty(last), rtol=1e-6, atol=0)
    prior.penalty(turned).backward()
    prior.penalty(last).backward()
    assert first.grad is not None
    assert last.grad is not None
    expected = np.transpose(last.grad.numpy(), (0, 3, 1, 2))
    assert np.abs(first.grad.numpy() - expected).max() <= 1e-6 * np.abs(expected).max()


def test_every_layout_arrives() -> None:
    for layout, first in (
        (FIRST, True),
        (torch.tensor(FIRST), True),
        (LAST.numpy(), None),
        (LAST, False),
        (np.flip(FIRST, 2)[:, :, ::-1], True),  # strides that PyTorch does not know
        (FIRST.astype(">f8"), True),
    ):
        assert torch.equal(as_latent(layout, first), LAST)
    assert torch.equal(as_latent(FIRST[1], channels_first=True), LAST[1:2])
    assert torch.equal(as_latent(LAST[1]), LAST[1:2])
    # [batch, channel, frame, height, width]: frames are images, a video's after each other
    video = np.stack([FIRST[:2], FIRST[2:]], axis=2)
    expected = LAST[[0, 2, 1, 3]]
    assert torch.equal(as_latent(video, channels_first=True), expected)
    assert torch.equal(as_latent(np.moveaxis(video, 1, -1)), expected)


def test_half_precision_is_computed_in_single_with_gradients() -> None:
    for kind in (torch.float16, torch.bfloat16):
        half = torch.tensor(FIRST).to(kind).requires_grad_()
        turned = as_latent(half, channels_first=True)
        assert turned.dtype == torch.float32
        penalty = Spectrum().penalty(turned)
        penalty.backward()
        torch.testing.assert_close(penalty, Spectrum().penalty(turned.detach()))
        assert half.grad is not None
        assert half.grad.dtype == kind
        assert torch.isfinite(half.grad).all()
        assert half.grad.any()
    assert as_latent(FIRST.astype(np.float16), channels_first=True).dtype == torch.float32


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (torch.rand(32, 32), r"3 axes .*, but have 2: \[32, 32\]\.$"),
        (torch.rand(1, 1, 2, 8, 8, 3), r"but have 6: "),
        (torch.rand(0, 8, 8, 3), r"must not be empty, but have the shape \[0, 8, 8, 3\]"),
        (torch.zeros(2, 8, 8, 3, dtype=torch.int64), "but are int64: give floating-point"),
        (np.zeros((2, 8, 8, 3), dtype=np.uint8), "but are uint8: give floating-point"),
        (np.zeros((2, 8, 8, 3), dtype=complex), "but are complex128"),
        (torch.full((3, 8, 8, 3), torch.nan), "but 3 of 3 have NaN .*, the first one at index 0"),
    ],
)
def test_what_is_no_latent_is_one_line(values: Tensor | np.ndarray, said: str) -> None:
    with pytest.raises(UserError, match=said) as refused:
        as_latent(values)
    assert "\n" not in str(refused.value)


def test_the_first_broken_latent_is_named() -> None:
    broken = LAST.clone()
    broken[2, 3, 5, 1] = torch.inf
    with pytest.raises(UserError, match=r"but 1 of 4 have .*, the first one at index 2\.$"):
        as_latent(broken)


@pytest.mark.parametrize(
    "shape", [(1, 32, 32), (3, 16, 16), (4, 32, 32), (4, 32, 48), (16, 32, 32), (32, 16, 16)]
)
def test_axes_that_look_swapped(shape: tuple[int, int, int]) -> None:
    first = torch.rand(2, *shape)
    with pytest.raises(UserError, match="channels came first: say channels_first=True"):
        as_latent(first)
    with pytest.warns(UserWarning, match="channels came first"):
        as_latent(first, channels_first=False)
    with pytest.warns(UserWarning, match="channels came last"):
        as_latent(first.movedim(1, -1), channels_first=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        as_latent(first, channels_first=True)
        as_latent(first.movedim(1, -1))


def test_a_prior_warns_of_swapped_axes_instead_of_a_wrong_number_without_a_word() -> None:
    first = alike(5)
    right = float(Decorrelation().statistic(as_latent(first, channels_first=True)).mean())
    expected = np.mean(
        np.abs(np.corrcoef(first.movedim(1, 0).flatten(1).numpy())[~np.eye(5, dtype=bool)])
    )
    assert right == pytest.approx(expected, abs=0.01)
    assert right > 0.95
    with pytest.warns(UserWarning, match="give as_latent"):
        wrong = float(Decorrelation().statistic(first).mean())
    assert wrong < 0.1
    with pytest.raises(UserError, match=r"must have the axes \[batch, height, width, channel\]"):
        Decorrelation().penalty(LAST[0])
    with pytest.raises(UserError, match=r"but are bfloat16: give latent\.float\(\)"):
        Decorrelation().penalty(LAST.bfloat16())


def test_free_targets_leave_fingerprints_as_they_were() -> None:
    keys = {"priors.spectrum.reference", "priors.decorrelation.modes"}
    assert not keys & effective(Config()).keys()
    changed = override(Config(), {"priors.decorrelation.modes": 2.0})
    assert effective(changed).keys() - effective(Config()).keys() == {"priors.decorrelation.modes"}
