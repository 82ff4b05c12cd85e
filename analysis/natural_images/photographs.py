"""Photographs as crops: gray, by area averaging at several scales, in three tones.

The values of a file are taken as sRGB, and turned into light before colors are weighted and areas
averaged, since that is where a camera of fewer pixels would average.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np
import pywt.data
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from sklearn.datasets import load_sample_images

from vlatent.shapes import UserError

Light = Float[NDArray[np.float64], "height width color"]  # linear, 0 to 1; one color or three
Gray = Float[NDArray[np.float64], "height width"]

LUMINANCE = np.array([0.2126, 0.7152, 0.0722])  # of linear red, green and blue: IEC 61966-2-1
SCALES = (1, 2, 4, 8)  # pixels of the file along a side that become one
# A crop with less contrast, in standard deviations of the file's 256 steps, shows the steps.
FLAT = 2 / 255
OF_SCIKIT_IMAGE = (
    *("astronaut.png", "chelsea.png", "coffee.png", "coins.png"),
    *("moon.png", "motorcycle_left.png", "rocket.jpg"),
)


class Photograph(NamedTuple):
    """A photograph and where it comes from."""

    name: str
    light: Light


class Crops(NamedTuple):
    """Crops of all photographs at one scale, in random order, the same ones in every tone.

    Attributes:
        scale: Pixels of the file along a side that became one.
        tones: Images by tone, [crop, height, width, 1].
        colors: Crops that have colors, as displayed, [_, height, width, 3].
        sources: Name of the photograph that a crop was taken from.
        flat: Share of the crops that were left out, since they have no contrast.
        disjoint: How many crops would fit beside each other: more overlap.
    """

    scale: int
    tones: dict[str, Float[torch.Tensor, "crop height width 1"]]
    colors: Float[torch.Tensor, "_ height width 3"]
    sources: NDArray[np.str_]
    flat: float
    disjoint: int


def displayed(light: NDArray[np.float64]) -> NDArray[np.float64]:
    """Linear light to the values of a file: sRGB's curve, nearly light^(1 / 2.2)."""
    high = 1.055 * np.maximum(light, 0.0031308) ** (1 / 2.4) - 0.055
    return np.where(light <= 0.0031308, 12.92 * light, high)


