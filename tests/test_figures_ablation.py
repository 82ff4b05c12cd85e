"""The figures of an ablation: their numbers by hand, their drawing by properties."""

# ruff: noqa: RUF001

from __future__ import annotations

import io
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
import torch
from drawn import check_whole, noted
from fields import power_law
from matplotlib.backend_bases import RendererBase
from matplotlib.text import Text
from matplotlib.transforms import Bbox
from PIL import Image

from ablations.figures import ArmLatents, Dose, ForestRow, ablation_figures, in_figures
from ablations.figures.numbers import called, criterion, extent, places
from vlatent.effects import Effect, family, paired
from vlatent.figures.drawing import BAD
from vlatent.figures.page import Page

SEEDS = 8
TITLE = "What does each prior buy? ($x_1$ and $y_2$ are held fixed.)"
PRIORS = ("spectrum", "total_variation", "wavelet", "kurtosis", "decorrelation", "variance")
FACTORS = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0)
SIX = [f"without {prior}" for prior in PRIORS]
THIRTY = [f"{prior} × {called(factor)}" for prior in PRIORS for factor in FACTORS if factor != 1]
LONG = ["without spectrum, total_variation, wavelet and kurtosis, weights searched again", "base"]
# Usual value, standard deviation over seeds, and where the criterion holds.
STATISTICS: dict[str, tuple[float, float, tuple[float, float] | None]] = {
    "channels in band": (6, 0.5, (4, math.inf)),
    "mean |α - 2|": (0.12, 0.03, None),
    "total variation": (1147, 25, (64, math.inf)),
    "log(mean|c| / rms c) of the wavelets": (-0.42, 0.01, None),
    "gradient kurtosis": (6.5, 0.4, (3, math.inf)),
    "mean |correlation| between channels": (0.0066, 0.002, (-math.inf, 0.1)),
    "variance": (0.993, 0.003, (0.5, 2)),
    "share between sentences ignoring channel means": (0.06, 0.01, (0, 0.1)),
}
TEXTS = [
    "a small red cube stands left of a large blue sphere",
    "a green cylinder is behind the tall yellow block, and a red ball lies in front of it",
    "two blue cubes",
    "it costs $5, not $6_a: 红色方块 " + "a large purple pyramid stands on a white block " * 4,
]


@dataclass(frozen=True)
class Made:
    """What `ablation_figures` is given beside the title and the sentences."""

    comparisons: Sequence[ForestRow] = ()
    doses: Mapping[str, Sequence[Dose]] = field(default_factory=dict)
    latents: Sequence[ArmLatents] = ()
    looks: int = 1


def compared(arms: Sequence[str], left: Mapping[int, int], scale: float = 1.0) -> list[ForestRow]:
    """Made-up effects; of some arms, by their place, only so many pairs are left."""
    draw = np.random.default_rng(len(arms))
    found = []
    for name, (base, deviation, _) in STATISTICS.items():
        effects = {}
        for place, arm in enumerate(arms):
            shift, wide = draw.choice([0, 0, 1, 5]), 8 if place == 3 else 1
            differences = draw.normal(shift, wide, left.get(place, SEEDS)) * deviation * scale
            effects[arm] = paired(differences.tolist())
        found.append(ForestRow(name, base, family(effects)))
    return found


def dosed(left: Mapping[float, int], factors: Sequence[float] = FACTORS) -> list[Dose]:
    draw = np.random.default_rng(5)
    return [
        Dose(
            name,
            {
                factor: draw.normal(base + deviation * factor, deviation, left.get(factor, SEEDS))
                .astype(float)
                .tolist()
                for factor in factors
            },
            wanted,
        )
        for name, (base, deviation, wanted) in STATISTICS.items()
    ]


def latents_of(seed: int, side: int = 32, channels: int = 6) -> torch.Tensor:
    pictures = [power_law(2, len(TEXTS), side, side, seed + channel) for channel in range(channels)]
    return torch.tensor(np.stack(pictures, -1), dtype=torch.float32)


