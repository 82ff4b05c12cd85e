"""The short help of commands with many keys, and the lists of ablations and analyses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path

import pytest
from inside import inside

import ablations.__main__
import analysis.__main__
from ablations.ablation import main as ablate
from ablations.settings import AblationConfig
from ablations.spectrum import ABLATION
from studies.settings import StudyConfig
from studies.study import main as study
from vlatent.__main__ import main as vlatent
from vlatent.config import TrainingConfig

COMMANDS: dict[str, tuple[Callable[[Sequence[str]], int], tuple[str, ...], type]] = {
    "study": (lambda a: study("loss_weights", a), (), StudyConfig),
    "ablation": (lambda a: ablate(ABLATION, a), (), AblationConfig),
    "training": (vlatent, ("train",), TrainingConfig),
}


@pytest.mark.parametrize("own", COMMANDS)
def test_help_is_a_page_and_help_all_is_everything(tmp_path: Path, own: str) -> None:
    main, before, settings = COMMANDS[own]
    short = inside(tmp_path, main, *before, "--help")
    whole = inside(tmp_path, main, *before, "--help-all")
    assert (short.returncode, whole.returncode) == (0, 0)
    lines = short.stdout.splitlines()
    assert len(lines) < 80
    assert max(map(len, lines)) <= 100
    assert lines[0].startswith("usage: ")
    for name in (field.name for field in fields(settings)):
        assert f"--{own}.{name} " in short.stdout
        assert f"--{own}.{name} " in whole.stdout
    examples = short.stdout.partition("Examples:\n")[2].partition("\n\n")[0].splitlines()
    assert len(examples) == 2
    for group in ("data", "encoder", "priors", "optimizer", "tracking"):
        assert f"--{group}.* " in short.stdout
    assert "--encoder.hidden" not in short.stdout
    assert "--encoder.hidden" in whole.stdout
    assert not list(tmp_path.iterdir())


def test_the_short_help_says_defaults_and_choices(tmp_path: Path) -> None:
    said = " ".join(inside(tmp_path, COMMANDS["study"][0], "-h").stdout.split())
    assert "One of tpe, gp, cmaes, qmc, nsga2, nsga3, random, grid. [tpe]" in said
    assert "takes that of the question. [null]" in said
    assert "--study.confirm " in said


def test_an_unknown_key_leads_to_the_help_that_has_it(tmp_path: Path) -> None:
    wrong = inside(tmp_path, COMMANDS["study"][0], "--qqq", "1")
    assert wrong.returncode == 2
    assert "--help-all lists all keys" in wrong.stderr


@pytest.mark.parametrize("flags", [(), ("-h",), ("--help",)])
def test_ablations_and_analyses_are_listed_with_what_they_ask(
    tmp_path: Path, flags: tuple[str, ...]
) -> None:
    listed = inside(tmp_path, ablations.__main__.main, *flags)
    assert listed.returncode == 0
    assert ABLATION.question in listed.stdout
    listed = inside(tmp_path, analysis.__main__.main, *flags)
    assert listed.returncode == 0
    assert "probes " in listed.stdout
    for name, text in analysis.__main__.found().items():
        assert text
        assert analysis.__main__.command(name)


def test_a_listed_name_runs_and_an_unknown_one_is_one_line(tmp_path: Path) -> None:
    for module, wrong, right, key in (
        (ablations.__main__, "kurtosiss", "kurtosis", "--ablation.arms"),
        (analysis.__main__, "reprot", "report", "--study"),
    ):
        refused = inside(tmp_path, module.main, wrong)
        assert refused.returncode == 2
        assert refused.stderr.count("\n") == 1
        assert f"did you mean {right}?" in refused.stderr
        assert key in inside(tmp_path, module.main, right, "--help").stdout
