"""Names are folders, and a folder belongs to one."""

from __future__ import annotations

import multiprocessing
import threading
from pathlib import Path

import pytest

from vlatent.names import LONGEST, checked_name, claim
from vlatent.shapes import UserError


@pytest.mark.parametrize("name", [None, "loss_weights", "a b-2.1", "ä", "7", "x" * LONGEST])
def test_names_that_can_be_folders(name: str | None) -> None:
    checked_name("study.name", name)


@pytest.mark.parametrize(
    "name",
    [
        *("", " ", ".", "..", "../../x", "x/confirmation", "[/b]", "a\nb", "-x", ".x", "x.", "a'b"),
        *('a"b', "<script>", "x" * 300, "ä" * LONGEST, "a\x00", "$HOME", "$(id)", "a:b"),
    ],
)
def test_other_names_are_refused_and_a_better_one_is_told(name: str) -> None:
    with pytest.raises(UserError, match=r"study\.name .* cannot be a name") as refused:
        checked_name("study.name", name)
    assert "\n" not in str(refused.value)
    better = str(refused.value).rpartition("'; ")[0] or str(refused.value)
    offered = better.rpartition("too; ")[2].removesuffix(" for instance").strip("'")
    checked_name("study.name", offered)


def want(folder: Path, uid: str, gate: threading.Barrier, results: multiprocessing.Queue) -> None:  # type: ignore[type-arg]
    gate.wait(100)
    try:
        claim(folder, uid, f"storage {uid}", "study")
    except UserError as error:
        results.put((uid, str(error)))
    else:
        results.put((uid, None))


def test_of_several_that_want_a_folder_one_gets_it(tmp_path: Path) -> None:
    process = multiprocessing.get_context("fork")
    gate, results = process.Barrier(4), process.Queue()
    wanting = [
        process.Process(target=want, args=(tmp_path / "runs" / "x", uid, gate, results))
        for uid in "abcd"
    ]
    for each in wanting:
        each.start()
    told = dict(results.get(timeout=100) for _ in wanting)
    for each in wanting:
        each.join()
    [winner] = [uid for uid, error in told.items() if error is None]
    for uid, error in told.items():
        if uid != winner:
            assert error is not None
            assert f"belongs to another one of this name (storage {winner})" in error
    assert [file.name for file in (tmp_path / "runs" / "x").iterdir()] == ["owner.json"]


def test_an_owner_comes_back_and_its_storage_may_begin_anew(tmp_path: Path) -> None:
    claim(tmp_path, "a", "here", "study")
    claim(tmp_path, "a", "moved", "study")  # the folder and the storage were moved together
    claim(tmp_path, "b", "here", "study")  # the study was deleted from this storage
    with pytest.raises(UserError, match="another one of this name"):
        claim(tmp_path, "a", "there", "study")
    with pytest.raises(UserError, match="another one of this name"):
        claim(tmp_path, None, "here", "study")  # an older study


def test_a_folder_without_an_owner_is_that_of_an_older_study(tmp_path: Path) -> None:
    claim(tmp_path / "x", None, "here", "study")
    assert list((tmp_path / "x").iterdir()) == []
