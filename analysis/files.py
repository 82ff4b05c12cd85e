"""Files that an analysis leaves behind."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from vlatent import checkpoints


def write(folder: Path, texts: Mapping[str, str], figures: Mapping[str, bytes]) -> str:
    """Write files, each atomically, and list their names.

    Args:
        folder: Folder of the files; made if it is missing.
        texts: Content by the file's name.
        figures: PNG by the file's name without its ending.

    Raises:
        UserError: They cannot be written.
    """
    files: dict[str, str | bytes] = {**texts}
    files |= {f"{name}.png": png for name, png in figures.items()}
    for name, content in files.items():
        checkpoints.write(folder / name, content)
    return ", ".join(files)
