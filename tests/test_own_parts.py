"""Priors and terms of a user's own in configs and flags: read, written, refused, recognised."""

from __future__ import annotations

import hashlib
import pickle
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from own_parts import SOURCE, installed, own_module
from test_config import parsed

from studies.screen import evaluate_weights
from vlatent.config import Config, flatten, from_yaml, override, to_yaml
from vlatent.evaluation import judge, measure
from vlatent.fingerprints import effective, fingerprint
from vlatent.preparation import corpus_for
from vlatent.priors import Priors, Variance
from vlatent.shapes import UserError
from vlatent.terms import Terms


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module in the current folder; each test has its own, as Python imports a name once."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    name = f"own_{hashlib.sha256(str(tmp_path).encode()).hexdigest()[:8]}"
    own_module(tmp_path, name)
    return name


def in_a_file(module: str, name: str = "Sharpness", arguments: str = "weight: 0.1") -> str:
    """A config file with a prior of this class."""
    path = Path("mine.yaml")
    path.write_text(
        f"priors:\n  sharpness:\n    class_path: {module}.{name}\n"
        f"    init_args: {{{arguments}}}\n  wavelet: {{weight: 3}}\n"
    )
    return str(path)


def test_every_way_to_write_it_is_the_same(module: str) -> None:
    path = f"{module}.Sharpness"
    group = f"{{class_path: {path}, init_args: {{weight: 0.1}}}}"
    ways = (
        ("--config", in_a_file(module), "--priors.wavelet.weight", "0.1"),
        ("--config", f"{{priors: {{sharpness: {group}}}}}"),
        (f"--priors={{sharpness: {group}}}",),
        ("--priors.sharpness", group),
        (f"--priors.sharpness.class_path={path}", "--priors.sharpness.init_args.weight", "0.1"),
        ("--priors.sharpness.weight", "0.1", "--priors.sharpness.class_path", path),
        ("--priors.sharpness.class_path", path, "--priors.sharpness.init_args", "{weight: 0.1}"),
    )
    configs = [parsed(*way) for way in ways]
    assert all(config == configs[0] for config in configs)
    assert configs[0] == override(Config(), {"priors.sharpness": configs[0].priors.sharpness})
    assert [name for name, _ in configs[0].priors] == [*(n for n, _ in Priors()), "sharpness"]
    assert configs[0].priors.sharpness.weight == 0.1


def test_what_stands_later_counts(module: str) -> None:
    config = parsed("--config", in_a_file(module), "--priors.sharpness.weight", "0.3")
    assert (config.priors.sharpness.weight, config.priors.wavelet.weight) == (0.3, 3)
    Path("later.yaml").write_text("priors: {sharpness: {target: 2}}")
    config = parsed("--config", "mine.yaml", "--config", "later.yaml")
    assert (config.priors.sharpness.weight, config.priors.sharpness.target) == (0.1, 2)


def test_it_is_flattened_changed_written_and_read_like_a_declared_one(module: str) -> None:
    config = parsed("--config", in_a_file(module))
    flat = flatten(config)
    assert flat["priors.sharpness.weight"] == 0.1
    assert flat["priors.sharpness.class_path"] == f"{module}.Sharpness"
    changed = override(config, {"priors.sharpness.weight": 0.5, "priors.variance.weight": 0.0})
    assert changed.priors.sharpness == replace(config.priors.sharpness, weight=0.5)
    assert {k for k, v in flatten(changed).items() if flat[k] != v} == {
        *("priors.sharpness.weight", "priors.variance.weight"),
    }
    for each in (config, changed):
        assert from_yaml(to_yaml(each)) == each
        Path("written.yaml").write_text(to_yaml(each))
        assert parsed("--config", "written.yaml") == each
        assert pickle.loads(pickle.dumps(each)) == each
    with pytest.raises((TypeError, AttributeError)):
        override(config, {"priors.sharpness.wait": 0.3})
    with pytest.raises(TypeError, match="Priors has no sharpnes"):
        Priors(sharpnes=3)


def test_another_process_gets_it_pickled_or_written(module: str) -> None:
    """Its class is found by its path, wherever that process has been begun."""
    inner = Path("inner")
    inner.mkdir()
    Path(f"{module}.py").rename(inner / f"{module}.py")
    config = parsed("--priors.sharpness.class_path", f"inner/{module}.py:Sharpness")
    Path("pickled").write_bytes(pickle.dumps(config))
    program = (
        "import pickle; from pathlib import Path; from vlatent.config import *\n"
        "config = pickle.loads(Path('pickled').read_bytes())\n"
        "print(to_yaml(config)); assert from_yaml(to_yaml(config)) == config"
    )
    here = [path for path in sys.path if path and Path(path) != inner.resolve()]
    environment = {"PYTHONPATH": ":".join(here)}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == to_yaml(config).strip()


