"""Workers as tasks of Ray: whose cluster they run on, and what is said when it ends."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from servers import ray_local
from test_workers import began, command, wait_for

from vlatent.runtime.ray_tasks import _join_or_make_cluster
from vlatent.shapes import UserError

ON_RAY: dict[str, Any] = {"launcher": ("ray",)}
BEGUN = "10.0.0.1:6379"


def fake(begun: str | None, answers: bool) -> tuple[ModuleType, list[str | None]]:
    """A Ray that only notes what it is told to connect to; what `ray start` has left there."""
    connected: list[str | None] = []

    def init(address: str | None = None, **_: object) -> None:
        connected.append(address)
        if address is None and not answers:
            raise ConnectionError("nobody answers")

    ray: Any = ModuleType("ray")
    constants = SimpleNamespace(ENABLE_RAY_CLUSTER=True)
    utils = SimpleNamespace(read_ray_address=lambda: begun)
    ray.init, ray._private = init, SimpleNamespace(ray_constants=constants, utils=utils)
    return ray, connected


@pytest.mark.parametrize(
    ("named", "begun", "answers", "connects"),
    [
        ("", None, True, ["local"]),
        ("", BEGUN, True, [None]),
        ("", BEGUN, False, [None, "local"]),  # left by one that has crashed
        ("10.0.0.2:6379", None, True, [None]),
    ],
)
def test_only_a_cluster_that_is_there_for_others_is_joined(
    named: str,
    begun: str | None,
    answers: bool,
    connects: list[str | None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", named)
    ray, connected = fake(begun, answers)
    _join_or_make_cluster(ray)
    assert connected == connects
    assert ("local" in connects) != ray._private.ray_constants.ENABLE_RAY_CLUSTER


def test_a_cluster_that_is_named_must_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.2:6379")
    ray, connected = fake(BEGUN, answers=False)
    with pytest.raises(UserError, match=r"^RAY_ADDRESS 10\.0\.0\.2:6379 cannot be reached"):
        _join_or_make_cluster(ray)
    assert connected == [None]


@pytest.mark.soak
@pytest.mark.processes
@pytest.mark.timeout(600)
def test_commands_side_by_side_have_a_cluster_each(tmp_path: Path) -> None:
    """The one that was begun first ends first, and its cluster with it."""
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
    with ExitStack() as commands:
        one = commands.enter_context(command("until_stopped", first, **ON_RAY))
        wait_for(lambda: bool(began(first)))
        other = commands.enter_context(command("until_stopped", second, **ON_RAY))
        wait_for(lambda: bool(began(second)))
        (first / "enough").touch()
        assert one.wait(60) == 0
        (second / "enough").touch()
        said, errors = other.communicate(timeout=60)
    assert (said, other.returncode) == ("all workers are done\n", 0), errors


@pytest.mark.soak
@pytest.mark.processes
@pytest.mark.timeout(600)
def test_the_end_of_a_shared_cluster_is_one_line(tmp_path: Path) -> None:
    with ExitStack() as commands:
        with ray_local():
            other = commands.enter_context(command("until_stopped", tmp_path, **ON_RAY))
            wait_for(lambda: bool(began(tmp_path)))
        _, errors = other.communicate(timeout=60)
    assert other.returncode == 2
    assert errors.splitlines()[-1].startswith("error: the Ray cluster has ended; ")  # below Ray's
