"""The figures of a run: their numbers against independent ones, their drawing by properties."""

from __future__ import annotations

import io
import math
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import pytest
import torch
from fields import power_law
from matplotlib.backend_bases import RendererBase
from matplotlib.text import Text
from matplotlib.transforms import Bbox
from numpy.typing import NDArray
from PIL import Image
from scipy import fft, stats

from vlatent.dependence import in_words
from vlatent.evaluation import Criterion, Evaluation, Verdict, judge, measure
from vlatent.figures import numbers, run_figures
from vlatent.figures.page import SMALL, Page, Scale, fitted, measured
from vlatent.priors import Kurtosis, Priors

HEIGHT, WIDTH = 16, 24
NAMES = {"overview", "spectrum", "montage", "gradients", "correlation", "training", "slopes"}
WORDS = ["a", "small", "red", "cube", "stands", "left", "of", "a", "large", "blue", "sphere"]
STRANGE = (
    "it costs $5, not $6",
    "a_b^2 \\frac{1}{2} {",
    "红色方块在蓝色球体的左边 🟥 \ud800 красный",
    "",
    "W" * 400,
    "THE LARGE RED BLOCK " * 30,
    "tabs\tand\x00nulls",
)


@dataclass(frozen=True)
class Run:
    """What `run_figures` is given beside the title."""

    latent: torch.Tensor
    fixed: torch.Tensor
    texts: Sequence[str]
    history: Sequence[Evaluation]
    log: Sequence[Mapping[str, float]]
    verdict: Verdict


def pictures(alphas: Sequence[float], count: int = 20, seed: int = 0) -> torch.Tensor:
    """One channel a slope, [count, HEIGHT, WIDTH, channel]."""
    channels = [
        power_law(alpha, count, HEIGHT, WIDTH, seed + index) for index, alpha in enumerate(alphas)
    ]
    return torch.tensor(np.stack(channels, axis=-1), dtype=torch.float32)


def rows(steps: int, left_out: str = "wavelet") -> list[dict[str, float]]:
    names = [name for name, _ in Priors() if name != left_out]
    return [
        {"step": step, "loss": 2 / step, "learning_rate": 1e-3 / step, "gradient_norm": 3.0}
        | {f"penalty/{name}": 1 / step for name in names}
        | {f"weighted/{name}": 0.1 / step for name in names}
        for step in range(1, steps + 1)
    ]


def run(latent: torch.Tensor, steps: int = 60, evaluations: int = 4) -> Run:
    history = [
        measure(round(steps * index / max(evaluations - 1, 1)), latent, Priors())
        for index in range(evaluations)
    ]
    texts = [" ".join(WORDS[: 4 + index % 8]) for index in range(16)]
    verdict = judge(history, steps, Priors())
    return Run(latent, latent[:16] * 2 + 1, texts, history, rows(steps), verdict)


def png_size(png: bytes) -> tuple[int, int]:
    image = Image.open(io.BytesIO(png))
    image.load()
    return image.size


def draw(given: Run, title: str = "run") -> dict[str, bytes]:
    return run_figures(
        title, given.latent, given.fixed, given.texts, given.history, given.log, given.verdict
    )


# Numbers


def test_spectra_are_ring_means_of_the_cosine_transform() -> None:
    latent = pictures([2.0, 1.0]).double()
    found = numbers.spectra(latent)
    power = fft.dctn(latent.numpy(), axes=(1, 2), norm="ortho") ** 2
    power[:, 0, 0] = 0
    power /= power.mean((1, 2), keepdims=True)
    power = power.mean(0)
    rings: dict[int, list[tuple[float, NDArray[np.float64]]]] = {}
    for u in range(HEIGHT):
        for v in range(WIDTH):
            cycles = math.hypot(u / (2 * HEIGHT), v / (2 * WIDTH)) * WIDTH
            if u or v:
                rings.setdefault(math.floor(cycles + 0.5), []).append((cycles, power[u, v]))
    rings.pop(0, None)
    expected = [rings[ring] for ring in sorted(rings)]
    kept = slice(len(found.frequency) - len(expected), None)
    frequency = [np.mean([cycles for cycles, _ in ring]) for ring in expected]
    np.testing.assert_allclose(found.frequency[kept], frequency, rtol=1e-9)
    means = np.array([np.mean([value for _, value in ring], axis=0) for ring in expected]).T
    np.testing.assert_allclose(found.power[:, kept], means, rtol=1e-9)


