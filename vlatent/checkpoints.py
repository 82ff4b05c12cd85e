"""Checkpoints: written atomically, loaded without executing anything."""

from __future__ import annotations

import contextlib
import os
import random
import shlex
import warnings
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor, nn

from vlatent.shapes import UserError
from vlatent.version import VERSION

FORMAT = 1
NAME = "checkpoint.pt"


def save(path: Path, state: Mapping[str, object]) -> None:
    """Write a checkpoint atomically: what stood there before stays until it is done.

    Args:
        path: The file. Missing folders above it are made.
        state: Tensors, numbers and strings, and lists and dictionaries of them.

    Raises:
        UserError: The place cannot be written.
    """
    content = {"format": FORMAT, "version": VERSION, "state": dict(state)}
    _replace(path, lambda file: torch.save(content, file))


def write(path: Path, content: str | bytes) -> None:
    """Write a file atomically: what stood there before stays until it is done.

    Raises:
        UserError: The place cannot be written.
    """
    whole = content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content
    _replace(path, lambda file: file.write(whole))


def load(path: Path, way_out: str = "name another one") -> dict[str, Any]:
    """Read a checkpoint, a file or the folder in which `checkpoint.pt` lies, to the CPU.

    Args:
        path: The file or the folder.
        way_out: What helps whoever cannot have it.

    Raises:
        UserError: Missing, damaged, no checkpoint at all, or of a newer format.
    """
    file = path / NAME if path.is_dir() else path
    try:
        with zipfile.ZipFile(file) as archive:  # torch writes checksums, and never looks at them
            if damaged := archive.testzip():
                raise UserError(f"checkpoint {file} is damaged (in {damaged}); {way_out}")
        with warnings.catch_warnings(action="ignore"):  # of what the error below says
            content = torch.load(file, map_location="cpu", weights_only=True)
    except UserError:
        raise
    except OSError as error:
        raise UserError(f"checkpoint {file} cannot be read: {error.strerror}; {way_out}") from error
    except Exception as error:  # damaged bytes raise whatever they happen to decode to
        raise UserError(f"checkpoint {file} is damaged, or none; {way_out}") from error
    match content:
        case {"format": int(version), "state": dict(state)} if version <= FORMAT:
            return state
        case {"format": int(version)} if version > FORMAT:
            raise UserError(
                f"checkpoint {file} has format {version}, and this version of vlatent reads up to "
                f"{FORMAT}; update vlatent, or {way_out}"
            )
    raise UserError(f"checkpoint {file} was not written by vlatent; {way_out}")


def load_to_resume(path: Path) -> dict[str, Any]:
    """Read a checkpoint from which a run can go on.

    Raises:
        UserError: As `load`, or it holds the weights of an ended run alone.
    """
    state = load(path, "resume from an older checkpoint or start without --training.resume")
    if "optimizer" not in state:
        raise UserError(
            f"checkpoint {path} holds the weights of an ended run, which can be judged "
            f"(vlatent evaluate --checkpoint {shlex.quote(str(path))}) but not continued; train "
            "its config from the start instead"
        )
    return state


def load_weights(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Give a model its weights back.

    Raises:
        UserError: They belong to another architecture; names the first tensor that differs.
    """
    expected = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    given = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    for name in [*expected, *given]:
        if expected.get(name) != given.get(name):
            raise UserError(
                f"checkpoint of another architecture: {name} is {given.get(name, 'missing')} "
                f"there and {expected.get(name, 'missing')} in this model; set encoder.* as in the "
                "run that wrote the checkpoint"
            )
    model.load_state_dict(weights)


def random_state() -> dict[str, Any]:
    """The state of PyTorch's, NumPy's and Python's generators, as tensors and numbers."""
    _, keys, position, has_gauss, gauss = np.random.get_state(legacy=True)  # noqa: NPY002, libraries draw from it
    version, words, next_gauss = random.getstate()
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "numpy": {
            "keys": torch.from_numpy(np.asarray(keys).astype(np.int64)),
            "position": int(position),
            "has_gauss": int(has_gauss),
            "gauss": float(gauss),
        },
        "python": {"version": version, "words": list(words), "gauss": next_gauss},
    }


def set_random_state(state: Mapping[str, Any]) -> None:
    """Continue the generators where `random_state` found them.

    CUDA's are left alone when the machine has another number of GPUs.
    """
    torch.set_rng_state(state["torch"])
    if state["cuda"] and len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(state["cuda"])
    kept = state["numpy"]
    keys = kept["keys"].numpy().astype(np.uint32)
    numpy = ("MT19937", keys, kept["position"], kept["has_gauss"], kept["gauss"])
    np.random.set_state(numpy)  # noqa: NPY002
    kept = state["python"]
    random.setstate((kept["version"], tuple(kept["words"]), kept["gauss"]))


def _replace(path: Path, fill: Callable[[BinaryIO], object]) -> None:
    # Beside the file, as it is replaced at one stroke only within a file system.
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("wb") as file:
                fill(file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
        _sync_folder(path.parent)
    except (OSError, RuntimeError) as error:
        # torch ends a file that could not be written with an error that hides the reason.
        reason = error if isinstance(error, OSError) else error.__context__
        if not isinstance(reason, OSError):
            raise
        what = "checkpoint " if path.name == NAME else ""
        raise UserError(
            f"{what}{path} cannot be written: {reason.strerror}; free some space or choose "
            "another folder"
        ) from error


def _sync_folder(folder: Path) -> None:
    """Make a rename last through a power cut, where folders can be synced at all."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
