"""Objects of a user's own are found by their path, or the error says what is missing."""

import re
import sys
from pathlib import Path

import pytest

from vlatent.imported import imported
from vlatent.shapes import UserError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    return tmp_path


def test_a_module_of_the_current_folder(folder: Path) -> None:
    (folder / "own_module_a.py").write_text("THING = 5\n")
    assert imported("own_module_a.THING", "command") == 5


def test_a_file_of_any_folder_and_what_stands_beside_it(folder: Path) -> None:
    (folder / "inner").mkdir()
    (folder / "inner" / "beside_b.py").write_text("VALUE = 7\n")
    (folder / "inner" / "own_file_b.py").write_text("from beside_b import VALUE as THING\n")
    assert imported("inner/own_file_b.py:THING", "command") == 7


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("Sharpness", "package.module.Name or file.py:Name"),
        ("no_such_package.Name", "there is no module no_such_package"),
        ("fractions.NoSuch", "fractions has no NoSuch"),
        ("nowhere.py:Name", "there is no file nowhere.py"),
        ("broken_c.Name", "importing broken_c failed (ZeroDivisionError"),
        ("needs_d.Name", "No module named 'absent_module'"),
        ("fractions.py:Name", "fractions.py has the name of another module"),
    ],
)
def test_what_cannot_be_imported(folder: Path, path: str, message: str) -> None:
    (folder / "broken_c.py").write_text("1 / 0\n")
    (folder / "needs_d.py").write_text("import absent_module\n")
    (folder / "fractions.py").write_text("Name = 1\n")
    with pytest.raises(UserError, match=f"^encoder.class_path.*{re.escape(message)}"):
        imported(path, "encoder.class_path")