def test_line_and_band_have_the_slopes_that_they_stand_for() -> None:
    found = numbers.spectra(pictures([2.0, 1.0], count=60))
    x = np.log(found.frequency)
    for channel, alpha in enumerate(found.alpha):
        laws = found.line[channel], found.flat[channel], found.steep[channel]
        fits = [np.polyfit(x, np.log(law), 1) for law in laws]
        np.testing.assert_allclose([-slope for slope, _ in fits], [alpha, 1.5, 2.5], rtol=1e-4)
        crossing = [(a[1] - b[1]) / (b[0] - a[0]) for a, b in combinations(fits, 2)]
        np.testing.assert_allclose(crossing, crossing[0], rtol=1e-3)  # all through one point
        assert x[0] < crossing[0] < x[-1]
    assert found.in_band == [True, False]
    assert found.alpha == pytest.approx([2.0, 1.0], abs=0.25)


def test_flaws_are_named() -> None:
    latent = pictures([2.0, 2.0, 2.0, 2.0])
    latent[3, 2, 1, 1] = math.nan
    latent[0, 0, 0, 2] = math.inf
    latent[..., 3] = 0.7
    found = ["", "not finite", "not finite", "constant"]
    assert numbers.flaws(latent) == found
    assert numbers.spectra(latent).flaws == found
    assert np.isnan(numbers.spectra(latent).power[1:]).all()
    assert numbers.gradient_histogram(latent).flaws == found
    assert np.isnan(numbers.gradient_histogram(latent).density[1:]).all()


def test_mosaic_is_symmetric_about_the_mean_of_a_channel() -> None:
    latent = pictures([2.0, 1.0]) * torch.tensor([1.0, 5.0]) + torch.tensor([0.0, 9.0])
    found = numbers.mosaic(latent)
    for channel in range(2):
        values = latent[..., channel].double().numpy()
        reach = np.percentile(np.abs(values - values.mean()), 99)
        assert found.centre[channel] == pytest.approx(values.mean())
        assert found.reach[channel] == pytest.approx(reach)
        level = np.clip((values - (values.mean() - reach)) / (2 * reach), 0, 1)
        np.testing.assert_allclose(found.level[:, channel], level, atol=1e-12)


def test_mosaic_of_what_is_not_finite_or_constant() -> None:
    latent = pictures([2.0, 2.0, 2.0])
    latent[0, 1, 2, 0] = math.inf
    latent[..., 1] = math.nan
    latent[..., 2] = 0.7
    found = numbers.mosaic(latent)
    assert np.isnan(found.level[0, 0, 1, 2])
    assert np.isnan(found.level[:, 0]).sum() == 1
    assert np.isnan(found.level[:, 1]).all()
    np.testing.assert_allclose(found.level[:, 2], 0.5, atol=1e-9)


@pytest.mark.parametrize(("side", "tile"), [(100, (64, 96)), (24, (16, 24)), (10, (6, 8))])
def test_tiles_are_magnified_or_thinned_by_whole_numbers(side: int, tile: tuple[int, int]) -> None:
    colors = np.random.default_rng(0).integers(0, 255, (3, 2, 16, 24, 3), dtype=np.uint8)
    image = numbers.tiles(colors, side, gap=5)
    height, width = tile
    assert image.shape == (3 * height + 10, 2 * width + 5, 3)
    assert (image[height : height + 5] == 255).all()
    assert (image[:, width : width + 5] == 255).all()
    last = image[-height:, -width:]
    down = np.arange(height) * 16 // height if height >= 16 else np.arange(height) * 3
    across = np.arange(width) * 24 // width if width >= 24 else np.arange(width) * 3
    np.testing.assert_array_equal(last, colors[2, 1][np.ix_(down, across)])


