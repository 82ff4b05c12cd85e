"""Checkpoints: written whole or not at all, loaded without executing anything."""

from __future__ import annotations

import contextlib
import os
import pickle
import random
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vlatent.shapes import UserError

FORMAT = 1
NAME = "checkpoint.pt"


def save(path: Path, state: Mapping[str, object]) -> None:
    """Write a checkpoint whole or not at all: what stood there before stays until it is done.

    Args:
        path: The file. Missing folders above it are made.
        state: Tensors, numbers, strings, and lists and dictionaries of them.

    Raises:
        UserError: The place cannot be written.
    """
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        temporary = Path(name)
        with open(descriptor, "wb") as file:
            torch.save({"format": FORMAT, "state": dict(state)}, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        _sync_folder(path.parent)
    except OSError as error:
        raise UserError(
            f"checkpoint {path} cannot be written: {error.strerror or error}; free some space or "
            "choose another folder"
        ) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def load(path: Path) -> dict[str, Any]:
    """Read a checkpoint, of a file or of the folder in which `checkpoint.pt` lies, to the CPU.

    Raises:
        UserError: Missing, damaged, no checkpoint, or of a newer format.
    """
    file = path / NAME if path.is_dir() else path
    way_out = "resume from an older checkpoint, or start without --training.resume"
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise UserError(f"checkpoint {file} does not exist; {way_out}") from None
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError) as error:
        raise UserError(f"checkpoint {file} is damaged or is none; {way_out}") from error
    if not isinstance(content, dict) or "format" not in content:
        raise UserError(f"checkpoint {file} was not written by vlatent; {way_out}")
    if content["format"] > FORMAT:
        raise UserError(
            f"checkpoint {file} has format {content['format']}, newer than {FORMAT}, the newest "
            f"that this version reads; update vlatent, or {way_out}"
        )
    state: dict[str, Any] = content["state"]
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
    _, keys, position, has_gauss, gauss = np.random.get_state(legacy=True)
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
    np.random.set_state(("MT19937", keys, kept["position"], kept["has_gauss"], kept["gauss"]))
    kept = state["python"]
    random.setstate((kept["version"], tuple(kept["words"]), kept["gauss"]))


def _sync_folder(folder: Path) -> None:
    """Make a rename last through a power cut, where folders can be synced at all."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
