"""Small changes of a latent that leave its meaning alone: blur, shift, cutout."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vlatent.annotations import Int
from vlatent.shapes import HEIGHT, WIDTH, Latent

CUTOUT = 4  # the cut-out square's side is the latent's shorter one divided by this


def blurred(latent: Latent, deviation: float) -> Latent:
    """The latent through a Gaussian blur, edges continued."""
    if deviation == 0:
        return latent
    radius = max(1, round(3 * deviation))
    offset = torch.arange(-radius, radius + 1, device=latent.device, dtype=latent.dtype)
    kernel = torch.softmax(-offset.square() / (2 * deviation**2), dim=0)
    planes = latent.movedim(-1, -3)
    channels = planes.shape[-3]
    padded = nn.functional.pad(planes, (radius,) * 4, mode="replicate")
    down = kernel[:, None].expand(channels, 1, -1, 1)
    across = kernel[None, :].expand(channels, 1, 1, -1)
    smooth = nn.functional.conv2d(padded, down, groups=channels)
    return nn.functional.conv2d(smooth, across, groups=channels).movedim(-3, -1)


def shifted(
    latent: Latent, down: Int[Tensor, " batch"] | int, across: Int[Tensor, " batch"] | int
) -> Latent:
    """Every latent shifted by whole pixels, edges continued."""
    count, height, width, _ = latent.shape
    place = torch.arange(count, device=latent.device)[:, None, None]
    row = torch.arange(height, device=latent.device)[None, :, None]
    column = torch.arange(width, device=latent.device)[None, None, :]
    down, across = (by[:, None, None] if isinstance(by, Tensor) else by for by in (down, across))
    return latent[place, (row - down).clamp(0, height - 1), (column - across).clamp(0, width - 1)]


def cut_out(latent: Latent, top: Int[Tensor, " batch"], left: Int[Tensor, " batch"]) -> Latent:
    """Every latent with one square replaced by the channel's mean."""
    height, width = latent.shape[HEIGHT], latent.shape[WIDTH]
    side = max(min(height, width) // CUTOUT, 1)
    row = torch.arange(height, device=latent.device)[:, None] - top[:, None, None]
    column = torch.arange(width, device=latent.device)[None] - left[:, None, None]
    inside = (row >= 0) & (row < side) & (column >= 0) & (column < side)
    return torch.where(inside[..., None], latent.mean((HEIGHT, WIDTH), keepdim=True), latent)


def jittered(latent: Latent, shift: int, blur: float, probability: float) -> Latent:
    """Each latent shifted, blurred and cut, each with this probability, by torch's global seed.

    Shifts are whole pixels up to `shift` in either direction and axis.
    """
    count, height, width, _ = latent.shape
    chosen = torch.rand(3, count) < probability
    far = torch.randint(-shift, shift + 1, (2, count)) * chosen[0]
    corner = torch.rand(2, count) * torch.tensor([[height], [width]])
    chosen, far, corner = (drawn.to(latent.device) for drawn in (chosen, far, corner.long()))
    latent = shifted(latent, far[0], far[1])
    latent = torch.where(chosen[1, :, None, None, None], blurred(latent, blur), latent)
    return torch.where(chosen[2, :, None, None, None], cut_out(latent, *corner), latent)
