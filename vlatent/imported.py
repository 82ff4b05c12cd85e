"""Classes and functions of a user's own, by the path that a config or a command line names."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

from vlatent.shapes import UserError


def imported(path: str, place: str) -> object:
    """The object that `package.module.Name`, or `folder/file.py:Name`, names.

    A module is found where Python finds it, or else in the current folder; a file becomes the
    module of its name, and its folder the first in which modules are looked for, as in
    `python folder/file.py`.

    >>> imported("fractions.Fraction", "encoder.class_path")
    <class 'fractions.Fraction'>

    Args:
        path: What was given.
        place: Where it was given: a dotted name of the config, or a command.

    Raises:
        UserError: There is no such file, module or name, or it cannot be imported: names the cause.
    """
    file, colon, name = path.rpartition(":")
    if colon:
        module = _module_of(Path(file), place)
    else:
        module, _, name = path.rpartition(".")
        if not module:
            raise UserError(
                f"{place} must be package.module.Name or file.py:Name, but got {path!r}."
            )
        if str(Path.cwd()) not in sys.path:
            sys.path.append(str(Path.cwd()))
    try:
        found = import_module(module)
    except Exception as error:
        top = module.split(".")[0]
        if isinstance(error, ModuleNotFoundError) and error.name == top:
            reason = f"there is no module {top}"
        else:
            reason = f"importing {module} failed ({type(error).__name__}: {error})"
        raise UserError(
            f"{place}: {reason}; install it, run the command in its folder, or give file.py:Name."
        ) from error
    own = getattr(found, "__file__", None)
    if colon and (own is None or Path(own).resolve() != Path(file).resolve()):
        raise UserError(
            f"{place}: {file} has the name of another module, {own or module}; rename the file."
        )
    if not hasattr(found, name):
        raise UserError(f"{place}: {file or module} has no {name}.")
    return getattr(found, name)


def _module_of(file: Path, place: str) -> str:
    """The module that a file becomes, whose folder is looked in from now on."""
    if file.suffix != ".py" or not file.is_file():
        raise UserError(f"{place}: there is no file {file}; give file.py:Name.")
    folder = str(file.resolve().parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    return file.stem
