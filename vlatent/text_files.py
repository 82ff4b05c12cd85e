"""Text files of users: regular, UTF-8, of bounded size, and the same from beginning to end."""

from __future__ import annotations

import codecs
import os
import stat
from pathlib import Path

from vlatent.shapes import UserError


def read_text(path: Path, largest: int, missing: str) -> str:
    """The text of a file, without a byte order mark.

    Args:
        path: A regular file: a pipe or a device might never end.
        largest: Most bytes that are read.
        missing: What to do when there is no such file.

    Raises:
        UserError: If it cannot be read, is too large, is not UTF-8 or changes meanwhile.
    """
    try:
        # Without waiting: to open a pipe that nobody writes to would last for ever.
        with open(
            path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)
        ) as file:
            before = os.fstat(file.fileno())
            if not stat.S_ISREG(before.st_mode):
                raise UserError(
                    f"{path} is a pipe or a device, not a regular file; write its text to a file "
                    "and give that."
                )
            content = file.read(largest + 1)
            after = os.fstat(file.fileno())
    except FileNotFoundError:
        raise UserError(f"{path} does not exist; {missing}") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}; give a file that can.") from None
    if len(content) > largest:
        raise UserError(
            f"{path} has {after.st_size:,} bytes, but at most {largest:,} are read; give a smaller "
            "file, for instance a part of its lines."
        )
    if (before.st_mtime_ns, before.st_size) != (after.st_mtime_ns, after.st_size):
        raise UserError(f"{path} changed while it was read; try again when it is complete.")
    return decoded(content, f"{path}")


def decoded(content: bytes, place: str) -> str:
    """Bytes as text.

    Raises:
        UserError: If they are not UTF-8; names the encoding that they seem to have, the byte and
            the line.
    """
    for mark in (
        codecs.BOM_UTF32_LE,
        codecs.BOM_UTF32_BE,
        codecs.BOM_UTF16_LE,
        codecs.BOM_UTF16_BE,
    ):
        if content.startswith(mark):
            name = "UTF-32" if len(mark) == 4 else "UTF-16"
            raise UserError(
                f"{place} is not UTF-8 but {name}; convert it: iconv -f {name} -t UTF-8 OLD > NEW"
            )
    content = content.removeprefix(codecs.BOM_UTF8)
    nul = content.find(b"\0")
    if nul >= 0:
        name = "UTF-16BE" if nul % 2 == 0 else "UTF-16LE"
        raise UserError(
            f"{place} has a NUL character in line {_line(content, nul)}, as a file has that is not "
            f"UTF-8 but UTF-16; convert it: iconv -f {name} -t UTF-8 OLD > NEW, or remove it."
        )
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise UserError(
            f"{place} is not UTF-8: byte {content[error.start]:#04x} at offset {error.start}, line "
            f"{_line(content, error.start)}; convert it, for instance: iconv -f LATIN1 -t UTF-8 "
            "OLD > NEW"
        ) from None


def _line(content: bytes, offset: int) -> int:
    return content.count(b"\n", 0, offset) + 1
