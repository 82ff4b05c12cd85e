"""Configs: read, changed, written and recognised again."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest
from smoke import CONFIGS

from vlatent.command_line import Parser
from vlatent.config import Config, build, fingerprint, flatten, from_yaml, override, to_yaml
from vlatent.shapes import UserError


def parsed(*arguments: str) -> Config:
    parser = Parser()
    parser.add_argument("--config", action="config")
    parser.add_class_arguments(Config, nested_key=None)
    return build(parser.checked(arguments))


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_config_is_read_and_written_back(path: Path, tmp_path: Path) -> None:
    config = parsed("--config", str(path))
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
        (["--priors.kurtosis.weight", "inf"], r"Kurtosis\.weight must be finite"),
        (["--priors.kurtosis.weight", "nan"], r"priors\.kurtosis\.weight must be at least 0"),
        (["--training.device", "gpu"], r"training\.device must be one of 'auto', 'cpu', 'cuda'"),
        (["--encoder.heads", "7"], r"encoder\.hidden must be a multiple of 2 \* encoder\.heads"),
        (["--evaluation.count", "2"], r"evaluation\.count must be at least 3"),
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


def test_the_fingerprint_changes_with_what_changes_the_result() -> None:
    base = fingerprint(Config())
    assert fingerprint(override(Config(), {"training.folder": Path("x")})) == base
    assert fingerprint(override(Config(), {"tracking.uri": "sqlite:///x"})) == base
    for name in ("priors.variance.weight", "optimizer.learning_rate", "encoder.dropout"):
        assert fingerprint(override(Config(), {name: 0.123})) != base


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