def test_gradients_of_a_gaussian_lie_on_its_curve() -> None:
    latent = torch.tensor(np.random.default_rng(0).standard_normal((60, HEIGHT, WIDTH, 1)))
    found = numbers.gradient_histogram(latent)
    centres = (found.edges[:-1] + found.edges[1:]) / 2
    np.testing.assert_allclose(found.gaussian, stats.norm.pdf(centres), rtol=1e-12)
    near = np.abs(centres) < 2
    np.testing.assert_allclose(found.density[0, near], found.gaussian[near], rtol=0.15)
    assert (found.density * np.diff(found.edges)).sum() == pytest.approx(1)
    assert found.kurtosis[0] == pytest.approx(3, abs=0.1)


def test_gradients_are_counted_in_each_pictures_own_deviations() -> None:
    latent = pictures([2.0, 1.0]).double()
    latent = (latent**3) * torch.linspace(0.5, 3, 20, dtype=torch.float64)[:, None, None, None]
    found = numbers.gradient_histogram(latent)
    for channel in range(2):
        values = []
        for picture in latent[..., channel].numpy():
            for gradient in (np.diff(picture, axis=0), np.diff(picture, axis=1)):
                values.append((gradient.ravel() - gradient.mean()) / gradient.std())
        pooled = np.concatenate(values)
        counts, _ = np.histogram(pooled, found.edges)
        density = counts / (len(pooled) * np.diff(found.edges))
        np.testing.assert_allclose(found.density[channel], density, atol=1e-12)
        mean = np.mean([stats.kurtosis(part, fisher=False) for part in values])
        assert found.kurtosis[channel] == pytest.approx(mean, rel=1e-6)
    assert found.kurtosis == Kurtosis().statistic(latent).tolist()


def test_correlation_is_pearsons() -> None:
    latent = pictures([2.0, 1.0, 2.0]).double()
    latent[..., 2] -= latent[..., 0]
    found = numbers.correlation(latent)
    centred = latent - latent.mean((1, 2), keepdim=True)
    expected = np.corrcoef(centred.numpy().reshape(-1, 3).T)
    np.testing.assert_allclose(found.matrix, expected, atol=1e-9)
    assert found.off_diagonal == pytest.approx(np.abs(expected[np.triu_indices(3, 1)]).mean())
    assert numbers.correlation(latent[..., :1]).off_diagonal == 0


def test_training_has_one_curve_a_term() -> None:
    log = [*rows(3), {"step": 4, "loss": math.nan, "penalty/later": 2.0}]
    found = numbers.training(log)
    assert found.terms == [*(name for name, _ in Priors()), "later"]
    assert "wavelet" not in found.penalty
    np.testing.assert_array_equal(found.step, [1, 2, 3, 4])
    np.testing.assert_allclose(found.penalty["spectrum"], [1, 1 / 2, 1 / 3, math.nan])
    np.testing.assert_allclose(found.weighted["variance"], [0.1, 0.05, 0.1 / 3, math.nan])
    np.testing.assert_array_equal(found.penalty["later"], [math.nan] * 3 + [2])
    assert numbers.training([]).penalty == {}


def test_slopes_are_those_of_the_evaluations() -> None:
    given = run(pictures([2.0, 1.0, 1.8]))
    found = numbers.slopes(given.history)
    assert found.alpha.shape == found.residual.shape == (3, 4)
    np.testing.assert_array_equal(found.step, [0, 20, 40, 60])
    assert found.alpha[:, -1].tolist() == given.history[-1].channels["spectrum"]
    assert found.residual[:, 0].tolist() == given.history[0].channels["residual"]
    assert found.in_band[-1] == given.history[-1].metrics["channels_in_band"]


@pytest.mark.parametrize(
    ("wanted", "places"),
    [
        ([0.2, 0.8], [0.2, 0.8]),
        ([0.5, 0.5, 0.5], [0.5, 0.6, 0.7]),
        ([1.0, 1.0], [0.9, 1.0]),
        ([7.0, -3.0], [1.0, 0.0]),
        ([0.5], [0.5]),
        ([], []),
    ],
)
def test_labels_are_spread(wanted: list[float], places: list[float]) -> None:
    assert numbers.spread(wanted, 0.1) == pytest.approx(places)


def test_too_many_labels_share_the_room() -> None:
    assert numbers.spread([0.5] * 21, 0.1) == pytest.approx(np.arange(21) / 20)


# The page


