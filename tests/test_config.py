"""Configs: read, changed, written and recognised again."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest
import yaml
from smoke import CONFIGS

from vlatent.command_line import Parser
from vlatent.config import Config, GivenConfig, build, flatten, from_yaml, override, to_yaml
from vlatent.fingerprints import effective, fingerprint
from vlatent.shapes import UserError

OF_ENCODERS = {file.stem for file in CONFIGS.glob("*.yaml")} - {"reading", "quick_reading"}


def parsed(*arguments: str) -> Config:
    parser = Parser()
    parser.add_argument("--config", action="config")
    parser.add_class_arguments(GivenConfig, nested_key=None)
    return build(parser.checked(arguments))


@pytest.mark.parametrize("name", sorted(OF_ENCODERS))
def test_every_config_is_read_and_written_back(name: str, tmp_path: Path) -> None:
    config = parsed("--config", str(CONFIGS / f"{name}.yaml"))
    written = tmp_path / "written.yaml"
    written.write_text(to_yaml(config), encoding="utf-8")
    assert parsed("--config", str(written)) == config
    assert from_yaml(to_yaml(config)) == config


def test_the_defaults_are_the_documented_settings() -> None:
    flat = flatten(parsed())
    documented = {
        "priors.spectrum.weight": 0.5,
        "priors.total_variation.weight": 0.1,
        "priors.wavelet.weight": 0.1,
        "priors.kurtosis.weight": 0.05,
        "priors.decorrelation.weight": 0.05,
        "priors.variance.weight": 0.05,
        "optimizer.learning_rate": 2e-4,
        "optimizer.warmup_steps": 1000,
        "optimizer.weight_decay": 0.01,
        "optimizer.beta_1": 0.9,
        "optimizer.beta_2": 0.95,
        "optimizer.clip": 1.0,
        "optimizer.average_decay": 0.999,
        "encoder.hidden": 384,
        "encoder.layers": 6,
        "encoder.heads": 8,
        "data.max_length": 64,
    }
    assert {name: flat[name] for name in documented} == documented


def test_later_wins_and_flags_win_over_files(tmp_path: Path) -> None:
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    first.write_text("training: {steps: 5, seed: 7}\n")
    second.write_text("training: {steps: 6}\n")
    config = parsed("--config", str(first), "--config", str(second), "--training.batch_size", "2")
    assert (config.training.steps, config.training.seed, config.training.batch_size) == (6, 7, 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--training.stepz", "5"], r"no key training\.stepz; did you mean training\.steps\?"),
        (["--priors.kurtosis.wait", "1"], r"kurtosis\.wait; did you mean priors\.kurtosis\.weight"),
        (["--training.steps", "many"], r"training\.steps must be a whole number, but got 'many'"),
        (["--training.steps", "0"], r"training\.steps must be above 0, but got 0"),
        (["--training.steps", "2.5"], r"training\.steps must be a whole number"),
        (["--priors.kurtosis.weight", "-1"], r"priors\.kurtosis\.weight must be at least 0"),
        (["--priors.kurtosis.weight", "inf"], r"priors\.kurtosis\.weight must be finite"),
        (["--priors.kurtosis.weight", "nan"], r"priors\.kurtosis\.weight must be at least 0"),
        (["--training.device", "gpu"], r"training\.device must be one of 'auto', 'cpu', 'cuda'"),
        (["--objective.balance", "nash"], r"objective\.balance must be one of .*'nash_mtl', 'up"),
        (["--encoder.heads", "7"], r"encoder\.hidden must be a multiple of 2 \* encoder\.heads"),
        (["--evaluation.count", "2"], r"evaluation\.count must be at least 3"),
        (["--encoder.smoothing", ""], r"encoder\.smoothing must be true or false"),
        (["--config", "missing.yaml"], r"does not exist.*missing\.yaml"),
    ],
)
def test_bad_values_are_one_line_that_names_the_key(arguments: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message) as error:
        parsed(*arguments)
    assert "\n" not in str(error.value)


def test_a_wrong_key_in_a_file_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("optimizer:\n  learning_rat: 1e-3\n")
    with pytest.raises(UserError, match=r"did you mean optimizer\.learning_rate\?.*mine\.yaml"):
        parsed("--config", str(path))
    path.write_text("optimizer: [1\n")
    with pytest.raises(UserError, match=r"mine\.yaml") as error:
        parsed("--config", str(path))
    assert "\n" not in str(error.value)


def test_override_changes_one_name_and_refuses_unknown_ones() -> None:
    config = override(Config(), {"priors.wavelet.weight": 0.3, "training.seed": 4})
    assert config.priors.wavelet.weight == 0.3
    changed = {k for k, v in flatten(config).items() if flatten(Config())[k] != v}
    assert changed == {"priors.wavelet.weight", "training.seed"}
    with pytest.raises((TypeError, AttributeError)):
        override(Config(), {"priors.wavelet.wait": 0.3})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("training.folder", "runs/mine"),
        ("training.folder", Path("runs/mine")),
        ("training.resume", None),
        ("data.train", "sentences.txt"),
        ("priors.spectrum.weight", 1),
        ("priors.spectrum.reference", [3, 2.5]),
        ("tracking.figures", "finalists"),
        ("tracking.figures", False),
        ("training.device", "cpu"),
    ],
)
def test_python_gives_a_value_as_a_file_does(name: str, value: object) -> None:
    group, *part, key = name.split(".")
    given = {key: f"{value}" if isinstance(value, Path) else value}
    text = yaml.safe_dump({group: {part[0]: given} if part else given})
    assert repr(override(Config(), {name: value})) == repr(from_yaml(text))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("training.device", "gpu", r"^training\.device must be one of 'auto', 'cpu', 'cuda'"),
        ("training.steps", "many", r"^training\.steps must be "),
        ("training.steps", None, r"^training\.steps must not be null"),
        ("priors.spectrum.weight", -1.0, r"^priors\.spectrum\.weight must be at least 0"),
    ],
)
def test_python_is_told_of_a_bad_value_as_a_file_is(name: str, value: object, message: str) -> None:
    with pytest.raises(UserError, match=message):
        override(Config(), {name: value})


def test_the_fingerprint_changes_with_what_changes_the_result() -> None:
    base = fingerprint(Config())
    assert fingerprint(override(Config(), {"training.folder": Path("x")})) == base
    assert fingerprint(override(Config(), {"tracking.uri": "sqlite:///x"})) == base
    for name in ("priors.variance.weight", "optimizer.learning_rate", "encoder.dropout"):
        assert fingerprint(override(Config(), {name: 0.123})) != base
    later = {"encoder.initialisation": "fan_in", "encoder.window": 3}
    later |= {"objective.balance": "gradnorm"}
    for name, value in (later | {"terms.contrast.kinds": "structure_first"}).items():
        assert name not in effective(Config())  # as in what was recorded before there was a choice
        assert fingerprint(override(Config(), {name: value})) != base


def test_every_setting_is_explained_in_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parsed("--help")
    text = " ".join(capsys.readouterr().out.split())
    for group in fields(Config):
        part = getattr(Config(), group.name)
        for setting in fields(part):
            documented = f"{setting.name}: " in (type(part).__doc__ or "") or group.name in (
                "priors",
                "terms",
            )
            assert documented, f"{group.name}.{setting.name} has no line in its docstring"
            assert f"--{group.name}.{setting.name}" in text


FORMS: dict[str, tuple[str | bytes, str]] = {
    "null for a group": (
        "encoder: null\n",
        r"encoder is a group .* got null; .*encoder: \{hidden: 384\}.*line 1",
    ),
    "a list for a group": ("encoder: [1]\n", r"encoder is a group .* but got \[1\]"),
    "a number for a prior": (
        "priors:\n  decorrelation: 3\n",
        r"priors\.decorrelation is a group .* got 3; .*\{decorrelation: \{weight: 3\}\} .*line 2",
    ),
    "a number for a group": (
        "training: 3\n",
        r"training is a group .* for instance training: \{steps: 500\}",
    ),
    "nothing for a value": (
        "training:\n  steps:\n",
        r"training\.steps must not be null: .* 500 .*line 2",
    ),
    "an endless alias": (
        "training: &x [*x]\n",
        r"line 1: \*x stands for a group or a list; write it out",
    ),
    "an explosion": (
        "a: &a [1, 1]\nb: &b [*a, *a]\nc: &c [*b, *b]\n",
        r"line 2: \*a stands for a group or a list",
    ),
    "deep": ("training: " + "[" * 1500 + "]" * 1500, r"line 1: nested more than 16 levels deep"),
    "a group twice": (
        "training: {steps: 5}\ntraining: {seed: 3}\n",
        r"line 2: the key training .* first in line 1",
    ),
    "a key twice": (
        "training:\n  steps: 5\n  steps: 6\n",
        r"line 3: the key steps stands there twice",
    ),
    "a time": (
        "training:\n  steps: 1:30\n",
        r"training\.steps must be a whole number, but got '1:30'.*line 2",
    ),
    "100,000 digits": ("training: {steps: " + "9" * 100_000 + "}", r"line 1: '9{39} is no number"),
    "a tab": ("training:\n\tsteps: 3\n", r"line 2: .*indent with blanks"),
    "nothing": ("", r"mine\.yaml is empty, but must hold groups"),
    "a list": ("- a\n- b\n", r"mine\.yaml is a list, but must hold groups"),
    "a number as a key": ("training:\n  3: 4\n", r"there is no key training\.3.*line 2"),
    "a list as a key": ("? [1, 2]\n: 3\n", r"line 1: a key must be a word"),
    "two documents": ("training: {steps: 3}\n---\ntraining: {}\n", r"line 2: .*single document"),
    "a tag": (
        "training: !!python/object/apply:os.system [ls]\n",
        r"line 1: the tag .* is not understood",
    ),
    "NUL in a text": ('tracking:\n  experiment: "a\\0b"\n', r"line 2: a NUL character is no text"),
    "itself": ("config: mine.yaml\n", r"config is no key of a file: give --config twice"),
    "Latin-1": (
        "tracking: {experiment: é}\n".encode("latin-1"),
        r"not UTF-8: byte 0xe9 .*line 1.*iconv -f LATIN1",
    ),
    "UTF-16": (
        "training: {}\n".encode("utf-16"),
        r"not UTF-8 but UTF-16; .*iconv -f UTF-16 -t UTF-8",
    ),
    "UTF-16 without a mark": (
        "training: {}\n".encode("utf-16-le"),
        r"NUL .*iconv -f UTF-16LE -t UTF-8",
    ),
    "too much": ("# " + "x" * 300_000, r"has 300,002 bytes, but at most 262,144 are read"),
}  # fmt: skip


@pytest.mark.parametrize("case", FORMS)
def test_a_file_of_a_wrong_form_is_one_line(case: str, tmp_path: Path) -> None:
    content, message = FORMS[case]
    path = tmp_path / "mine.yaml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(UserError, match=message) as error:
        parsed("--config", str(path))
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 500
    if isinstance(content, str) and content and case != "too much":
        with pytest.raises(UserError) as error:
            from_yaml(content)  # of a checkpoint or a database that was edited
        assert "\n" not in str(error.value)


def test_what_a_file_may_look_like(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    text = "terms: {on: latent}\ntraining: {steps: 1_000, seed: 010}\n"
    text += "optimizer: {learning_rate: 1e-3}\n"
    for start in (b"", b"\xef\xbb\xbf"):
        path.write_bytes(
            start + text.replace("\n", "\r\n").encode() + b"encoder: {smoothing: yes}\n"
        )
        config = parsed("--config", str(path))
        assert (config.terms.on, config.training.steps, config.training.seed) == (
            "latent",
            1000,
            10,
        )
        assert (config.optimizer.learning_rate, config.encoder.smoothing) == (1e-3, True)
    path.write_text("training: {steps: &n 7, seed: *n}\ntracking: {experiment: 2026-01-01}\n")
    config = parsed("--config", str(path))
    assert (config.training.seed, config.tracking.experiment) == (7, "2026-01-01")


GROUPS = ["data", "encoder", "priors", "priors.spectrum"]


@pytest.mark.parametrize("value", ["null", "0.5", "[1]", "{wrong: 1}", "{"])
@pytest.mark.parametrize("group", GROUPS)
def test_a_group_is_no_value(group: str, value: str, tmp_path: Path) -> None:
    """Neither as a flag nor in a file; the way out that is named works."""
    file = tmp_path / "mine.yaml"
    *outer, last = group.split(".")
    text = f"{{{last}: {value}}}"
    for name in reversed(outer):
        text = f"{{{name}: {text}}}"
    for arguments in ([f"--{group}", value], [f"--{group}={value}"], ["--config", str(file)]):
        file.write_text(text)
        with pytest.raises(UserError) as error:
            parsed(*arguments)
        said = str(error.value)
        assert "\n" not in said
        assert group in said or arguments[0] == "--config"  # which may not be YAML at all
        if "for instance" not in said:
            continue
        advised = said.partition("for instance ")[2].partition(" (")[0]
        file.write_text(advised)
        parsed(*(advised.split() if arguments[0] != "--config" else ["--config", str(file)]))


def test_a_group_may_come_as_yaml_or_as_a_file(tmp_path: Path) -> None:
    (tmp_path / "encoder.yaml").write_text("hidden: 32\nheads: 2\n")
    for value in ("{hidden: 32, heads: 2}", str(tmp_path / "encoder.yaml")):
        assert parsed("--encoder", value).encoder.hidden == 32