BASE = ArmLatents("base", latents_of(0))
OWN_MEANS = 5 * torch.arange(len(TEXTS))[:, None, None, None]  # which are no deviation
MADE = {
    "six arms": Made(
        compared(SIX, {}),
        {"kurtosis": dosed({})},
        [BASE, *(ArmLatents(arm, latents_of(seed)) for seed, arm in enumerate(SIX))],
    ),
    "thirty arms": Made(
        compared(THIRTY, {2: 6, 4: 0, 9: 1}),
        {"total_variation": dosed({4.0: 5}), "variance": dosed({0.0: 0, 0.25: 1})},
        [BASE, *(ArmLatents(arm, latents_of(7) if arm != THIRTY[4] else None) for arm in THIRTY)],
    ),
    "holes": Made(
        compared(SIX, {0: 6, 4: 0, 5: 1}),
        {"spectrum": dosed({0.5: 0, 4.0: 3})},
        [
            BASE,
            ArmLatents(SIX[0], None),
            ArmLatents(SIX[1], torch.full_like(latents_of(0), math.nan)),
        ],
    ),
    "all failed": Made(
        compared(SIX, dict.fromkeys(range(6), 0)),
        {"spectrum": dosed(dict.fromkeys(FACTORS, 0))},
        [ArmLatents(arm, None) for arm in SIX],
    ),
    "no difference": Made(compared(SIX, {}, scale=0), {"variance": dosed({}, [1.0])}, [BASE, BASE]),
    "long names": Made(compared(LONG, {}, scale=1e5)[:1], {"wavelet": dosed({}, [0, 1])[3:4]}),
    "tiny": Made(compared(LONG[1:], {}, scale=1e-9)[:3], {"wavelet": dosed({}, [0.1, 1, 30])[:2]}),
    "other latents": Made(
        latents=[
            BASE,
            ArmLatents("48 × 48 × 8", latents_of(1, 48, 8) * 2.5 + OWN_MEANS),
            ArmLatents("5 channels", latents_of(2, 24, 5)),
        ]
    ),
}


READ = {"readings": ["A red cube is on a blue orb. " * 20], "none": [""], "words": ["red $x$ red"]}
MADE["readings"] = Made(
    latents=[
        BASE,
        *(ArmLatents(arm, latents_of(3), read) for arm, read in READ.items()),
        ArmLatents("fourteen channels", latents_of(4, 24, 14), ["A blue ring is on a red cube."]),
        ArmLatents(SIX[0], None),
    ]
)


# Numbers


def effect(mean: float, low: float, high: float, n: int = 8) -> Effect:
    return Effect(mean, low, high, 1.0, 0.01, 0.0469, 1.0, n)


@pytest.mark.parametrize(
    ("found", "figures"),
    [
        (effect(2.125, 1.83, 2.42), ("+2.12 [+1.83, +2.42]", "8", "0.047")),
        (effect(0.0001, -0.02, 0.0202), ("+0.000 [-0.020, +0.021]", "8", "0.047")),
        (effect(-97.4, -121.0, -72.8), ("-97 [-121, -72]", "8", "0.047")),
        (effect(1e-9, -1e-9, 3e-9), ("1e-9 [-1e-9, 3e-9]", "8", "0.047")),
        (effect(0.5, 0.5, 0.5, n=6), ("0.5 (the same in all pairs)", "6 of 8", "0.047")),
        (paired([0.5] * 8), ("0.5 (the same in all pairs)", "8", "0.0078")),
        (paired([-6.0] * 8, (-6, 6)), ("-6.0 [-6.0, -1.5]", "8", "0.0078")),
        (paired([5.0] * 8, (0, math.inf)), ("5 [3.15, inf]", "8", "0.0078")),
        (paired([0.0] * 7 + [-6.0]), ("-0.8 [-2.6, +1.1]", "8", "1, skewed")),
        (paired([0.25]), ("0.25 (one pair)", "1 of 8", "")),
        (paired([]), ("no pair is left", "0 of 8", "")),
    ],
)
def test_figures_of_an_effect(found: Effect, figures: tuple[str, str, str]) -> None:
    assert in_figures(found, SEEDS) == figures