def test_scales() -> None:
    assert Scale(0, 4).values() == [0, 1, 2, 3, 4]
    assert Scale(0.5, 200, log=True).values() == [1, 10, 100]
    assert Scale(0.8, 12, log=True).values() == [1, 2, 5, 10]
    assert Scale(2.2, 4.9, log=True).values() == [3, 4]
    assert Scale(4, 0, marks=(1, 2, 9)).values() == [1, 2]
    assert Scale(1, 100, log=True).share(10) == pytest.approx(0.5)
    assert Scale(1, 100, log=True).share(-1) == 0
    assert Scale(3, -1).share(0) == 0.75


@pytest.mark.parametrize("text", STRANGE)
@pytest.mark.parametrize(("width", "lines"), [(200.0, 3), (90.0, 1)])
def test_words_fit(text: str, width: float, lines: int) -> None:
    wrapped = fitted(text, width, lines, SMALL).split("\n")
    assert len(wrapped) <= lines
    assert max(measured(line, SMALL) for line in wrapped) <= width
    assert fitted("short", width, lines, SMALL) == "short"


def test_words_are_upright_and_in_their_place() -> None:
    page = Page(200, 100)
    page.text(50, 20, "T$_^L", size=30.0, color="black")
    ink = 255 - np.asarray(Image.open(io.BytesIO(page.png())).convert("L")).astype(int)
    rows_, columns = np.nonzero(ink > 128)
    assert 50 <= columns.min() <= 54
    assert 20 <= rows_.min() <= 32
    letter = ink[:, columns.min() : columns.min() + 18] > 128  # the T: its bar is at the top
    filled = letter.sum(1)
    assert filled.argmax() < np.nonzero(filled)[0].mean()


# Drawing


@dataclass(frozen=True)
class Drawn:
    """A figure as it was encoded, its size, and the words on it with their places."""

    png: bytes
    width: int
    height: int
    words: list[tuple[str, Bbox]]

    @property
    def said(self) -> str:
        return " ".join(text.replace("\n", " ") for text, _ in self.words)

    def check(self) -> None:
        """All words are on the page."""
        for text, box in self.words:
            assert box.x0 >= 0, text
            assert box.y0 >= 0, text
            assert box.x1 <= self.width, text
            assert box.y1 <= self.height, text


def drawn(given: Run, title: str = "a run") -> dict[str, Drawn]:
    """Every figure of a run."""
    words: list[tuple[str, Bbox]] = []
    pages: list[list[tuple[str, Bbox]]] = []
    encode, write = Page.png, Text.draw

    def noted(text: Text, renderer: RendererBase) -> None:
        if text.get_visible() and text.get_text().strip():
            words.append((text.get_text(), text.get_window_extent()))
        write(text, renderer)

    def png(page: Page) -> bytes:
        words.clear()
        image = encode(page)
        pages.append(list(words))
        return image

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Text, "draw", noted)
        patch.setattr(Page, "png", png)
        figures = draw(given, title)
    assert set(figures) == NAMES
    return {
        name: Drawn(image, *png_size(image), written)
        for (name, image), written in zip(figures.items(), pages, strict=True)
    }


TITLE = "study_1 $x$ trial"


@pytest.fixture(scope="module")
def usual() -> Run:
    return run(pictures([2.0, 1.8, 2.3, 1.0, 2.2, 3.0]))


@pytest.fixture(scope="module")
def usually(usual: Run) -> dict[str, Drawn]:
    return drawn(usual, TITLE)


def test_every_picture_is_a_png_that_mlflow_shows_well(usually: dict[str, Drawn]) -> None:
    for picture in usually.values():
        assert 640 <= picture.width <= 1200
        assert 500 <= picture.height <= 2000
        assert len(picture.png) < 1_000_000
    assert (usually["overview"].width, usually["spectrum"].width) == (1100, 1000)


def test_no_words_are_cut_off_or_overlap(usually: dict[str, Drawn]) -> None:
    for name, picture in usually.items():
        picture.check()
        assert len(picture.words) > 15
        for (one, first), (other, second) in combinations(picture.words, 2):
            across = min(first.x1, second.x1) - max(first.x0, second.x0)
            down = min(first.y1, second.y1) - max(first.y0, second.y0)
            assert min(across, down) <= 1, (name, one, other)


