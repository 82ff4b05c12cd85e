"""The folder of a run: never one that holds another run, or in which another process trains."""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from vlatent import checkpoints
from vlatent.config import TrainingConfig
from vlatent.shapes import UserError

_held: dict[Path, int] = {}  # locked folders, until this process ends


def run_folder(training: TrainingConfig) -> Path:
    """The folder of this run, made if it is not there.

    Raises:
        UserError: It holds another run, or cannot be written.
    """
    folder = training.folder
    if folder is None and training.resume is not None:
        folder = training.resume if training.resume.is_dir() else training.resume.parent
    dated = folder is None
    if folder is None:
        folder = Path("runs") / datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    if training.resume is None and (folder / checkpoints.NAME).exists():
        raise UserError(
            f"{folder} holds a run already: continue it with --training.resume {folder}, or name "
            "another --training.folder."
        )
    try:
        if dated:
            folder = _new(folder)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.yaml").touch()
    except OSError as error:
        raise UserError(
            f"cannot write to training.folder {folder}: {error.strerror}; name another folder."
        ) from None
    return folder


def claimed_folder(training: TrainingConfig) -> Path:
    """The folder of this run, in which no other process trains as long as this one lives.

    Raises:
        UserError: It holds another run, cannot be written, or another process trains in it.
    """
    folder = run_folder(training)
    if folder.absolute() not in _held:
        descriptor = os.open(folder, os.O_RDONLY)  # can be locked, leaves no file behind
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise UserError(
                f"another process trains in {folder}: wait for its end, or name another "
                "--training.folder."
            ) from None
        _held[folder.absolute()] = descriptor
    return run_folder(replace(training, folder=folder))  # it may have ended meanwhile


def _new(folder: Path) -> Path:
    """A folder that is not there yet, made for one process alone: of its name, or with a number."""
    for number in itertools.count(1):
        place = folder if number == 1 else folder.with_name(f"{folder.name}-{number}")
        with contextlib.suppress(FileExistsError):
            place.mkdir(parents=True)
            return place
    raise AssertionError("numbers never end")