def test_python_gives_it_without_a_path(module: str) -> None:
    sys.path.insert(0, "")
    classes: dict[str, type] = {}
    exec(f"from {module} import Sharpness, Closeness", classes)
    priors = Priors(sharpness=classes["Sharpness"](weight=0.2))
    assert priors == replace(Priors(), sharpness=classes["Sharpness"](weight=0.2))
    config = Config(priors=priors, terms=Terms(closeness=classes["Closeness"](weight=0.1)))
    assert config.terms.active
    assert from_yaml(to_yaml(config)) == config
    local = type("Local", (Variance,), {})
    with pytest.raises(UserError, match=r"priors\.local must be a class that other processes can"):
        to_yaml(Config(priors=Priors(local=local())))


def test_the_fingerprint_has_the_source_and_not_its_place(module: str) -> None:
    config = parsed("--config", in_a_file(module, arguments="weight: 0.1"))
    digest = hashlib.sha256(SOURCE.encode()).hexdigest()[:16]
    assert effective(config)["priors.sharpness.class_path"] == f"Sharpness {digest}"
    by_file = parsed(
        "--config", "mine.yaml", f"--priors.sharpness.class_path={module}.py:Sharpness"
    )
    assert fingerprint(by_file) == fingerprint(config) != fingerprint(Config())
    other = parsed("--config", in_a_file(module, "Judged"))
    assert fingerprint(other) != fingerprint(config)
    Path(f"other_{module}.py").write_text(SOURCE + "\n# changed\n")
    edited = parsed("--config", in_a_file(f"other_{module}"))
    assert fingerprint(edited) != fingerprint(config)


def test_what_is_off_and_not_judged_changes_no_fingerprint(module: str) -> None:
    off = parsed("--config", in_a_file(module, arguments=""), "--priors.wavelet.weight", "0.1")
    assert off.priors.sharpness.weight == 0
    assert fingerprint(off) == fingerprint(Config())
    off = parsed("--terms.closeness.class_path", f"{module}.Closeness")
    assert fingerprint(off) == fingerprint(Config())
    judged = parsed("--config", in_a_file(module, "Judged", ""), "--priors.wavelet.weight", "0.1")
    assert fingerprint(judged) != fingerprint(Config())


def test_a_package_declares_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    before = fingerprint(Config())
    with pytest.raises(UserError, match=r"One of your own needs priors\.sharpness\.class_path\."):
        parsed("--priors.sharpness.weight", "0.2")
    monkeypatch.syspath_prepend(str(installed(tmp_path)))
    assert fingerprint(parsed()) == before
    assert "sharp_package" not in sys.modules  # what no config names is not imported
    config = parsed("--priors.sharpness.weight", "0.2", "--terms.closeness.weight", "0.3")
    assert (config.priors.sharpness.target, config.terms.closeness.weight) == (1.0, 0.3)
    assert flatten(config)["priors.sharpness.class_path"] == "sharp_package.Sharpness"
    Path("mine.yaml").write_text("priors: {sharpness: {}}\n")
    declared = parsed("--config", "mine.yaml")
    assert declared.priors.sharpness.weight == 0
    assert fingerprint(declared) == before
    (tmp_path / "second-1.0.dist-info").mkdir()
    second = "[vlatent.priors]\nsharpness = sharp_package:Judged\n"
    (tmp_path / "second-1.0.dist-info" / "entry_points.txt").write_text(second)
    with pytest.raises(UserError, match=r"declared by several packages.*say which one you mean"):
        parsed("--priors.sharpness.weight", "0.2")


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("Sharpness", "wait: 1", r"no key priors\.sharpness\.wait; .*sharpness\.weight\?.*line 4"),
        ("Sharpness", "weight: -1", r"priors\.sharpness\.weight must be at least 0, but got -1"),
        ("Sharpness", "target: x", r"priors\.sharpness\.target must be a number.*line 4"),
        ("Sharpness", "weight: null", r"priors\.sharpness\.weight must not be null"),
        ("Required", "weight: 1", r"priors\.sharpness\.strength is missing: it has no default"),
        ("Listed", "levels: [1]", r"priors\.sharpness cannot be compared .*no lists"),
        ("Picky", "target: 6", r"priors\.sharpness cannot be made .*ValueError: a target above 5"),
        ("Undecorated", "", r"is no dataclass; write @dataclass\(frozen=True"),
        ("Searchless", "", r"does not say which weights studies try"),
        ("Abstract", "", r"has no penalty and no statistic"),
        ("Closeness", "", r"is no Prior; derive it from vlatent\.Prior.*mine\.yaml, line 3"),
        ("dataclass", "", r"is no Prior"),
        ("Nothing", "", r"priors\.sharpness\.class_path: own_\w+ has no Nothing.*line 3"),
    ],
)
def test_a_wrong_class_or_argument_is_one_line(
    module: str, name: str, arguments: str, message: str
) -> None:
    with pytest.raises(UserError, match=message) as error:
        parsed("--config", in_a_file(module, name, arguments))
    assert "\n" not in str(error.value)