def linear(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The values of a file, 0 to 1, to linear light: the inverse of `displayed`."""
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def _logarithm(light: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log of light; black counts as half of the darkest step above it."""
    darkest = float(linear(np.array(0.5 / 255)))
    return np.log(np.maximum(light, darkest))


# The first is the one of record: a latent is shown as the values of a file are.
TONES: dict[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    "display": displayed,
    "linear": lambda light: light,
    "log": _logarithm,
}


def bundled() -> list[Photograph]:
    """The five photographs that come with scikit-learn (two, in color) and PyWavelets (gray)."""
    sample = load_sample_images()
    named = {
        Path(file).name: image for file, image in zip(sample.filenames, sample.images, strict=True)
    }
    named |= {name: getattr(pywt.data, name)() for name in ("camera", "ascent", "aero")}
    return [Photograph(name, _light(values)) for name, values in named.items()]


def scenes() -> list[Photograph]:
    """Thirteen photographs of scenes: the bundled ones, and those of scikit-image and matplotlib.

    Close views of one texture (scikit-image's bricks, grass and gravel) are not among them: they
    show neither regions nor contours.

    Raises:
        UserError: scikit-image is not installed.
    """
    installed = find_spec("skimage")  # for its files alone: nothing of it is imported
    if installed is None or installed.origin is None:
        raise UserError(
            "photographs of scikit-image are measured too, but it is not installed: "
            "pip install scikit-image."
        )
    folder = Path(installed.origin).parent / "data"
    sample = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"
    files = [*(folder / name for name in OF_SCIKIT_IMAGE), sample]
    return bundled() + [Photograph(file.name, _read(file)) for file in files]


def from_folder(folder: Path) -> list[Photograph]:
    """Every image of a folder that Pillow can read, in order of its name; other files are skipped.

    Raises:
        UserError: No folder, no image in it, or an image of another depth than 8 bits.
    """
    if not folder.is_dir():
        raise UserError(f"there is no folder {folder}; name one that holds photographs.")
    Image.init()
    readable = Image.registered_extensions()
    files = sorted(file for file in folder.iterdir() if file.suffix.lower() in readable)
    if not files:
        raise UserError(f"{folder} holds no image; put photographs (.jpg, .png, ...) into it.")
    return [Photograph(file.name, _read(file)) for file in files]


def crops(
    photographs: list[Photograph], scale: int, count: int, height: int, width: int, seed: int
) -> Crops:
    """About `count` crops at one scale, every photograph that is large enough with the same number.

    Raises:
        UserError: No photograph is large enough, or too few crops have any contrast.
    """
    smaller = [(name, reduced(light, scale)) for name, light in photographs]
    fitting = [
        (name, light)
        for name, light in smaller
        if light.shape[0] >= height and light.shape[1] >= width
    ]
    if not fitting:
        raise UserError(
            f"no photograph has {height * scale}x{width * scale} pixels, which a {height}x{width} "
            f"crop at 1/{scale} needs; add larger ones."
        )
    generator = np.random.default_rng([seed, scale])
    each = -(-count // len(fitting))
    taken: list[Light] = []
    sources: list[str] = []
    flat = disjoint = 0
    for name, light in fitting:
        gray = displayed(_gray(light))
        disjoint += (light.shape[0] // height) * (light.shape[1] // width)
        for top, left in _places(generator, light, each, height, width):
            window = slice(top, top + height), slice(left, left + width)
            if gray[window].std() < FLAT:
                flat += 1
                continue
            taken.append(light[window])
            sources.append(name)
    if len(taken) < count / 2:
        raise UserError(
            f"{flat} of {each * len(fitting)} crops at 1/{scale} have next to no contrast: too "
            "little to measure; give photographs of something."
        )
    order = generator.permutation(len(taken))[:count]
    chosen = [taken[place] for place in order]
    gray_light = np.stack([_gray(light) for light in chosen])
    colored = [displayed(light) for light in chosen if light.shape[2] == 3]
    colors = np.stack(colored) if colored else np.zeros((0, height, width, 3))
    return Crops(
        scale,
        {name: torch.from_numpy(tone(gray_light)[..., None]) for name, tone in TONES.items()},
        torch.from_numpy(colors),
        np.array(sources)[order],
        flat / (each * len(fitting)),
        disjoint,
    )


def reduced(light: Light, scale: int) -> Light:
    """Means over squares of scale x scale pixels; rows and columns that fill no square are cut."""
    height, width = light.shape[0] // scale, light.shape[1] // scale
    whole = light[: height * scale, : width * scale]
    return whole.reshape(height, scale, width, scale, -1).mean((1, 3))


def _places(
    generator: np.random.Generator, light: Light, count: int, height: int, width: int
) -> Iterator[tuple[int, int]]:
    """Upper left corners, every one as likely as any other."""
    tops = generator.integers(0, light.shape[0] - height + 1, count)
    lefts = generator.integers(0, light.shape[1] - width + 1, count)
    return zip(tops.tolist(), lefts.tolist(), strict=True)


def _gray(light: Light) -> Gray:
    return light @ LUMINANCE if light.shape[-1] == 3 else light[..., 0]


def _light(values: NDArray[np.uint8]) -> Light:
    """The 8-bit values of a file as linear light with a color axis."""
    shaped = values[..., None] if values.ndim == 2 else values
    return linear(shaped / 255)


def _read(file: Path) -> Light:
    """An image file as linear light: gray ones with one color, all others with three."""
    try:
        with Image.open(file) as image:
            if image.mode.startswith(("I", "F")):
                raise UserError(f"{file} has more than 8 bits a color; save it with 8 bits.")
            gray = image.mode in ("1", "L", "LA")
            return _light(np.asarray(image.convert("L" if gray else "RGB")))
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError) as error:
        raise UserError(
            f"cannot read the image {file}: {error}; repair it or take it out of the folder."
        ) from None
