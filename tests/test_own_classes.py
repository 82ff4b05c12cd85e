"""Classes of a user's own: their arguments are checked, their source has a digest."""

from __future__ import annotations

import functools
import hashlib
import sys
from pathlib import Path
from types import ModuleType

import pytest

from vlatent.own_classes import OwnClass, changed_source, instance, own_class, path_of
from vlatent.shapes import UserError

SOURCE = """
class Encoder:
    def __init__(self, vocabulary: int, width: int = 32, name: str | None = None, rate: float = .1):
        self.given = vocabulary, width, name, rate

class Deeper(Encoder):
    def __init__(self, depth: int, **others):
        super().__init__(**others)

class Untyped:
    def __init__(self, free):
        self.given = free

class Bare:
    given = ()

def made(width: int = 3):
    return Encoder(5, width)

def broken(width: int = 3):
    raise ZeroDivisionError("of this width\\nnothing")

NUMBER = 5
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    name = f"own_{hashlib.sha256(str(tmp_path).encode()).hexdigest()[:8]}"  # each has its own
    (tmp_path / f"{name}.py").write_text(SOURCE)
    return name


def given(path: str, **init_args: object) -> object:
    own = own_class(path, init_args, "encoder", ("vocabulary", "length"))
    return instance(own, "encoder", vocabulary=7, length=9).given


def test_arguments_and_what_is_added_where_it_is_named(module: str) -> None:
    assert given(f"{module}.Encoder", width=4) == (7, 4, None, 0.1)
    assert given(f"{module}.py:Encoder", name="a", rate=1) == (7, 32, "a", 1.0)
    assert given(f"{module}.Encoder", vocabulary=3) == (3, 32, None, 0.1)  # the user's counts
    assert given(f"{module}.Deeper", depth=2, width=4) == (7, 4, None, 0.1)  # handed on
    assert given(f"{module}.Untyped", free=[1, {"a": 2}]) == [1, {"a": 2}]
    assert given(f"{module}.Bare") == ()
    assert given(f"{module}.made", width=4) == (5, 4, None, 0.1)


def test_what_is_kept_is_plain_and_whole(module: str) -> None:
    own = own_class(f"{module}.Encoder", {"rate": 1}, "encoder", ("vocabulary",))
    digest = hashlib.sha256(SOURCE.encode()).hexdigest()[:16]
    init_args = {"width": 32, "name": None, "rate": 1.0}
    assert own == OwnClass(class_path=f"{module}.Encoder", init_args=init_args, source=digest)
    assert hash(own) == hash(own_class(own.class_path, init_args, "encoder", ("vocabulary",)))
    assert changed_source(own, "encoder") is None
    other = OwnClass(class_path=own.class_path, source="0" * 16)
    assert f"was {'0' * 16}, and is {digest}" in f"{changed_source(other, 'encoder')}"


def test_installed_classes_have_no_digest() -> None:
    assert own_class("torch.nn.Linear", {"in_features": 1, "out_features": 1}, "x").source is None
    assert own_class("fractions.Fraction", {}, "x").source is None
    assert own_class("vlatent.encoder.EncoderConfig", {}, "x").source is None


@pytest.mark.parametrize(
    ("name", "init_args", "message"),
    [
        ("NUMBER", {}, r"encoder\.class_path must name a class, but \w+\.NUMBER is of type int"),
        ("Encoder", {"width": "wide"}, r"encoder\.init_args\.width must be a whole number"),
        ("Encoder", {"rate": "x"}, r"encoder\.init_args\.rate must be a number, but got x"),
        ("Encoder", {"widht": 3}, r"no key encoder\.init_args\.widht; did you mean .*\.width\?"),
        ("Deeper", {}, r"encoder\.init_args\.depth is missing: \w+\.Deeper has no default for it"),
        ("Untyped", {}, r"encoder\.init_args\.free is missing"),
        ("Bare", {"width": 3}, r"encoder\.init_args\.width: \w+\.Bare takes no arguments"),
        ("broken", {}, r"cannot be built .* \(ZeroDivisionError: of this width nothing\)"),
    ],
)
def test_wrong_arguments(
    module: str, name: str, init_args: dict[str, object], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        given(f"{module}.{name}", **init_args)


def test_the_path_of_a_class() -> None:
    assert path_of(OwnClass, "encoder") == "vlatent.own_classes.OwnClass"
    assert path_of(given, "encoder") == f"{__name__}.given"


@pytest.mark.parametrize(
    "unfindable", [lambda: 1, OwnClass(class_path="a.b"), functools.partial(OwnClass), 5]
)
def test_what_no_other_process_finds_has_no_path(unfindable: object) -> None:
    with pytest.raises(UserError, match=r"encoder must be a class that other .* top of a file"):
        path_of(unfindable, "encoder")


def test_a_class_of_a_notebook_has_no_source(monkeypatch: pytest.MonkeyPatch) -> None:
    """There its module is `__main__`, which has no file."""
    main = ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", main)
    exec(SOURCE, vars(main))
    own = own_class(path_of(main.Deeper, "encoder"), {"depth": 2}, "encoder", ("vocabulary",))
    assert own.class_path == "__main__.Deeper"
    assert own.source is None
    assert instance(own, "encoder", vocabulary=7).given[0] == 7