def test_a_wrong_name_or_place_is_one_line(module: str) -> None:
    path = f"{module}.Sharpness"
    cases = (
        (["--priors.spectrum.class_path", path], r"priors\.spectrum is declared by vlatent"),
        (["--priors.own.class_path", path], r"priors\.own: 'own' cannot be the name"),
        (["--priors.a-b.class_path", path], r"priors\.a-b: 'a-b' cannot be the name"),
        (
            ["--priors.sharpness.class_path", "absent.Name"],
            r"class_path: there is no module absent",
        ),
        (["--priors.sharpness.class_path", "{a: 1}"], r"sharpness\.class_path"),
        (["--priors", "{sharpness: {weight: 1}}"], r"One of your own needs priors\.sharpness\.cl"),
        (["--terms.sharpness.class_path", path], r"is no Term; derive it from vlatent\.Term"),
        (["--encoder.class_path", path], r"encoder\.class_path"),
    )
    for arguments, message in cases:
        with pytest.raises(UserError, match=message) as error:
            parsed(*arguments)
        assert "\n" not in str(error.value)
    two = ["--priors.sharpness.class_path", path, "--priors.sharpness.class_path"]
    with pytest.raises(UserError, match="has two classes"):
        parsed(*two, f"{module}.Judged")


def test_a_stored_config_whose_module_is_gone_names_the_key(module: str) -> None:
    text = to_yaml(parsed("--config", in_a_file(module))).replace(module, "gone_module")
    message = r"^priors\.sharpness\.class_path: there is no module gone_module.*stored config, line"
    with pytest.raises(UserError, match=message) as error:
        from_yaml(text)
    assert "\n" not in str(error.value)


def small(*flags: str) -> Config:
    """A config that trains in no time, with these flags."""
    words = "\n".join(f"the {c} cube is on the {d} ball" for c in COLORS for d in COLORS)
    Path("sentences.txt").write_text(words)
    return parsed("--config", "smoke", *SMALL, "--data.train", "sentences.txt", *flags)


COLORS = ("red", "blue", "green", "gray", "pink")
SMALL = ("--encoder.height", "16", "--encoder.width", "24", "--encoder.channels", "3")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "ByChannel",
            r"penalty of a latent \[3, 16, 24, 3\] must be one number .*\[\], but is \[3\]",
        ),
        ("Broken", r"priors\.sharpness: its penalty of random numbers is inf"),
        ("Detached", r"priors\.sharpness: its penalty has no gradient"),
        ("Number", r"its penalty must be a tensor of floats, but is of type torch\.int64"),
        ("Failing", r"its penalty failed on a latent of random numbers \(RuntimeError: shape"),
        ("Whole", r"its statistic of a latent .* one number a channel, \[3\], but is \[\]"),
        ("Namesake", r"'variance' is the label of another statistic"),
    ],
)
def test_what_is_no_prior_by_what_it_does_is_refused(module: str, name: str, message: str) -> None:
    config = small("--config", in_a_file(module, name))
    with pytest.raises(UserError, match=message) as error:
        corpus_for(config)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("taken", ["residual", "likeness", "plateau", "contrast"])
def test_names_of_what_else_is_recorded_are_taken(module: str, taken: str) -> None:
    path = (f"--priors.{taken}.class_path", f"{module}.Sharpness")
    with pytest.raises(UserError, match=f"priors.{taken}: something else that is recorded"):
        corpus_for(small(*path))


def test_what_is_no_term_by_what_it_does_is_refused(module: str) -> None:
    corpus_for(small("--terms.near.class_path", f"{module}.Closeness"))
    with pytest.raises(UserError, match=r"terms\.near: its penalty .* but is \[3\]"):
        corpus_for(small("--terms.near.class_path", f"{module}.PerSentence"))
    with pytest.raises(UserError, match=r"terms\.wavelet: there is a prior of this name"):
        corpus_for(small("--terms.wavelet.class_path", f"{module}.Closeness"))


def test_screening_keeps_weight_vectors_apart(module: str) -> None:
    rows = [{"priors.sharpness.weight": 0.1}, {"priors.sharpness.weight": 1.0}]
    config = parsed(*SMALL, "--config", in_a_file(module, "Pooled"))
    with pytest.raises(UserError, match=r"penalty of 2 batches, \[2, 3, 16, 24, 3\].*but is \[\]"):
        evaluate_weights(config, rows)


def test_it_is_judged_by_its_limits(module: str) -> None:
    """The margin is the mean's distance to the middle, in halves of the width, less one."""
    config = parsed("--config", in_a_file(module, "Judged"))
    noise = torch.randn(4, 64, 64, 2, generator=torch.Generator().manual_seed(0))
    [line] = [
        each
        for each in judge([measure(0, noise, config.priors)], 1, config.priors).criteria
        if each.name == "sharpness"
    ]
    value = float(re.match(r"[\d.]+", line.found)[0])  # type: ignore[index]
    assert value == pytest.approx(3, abs=0.05)  # of white noise: variance 6 over variance 2
    assert line.margin == pytest.approx((value - 1.25) / 0.75 - 1, abs=0.01)
    assert not line.holds
    unjudged = parsed("--config", in_a_file(module)).priors
    assert "sharpness" not in [
        c.name for c in judge([measure(0, noise, unjudged)], 1, unjudged).criteria
    ]
