"""A checkpoint is whole or the one before; loading executes nothing; generators go on bitwise."""

from __future__ import annotations

import os
import pickle
import random
import resource
import stat
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from vlatent import checkpoints
from vlatent.checkpoints import (
    load,
    load_to_resume,
    load_weights,
    random_state,
    save,
    set_random_state,
)
from vlatent.shapes import UserError


def some_state() -> dict[str, Any]:
    model = nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    return {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "step": 7,
        "best": float("nan"),
        "config": "a: 1\n",
        "history": [1.5, 2, None, True],
        "half": torch.arange(5, dtype=torch.bfloat16),
    }


def assert_same(one: Any, other: Any) -> None:
    assert type(one) is type(other)
    if isinstance(one, Mapping):
        assert list(one) == list(other)
        assert_same(list(one.values()), list(other.values()))
    elif isinstance(one, list):
        assert len(one) == len(other)
        for a, b in zip(one, other, strict=True):
            assert_same(a, b)
    elif isinstance(one, Tensor):
        assert one.dtype == other.dtype
        assert torch.equal(one, other)
    else:
        assert one == other or one != one


def test_round_trip_of_a_file_and_of_its_folder(tmp_path: Path) -> None:
    state = some_state()
    save(tmp_path / "deep" / "run" / "checkpoint.pt", state)
    for place in (tmp_path / "deep" / "run", tmp_path / "deep" / "run" / "checkpoint.pt"):
        back = load(place)
        assert_same(back, state)
    assert [file.name for file in (tmp_path / "deep" / "run").iterdir()] == ["checkpoint.pt"]


def test_others_may_read_a_checkpoint_as_any_other_file(tmp_path: Path) -> None:
    save(tmp_path / "checkpoint.pt", {"step": 1})
    (tmp_path / "plain").touch()
    modes = {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}
    assert len(modes) == 1


def test_a_full_disk_leaves_the_previous_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    save(path, {"step": 1})
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    for size in (0, 100, 100_000):  # fails at the first write, in the head, in the tensor
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
        try:
            with pytest.raises(
                UserError, match=r"checkpoint\.pt cannot be written: File too large"
            ):
                save(path, {"step": 2, "weights": torch.zeros(100_000)})
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert load(path) == {"step": 1}
        assert [file.name for file in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_a_kill_while_saving_leaves_the_previous_checkpoint(tmp_path: Path) -> None:
    code = f"""
import os, signal, sys
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
from pathlib import Path
from vlatent import checkpoints
checkpoints.save(Path("checkpoint.pt"), {{"step": 1}})
os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)
checkpoints.save(Path("checkpoint.pt"), {{"step": 2}})
"""
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=False)
    assert load(tmp_path) == {"step": 1}


def test_bytes_reach_the_disk_before_the_name_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = []
    fsync, replace = os.fsync, os.replace

    def noted_fsync(descriptor: int) -> None:
        events.append("fsync")
        fsync(descriptor)

    def noted_replace(source: Path, target: Path) -> None:
        events.append("replace")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(os, "replace", noted_replace)
    save(tmp_path / "checkpoint.pt", {"step": 1})
    assert events == ["fsync", "replace", "fsync"]


def test_an_unwritable_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"file/run/checkpoint\.pt cannot be written"):
        save(tmp_path / "file" / "run" / "checkpoint.pt", {})


def test_a_checkpoint_cut_at_any_byte_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    save(path, {"step": 1, "weights": torch.arange(10.0)})
    whole = path.read_bytes()
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        with pytest.raises(UserError, match=r"checkpoint\.pt is damaged.*; name another one$"):
            load(path)
    with pytest.raises(UserError, match=r"; resume from an older .* without --training\.resume$"):
        load_to_resume(path)


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other"
    generator = np.random.default_rng(0)
    for size in (0, 1, 10, 1000):
        for _ in range(50):
            path.write_bytes(generator.bytes(size))
            with pytest.raises(UserError, match="other is damaged, or none"):
                load(path)
    contents: list[Any] = [[1, 2], {"model": {}}, {"format": "new", "state": {}}, {"format": 1}]
    for content in contents:
        torch.save(content, path)
        with pytest.raises(UserError, match="was not written by vlatent"):
            load(path)
    with pytest.raises(UserError, match=r"missing/checkpoint\.pt cannot be read: No such file"):
        load(tmp_path / "missing" / "checkpoint.pt")
    with pytest.raises(UserError, match=r"checkpoint\.pt cannot be read: No such file"):
        load(tmp_path)


class Attack:
    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> Any:
        return os.system, (self.command,)


def test_loading_executes_nothing(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    attack = Attack(f"touch {trace}")
    torch.save({"format": 1, "state": {"step": attack}}, tmp_path / "zip.pt")
    torch.save({"a": attack}, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    (tmp_path / "plain.pt").write_bytes(pickle.dumps(attack))
    for name in ("zip.pt", "old.pt", "plain.pt"):
        with pytest.raises(UserError, match=name):
            load(tmp_path / name)
    assert not trace.exists()
    pickle.loads(pickle.dumps(attack))
    assert trace.exists()  # it would have been seen


def test_a_newer_format_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "FORMAT", 2)
    save(tmp_path / "checkpoint.pt", {"step": 1})
    monkeypatch.undo()
    with pytest.raises(UserError, match="has format 2, and this version of vlatent reads up to 1"):
        load(tmp_path)


def test_generators_go_on_bitwise(tmp_path: Path) -> None:
    def draw() -> list[Any]:
        return [
            torch.randn(5).tolist(),
            torch.rand(3, dtype=torch.float64).tolist(),
            np.random.standard_normal(3).tolist(),  # noqa: NPY002
            np.random.random_sample(700).tolist(),  # noqa: NPY002
            [random.gauss(0, 1) for _ in range(3)],
            [random.random() for _ in range(700)],
        ]

    for odd in range(3):  # an odd number of normal draws leaves one over in the generator
        torch.manual_seed(odd)
        np.random.seed(odd)  # noqa: NPY002
        random.seed(odd)
        np.random.standard_normal(odd)  # noqa: NPY002
        [random.gauss(0, 1) for _ in range(odd)]
        torch.randn(odd)
        save(tmp_path / "checkpoint.pt", {"random": random_state()})
        expected = draw()
        assert draw() != expected
        set_random_state(load(tmp_path)["random"])
        assert draw() == expected


def test_weights_of_another_architecture_are_named() -> None:
    def model(width: int, layers: int) -> nn.Module:
        return nn.Sequential(*[nn.Linear(3, width) for _ in range(layers)])

    target = model(4, 2)
    weights = model(4, 2).state_dict()
    load_weights(target, weights)
    torch.testing.assert_close(target.state_dict(), weights, rtol=0, atol=0)
    with pytest.raises(UserError, match=r"0\.weight is \(5, 3\) there and \(4, 3\) in .*encoder"):
        load_weights(target, model(5, 2).state_dict())
    with pytest.raises(UserError, match=r"1\.weight is missing there and \(4, 3\) in this model"):
        load_weights(target, model(4, 1).state_dict())
    with pytest.raises(UserError, match=r"2\.weight is \(4, 3\) there and missing in this model"):
        load_weights(target, model(4, 3).state_dict())
    torch.testing.assert_close(target.state_dict(), weights, rtol=0, atol=0)
