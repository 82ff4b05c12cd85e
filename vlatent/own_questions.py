"""Questions of a user's own: found by their path, known by the digest of their file.

A command names them by `file.py:NAME` or `package.module.NAME`; Python hands them over, and this
finds out under which path other processes can import them.
"""

from __future__ import annotations

import hashlib
import inspect
import sys
from pathlib import Path

from vlatent.imported import imported
from vlatent.shapes import UserError

HERE = "this process:"  # begins the path of what no other process can import

_handed_over: dict[str, object] = {}  # by Python in this process


def is_path(name: str) -> bool:
    """Whether a name is the path of something of the user's own, not one of ours.

    >>> is_path("loss_weights"), is_path("pinn.py:QUESTION"), is_path("package.module.QUESTION")
    (False, True, True)
    """
    return ":" in name or "." in name


def found(path: str, place: str) -> object:
    """What the path names; what was handed over in this process is not imported again.

    Raises:
        UserError: There is no such thing.
    """
    if path in _handed_over:
        return _handed_over[path]
    if path.startswith(HERE):
        raise UserError(
            f"{place}: {path.removeprefix(HERE)} exists in one process only; write it at the top "
            "level of a file, so that workers can import it, or use one worker."
        )
    return imported(path, place)


def handed_over(thing: object, name: str, package: str) -> str:
    """The path of an object, `file.py:NAME` where it is a global of a file.

    Args:
        thing: What Python handed over.
        name: Its own name, for messages.
        package: Ours, whose modules' objects are known by the module's name.
    """
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if file is None or not str(file).endswith(".py"):
            continue
        for known, value in list(vars(module).items()):
            if value is thing and module.__name__.startswith(f"{package}."):
                return module.__name__.rpartition(".")[2]
            if value is thing:
                path = f"{Path(file).resolve()}:{known}"
                _handed_over[path] = thing
                return path
    path = f"{HERE}{name}"
    _handed_over[path] = thing
    return path


def absolute(path: str) -> str:
    """The path as every process finds it, whatever its working directory."""
    file, colon, name = path.rpartition(":")
    return f"{Path(file).resolve()}:{name}" if colon and not path.startswith(HERE) else path


def shown(path: str) -> str:
    """The path as a user types it here: relative where it lies below the working directory."""
    file, colon, name = path.rpartition(":")
    if not colon or path.startswith(HERE):
        return path.removeprefix(HERE)
    place = Path(file)
    here = place.is_absolute() and place.is_relative_to(Path.cwd())
    return f"{place.relative_to(Path.cwd()) if here else place}:{name}"


def digests(path: str, thing: object) -> dict[str, str]:
    """Digest of the source of something of the user's own, by its name.

    The file alone counts: what it imports does not.
    """
    if path.startswith(HERE):
        function = getattr(thing, "function", None)
        try:
            source = b"" if function is None else inspect.getsource(function).encode()
        except (OSError, TypeError):  # typed into an interpreter: it cannot be told from another
            source = b""
        shown = path
    else:
        file, colon, name = path.rpartition(":")
        if not colon:
            module, _, name = path.rpartition(".")
            file = str(sys.modules[module].__file__)
        source, shown = Path(file).read_bytes(), f"{Path(file).name}:{name}"
    return {shown: hashlib.sha256(source).hexdigest()[:16]}
