"""Names that people give to studies and ablations, and folders that belong to one of them alone."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

from vlatent.shapes import UserError

LONGEST = 100  # bytes: it is a folder's name and part of others
OWNER = "owner.json"


def checked_name(setting: str, name: str | None, longest: int = LONGEST) -> None:
    """Refuse a name that could not be a folder's, a command's and a tracker's as it stands.

    Raises:
        UserError: It has other characters than letters, digits, spaces and `-_.`, begins or ends
            with one of these, or is too long.
    """
    if name is None:
        return
    fits = re.fullmatch(r"\w([\w .-]*\w)?", name) and len(name.encode()) <= longest
    if not fits:
        plain = re.sub(r"[^\w .-]+|\.\.+", "-", name).strip(" .-").encode()[:longest]
        better = plain.decode(errors="ignore").strip(" .-") or "another"
        raise UserError(
            f"{setting} {name[:LONGEST]!r} cannot be a name: it must have at most {longest} "
            "letters, digits, spaces and -_. between them, as it is a folder's name, too; "
            f"{better!r} for instance"
        )


def claim(folder: Path, uid: str | None, place: str, setting: str) -> None:
    """Make a folder the own one of a study or an ablation; of two that want it one gets it.

    Args:
        folder: Made if it is not there.
        uid: Whose it is; None of one that is older than such names, whose folder has no owner.
        place: The database that knows the owner. What it no longer knows may be taken over.
        setting: The key that names the folder's part.

    Raises:
        UserError: It belongs to another one, or cannot be written.
    """
    file = folder / OWNER
    mine = json.dumps({"uid": uid, "place": place})
    temporary = folder / f".{OWNER}.{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_text(mine, encoding="utf-8")
            if uid is not None:
                os.link(temporary, file)  # whole, and by one process alone
        except FileExistsError:
            pass
        finally:
            temporary.unlink(missing_ok=True)
        owner = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {"uid": None}
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else f"{OWNER} is damaged"
        raise UserError(f"cannot write to {folder}: {why}; name another {setting}.folder") from None
    if owner["uid"] == uid:
        return
    if owner.get("place") != place or uid is None:
        raise UserError(
            f"{folder} belongs to another one of this name ({owner.get('place')}); give another "
            f"{setting}.name or {setting}.folder, or move that folder away"
        )
    temporary.write_text(mine, encoding="utf-8")
    os.replace(temporary, file)
