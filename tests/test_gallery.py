"""The verdict against the gallery: every impostor fails, photographs pass."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from inside import inside
from PIL import Image

from analysis.natural_images import gallery, judging
from analysis.natural_images.impostors import IMPOSTORS
from analysis.natural_images.impostors.photographs import shuffled
from analysis.natural_images.judging import SIZES, of_impostors, of_photographs, row
from vlatent.evaluation.likeness import features
from vlatent.evaluation.unevenness import seams, weaker_half

# The criterion that every impostor was made to be caught by, at every size.
CATCHES = {
    "white noise": "spectrum",
    "constant": "variance",
    "ramps": "coherence",
    "half planes": "total_variation",
    "gratings": "coherence",
    "pink noise": "magnitude dependency",
    "noise chosen for kurtosis": "magnitude dependency",
    "noise with salt and pepper": "coherence",
    "six shifts of one noise image": "coherence",
    "kaleidoscope": "coherence",
    "copies whose signs change by sentence": "correlation within",
    "slopes that only their mean has": "magnitude dependency",
    "noise with weaker finest frequencies": "magnitude dependency",
    "contrast modulated noise": "coherence",
    "flat with jagged blots": "coherence",
    "posterised noise": "coherence",
    "posterised smooth noise": "correlation within",
    "upsampled noise": "residual",
    "blurred noise": "residual",
    "streaks": "directions",
    "streaks by channel": "magnitude dependency",
    "modulated streaks by channel": "likeness",
    "noise along a flow": "spectrum",
    "modulated noise along a flow": "likeness",
    "noise beside edges": "weaker channels",
    "dead leaves of tiny disks": "coherence",
    "one photograph six times": "correlation within",
    "one photograph with six signs": "correlation within",
    "six shifts of one photograph": "correlation within",
    "phase scrambled photographs": "magnitude dependency",
    "photographs with shuffled pixels": "coherence",
    "photographs with shuffled blocks": "seams",
    "photographs with shuffled large blocks": "seams",
    "photographs with shuffled rows": "speckle",
    "photographs in large pixels": "wavelet",
    "blurred photographs with noise": "residual",
    "photographs under noise": "magnitude dependency",
    "photographs beside noise": "weaker channels",
    "sentences of photographs and of noise": "sentences",
    "photographs with checkerboard": "checkerboard",
    "photographs with salt and pepper": "likeness",
    "sixteen exposures": "coherence",
}
DRAWS = 2  # of photographs, by kind, scale and size: 34 in all
FEW = 16  # sentences of an impostor: more cost time and change nothing


def test_every_impostor_has_a_criterion_that_catches_it() -> None:
    assert list(CATCHES) == list(IMPOSTORS)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", CATCHES)
def test_an_impostor_fails(name: str, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "SENTENCES", FEW)
    found = row(name, of_impostors()[name], size, 1, seed=7)
    assert not found.passed
    assert CATCHES[name] in found.caught()


@pytest.mark.parametrize("name", [name for name, impostor in IMPOSTORS.items() if impostor.shared])
def test_an_impostor_that_all_sentences_share_fails(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judging, "SENTENCES", FEW)
    assert not row(name, of_impostors()[f"{name}, shared"], 32, 1, seed=7).passed


@pytest.mark.parametrize("size", SIZES)
def test_photographs_pass(size: int) -> None:
    for name, draw in of_photographs(size).items():
        found = row(name, draw, size, DRAWS, seed=7)
        assert found.passed == DRAWS, (name, found.caught())


def test_seams_are_where_blocks_meet() -> None:
    generator = np.random.default_rng(0)
    across = torch.arange(24.0).double().expand(1, 24, 24)[..., None]
    smooth = (across / 4).sin() + (across.movedim(1, 2) / 5).cos()
    assert seams(shuffled(smooth, 8, generator)).item() > 2 * seams(smooth).item()


def test_the_weaker_half_is_that_of_the_channels_with_least_dependency() -> None:
    draw = of_impostors()
    generator = np.random.default_rng(0)
    both = draw["photographs beside noise"](32, generator)
    expected = np.sort(features(both)[..., 4].numpy(), axis=1)[:, :3].mean(1)
    np.testing.assert_allclose(weaker_half(features(both)), expected)
    assert expected.mean() < 0.05 < 0.15 < features(both)[..., 4].mean()


def test_a_generator_decides_everything_and_a_row_has_draws_that_differ() -> None:
    for name in ("streaks", "photographs with shuffled pixels"):
        one, same, other = (
            IMPOSTORS[name].latents(2, 16, 20, np.random.default_rng(seed)) for seed in (1, 1, 2)
        )
        assert one.shape == (2, 16, 20, 6)
        assert torch.equal(one, same)
        assert not torch.equal(one, other)
    found = row("pink noise", of_impostors()["pink noise"], 16, 2)
    assert found.draws[0].likeness != found.draws[1].likeness


def test_the_command_writes_table_and_figure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = {
        name: IMPOSTORS[name] for name in ("pink noise", "copies whose signs change by sentence")
    }
    monkeypatch.setattr(judging, "IMPOSTORS", few)
    monkeypatch.setattr(gallery, "SIZES", (16,))
    monkeypatch.setattr(judging, "SENTENCES", 4)
    done = inside(tmp_path, gallery.main, "--draws", "2", "--photographs", "1", "--out", "found")
    assert done.returncode == 0, done.stderr
    table = (tmp_path / "found" / "gallery.md").read_text()
    assert "| pink noise, shared | 16 | 0 of 2 [0 %, 85 %]" in table
    assert "signs change by sentence, shared" not in table
    with Image.open(tmp_path / "found" / "gallery.png") as page:
        assert page.height > 5 * 64
