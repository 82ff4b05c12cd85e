"""The spectrum prior: its reference, its calibration, and what each of its two forms teaches."""

from __future__ import annotations

import math
from functools import partial

import contract
import numpy as np
import pytest
import references
import torch
from fields import power_law
from torch import Tensor

from vlatent.config import Config, from_yaml, override, to_yaml
from vlatent.fingerprints import fingerprint
from vlatent.priors import Spectrum
from vlatent.shapes import UserError
from vlatent.spectra import all_frequency_slope, mean_power, radial_slope, residual, whittle_slope

CURVE, SLOPE, SHALLOW = Spectrum(), Spectrum(match="slope"), Spectrum(alpha=1.2)
# Of the size of the contract's latents, though of another slope.
MEASURED = Spectrum.like(torch.tensor(power_law(1.6, 200, 16, 24, seed=5))[..., None])


@pytest.mark.parametrize("prior", [CURVE, SLOPE, SHALLOW], ids=["curve", "slope", "alpha 1.2"])
@pytest.mark.parametrize("check", contract.CHECKS, ids=lambda check: check.__name__)
def test_contract(prior: Spectrum, check: contract.Check) -> None:
    check(prior)


def test_reference() -> None:
    statistic = references.spectrum_statistic
    contract.agrees(CURVE, statistic, references.spectrum_curve_penalty)
    contract.agrees(SHALLOW, statistic, partial(references.spectrum_curve_penalty, alpha=1.2))
    contract.agrees(SLOPE, statistic, references.spectrum_slope_penalty)
    steep = Spectrum(alpha=3.5, match="slope")  # beyond the band: the hinge is open
    contract.agrees(steep, statistic, partial(references.spectrum_slope_penalty, alpha=3.5))


def crops(alpha: float, count: int = 200, side: int = 32) -> Tensor:
    """One channel of crops of a field of known slope, each a batch of its own."""
    return torch.tensor(power_law(alpha, count, side, side, seed=3))[:, None, :, :, None]


@pytest.mark.parametrize(("alpha", "reads"), [(0, 0.07), (1, 1.0), (2, 1.99), (3, 3.01)])
def test_calibration_of_the_statistic(alpha: float, reads: float) -> None:
    # sd of a patch 0.1, of the mean of 200 0.007; the docstring rounds to 0.01
    assert CURVE.statistic(crops(alpha)).mean() == pytest.approx(reads, abs=0.03)


def test_calibration_of_the_penalty() -> None:
    noise = crops(0).squeeze(1)[None]  # one batch of 200: its spectrum is flat
    assert CURVE.penalty(noise) == pytest.approx(1.8, abs=0.15)
    assert SLOPE.penalty(noise) == pytest.approx(5.6, abs=0.3)
    natural = crops(2).squeeze(1)[None]
    assert CURVE.penalty(natural) < 0.02
    assert SLOPE.penalty(natural) < 0.02


def test_exact_power_law_has_no_penalty() -> None:
    height, width = 24, 40
    u, v = np.mgrid[:height, :width]
    radius = np.hypot(u / height, v / width)
    ring = np.floor(np.hypot(u / (2 * height), v / (2 * width)) * width + 0.5)
    ring[0, 0] = -1
    for number in np.unique(ring[ring > 0]):  # a ring's power is that of its mean frequency
        radius[ring == number] = radius[ring == number].mean()
    radius[0, 0] = np.inf  # no mean
    coefficients = 1 / radius
    picture = references.fft.idctn(coefficients, type=2, norm="ortho")
    penalty = CURVE.penalty(torch.tensor(picture)[None, :, :, None])
    assert penalty == pytest.approx(0.0, abs=1e-12)


