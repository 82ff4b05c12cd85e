"""Statistics of anybody's latents: against NumPy, SciPy and PyWavelets, and with photographs."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import contract
import likeness_references
import numpy as np
import pytest
import references
import torch
from inside import inside
from PIL import Image
from scipy import stats
from torch import Tensor

from analysis.natural_images.photographs import displayed, reduced, scenes
from vlatent.__main__ import main
from vlatent.evaluation import likeness, measure
from vlatent.evaluation.latent_sums import Sums, sets_of
from vlatent.evaluation.latents import LatentStatistics, latent_statistics
from vlatent.evaluation.unevenness import seams
from vlatent.priors import Priors
from vlatent.statistics import STATISTICS

LATENT = contract.latent(batch=7, height=16, width=24, channels=3)


def statistics_of(latent: Tensor, *sizes: int) -> LatentStatistics:
    count, height, width, channels = latent.shape
    chunks = latent.split(list(sizes) or [count])
    return latent_statistics(chunks, (count, height, width, channels))


def values(found: LatentStatistics) -> dict[str, float]:
    return {row.statistic.name.removeprefix("statistic/"): row.value for row in found.rows}


def by_channel(found: LatentStatistics) -> dict[str, list[float]]:
    return {row.statistic.name.removeprefix("statistic/"): row.channels for row in found.rows}


def independently(latent: np.ndarray) -> dict[str, Any]:
    """Every statistic again, by channel, from references that share nothing with the library."""
    power = references.mean_power(latent)
    each = np.array(
        [[[*map(references.whittle, references.mean_power(one[None]))]] for one in latent]
    )[:, 0]
    stripes = references.per_picture(latent, lambda p: references.checkerboard(p)[0])
    excess = references.per_picture(latent, lambda p: references.checkerboard(p)[1])
    unit = np.stack(
        [
            np.stack([likeness_references.unit(c) for c in np.moveaxis(one, -1, 0)], -1)
            for one in latent
        ]
    )
    features = np.array(
        [[likeness_references.features(c) for c in np.moveaxis(one, -1, 0)] for one in latent]
    )
    natural = np.concatenate([np.exp(features[..., :4]), features[..., 4:]], -1).mean(0)
    named = {name: natural[:, likeness.FEATURES.index(name)] for name in likeness.RANGES}
    return named | {
        "spectrum": references.spectrum_statistic(latent),
        "residual": [references.line(spectrum)[2] for spectrum in power],
        "alpha_all_frequencies": [references.all_frequency_slope(spectrum) for spectrum in power],
        "alpha_radial": [references.radial_slope(latent[..., c]) for c in range(latent.shape[-1])],
        "alpha_deviation": each.std(0),
        "kurtosis": references.kurtosis_statistic(latent),
        "contours": references.contours_statistic(latent),
        "wavelet": references.wavelet_statistic(latent),
        "variance": references.variance_statistic(latent),
        "total_variation": references.total_variation_statistic(latent),
        "total_variation_normalized": references.total_variation_statistic(unit),
        "decorrelation": references.decorrelation_statistic(latent),
        "correlation_within": likeness_references.correlation_within(latent),
        "checkerboard_largest": stripes.mean(0),
        "checkerboard_mean": excess.mean(0),
    }


def test_every_statistic_equals_an_independent_one() -> None:
    found = statistics_of(LATENT, 4, 3)
    channels = by_channel(found)
    for name, expected in independently(LATENT.numpy()).items():
        # coherence and speckle are computed in single precision, a likelihood is bracketed
        assert channels[name] == pytest.approx(list(expected), rel=2e-5, abs=2e-6), name
    centred = LATENT.numpy() - LATENT.numpy().mean((1, 2), keepdims=True)
    eigenvalues = np.linalg.eigvalsh(np.corrcoef(centred.reshape(-1, 3).T))
    modes = eigenvalues.sum() ** 2 / (eigenvalues**2).sum()
    assert values(found)["modes"] == pytest.approx(modes)
    # Six channels from six latents: every channel of the first six stands in as many sets.
    planes = LATENT[:6].numpy()
    order = [[(j, (first + j) % 3) for j in range(6)] for first in range(3)]
    sets = np.stack([np.stack([planes[j, ..., c] for j, c in one], -1) for one in order])
    anisotropy = likeness_references.anisotropy(sets)
    assert values(found)["anisotropy"] == pytest.approx(np.mean(anisotropy))
    assert values(found)["seams"] == pytest.approx(float(seams(torch.tensor(sets)).mean()))


def test_six_channels_are_measured_as_in_a_run() -> None:
    latent = contract.latent(batch=5, height=16, width=16, channels=6)
    found, run = statistics_of(latent), measure(0, latent, Priors())
    for name, channels in by_channel(found).items():
        if name in run.channels:
            assert channels == pytest.approx(run.channels[name], rel=1e-5), name
        elif name in run.metrics and name != "likeness":
            assert values(found)[name] == pytest.approx(run.metrics[name], rel=1e-6), name
    assert values(found)["likeness"] == pytest.approx(run.metrics["likeness"], rel=1e-6)
    assert found.channels_in_band == run.metrics["channels_in_band"]


def test_chunks_do_not_matter() -> None:
    latent = contract.latent(batch=20, height=8, width=16, channels=4).float()
    whole = statistics_of(latent)
    for sizes in ((1, 19), (7, 7, 6), (5, 5, 5, 5)):
        for one, other in zip(whole.rows, statistics_of(latent, *sizes).rows, strict=True):
            assert (one.value, one.low, one.high) == pytest.approx(
                (other.value, other.low, other.high), rel=1e-5, abs=1e-6
            )


def test_sets_have_a_channel_of_each_of_six_latents() -> None:
    planes = torch.arange(13.0 * 4).reshape(13, 4)
    sets = sets_of(planes)
    assert sets.shape == (8, 6)
    assert sets.div(4).floor().sort(-1).values[:4].unique(dim=0).tolist() == [[0, 1, 2, 3, 4, 5]]
    assert sets.flatten().sort().values.tolist() == list(range(48))
    six = torch.arange(12.0).reshape(2, 6)
    assert torch.equal(sets_of(six), six)


def test_an_interval_of_a_mean_is_students() -> None:
    found = {row.statistic.name: row for row in statistics_of(LATENT).rows}
    each = references.per_picture(LATENT.numpy(), references._kurtosis).mean(1)
    expected = stats.t.interval(0.95, len(each) - 1, each.mean(), stats.sem(each))
    row = found["statistic/kurtosis"]
    assert (row.low, row.high) == pytest.approx(expected)
    # Of 400 latents the groups are 20 of 20 that follow each other.
    sums = Sums(400)
    drawn = np.random.default_rng(0).standard_normal(400).cumsum()  # neighbours are alike
    for part in np.split(drawn, [130, 250]):
        sums.add({"x": torch.tensor(part)})
    groups = drawn.reshape(20, 20).mean(1)
    expected = stats.t.interval(0.95, 19, groups.mean(), stats.sem(groups))
    interval = sums.interval(sums.means()["x"], STATISTICS["statistic/alpha_radial"])
    assert interval == pytest.approx((drawn.mean(), *expected))
    alone = stats.t.interval(0.95, 399, drawn.mean(), stats.sem(drawn))
    assert interval[2] - interval[1] > 2 * (alone[1] - alone[0])


def test_an_interval_of_a_pooled_statistic_is_the_jackknifes() -> None:
    found = {row.statistic.name: row for row in statistics_of(LATENT).rows}
    for name, measured in (
        ("decorrelation", references.decorrelation_statistic),
        ("spectrum", references.spectrum_statistic),
    ):
        whole = measured(LATENT.numpy()).mean()
        without = [measured(np.delete(LATENT.numpy(), i, 0)).mean() for i in range(7)]
        pseudo = 7 * whole - 6 * np.array(without)
        half = stats.t.ppf(0.975, 6) * stats.sem(pseudo)
        row = found[f"statistic/{name}"]
        assert row.low == pytest.approx(max(whole - half, row.statistic.possible[0]), abs=1e-5)
        assert row.high == pytest.approx(whole + half, abs=1e-5)


def test_what_cannot_be_measured_is_said() -> None:
    one = statistics_of(contract.latent(batch=1, height=20, width=20, channels=1))
    said = " ".join(one.notes)
    assert "16 x 16, 32 x 32, 48 x 48, not at 20 x 20: there is no likeness" in said
    assert "1 latents of 1 channels are too few for a set of six" in said
    assert "multiples of 8, and has none at 20 x 20" in said
    assert "there are no intervals" in said
    assert not {"likeness", "anisotropy", "wavelet", "decorrelation", "modes"} & values(one).keys()
    assert all(math.isinf(row.high - row.low) for row in one.rows)
    flat = contract.latent(batch=3, channels=2)
    flat[..., 1] = 4
    assert statistics_of(flat).flat == [1]


def save(folder: Path, images: np.ndarray) -> None:
    folder.mkdir()
    for number, image in enumerate(images):
        Image.fromarray(np.rint(255 * image.clip(0, 1)).astype(np.uint8)).save(
            folder / f"{number:03}.png"
        )


def test_a_folder_of_photographs_is_like_photographs_and_noise_is_not(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    crops = []
    for _, light in scenes()[::2]:
        smaller = displayed(reduced(light, 4))
        gray = smaller.mean(-1)
        for _ in range(12):
            top, left = (generator.integers(side - 32 + 1) for side in gray.shape)
            crops.append(gray[top : top + 32, left : left + 32])
    order = generator.permutation(len(crops))
    save(tmp_path / "photographs", np.array(crops)[order])
    save(tmp_path / "noise", generator.random((60, 32, 32)))
    for name, alike in (("photographs", True), ("noise", False)):
        done = inside(tmp_path, main, "statistics", name, "--json", f"{name}.json")
        assert done.returncode == 0, done.stderr
        record = json.loads((tmp_path / f"{name}.json").read_text("utf-8"))
        assert record["statistics"]["likeness"]["inside"] is alike
        assert record["statistics"]["share_alike"]["inside"] is alike
        assert (record["statistics"]["statistic/spectrum"]["value"] > 1.5) is alike
        assert f"{name}: {record['count']} latents of 32 x 32 x 1" in done.stdout
        with Image.open(tmp_path / f"{name}.statistics.png") as figure:
            assert figure.width == 1100
