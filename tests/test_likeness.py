"""Likeness to photographs: every feature against SciPy, PyWavelets and values worked by hand."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path

import contract
import likeness_references as references
import numpy as np
import pytest
import torch
from fields import power_law
from scipy.spatial.distance import mahalanobis
from torch import Tensor

from analysis.natural_images.likeness import measured
from analysis.natural_images.photographs import Photograph, bundled, crops, scenes
from analysis.natural_images.sets import CHANNELS, halves, sets_of_crops, views
from vlatent.evaluation import likeness, measure
from vlatent.evaluation.photographs import photographs
from vlatent.priors import Priors

RECORD = json.loads(Path(likeness.__file__).with_name("photographs.json").read_text("utf-8"))
AT_32 = photographs(32, 32)


def latent_of(images: np.ndarray, channels: int = 6) -> Tensor:
    return torch.tensor(images).unflatten(0, (-1, channels)).movedim(1, -1)


def one_image(image: np.ndarray) -> Tensor:
    return torch.tensor(image)[None, ..., None]


NATURAL = latent_of(power_law(2, 384, 32, 32, seed=4))
NOISE = latent_of(power_law(0, 384, 32, 32, seed=4))
EDGE = one_image(np.where(np.arange(32) < 16, 1.0, -1.0)[None].repeat(32, 0))


def means(latent: Tensor) -> dict[str, float]:
    """Features without logarithms, mean over all images."""
    values = likeness.natural(likeness.features(latent)).mean((0, 1)).tolist()
    return dict(zip(likeness.FEATURES, values, strict=True))


# --- features ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("height", "width"), [(16, 24), (20, 12), (18, 23)])
def test_features_equal_the_references(height: int, width: int) -> None:
    latent = contract.latent(batch=2, height=height, width=width, channels=3)
    found = likeness.features(latent)
    assert found.shape == (2, 3, len(likeness.FEATURES))
    for sentence, channel in itertools.product(range(2), range(3)):
        expected = references.features(latent[sentence, :, :, channel].numpy())
        # coherence and speckle are computed in single precision
        assert found[sentence, channel].tolist() == pytest.approx(expected, rel=1e-5, abs=1e-6)
    expected = references.anisotropy(latent.numpy())
    assert likeness.anisotropy(latent).tolist() == pytest.approx(expected, rel=1e-6)
    expected = references.correlation_within(latent.numpy()).tolist()
    assert likeness.correlation_within(latent).tolist() == pytest.approx(expected, rel=1e-6)


def test_eight_values_are_sorted() -> None:
    for values in itertools.product((0, 1), repeat=8):  # all zeros and ones: then everything
        ordered = list(values)
        for i, j in likeness.SORTING:
            ordered[i], ordered[j] = min(ordered[i], ordered[j]), max(ordered[i], ordered[j])
        assert ordered == sorted(values)


def test_calibration_on_noise() -> None:
    natural, noise = means(NATURAL), means(NOISE)
    assert natural["magnitude_dependency"] == pytest.approx(0.01, abs=0.01)
    assert natural["coherence"] == pytest.approx(0.42, abs=0.01)
    assert natural["speckle"] == pytest.approx(0.55, abs=0.01)
    assert noise["magnitude_dependency"] == pytest.approx(0, abs=0.01)
    assert noise["coherence"] == pytest.approx(0.36, abs=0.01)
    assert noise["speckle"] == pytest.approx(0.585, abs=0.01)
    # of independent unit Gaussians: mean |difference|, mean|c| / rms c, kurtosis
    assert noise["gradient_size"] == pytest.approx(2 / math.sqrt(math.pi), rel=0.01)
    assert noise["wavelet_finest"] == pytest.approx(math.sqrt(2 / math.pi), abs=0.005)
    assert noise["kurtosis"] == pytest.approx(3, abs=0.05)
    assert likeness.correlation_within(NATURAL).mean().item() == pytest.approx(0.115, abs=0.01)


def test_calibration_on_an_edge_and_on_single_pixels() -> None:
    edge = means(EDGE)
    assert edge["coherence"] == pytest.approx(1)
    assert edge["speckle"] == 0
    assert edge["gradient_size"] == pytest.approx(32 * 2 / (2 * 31 * 32))
    assert likeness.anisotropy(EDGE).tolist() == pytest.approx([1])
    # one pixel on a flat ground: once among 30 x 30, its four differences among 2 x 31 x 32
    pixel = np.zeros((32, 32))
    pixel[7, 9] = 1
    assert means(one_image(pixel))["speckle"] == pytest.approx(31 * 32 / (2 * 900), rel=1e-5)


def test_photographs_are_more_like_photographs_than_noise() -> None:
    sparse = [Photograph(name, light[::4, ::4]) for name, light in bundled()]
    for of in (crops(bundled(), 4, 240, 32, 32, seed=0), crops(sparse, 1, 240, 32, 32, seed=0)):
        found = of.tones["display"][..., 0].numpy()
        latent = latent_of(found[: len(found) // 6 * 6])
        values = means(latent)
        assert 0.3 < values["magnitude_dependency"] < 0.5
        assert 0.55 < values["coherence"] < 0.8
        assert 0.3 < values["speckle"] < 0.5
        assert likeness.likeness(likeness.features(latent), AT_32) > 0.6
    for fields in (NATURAL, NOISE, EDGE.expand(-1, -1, -1, 6)):
        assert likeness.likeness(likeness.features(fields), AT_32) < 0.3


def test_signs_that_change_by_sentence_do_not_lower_the_correlation_within() -> None:
    same = NATURAL[:, :, :, :1].expand(-1, -1, -1, 6)
    generator = torch.Generator().manual_seed(0)
    signs = 2.0 * torch.randint(2, (64, 1, 1, 6), generator=generator) - 1
    assert likeness.correlation_within(same * signs).tolist() == pytest.approx([1] * 6)
    assert Priors().decorrelation.statistic(same * signs).mean() < 0.2  # over all sentences


def test_streaks_of_one_direction_are_told_from_edges_of_many() -> None:
    place = torch.arange(24.0)
    angles = torch.arange(6) * math.pi / 6
    many = torch.sin(
        angles.cos() * place[:, None, None] + angles.sin() * place[None, :, None]
    )[None]  # fmt: skip
    assert likeness.anisotropy(many).item() < 0.05
    assert likeness.anisotropy(many[..., 1:2].expand(-1, -1, -1, 6)).item() > 0.95
    assert likeness.anisotropy(torch.cat([many, many[..., :1].expand_as(many)])).shape == (2,)


@pytest.mark.parametrize("scale", [1e-2, -1.0, 30.0])
def test_scale_sign_and_level_are_nothing(scale: float) -> None:
    latent = contract.latent(batch=2)
    same = likeness.features(scale * latent + 5)
    torch.testing.assert_close(same, likeness.features(latent), rtol=1e-5, atol=1e-5)
    moved = likeness.anisotropy(scale * latent + 5)
    torch.testing.assert_close(moved, likeness.anisotropy(latent))
    within = likeness.correlation_within(scale * latent + 5)
    torch.testing.assert_close(within, likeness.correlation_within(latent))


def test_mirrors_and_transposes_are_nothing() -> None:
    latent = contract.latent(batch=2, height=16, width=24)
    expected = likeness.features(latent)
    # the size of a gradient is that of forward differences, which a mirror turns into others
    dependency = likeness.FEATURES.index("magnitude_dependency")
    tolerance = torch.full((len(likeness.FEATURES),), 1e-5, dtype=torch.float64)
    for same in (latent.transpose(1, 2), latent.flip(1), latent.flip(2)):
        assert ((likeness.features(same) - expected).abs() < tolerance).all()
        tolerance[dependency] = 0.03


@pytest.mark.parametrize("name", contract.extremes())
def test_extremes_have_finite_numbers(name: str) -> None:
    latent = contract.extremes()[name]
    found = likeness.features(latent)
    assert torch.isfinite(found).all()
    assert 0 < likeness.likeness(found, AT_32) < 0.5
    assert torch.isfinite(likeness.anisotropy(latent)).all()
    assert torch.isfinite(likeness.correlation_within(latent)).all()


def test_one_channel_has_no_other_to_be_like() -> None:
    latent = NATURAL[..., :1]
    assert likeness.correlation_within(latent).tolist() == pytest.approx([0], abs=1e-9)
    assert likeness.features(latent).shape == (64, 1, len(likeness.FEATURES))
    assert 0 < measure(0, latent.float(), Priors()).metrics["likeness"] < 0.5


# --- what photographs have -----------------------------------------------------------------------


def test_record_is_well_formed() -> None:
    assert RECORD["features"] == list(likeness.FEATURES)
    assert list(RECORD["sizes"]) == ["16", "32", "48"]
    assert not set(RECORD["limits_from"]) & set(RECORD["judged"])
    assert len(RECORD["limits_from"]) + len(RECORD["judged"]) == 13
    for size in map(int, RECORD["sizes"]):
        found = photographs(size, size)
        covariance = np.array(found.covariance)
        assert covariance.shape == (len(likeness.FEATURES),) * 2
        assert (covariance == covariance.T).all()
        assert np.linalg.eigvalsh(covariance).min() > 1e-5
        mean = likeness.natural(torch.tensor(found.mean)[None, None])[0, 0].tolist()
        assert set(found.ranges) == set(likeness.RANGES)
        for name, (low, high) in found.ranges.items():
            assert low < mean[likeness.FEATURES.index(name)] < high
        shares = found.anisotropy, found.correlation_within
        assert all(0 < share < 1 for share in shares)
        assert 0.3 < found.alpha_deviation < 1.5
        # 7 independent Gaussians would have 4.3; photographs have heavier tails
        assert 4 < found.distance < 7


@pytest.mark.parametrize(
    ("height", "width", "nearest"),
    [
        (8, 8, 16),
        (16, 16, 16),
        (20, 28, 32),
        (32, 32, 32),
        (24, 40, 32),
        (48, 48, 48),
        (256, 64, 48),
    ],
)
def test_other_sizes_take_the_nearest(height: int, width: int, nearest: int) -> None:
    assert photographs(height, width) == photographs(nearest, nearest)


def test_distance_is_mahalanobis() -> None:
    of = likeness.features(NATURAL[:5])
    inverse = np.linalg.inv(np.array(AT_32.covariance))
    expected = [mahalanobis(row, AT_32.mean, inverse) for row in of.mean(1).numpy()]
    assert likeness.distance(of, AT_32).tolist() == pytest.approx(expected)


def at_distance(*distances: float) -> Tensor:
    """Features of a latent with one sentence at each distance, to both sides in turn."""
    mean, covariance = (torch.tensor(v).double() for v in (AT_32.mean, AT_32.covariance))
    direction = torch.linalg.cholesky(covariance)[:, 0]
    sides = torch.tensor([d * (-1) ** i for i, d in enumerate(distances)]).double()
    return (mean + sides[:, None] * direction)[:, None].expand(-1, 6, -1)


def test_likeness_by_hand() -> None:
    limit = AT_32.distance
    assert likeness.likeness(at_distance(0.0, 0.0), AT_32) == pytest.approx(1)
    assert likeness.likeness(at_distance(limit), AT_32) == pytest.approx(0.5)
    assert likeness.likeness(at_distance(2 * limit), AT_32) == pytest.approx(0.2)
    # extremes that are photographs on average are none
    assert likeness.likeness(at_distance(3 * limit, 3 * limit), AT_32) == pytest.approx(0.1)


def test_one_broken_sentence_leaves_no_likeness() -> None:
    latent = NATURAL[:4].clone()
    latent[2, 3, 4, 1] = math.nan
    apart = likeness.distance(likeness.features(latent), AT_32)
    assert apart.isnan().tolist() == [False, False, True, False]
    assert math.isnan(likeness.likeness(likeness.features(latent), AT_32))


def test_an_evaluation_has_them() -> None:
    latent = contract.latent(batch=4, height=32, width=24, channels=3, dtype=torch.float32)
    found = measure(0, latent, Priors())
    assert found.size == (32, 24)
    images = latent.double().movedim(-1, 1).numpy()
    expected = np.array([[references.features(image) for image in row] for row in images])
    assert found.channels["coherence"] == pytest.approx(expected[..., 5].mean(0), rel=1e-4)
    size = np.exp(expected[..., 0]).mean(0)
    assert found.channels["gradient_size"] == pytest.approx(size, rel=1e-4)
    pairs = 31 * 24 + 32 * 23
    unit = [value / pairs for value in found.channels["total_variation_normalized"]]
    assert found.channels["gradient_size"] == pytest.approx(unit, rel=1e-4)


# --- the command that measures it ----------------------------------------------------------------


def fields(count: int = 13, side: int = 80) -> list[Photograph]:
    images = power_law(2, count, side, side, seed=5, oversize=1)
    light = np.clip(0.5 + 0.1 * images, 0, 1)
    return [Photograph(f"{n:02}", image[..., None]) for n, image in enumerate(light)]


def test_halves_share_no_photograph() -> None:
    limiting, judged = halves(fields())
    assert [p.name for p in limiting] == ["00", "02", "04", "06", "08", "10", "12"]
    assert {p.name for p in judged} == {f"{n:02}" for n in range(1, 13, 2)}


def test_crops_of_a_set_are_of_different_photographs() -> None:
    blocks = np.kron(np.random.default_rng(0).random((8, 8)), np.ones((8, 8)))[..., None]
    bands = [Photograph(f"{n}", 0.02 + 0.12 * n + 0.1 * blocks) for n in range(7)]
    seen = views(bands, 16, 16)
    kinds = {(view.scale, view.sensor) for view in seen}
    assert kinds == set(itertools.product((2, 4), ("area", "point")))
    one, same, other = (
        sets_of_crops(seen, 20, 16, 16, np.random.default_rng(seed)) for seed in (0, 0, 1)
    )
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    level = one.mean((1, 2))  # every photograph has its own
    assert (level.sort(-1).values.diff(dim=-1) > 0.01).all()
    assert one.shape == (20, 16, 16, CHANNELS)


def test_limits_are_quantiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("analysis.natural_images.likeness.LATENTS", 3)
    seen = views(fields(), 16, 16)
    found = measured(seen, 200, 16, np.random.default_rng(0))
    latents = sets_of_crops(seen, 200, 16, 16, np.random.default_rng(0))
    rows = likeness.features(latents).mean(1)
    assert found.mean == pytest.approx(rows.mean(0).tolist(), abs=1e-6)
    assert np.array(found.covariance) == pytest.approx(np.cov(rows.numpy().T), abs=1e-6)
    apart = likeness.distance(likeness.features(latents), found)
    assert (apart <= found.distance).sum() == pytest.approx(198, abs=1)
    assert found.ranges["coherence"][0] < 0.5 < found.ranges["coherence"][1] + 0.1


def test_record_is_of_these_photographs() -> None:
    limiting, judged = halves(scenes())
    assert [p.name for p in limiting] == RECORD["limits_from"]
    assert [p.name for p in judged] == RECORD["judged"]
    latents = sets_of_crops(views(limiting, 32, 32), 200, 32, 32, np.random.default_rng(7))
    found = likeness.features(latents).mean(1)
    error = np.sqrt(np.diag(AT_32.covariance) / 200)
    assert (np.abs(found.mean(0).numpy() - AT_32.mean) < 4 * error).all()
    assert (likeness.distance(likeness.features(latents), AT_32) < AT_32.distance).sum() >= 193