def test_extent_by_hand() -> None:
    low, high = extent([(1.0, 0.0, 2.0), (4.0, 3.0, 5.0)], [0.0])
    assert (low, high) == pytest.approx((0 - 0.3, 5 + 0.3))
    # Half widths 1, 1 and 50: the widest is cut off at 3 beyond the means.
    low, high = extent([(1.0, 0.0, 2.0), (4.0, 3.0, 5.0), (2.0, -48.0, 52.0)], [])
    assert (low, high) == pytest.approx((-2 - 0.54, 7 + 0.54))


def test_extent_of_what_has_none() -> None:
    assert extent([], []) == extent([(math.nan, -math.inf, math.inf)], []) == (-1, 1)
    assert extent([(0.0, 0.0, 0.0)], [0.0]) == (-1, 1)
    assert extent([(5.0, -math.inf, math.inf)], []) == (4.5, 5.5)


def test_places_are_doublings_and_0_stands_before_them() -> None:
    assert places([4, 0, 1, 0.25]) == {0: -3.5, 0.25: -2, 1: 0, 4: 2}
    assert places([0]) == {0: -1.5}


def test_factors_and_criteria_in_words() -> None:
    assert [called(factor) for factor in FACTORS] == ["0", "¼", "½", "1", "2", "4"]
    assert criterion((3, math.inf)) == "wanted: ≥ 3"
    assert criterion((-math.inf, 0.1)) == "wanted: ≤ 0.1"
    assert criterion((0.5, 2)) == "wanted: 0.5 to 2"
    assert criterion(None) == ""


# Drawing


@dataclass(frozen=True)
class Drawn:
    """A page as PNG, its words with their boxes in pixels from below, and its images' boxes."""

    png: bytes
    words: list[tuple[str, Bbox]]
    images: list[Bbox]

    @property
    def text(self) -> str:
        return " ".join(words.replace("\n", " ") for words, _ in self.words)


@pytest.fixture(scope="module")
def made() -> dict[str, dict[str, Drawn]]:
    """The figures of every made-up ablation, and what was drawn on them, and where."""
    words: list[tuple[str, Bbox]] = []
    draw, encoded = Text.draw, Page.png
    pages: list[Drawn] = []

    def noted(text: Text, renderer: RendererBase) -> None:
        if text.get_visible() and text.get_text().strip():
            words.append((text.get_text(), text.get_window_extent(renderer)))
        draw(text, renderer)

    def png(page: Page) -> bytes:
        words.clear()
        image = encoded(page)
        boxes = [
            Bbox.from_bounds(left, page.height - top - len(pixels), pixels.shape[1], len(pixels))
            for left, top, pixels in page.images
        ]
        pages.append(Drawn(image, list(words), boxes))
        return image

    drawn = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Text, "draw", noted)
        patch.setattr(Page, "png", png)
        for name, given in MADE.items():
            pages.clear()
            images = figures(given)
            assert [page.png for page in pages] == list(images.values())
            drawn[name] = dict(zip(images, list(pages), strict=True))
    return drawn


def figures(given: Made) -> dict[str, bytes]:
    shown = given.comparisons, given.doses, given.latents
    return ablation_figures(TITLE, SEEDS, given.looks, *shown, TEXTS)


def test_pictures_have_their_names(made: dict[str, dict[str, Drawn]]) -> None:
    assert list(made["six arms"]) == ["forest", "dose_kurtosis", "latents"]
    assert list(made["thirty arms"]) == [
        "forest",
        "dose_total_variation",
        "dose_variance",
        "latents",
    ]
    assert list(made["tiny"]) == ["forest", "dose_wavelet"]
    assert list(made["other latents"]) == ["latents"]
    for pages in made.values():
        for page in pages.values():
            assert TITLE in page.text


@pytest.mark.parametrize("name", MADE)
def test_nothing_is_cut_off_or_overlaps(name: str, made: dict[str, dict[str, Drawn]]) -> None:
    for page in made[name].values():
        assert len(page.words) >= 3
        check_whole(page.png, [*page.words, *(("an image", box) for box in page.images)])