def test_a_measured_spectrum_is_the_target() -> None:
    images = torch.tensor(power_law(1.6, 60, 24, 40, seed=5)).unflatten(0, (20, 3)).movedim(1, -1)
    prior = Spectrum.like(images, weight=2.0)
    assert prior.weight == 2
    # log of the ring means over all images and channels, each image of unit variance
    members = references.rings(24, 40).values()
    power = references.mean_power(images.numpy()).mean(0)
    curve = np.log([np.mean([power[place] for place in ring]) for ring in members])
    counts = np.array([len(ring) for ring in members])
    curve = curve - np.average(curve, weights=np.sqrt(counts))
    assert list(prior.reference) == pytest.approx(curve, abs=1e-5)
    # Another latent's penalty: weighted squared distance of the log curves without their means.
    other = contract.latent(3, 24, 40, 2)
    found = []
    for spectrum in references.mean_power(other.numpy()):
        own = np.log([np.mean([spectrum[place] for place in ring]) for ring in members])
        left = own - curve - np.average(own - curve, weights=np.sqrt(counts))
        found.append(np.average(left**2, weights=np.sqrt(counts)))
    assert prior.penalty(other).item() == pytest.approx(np.mean(found), rel=1e-4)
    assert prior.penalty(images) < 0.02 < CURVE.penalty(images)
    # A power law as the reference is the power law.
    law = [
        -2 * np.log(np.mean([references.frequency(*place, 24, 40) for place in ring]))
        for ring in members
    ]
    torch.testing.assert_close(Spectrum(reference=tuple(law)).penalty(other), CURVE.penalty(other))


def test_steps_move_a_latent_to_the_measured_spectrum() -> None:
    start = torch.tensor(power_law(3.5, 4, 16, 24, seed=1)).unflatten(0, (2, 2)).movedim(1, -1)
    contract.moves(
        MEASURED, start, lambda x: float((CURVE.statistic(x) - 1.6).abs().mean()), steps=40
    )


def test_a_reference_of_another_size_or_form_is_refused() -> None:
    with pytest.raises(UserError, match=r"for each of the \d+ rings .*, but has \d+: measure it"):
        MEASURED.penalty(contract.latent(height=32, width=32))
    with pytest.raises(UserError, match=r"match must be curve where .* but got slope"):
        Spectrum(reference=(0.0, 1.0), match="slope")
    with pytest.raises(UserError, match=r"priors.spectrum.reference must be finite"):
        Spectrum(reference=(0.0, math.nan))


def test_a_reference_in_a_config_comes_back() -> None:
    config = override(Config(), {"priors.spectrum.reference": MEASURED.reference})
    assert from_yaml(to_yaml(config)) == config
    assert fingerprint(config) != fingerprint(Config())


def test_steps_move_alpha_to_its_target() -> None:
    for prior in (CURVE, SLOPE):
        for alpha in (0.0, 3.5):
            start = torch.tensor(power_law(alpha, 4, 24, 40, seed=1)).unflatten(0, (2, 2))
            contract.moves(
                prior,
                start.movedim(1, -1),
                lambda x: float((CURVE.statistic(x) - 2).abs().mean()),
            )


def estimates(pictures: Tensor) -> dict[str, float]:
    """Mean over channels of every estimator and of the residual."""
    power = mean_power(pictures)
    return {
        "whittle": float(whittle_slope(power).mean()),
        "radial": float(radial_slope(pictures).mean()),
        "all": float(all_frequency_slope(power).mean()),
        "residual": float(residual(power).mean()),
    }


def trained(prior: Spectrum) -> dict[str, float]:
    """A free latent, white at first, after 300 steps on one form of the penalty alone."""
    generator = torch.Generator().manual_seed(0)
    free = torch.randn(1, 32, 32, 4, generator=generator).requires_grad_()
    optimizer = torch.optim.Adam([free], lr=0.05)
    for _ in range(300):
        optimizer.zero_grad()
        prior.penalty(free).backward()
        optimizer.step()
    assert prior.penalty(free) < 1e-3
    return estimates(free.detach())


def test_matching_the_curve_satisfies_every_estimator() -> None:
    found = trained(CURVE)
    for name in ("whittle", "radial", "all"):
        assert 1.8 <= found[name] <= 2.2, found
    assert found["residual"] < 0.1


def test_matching_the_slope_fools_itself() -> None:
    found = trained(SLOPE)
    # its own slope reads 2; the classic ones are far from it, and the gate tells
    assert found["radial"] < 1.6, found
    assert found["all"] < 1.7, found
    assert found["residual"] > 0.45, found
