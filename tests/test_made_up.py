"""The end of every study on made-up trials: whatever came of them, it is reached."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from inside import inside
from smoke import CONFIGS, smoke

from studies import loss_weights, report, study
from studies.job import Job
from studies.made_up import USUAL, Kind, check_report, made_beside, made_up
from studies.questions import question_of
from studies.result import FILE, StudyResult
from studies.settings import StudyConfig
from vlatent.config import from_yaml, override
from vlatent.decoder_run import DecoderRunConfig
from vlatent.figures.page import Page

QUESTIONS = sorted(
    file.stem
    for file in Path(loss_weights.__file__).parent.glob("*.py")
    if "QUESTION = " in file.read_text("utf-8")
)
CASES: dict[str, tuple[Kind, ...]] = {
    "only trial 0": ("passes",),
    "none passes": ("violates",) * 3,
    "all failed but one": ("failed", "failed", "violates", "died"),
    "all failed": ("failed", "died"),
    "all pruned": ("pruned", "pruned"),
    "many": USUAL,
}


def job(asks: str, folder: Path, **settings: Any) -> Job:
    config: Any = smoke(folder)
    if asks == "reading":
        config = DecoderRunConfig(run=folder, tracking=config.tracking)
    if asks in ("meaning", "round_trip"):
        file = CONFIGS / ("quick_meaning.yaml" if asks == "meaning" else "round_trip.yaml")
        small = {"encoder.height": 16, "encoder.width": 16}
        config = override(from_yaml(file.read_text("utf-8")), small)
    space = question_of(asks).narrowed(config, {})
    chosen = StudyConfig(**settings)
    return Job(
        question_name=asks,
        name="mine",
        config=config,
        settings=chosen,
        space=space,
        corpus={"tokens": "c"},
    )


@pytest.mark.parametrize("asks", QUESTIONS)
def test_every_question_closes(asks: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Page, "png", lambda page: b"drawn")  # its file would take half of the time
    mine = job(asks, tmp_path)
    check_report(mine)
    draw = np.random.default_rng(0)
    for case, kinds in CASES.items():
        made = made_up(mine, kinds, draw)
        (tmp_path / case).mkdir()
        beside = made_beside(mine, made, draw)
        for others in ({}, beside) if kinds == USUAL else (beside,):
            findings = report.conclude(mine, made, others, tmp_path / case, 0.0)
            nothing = case in ("all failed", "all pruned")
            assert (findings.result.leader is None) == nothing, case
            left = (tmp_path / case / FILE).read_text("utf-8")
            assert StudyResult.from_json(left, FILE) == findings.result


def test_trials_that_are_worth_the_same_close(tmp_path: Path) -> None:
    mine = job("loss_weights", tmp_path)

    class Even(np.random.Generator):
        def uniform(self, *_: Any, size: int, **__: Any) -> Any:
            return np.ones(size)

    draw = Even(np.random.PCG64(0))
    made = made_up(mine, USUAL, draw)
    findings = report.conclude(mine, made, made_beside(mine, made, draw), tmp_path, 0.0)
    finalists = findings.result.finalists
    assert {finalist.interval() for finalist in finalists[:-1]} == {(1.0, -math.inf, math.inf)}
    assert findings.result.leader == 0


def test_what_would_fail_at_the_end_fails_before_anything_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> object:
        raise RuntimeError("no such picture")

    monkeypatch.setattr(study, "check_report", check_report)
    monkeypatch.setattr("studies.figures.study.search_figures", broken)
    flags = ("--config", str(CONFIGS / "smoke.yaml"), "--study.trials", "1")
    with pytest.raises(RuntimeError, match="no such picture"):
        inside(tmp_path, lambda given: study.main("loss_weights", given), *flags)
    assert list(tmp_path.iterdir()) == []