def test_only_long_names_and_sentences_are_shortened(made: dict[str, dict[str, Drawn]]) -> None:
    for name, pages in made.items():
        for kind, page in pages.items():
            shortened = [words for words, _ in page.words if "…" in words]
            allowed = [LONG[0], TEXTS[3].replace("红色方块", "□□□□")]
            for words in shortened:
                begin = words.replace("\n", " ").removesuffix(" …")
                assert any(text.startswith(begin) for text in allowed), (name, kind, words)


def test_forest_says_every_number(made: dict[str, dict[str, Drawn]]) -> None:
    for name in ("six arms", "thirty arms", "holes"):
        page = made[name]["forest"]
        words = [words.replace("\n", " ") for words, _ in page.words]
        for comparison in MADE[name].comparisons:
            assert comparison.statistic in words
            for arm, found in comparison.effects.items():
                assert arm in words
                assert in_figures(found, SEEDS)[0] in words


def test_holes_are_said(made: dict[str, dict[str, Drawn]]) -> None:
    page = made["holes"]
    explained = "a run that failed is left out together with its partner"
    assert explained in page["forest"].text
    assert page["forest"].text.count("no pair is left") == len(STATISTICS)
    assert page["forest"].text.count("6 of 8") == len(STATISTICS)
    assert page["forest"].text.count("(one pair)") == len(STATISTICS)
    assert page["dose_spectrum"].text.count("n 0") == len(STATISTICS)
    assert page["dose_spectrum"].text.count("n 3") == len(STATISTICS)
    assert page["latents"].text.count("failed: no latent") == 1
    assert "sd nan" in page["latents"].text
    whole = made["six arms"]
    assert explained not in whole["forest"].text
    assert "failed" not in " ".join(drawn.text for drawn in whole.values())


def pixels(page: Drawn) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(page.png)))


def count(image: np.ndarray, color: str) -> int:
    wanted = [int(color[at : at + 2], 16) for at in (1, 3, 5)]
    return int((image == wanted).all(-1).sum())


