"""What a study says while it runs: whose line it is, how far the study is, what was best so far."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial
from test_job import job

from studies import study as command
from studies.job import create_study, load_study
from studies.progress import Reporter, trial_line
from studies.spending import Limit
from vlatent.runtime.interruption import Stop

STATES = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}
SCORE = ("score",)
CRITERIA = ("spectrum", "total_variation", "decorrelation", "checkerboard", "plateau")


def ended(
    state: str,
    value: float,
    broken: int = 0,
    params: dict[str, float] | None = None,
    **attributes: object,
) -> FrozenTrial:
    margins = [0.1 * broken if index < broken else -1.0 for index in range(len(CRITERIA))]
    lines = [{"name": n, "margin": m} for n, m in zip(CRITERIA, margins, strict=True)]
    return create_trial(
        state=STATES[state],
        value=value if state == "complete" else None,
        intermediate_values={30: value},
        params=params or {},
        distributions={k: optuna.distributions.IntDistribution(0, 2**31) for k in params or {}},
        user_attrs={"criteria": lines, "seconds": 9.8} | attributes,
    )


def said(study: optuna.Study, reporter: Reporter, trials: list[FrozenTrial], of: int) -> list[str]:
    study.add_trials(trials)
    return [line.plain for line in reporter.lines(lambda: of)]


def test_every_line_says_how_far_the_study_is_and_whether_it_found_a_better_one() -> None:
    study = optuna.create_study(direction="maximize")
    study.add_trial(ended("complete", 6.9, 3))
    reporter = Reporter(study, SCORE)
    assert reporter.done == 1
    lines = said(
        study,
        reporter,
        [
            ended("complete", 6.2, 1),
            ended("complete", 6.8, 2),
            ended("pruned", 0.3, 5),
            ended("complete", 6.1),
            ended("complete", 6.0),
            ended("failed", 0.0, reason="loss [/b] is not finite"),
            ended("failed", 0.0, returned="stopped at step 10"),
        ],
        60,
    )
    marks = ["nearest so far", "", "", "best so far", "", "", ""]
    for number, (line, mark) in enumerate(zip(lines, marks, strict=True), start=1):
        assert line.startswith(f"trial {number:3d}  ")
        assert line.endswith(mark) == ("so far" in line) or not mark
        assert ("so far" in line) == bool(mark)
        assert len(line) <= 120, line
    assert [line.split()[2] for line in lines[:-1]] == [f"{n}/60" for n in range(2, 8)]
    assert all("ends ~" in line for line in lines[:-1])
    assert all("/60  240 steps, 78 s  " in line for line in lines[:-1])  # of all that ended by now
    assert "loss [/b] is not finite" in lines[-2]
    assert "/60" not in lines[-1]
    assert reporter.lines(lambda: 60) == []
    [last] = said(study, reporter, [ended("complete", 6.5)], 8)
    assert "8/8" in last
    assert "ends ~" not in last
    assert last.endswith("passes every criterion  best so far")


def test_a_confirmation_says_which_trial_on_which_seed() -> None:
    study = optuna.create_study(direction="maximize")
    reporter = Reporter(study, SCORE, again="confirmed")
    cells = [{"trial": 39, "seed": seed} for seed in (1, 1007)]
    lines = said(
        study,
        reporter,
        [ended("complete", 6.8, 0, cells[0]), ended("complete", 6.7, 4, cells[1])],
        15,
    )
    assert lines[0].startswith("confirmed trial 39, seed 1   1/15  60 steps, 20 s  ends ~")
    assert lines[0].endswith("score 6.800   9.8 s  passes every criterion")
    assert lines[1].startswith("confirmed trial 39, seed 1007   2/15")
    assert "violates spectrum +3" in lines[1]
    assert max(map(len, lines)) <= 120


def test_the_end_is_told_by_the_pace_of_what_ended_since_the_command_was_begun() -> None:
    study = optuna.create_study(direction="maximize")
    reporter = Reporter(study, SCORE)
    trial = ended("complete", 6.0)
    trial.datetime_start = datetime.now() - timedelta(minutes=10)
    [line] = said(study, reporter, [trial], 3)
    told = line.split("ends ~")[1].split("  ")[0]
    expected = {f"{datetime.now() + timedelta(minutes=20 + late):%H:%M}" for late in (-1, 0, 1)}
    assert told[-5:] in expected


def test_the_end_is_that_of_the_hours_if_these_are_spent_first() -> None:
    """12 minutes of search for 30 steps, so 24 for 60 more: 54 of 90 minutes are left."""
    study = optuna.create_study(direction="maximize")
    reporter = Reporter(study, SCORE, limit=Limit(1.5, 60))
    trial = ended("complete", 6.0)
    trial.datetime_complete = datetime.now()
    trial.datetime_start = trial.datetime_complete - timedelta(minutes=12)
    [line] = said(study, reporter, [trial], 1000)
    told = line.split("ends ~")[1].split("  ")[0]
    expected = {f"{datetime.now() + timedelta(minutes=54 + late):%H:%M}" for late in (-1, 0, 1)}
    assert told[-5:] in expected


def test_of_several_objectives_the_front_is_told() -> None:
    study = optuna.create_study(directions=["maximize", "minimize"])
    reporter = Reporter(study, ("in_band", "others"))
    rows = [(6.0, 0.1), (5.0, 0.2)]
    trials = [create_trial(values=row, user_attrs={"criteria": [], "seconds": 1.0}) for row in rows]
    lines = said(study, reporter, trials, 4)
    assert lines[0].endswith("on the front")
    assert "in_band 6  others 0.1" in lines[0]
    assert lines[1].endswith("passes every criterion")


@pytest.mark.parametrize("broken", [0, 5])
def test_one_line_of_a_trial_alone_names_all_that_it_violates(broken: int) -> None:
    line = trial_line(ended("complete", 6.0, broken), SCORE).plain
    assert all((name in line) == (broken > 0) for name in CRITERIA)


def test_what_is_confirmed_is_said_when_it_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A study's own display looks at its confirmations too, which last for minutes."""
    mine, lines = job(tmp_path), list[str]()
    search = create_study(mine)

    def workers(*arguments: Any) -> None:
        again = load_study("s/confirmation", mine.settings.storage)
        again.add_trial(ended("complete", 6.8, 0, {"trial": 39, "seed": 1}, worker="host:1"))
        _, said = arguments[7]()
        lines.extend(line.plain for line in said)

    monkeypatch.setattr(command, "carry_out", workers)
    command._train(mine, search, Stop())
    [line] = lines
    assert line.startswith("confirmed trial 39, seed 1  ")
    assert line.endswith("score 6.800   9.8 s  passes every criterion")
