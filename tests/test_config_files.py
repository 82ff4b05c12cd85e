"""Configs by name, as they come with the package."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from smoke import CONFIGS

from vlatent.command_line import Parser
from vlatent.config import GivenConfig, build, build_of, from_yaml, from_yaml_of, to_yaml
from vlatent.config_files import config_file, with_configs_found
from vlatent.decoder_run import DecoderRunConfig
from vlatent.reading_command import is_of_decoder
from vlatent.shapes import UserError

OF_DECODERS = ["reading", "quick_reading"]
NAMES = [file.stem for file in CONFIGS.glob("*.yaml")]


@pytest.mark.parametrize("name", NAMES)
def test_every_config_is_found_by_its_name(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = (CONFIGS / f"{name}.yaml").read_text(encoding="utf-8")
    assert Path(config_file(name)).read_text(encoding="utf-8") == text
    for flags in (["--config", name], [f"--config={name}"]):
        parser = Parser()
        parser.add_argument("--config", action="config")
        assert is_of_decoder(flags) == (name in OF_DECODERS)
        if name in OF_DECODERS:
            parser.add_class_arguments(DecoderRunConfig, nested_key=None)
            made = build_of(parser.checked([*flags, "--run", "runs/meaning"]), DecoderRunConfig)
            whole = text if "run: runs" in text else f"run: runs/meaning\n{text}"
            assert made == from_yaml_of(whole, DecoderRunConfig)
            assert made == from_yaml_of(to_yaml(made), DecoderRunConfig)
            continue
        parser.add_class_arguments(GivenConfig, nested_key=None)
        assert build(parser.checked(flags)) == from_yaml(text)


def test_paths_texts_and_other_flags_stay_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for given in ("configs/quick.yaml", "quick.yaml", "./quick", "{training: {steps: 3}}", ""):
        assert config_file(given) == given
    Path("quick").touch()  # a file of that name is meant
    assert config_file("quick") == "quick"
    flags = ["--study.name", "quick", "smoke", "--config"]
    assert list(with_configs_found(flags)) == flags


def test_an_unknown_name_is_refused_with_the_nearest_and_all() -> None:
    with pytest.raises(
        UserError, match=r"^there is no config quik; did you mean quick\? "
    ) as error:
        config_file("quik")
    assert set(re.findall(r"\w+", str(error.value))) > set(NAMES)
    with pytest.raises(UserError, match=r"^there is no config xyz\. The package has full, "):
        config_file("xyz")