def test_only_what_is_established_is_filled() -> None:
    """Below 0.05 the marker has its color inside too, at 0.05 it is another and hollow."""

    def drawn(adjusted: float) -> np.ndarray:
        found = replace(effect(1.0, 0.5, 1.5), adjusted=adjusted)
        page = figures(Made([ForestRow("kurtosis", 6.0, {"without it": found})]))["forest"]
        return pixels(Drawn(page, [], []))

    established, other = drawn(0.0499), drawn(0.05)
    blue = (established == (0x00, 0x72, 0xB2)).all(-1)
    row, column = (np.flatnonzero(blue.any(axis)) for axis in (1, 0))
    middle = row[len(row) // 2], column[len(column) // 2]
    assert blue[middle]
    assert other[middle].tolist() == [255, 255, 255]
    assert count(other, "#0072B2") == 0


def test_intervals_and_means_stand_where_they_belong() -> None:
    """The line of the interval is as long as its share of the scale, the line of 0 left of it."""
    found = replace(effect(2.0, 1.0, 3.0), adjusted=0.01)
    page = figures(Made([ForestRow("kurtosis", 6.0, {"without it": found})]))["forest"]
    image = pixels(Drawn(page, [], []))
    blue = (image == (0x00, 0x72, 0xB2)).all(-1)
    across = np.flatnonzero(blue.any(0))
    low, high = extent([(2.0, 1.0, 3.0)], [0.0])
    assert across[-1] - across[0] == pytest.approx(2 / (high - low) * 210, abs=4)
    down = np.flatnonzero(blue[:, across[0] : across[-1] + 1].sum(1) > 20)
    dark = np.flatnonzero((image[down[0] - 6, : across[0]] < 60).all(-1))
    assert across[0] - dark[-1] == pytest.approx(1 / (high - low) * 210, abs=4)


def test_dose_shades_where_the_criterion_holds() -> None:
    values = {factor: [1.0, 2.0, 3.0] for factor in FACTORS}

    def shaded(wanted: tuple[float, float] | None) -> int:
        page = figures(Made(doses={"kurtosis": [Dose("kurtosis", values, wanted)]}))[
            "dose_kurtosis"
        ]
        return count(pixels(Drawn(page, [], [])), "#D9E8F3")

    everywhere = shaded((-math.inf, 100))
    assert shaded(None) == shaded((100, math.inf)) == 0
    assert everywhere > 30_000
    # About the scale's middle.
    assert shaded((2, math.inf)) == pytest.approx(everywhere / 2, rel=0.1)


def test_pictures_show_every_arm_and_sentence(made: dict[str, dict[str, Drawn]]) -> None:
    for name in ("six arms", "thirty arms", "other latents"):
        page = made[name]["latents"]
        there = [one for one in MADE[name].latents if one.latent is not None]
        assert len(page.images) == len(there) * len(TEXTS)
        for one in MADE[name].latents:
            assert one.arm in [words for words, _ in page.words]
    # Two rows of three channels at twice their size, or six small ones side by side.
    sizes = {name: made[name]["latents"].images[0].size for name in ("six arms", "thirty arms")}
    assert tuple(sizes["six arms"]) == (3 * 64 + 2 * 6, 2 * 64 + 6)
    assert tuple(sizes["thirty arms"]) == (6 * 32 + 5 * 6, 32)


def test_channels_are_in_their_places() -> None:
    """One bright channel after the other: row by row from the upper left."""
    lit = []
    for channel in range(6):
        latent = torch.zeros(len(TEXTS), 32, 32, 6)
        latent[0, :, :, channel] = 1.0  # the other sentences are dark
        page = figures(Made(latents=[ArmLatents("base", latent)]))["latents"]
        image = pixels(Drawn(page, [], []))
        yellow = np.argwhere((image[..., 0] > 240) & (image[..., 1] > 220) & (image[..., 2] < 90))
        lit.append((yellow.min(0), yellow.max(0)))
        assert tuple(lit[-1][1] - lit[-1][0]) == (63, 63)
    corner = lit[0][0]
    steps = [tuple(int(step) for step in (begin - corner) // 70) for begin, _ in lit]
    assert steps == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]


def test_readings_say_how_much_is_right(made: dict[str, dict[str, Drawn]]) -> None:
    told = "A red cube is on a blue sphere."
    read = {"base": told, "without kurtosis": told.replace("red", "gray"), "failed": None}
    arms = [
        ArmLatents(arm, latents_of(0) if text else None, [text] if text else ())
        for arm, text in read.items()
    ]
    *_, (png, words) = noted(
        lambda: ablation_figures(TITLE, SEEDS, 1, (), {}, arms, [told] * 4)["readings"]
    )
    said = [text for text, _ in words]
    assert {"base · fact F1 1.00", "without kurtosis · fact F1 0.00", "failed"} < set(said)
    assert said.count("failed: no latent") == 1
    assert {"told", "read", "gray", "cube"} < set(said)
    assert count(pixels(Drawn(png, [], [])), BAD) > 0
    assert set(made["readings"]) == {"latents", "readings"}
    assert "fact F1" not in made["readings"]["readings"].text  # a sentence of something else
    assert len(made["readings"]["readings"].images) == 5
    assert "…" in made["readings"]["readings"].text  # twenty sentences are read of one


def test_pictures_say_the_standard_deviation(made: dict[str, dict[str, Drawn]]) -> None:
    """Of a picture's pixels about their own mean, pooled over sentences and channels."""
    latent = MADE["other latents"].latents[1].latent
    assert latent is not None
    deviation = math.sqrt(float(latent.numpy().var((1, 2)).mean()))
    assert 2 < deviation < 3
    assert f"sd {deviation:.3g}" in made["other latents"]["latents"].text


def test_pictures_depend_on_nothing_else_and_are_quick(made: dict[str, dict[str, Drawn]]) -> None:
    began = time.process_time()
    again = figures(MADE["thirty arms"])
    assert time.process_time() - began < 15  # 2.5 s, but annotations are checked here
    assert again == {name: page.png for name, page in made["thirty arms"].items()}
