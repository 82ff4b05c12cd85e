"""Jitter: shifts, cutouts and blur that are what they say, and as frequent."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.ndimage
import torch
from torch import Tensor

from vlatent import jitter
from vlatent.jitter import cut_out, jittered, shifted


def pictures(count: int = 3, height: int = 8, width: int = 12, channels: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(count, height, width, channels, generator=generator)


@pytest.mark.parametrize(("down", "across"), [(0, 0), (2, 0), (0, -2), (-3, 1), (20, -20)])
def test_a_shift_is_scipys_with_edges_continued(down: int, across: int) -> None:
    latent = pictures()
    by = (0, down, across, 0)
    expected = scipy.ndimage.shift(latent.numpy(), by, order=0, mode="nearest")
    np.testing.assert_array_equal(shifted(latent, down, across).numpy(), expected)


def test_every_picture_has_a_shift_of_its_own() -> None:
    latent = pictures()
    down, across = torch.tensor([1, 0, -2]), torch.tensor([0, 3, -1])
    moved = shifted(latent, down, across)
    for place in range(3):
        alone = shifted(latent[place : place + 1], int(down[place]), int(across[place]))
        assert torch.equal(moved[place : place + 1], alone)


def test_a_cutout_is_a_square_of_the_channels_mean() -> None:
    latent = pictures()  # of 8 x 12: the square's side is 2
    cut = cut_out(latent, torch.tensor([0, 3, 7]), torch.tensor([0, 5, 11]))
    changed = (cut != latent).all(-1)
    assert [place.tolist() for place in changed[0].nonzero()] == [[0, 0], [0, 1], [1, 0], [1, 1]]
    assert [place.tolist() for place in changed[1].nonzero()] == [[3, 5], [3, 6], [4, 5], [4, 6]]
    assert [place.tolist() for place in changed[2].nonzero()] == [[7, 11]]  # cut by the edge
    for place in range(3):
        mean = latent[place].numpy().mean((0, 1))
        np.testing.assert_allclose(cut[place][changed[place]].numpy()[0], mean, atol=1e-6)
    assert torch.equal(cut[~changed], latent[~changed])


def test_nothing_happens_with_probability_0_and_everything_with_1() -> None:
    latent = pictures()
    assert torch.equal(jittered(latent, shift=2, blur=0.5, probability=0.0), latent)
    torch.manual_seed(0)
    everything = jittered(latent, shift=2, blur=0.5, probability=1.0)
    assert not (everything == latent).any()


def test_shifts_are_as_frequent_and_as_far_as_they_should_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(jitter, "cut_out", lambda latent, top, left: latent)
    torch.manual_seed(0)
    place = 10 * torch.arange(9.0)[:, None] + torch.arange(9.0)
    moved = jittered(place[None, ..., None].expand(4000, -1, -1, -1), 2, 0.0, 0.5)
    by = 44 - moved[:, 4, 4, 0]  # ten times down, plus across
    across = (by + 2).remainder(10) - 2
    down = (by - across) / 10
    for each in (down, across):
        share = [float((each == far).float().mean()) for far in range(-2, 3)]
        assert sum(share) == pytest.approx(1)
        assert share == pytest.approx([0.1, 0.1, 0.5 + 0.1, 0.1, 0.1], abs=0.03)
    assert float(((down == 0) & (across == 0)).float().mean()) == pytest.approx(0.52, abs=0.03)


def test_the_seed_decides() -> None:
    latent = pictures()
    first, second = [
        (torch.manual_seed(1), jittered(latent, shift=2, blur=0.5, probability=0.5))[1]
        for _ in range(2)
    ]
    assert torch.equal(first, second)