def test_pictures_say_what_they_show(usual: Run, usually: dict[str, Drawn]) -> None:
    said = {name: picture.said for name, picture in usually.items()}
    assert all(TITLE in words for words in said.values())
    spectra = numbers.spectra(usual.latent)
    for alpha, left in zip(spectra.alpha, spectra.residual, strict=True):
        assert f"α {alpha:.2f} residual {left:.2f}" in said["spectrum"]
        assert f"{alpha:.2f}" in said["montage"]
    assert said["spectrum"].count("✗ not in band") == spectra.in_band.count(False)
    assert all(text in said["montage"] for text in usual.texts)
    assert f"{numbers.correlation(usual.latent).off_diagonal:.3f}" in said["correlation"]
    assert said["correlation"].count("1.00") == 6
    assert "not in the loss: wavelet" in said["training"]
    assert "4 needed" in said["slopes"]
    for criterion in usual.verdict.criteria:
        assert criterion.name in said["overview"]
        assert criterion.wanted in said["overview"]
        assert criterion.found in said["overview"]
    assert in_words(usual.history[-1].metrics) in said["overview"]
    holding = sum(criterion.holds for criterion in usual.verdict.criteria)
    assert f"✗ FAIL: {holding} of {len(usual.verdict.criteria)}" in said["overview"]


def test_threads_draw_the_same(usual: Run, usually: dict[str, Drawn]) -> None:
    together: list[dict[str, bytes]] = []
    threads = [
        threading.Thread(target=lambda: together.append(draw(usual, TITLE))) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert together == [{name: picture.png for name, picture in usually.items()}] * 2


@pytest.mark.parametrize("channels", [1, 12])
def test_any_number_of_channels(channels: int) -> None:
    pages = drawn(run(pictures([2.0] * channels)))
    for picture in pages.values():
        picture.check()
    named = [text for text, _ in pages["spectrum"].words if text.startswith("channel")]
    assert len(named) == channels


@pytest.mark.filterwarnings("error")
def test_sentences_are_drawn_as_they_are_and_a_pass_is_said(usual: Run) -> None:
    texts = [*STRANGE, *usual.texts[len(STRANGE) :]]
    verdict = Verdict((Criterion("spectrum", "wanted", "found", -1.0),))
    pages = drawn(replace(usual, texts=texts, verdict=verdict), STRANGE[2])
    for picture in pages.values():
        picture.check()
    assert {STRANGE[0], STRANGE[1]} <= {text for text, _ in pages["montage"].words}
    assert "✓ PASS: 1 of 1 criteria hold" in pages["overview"].said
    assert "✗" not in pages["overview"].said


@pytest.mark.filterwarnings("error")
def test_a_diverged_run_gets_its_pictures(usual: Run) -> None:
    latent = usual.latent.clone()
    latent[0, 0, 0, 1] = math.nan
    latent[..., 2] = 0.7
    broken = dict.fromkeys(usual.log[0], math.nan) | {"step": 61.0}
    history = [*usual.history, measure(61, latent, Priors())]
    log = [*usual.log, broken]
    pages = drawn(replace(usual, latent=latent, fixed=latent[:16], history=history, log=log))
    assert "not finite: no spectrum" in pages["spectrum"].said
    assert "constant: no spectrum" in pages["spectrum"].said
    assert "not finite: no gradients" in pages["gradients"].said
    assert "loss nan" in pages["training"].said
    for picture in pages.values():
        picture.check()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("value", "channels", "rows_"), [(math.nan, 2, 0), (math.inf, 3, 1), (0.0, 4, 1), (1e30, 5, 0)]
)
def test_a_run_that_was_nothing_from_the_start(value: float, channels: int, rows_: int) -> None:
    latent = torch.full((16, HEIGHT, WIDTH, channels), value)
    history = [measure(0, latent, Priors())]
    verdict = judge(history, 1, Priors())
    pages = drawn(Run(latent, latent, ["a cube"] * 16, history, rows(rows_), verdict))
    assert ("nothing to show" in pages["training"].said) == (rows_ == 0)
    for picture in pages.values():
        picture.check()
