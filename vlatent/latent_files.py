"""Latents of files and folders: .npy, .npz, .safetensors, .pt without pickle, and images."""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from vlatent.image_folder import image_folder
from vlatent.shapes import Latents, UserError, as_latent

Part = Tensor | np.ndarray
Axes = tuple[int, ...]

KINDS = ".npy, .npz, .safetensors, .pt or a folder of images"
SMALLEST = 8  # pixels along a side: less has no statistics
MOST_CHANNELS = 1024


@dataclass(frozen=True)
class LatentFile:
    """Latents that are read part by part, since they may not fit into memory.

    Attributes:
        name: Of the file or folder, and the key in it.
        shape: Their number, frames counted one by one, height, width and channels.
        channels_first: Whether the file has them so; None if the user did not say.
        axes: Of the array as it is stored, a batch first.
        parts: Consecutive parts of the array with so many entries along the first axis.
    """

    name: str
    shape: tuple[int, int, int, int]
    channels_first: bool | None
    axes: Axes
    parts: Callable[[int], Iterator[Part]]

    def chunks(self, latents: int) -> Iterator[Latents]:
        """Consecutive latents, at least so many a chunk as far as there are, in fp32 or fp64.

        Raises:
            UserError: They are not finite, or the file cannot be read to its end.
        """
        frames = self.shape[0] // self.axes[0]
        seen = 0
        with _readable(self.name):
            for part in self.parts(-(-latents // frames)):
                try:
                    chunk = as_latent(part, bool(self.channels_first))
                except UserError as error:
                    after = f" (counted from latent {seen})" if seen else ""
                    raise UserError(f"{self.name}: {error}{after}") from None
                seen += len(chunk)
                yield chunk


def open_latents(path: Path, key: str | None, channels_first: bool | None) -> LatentFile:
    """Find latents in a file or folder and check their shape.

    Args:
        path: Of the file or folder.
        key: Name of the array, where there are several.
        channels_first: Whether channels come before height and width; None: they come last, and a
            shape that looks otherwise is an error.

    Raises:
        UserError: Nothing there, no such key, or no latents: names what there is.
    """
    if not path.exists():
        raise UserError(f"there is no {path}; give {KINDS}.")
    if path.is_dir():
        if key is not None or channels_first:
            raise UserError(
                f"{path} is a folder of images, which have no keys and their colors last: omit "
                "--key and --channels_first."
            )
        found, axes, parts = _folder(path)
        channels_first = False
    else:
        if path.suffix not in READERS:
            raise UserError(f"{path} is no file of latents that is read: give {KINDS}.")
        if path.stat().st_size == 0:
            raise UserError(f"{path} is empty.")
        with _readable(f"{path}"):
            found, axes, parts = READERS[path.suffix](path, key)
    name = f"{path}" + (f", {found}" if found else "")
    return LatentFile(name, _shape(name, axes, channels_first), channels_first, axes, parts)


def _shape(name: str, axes: Axes, channels_first: bool | None) -> tuple[int, int, int, int]:
    """Shape of the latents as they are measured, found with one that occupies no memory."""
    try:
        height, width, channels = as_latent(
            torch.zeros(()).expand((1, *axes[1:])), channels_first
        ).shape[1:]
    except UserError as error:
        flags = "--channels_first, or --channels_last"
        said = f"{error}".replace("channels_first=True, or False", flags)
        raise UserError(f"{name}: {said}") from None
    frames = math.prod(axes) // (axes[0] * height * width * channels)
    if channels > MOST_CHANNELS:
        raise UserError(
            f"{name} has {channels:,} channels; gray images without an axis of channels need one: "
            "values[..., None]."
        )
    if min(height, width) < SMALLEST:
        raise UserError(
            f"{name}: latents must be at least {SMALLEST} x {SMALLEST}, but are {height} x {width}."
        )
    return axes[0] * frames, height, width, channels


@contextmanager
def _readable(name: str) -> Iterator[None]:
    """What readers raise, as one line."""
    try:
        yield
    except UserError:
        raise
    except (OSError, ValueError, RuntimeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        reason = " ".join(f"{error}".split())[:200]
        raise UserError(f"{name} cannot be read: {reason or type(error).__name__}.") from None


def _chosen(path: Path, key: str | None, arrays: Mapping[str, Sequence[int]]) -> str:
    """The key that is given, or the only one whose array can hold latents."""
    listed = ", ".join(f"{name} {list(shape)}" for name, shape in arrays.items()) or "none"
    if key is not None:
        if key not in arrays:
            raise UserError(f"{path} has no key {key}; its keys are {listed}.")
        return key
    fitting = [name for name, shape in arrays.items() if len(shape) in (3, 4, 5)]
    if len(fitting) != 1:
        many = "several arrays" if fitting else "no array of 3, 4 or 5 axes"
        raise UserError(f"{path} has {many}; name one with --key. Its keys are {listed}.")
    return fitting[0]


def _batched(array: Part) -> tuple[Axes, Callable[[int], Iterator[Part]]]:
    """Axes and parts of an array in memory or mapped to it."""
    if array.ndim == 3:
        array = array[None]

    def parts(count: int) -> Iterator[Part]:
        for start in range(0, len(array), count):
            yield array[start : start + count]

    return _checked_axes(array.shape), parts


def _checked_axes(shape: Sequence[int]) -> Axes:
    axes = tuple(map(int, shape))
    axes = (1, *axes) if len(axes) == 3 else axes
    if len(axes) not in (4, 5):
        raise UserError(f"latents must have 3, 4 or 5 axes, but have {len(axes)}: {list(axes)}.")
    if 0 in axes:
        raise UserError(f"latents must not be empty, but have the shape {list(axes)}.")
    return axes


Found = tuple[str, Axes, Callable[[int], Iterator[Part]]]


def _folder(path: Path) -> Found:
    return "", *image_folder(path)


def _npy(path: Path, key: str | None) -> Found:
    if key is not None:
        raise UserError(f"{path} holds one array, which has no key: omit --key.")
    return "", *_batched(np.load(path, mmap_mode="r", allow_pickle=False))


def _npz(path: Path, key: str | None) -> Found:
    """An array of the archive, unpacked only as far as it is read."""
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.endswith(".npy")]
        heads = {name.removesuffix(".npy"): _head(archive, name) for name in names}
    found = _chosen(path, key, {name: head.shape for name, head in heads.items()})
    head = heads[found]
    if head.kind.hasobject:
        raise UserError(f"{path}, {found} holds pickled Python objects, which are not read.")
    if head.fortran:
        with np.load(path, allow_pickle=False) as arrays:
            return found, *_batched(arrays[found])
    axes = _checked_axes(head.shape)

    def parts(count: int) -> Iterator[Part]:
        with zipfile.ZipFile(path) as archive, archive.open(f"{found}.npy") as file:
            file.read(head.size)
            for start in range(0, axes[0], count):
                rows = (min(count, axes[0] - start), *axes[1:])
                content = file.read(math.prod(rows) * head.kind.itemsize)
                yield np.frombuffer(content, head.kind).reshape(rows)

    return found, axes, parts


class _Head(NamedTuple):
    """What stands before the numbers of an array, and its size in bytes."""

    shape: Axes
    fortran: bool
    kind: np.dtype
    size: int


def _head(archive: zipfile.ZipFile, name: str) -> _Head:
    form = np.lib.format
    with archive.open(name) as file:
        first = form.read_magic(file) == (1, 0)
        read = form.read_array_header_1_0 if first else form.read_array_header_2_0
        return _Head(*read(file), file.tell())


def _safetensors(path: Path, key: str | None) -> Found:
    from safetensors import SafetensorError, safe_open

    try:
        opened = safe_open(path, framework="pt")
    except SafetensorError as error:
        raise UserError(f"{path} cannot be read: {error}.") from None
    with opened as file:
        shapes = {name: file.get_slice(name).get_shape() for name in list(file.keys())}
    found = _chosen(path, key, shapes)
    axes, single = _checked_axes(shapes[found]), len(shapes[found]) == 3

    def parts(count: int) -> Iterator[Part]:
        with safe_open(path, framework="pt") as file:
            if single:
                yield file.get_tensor(found)[None]
                return
            array = file.get_slice(found)
            for start in range(0, axes[0], count):
                yield array[start : start + count]

    return found, axes, parts


def _pt(path: Path, key: str | None) -> Found:
    """A tensor, or one of a dictionary of tensors; nothing that is pickled is run."""
    mapped = zipfile.is_zipfile(path)  # older files are none, and are read as a whole
    try:
        saved = torch.load(path, weights_only=True, mmap=mapped, map_location="cpu")
    except (UnpicklingError, LookupError):
        raise UserError(
            f"{path} holds more than tensors; pickled Python objects could run anything, and are "
            "not read: torch.save a tensor or a dictionary of tensors."
        ) from None
    if isinstance(saved, Tensor):
        if key is not None:
            raise UserError(f"{path} holds one tensor, which has no key: omit --key.")
        return "", *_batched(saved.detach())
    if not isinstance(saved, Mapping):
        raise UserError(
            f"{path} must hold a tensor or a dictionary of them, but holds a "
            f"{type(saved).__name__}."
        )
    tensors = {str(name): value for name, value in saved.items() if isinstance(value, Tensor)}
    found = _chosen(path, key, {name: value.shape for name, value in tensors.items()})
    return found, *_batched(tensors[found].detach())


READERS = {".npy": _npy, ".npz": _npz, ".safetensors": _safetensors, ".pt": _pt, ".pth": _pt}
