"""A folder of images as latents."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from vlatent.shapes import UserError

Axes = tuple[int, int, int, int]
Parts = Callable[[int], Iterator[np.ndarray]]  # consecutive parts of so many images

EIGHT_BITS = ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr")
GRAY = ("1", "L", "LA", "La")


def image_folder(folder: Path) -> tuple[Axes, Parts]:
    """Axes and parts of the images of a folder, in order of their names: values 0 to 1 of sRGB.

    All gray ones have one channel, else all have red, green and blue.

    Raises:
        UserError: No images, of several sizes, of more than 8 bits, or one that cannot be read.
    """
    from PIL import Image, UnidentifiedImageError  # a tenth of a second that other files save

    Image.init()
    readable = Image.registered_extensions()
    files = sorted(file for file in folder.iterdir() if file.suffix.lower() in readable)
    if not files:
        raise UserError(f"{folder} has no images, .png or .jpg for instance.")
    sizes: dict[tuple[int, int], Path] = {}
    gray = True
    for file in files:
        try:
            with Image.open(file) as image:
                if image.mode not in EIGHT_BITS:
                    raise UserError(f"{file} has no 8 bits a color; save it with 8 bits.")
                sizes.setdefault(image.size, file)
                gray = gray and image.mode in GRAY
        except (UnidentifiedImageError, OSError, Image.DecompressionBombError) as error:
            raise UserError(f"{file} cannot be read: {error}; repair it or take it away.") from None
    if len(sizes) > 1:
        (one, first), (other, second), *_ = sizes.items()
        raise UserError(
            f"images must have one size, but {first.name} is {one[0]} x {one[1]} and {second.name} "
            f"{other[0]} x {other[1]} pixels: crop them to one."
        )
    [(width, height)] = sizes

    def parts(count: int) -> Iterator[np.ndarray]:
        for start in range(0, len(files), count):
            yield np.stack([pixels(file) for file in files[start : start + count]])

    def pixels(file: Path) -> np.ndarray:
        with Image.open(file) as image:
            values = np.asarray(image.convert("L" if gray else "RGB"), dtype=np.float32) / 255
        return values.reshape(height, width, -1)

    return (len(files), height, width, 1 if gray else 3), parts
