"""Console, status, note, best.yaml, result.json and report name the same trial of a study."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from statistics import fmean

import numpy as np
import optuna
import pytest
import yaml
from optuna.distributions import IntDistribution
from optuna.trial import TrialState, create_trial
from smoke import smoke

from analysis.report.study import _answers
from studies import report
from studies.__main__ import print_leader
from studies.job import Job, question_of
from studies.made_up import made_up
from studies.question import distributions
from studies.result import FILE, StudyResult
from studies.settings import StudyConfig
from vlatent.console import console

STUDIES = 200
CONFIRM, SEEDS = 3, (1, 2, 3)


@dataclass(frozen=True)
class Drawn:
    """A made-up trial or confirmation: its state, score and worst margin."""

    state: TrialState
    score: float
    margin: float

    @property
    def passes(self) -> bool:
        return self.state == TrialState.COMPLETE and self.margin <= 0


def drawn(kind: int, draw: np.random.Generator) -> tuple[list[Drawn], dict[tuple[int, int], Drawn]]:
    """Trials, and confirmations of all of them by trial and seed.

    By kind: few different scores, so that many tie; none that passes; confirmations in the opposite
    order; half of the confirmations fail; all of them fail; anything.
    """
    count = int(draw.integers(1, 9))
    levels = 3 if kind == 0 else 1000

    def one(passing: float, failing: float, score: float | None = None) -> Drawn:
        ended = draw.choice([TrialState.COMPLETE, TrialState.PRUNED], p=[0.9, 0.1])
        state = TrialState.FAIL if draw.uniform() < failing else TrialState(ended)
        margin = -1.0 if draw.uniform() < passing else float(draw.integers(1, 4))
        return Drawn(state, draw.integers(levels) / levels if score is None else score, margin)

    trials = [one(0.0 if kind == 1 else 0.7, 0.1) for _ in range(count)]
    failing = {3: 0.5, 4: 1.0}.get(kind, 0.1)
    again = {}
    for number, seed in product(range(count), SEEDS):
        opposite = 1 - trials[number].score if kind == 2 else None
        run = one(0.9, failing, opposite)
        state = TrialState.COMPLETE if run.state == TrialState.PRUNED else run.state
        again[number, seed] = replace(run, state=state)
    return trials, again


def expected(trials: list[Drawn], again: dict[tuple[int, int], Drawn]) -> int | None:
    """The trial that leads, worked out anew from the numbers alone."""
    complete = [n for n, trial in enumerate(trials) if trial.state == TrialState.COMPLETE]
    passing = [number for number in complete if trials[number].passes]
    if not passing:
        return min(complete, key=lambda n: (trials[n].margin, n), default=None)
    finalists = sorted(passing, key=lambda n: (-trials[n].score, n))[:CONFIRM]
    runs = {
        number: [
            again[number, seed]
            for seed in SEEDS
            if again[number, seed].state == TrialState.COMPLETE
        ]
        for number in finalists
    }
    confirmed = [number for number in finalists if runs[number]]

    def better(number: int) -> tuple[float, float]:
        share = sum(run.passes for run in runs[number]) / len(runs[number])
        return share, fmean(run.score for run in runs[number])

    return max(confirmed, key=better) if confirmed else finalists[0]


def built(
    template: optuna.Study,
    job: Job,
    trials: list[Drawn],
    again: dict[tuple[int, int], Drawn],
) -> tuple[optuna.Study, optuna.Study]:
    """The same as studies of Optuna, one with parameters of its own for each trial."""
    search = optuna.create_study(direction="maximize")
    confirmation = optuna.create_study(direction="maximize")
    for name, value in template.user_attrs.items():
        search.set_user_attr(name, value)
    space, usual = distributions(job.space), template.get_trials(deepcopy=False)[0].user_attrs

    def add(study: optuna.Study, run: Drawn, params: dict[str, float], ordinal: int) -> None:
        criteria = [line | {"margin": run.margin} for line in usual["criteria"][:2]]
        attributes = usual | {"ordinal": ordinal, "worker": "host:1", "criteria": criteria}
        if run.state == TrialState.FAIL:
            attributes = {"ordinal": ordinal, "reason": "it diverged"}
        whole = {name: IntDistribution(0, 100) for name in params}
        study.add_trial(
            create_trial(
                state=run.state,
                value=run.score if run.state == TrialState.COMPLETE else None,
                params=params,
                distributions=space if study is search else whole,
                intermediate_values={} if run.state == TrialState.FAIL else {1: run.score},
                user_attrs=attributes,
            )
        )

    for number, trial in enumerate(trials):
        params = {name: space[name].low * (1 + (number + 1) / 10) for name in space}  # type: ignore[attr-defined]
        add(search, trial, params, number)
    passing = [number for number, trial in enumerate(trials) if trial.passes]
    finalists = sorted(passing, key=lambda number: (-trials[number].score, number))[:CONFIRM]
    for ordinal, (number, seed) in enumerate(product(finalists, SEEDS)):
        add(confirmation, again[number, seed], {"trial": number, "seed": seed}, ordinal)
    return search, confirmation


def named(text: str) -> int | None:
    """The first trial that a text names."""
    match = re.search(r"\btrial\s+(\d+)", text, re.IGNORECASE)
    return int(match[1]) if match else None


def test_everything_names_the_same_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "study_figures", lambda *_: {})
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    config = smoke(tmp_path)
    space = question_of("loss_weights").narrowed(config, {})
    settings = StudyConfig(confirm=CONFIRM)
    named_job = {"question_name": "loss_weights", "name": "s", "corpus": {"tokens": "c"}}
    job = Job(config=config, settings=settings, space=space, **named_job)
    template = made_up(job, ("passes",), np.random.default_rng(0))
    bases: list[str] = []
    turned = 0
    for index in range(STUDIES):
        draw = np.random.default_rng(index)
        trials, again = drawn(index % 6, draw)
        search, confirmation = built(template, job, trials, again)
        leader = expected(trials, again)
        place = tmp_path / str(index)
        with console.capture() as screen:
            findings = report.conclude(job, search, confirmation, place, 0.0)
        with console.capture() as status:
            print_leader(search, findings.result)
        left = StudyResult.from_json((place / FILE).read_text("utf-8"), FILE)
        answers = {answer.heading: answer.text for answer in _answers(left)}
        recorded = report.metrics(left).get("best/trial")
        named_by = {
            "result.json": left.leader,
            "console": named(screen.get()),
            "status": named(status.get()),
            "note": named(report.note(left)),
            "report": named(answers["What was found"]),
            "metric": None if recorded is None else int(recorded),
            "config": written(place, search, trials),
        }
        assert set(named_by.values()) == {leader}, (index, named_by, trials, again)
        bases.append(left.basis)
        turned += left.optimism is not None and left.optimism.trial != leader
    assert set(bases) == {"confirmed", "search", "nearest", "none"}  # every case was there
    assert turned > 20  # and confirmation often named another trial than the search


def written(place: Path, search: optuna.Study, trials: list[Drawn]) -> int | None:
    """The trial whose weights best.yaml has, or nearest.yaml where nothing passes."""
    files = [file for file in ("best.yaml", "nearest.yaml") if (place / file).exists()]
    if not files:
        return None
    assert files == ["best.yaml" if any(trial.passes for trial in trials) else "nearest.yaml"]
    values = {
        f"priors.{name}.weight": prior["weight"]
        for name, prior in yaml.safe_load((place / files[0]).read_text("utf-8"))["priors"].items()
    }
    matches = [
        trial.number
        for trial in search.get_trials(deepcopy=False)
        if all(values[name] == value for name, value in trial.params.items())
    ]
    assert len(matches) == 1
    return matches[0]
