"""Console, status, note, best.yaml, result.json and report name the same trial of a study.

And none of them says more of it than the numbers do: from which finalists no difference tells it,
what the test set found, and whether that was the first look.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from itertools import combinations, product
from pathlib import Path
from statistics import fmean

import numpy as np
import optuna
import pytest
import yaml
from optuna.distributions import IntDistribution
from optuna.trial import TrialState, create_trial
from scipy import stats
from smoke import smoke

from analysis.report.study import _answers
from studies import report
from studies.__main__ import print_leader
from studies.job import Job
from studies.made_up import made_up
from studies.question import distributions
from studies.questions import question_of
from studies.result import FILE, StudyResult
from studies.settings import StudyConfig
from vlatent.console import console

STUDIES = 200
CONFIRM, SEEDS, TEST_SEEDS = 3, (1, 2, 3, 4), (1001, 1002, 1003)


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
    order; half of the confirmations fail; all of them fail; anything; confirmations near the
    search's scores, so that many differences are established.
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
        near = trials[number].score + draw.normal() / 100 if kind == 6 else opposite
        run = one(0.9, failing, near)
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


def leads(
    again: dict[tuple[int, int], Drawn], leader: int, finalists: list[int]
) -> tuple[list[int], list[int], list[int]]:
    """From which finalists no difference tells the leader, which it is ahead of, which behind.

    By SciPy's paired t test and, over all pairs of finalists, Holm's own rule: as long as the
    smallest p that is left is below 0.05 over their number, one more is established.
    """

    def scores(number: int) -> dict[int, float]:
        runs = {seed: again[number, seed] for seed in SEEDS}
        return {s: run.score for s, run in runs.items() if run.state == TrialState.COMPLETE}

    confirmed = [number for number in finalists if scores(number)]
    means, ps = {}, {}
    for one, other in combinations(confirmed, 2):
        pair = frozenset((one, other))
        both = sorted(scores(one).keys() & scores(other).keys())
        first, second = ([scores(number)[seed] for seed in both] for number in (one, other))
        differences = np.subtract(first, second)
        spread = len(both) > 1 and np.ptp(differences) > 0
        ps[pair] = stats.ttest_rel(first, second).pvalue if spread else 1.0
        means[pair] = (fmean(differences) if both else 0.0) * (1 if one == leader else -1)
    established = set()
    for left, pair in zip(
        range(len(ps), 0, -1), sorted(ps, key=lambda pair: ps[pair]), strict=True
    ):
        if ps[pair] >= 0.05 / left:
            break
        established.add(pair)
    told: tuple[list[int], list[int], list[int]] = ([], [], [])
    for other in confirmed:
        if other == leader:
            continue
        pair = frozenset((leader, other))
        told[0 if pair not in established else 1 if means[pair] > 0 else 2].append(other)
    return told


def built(
    template: optuna.Study,
    job: Job,
    trials: list[Drawn],
    again: dict[tuple[int, int], Drawn],
    looks: list[int],
) -> tuple[optuna.Study, dict[str, optuna.Study]]:
    """The same as studies of Optuna, one with parameters of its own for each trial."""
    search, confirmation, tested = (optuna.create_study(direction="maximize") for _ in range(3))
    for name, value in template.user_attrs.items():
        search.set_user_attr(name, value)
    space, usual = distributions(job.space), template.get_trials(deepcopy=False)[0].user_attrs

    def add(study: optuna.Study, run: Drawn, params: dict[str, float], ordinal: int) -> None:
        criteria = [line | {"margin": run.margin} for line in usual["criteria"][:2]]
        attributes = usual | {"ordinal": ordinal, "worker": "host:1", "criteria": criteria}
        attributes |= {"held_out": "test"} if study is tested else {}
        if run.state == TrialState.FAIL:
            attributes = {"ordinal": ordinal, "reason": "it diverged"}
        whole = {name: IntDistribution(0, 2**31) for name in params}
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
    for ordinal, (number, seed) in enumerate(product(looks, TEST_SEEDS)):
        run = Drawn(TrialState.COMPLETE, trials[number].score, 1.0 if seed == 1002 else -1.0)
        add(tested, run, {"trial": number, "seed": seed}, ordinal)
    return search, {"confirmation": confirmation, "test": tested}


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
    turned, said = 0, Counter[str]()
    for index in range(STUDIES):
        draw = np.random.default_rng(index)
        trials, again = drawn(index % 7, draw)
        leader = expected(trials, again)
        looks = [] if leader is None else [(leader + 1) % len(trials), leader][index % 2 :]
        search, others = built(template, job, trials, again, list(dict.fromkeys(looks)))
        place = tmp_path / str(index)
        with console.capture() as screen:
            findings = report.conclude(job, search, others, place, 0.0)
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
        texts = [screen.get(), status.get(), report.note(left), answers["What was found"]]
        checked(texts, left, again, said)
        bases.append(left.basis)
        turned += left.optimism is not None and left.optimism.trial != leader
    assert set(bases) == {"confirmed", "search", "nearest", "none"}  # every case was there
    assert turned > 20  # and confirmation often named another trial than the search
    assert min(said.values()) >= 5
    assert set(said) == {"undistinguished", "ahead", "behind", "first look", "second look"}


def checked(
    texts: list[str],
    left: StudyResult,
    again: dict[tuple[int, int], Drawn],
    said: Counter[str],
) -> None:
    """Every text says of the leader what the numbers say, and no more."""
    told: tuple[list[int], list[int], list[int]] = ([], [], [])
    if left.basis == "confirmed":
        told = leads(again, left.finalists[0].number, [each.number for each in left.finalists])
    alike, ahead, behind = map(set, told)
    said.update({"undistinguished": bool(alike), "ahead": bool(ahead), "behind": bool(behind)})
    assert set(left.undistinguished) == alike
    before = [each.number for each in left.tested if each.number != left.leader]
    for text in texts:
        words = " ".join(re.sub(r"[\\*]", "", text).split())

        def numbers(pattern: str, words: str = words) -> set[int]:
            return {
                int(n) for found in re.findall(pattern, words) for n in re.findall(r"\d+", found)
            }

        assert numbers(r"not distinguishable from ([\d, and]+)\.") == alike, words
        assert numbers(r", ahead of ([\d, and]+)\.") == (set() if alike else ahead), words
        assert numbers(r"Trial (\d+) has the better score on the same seeds") == behind, words
        if left.leader is None:
            continue
        test = f"Test: trial {left.leader} passes on 2 of 3"
        assert test in words
        assert words.index(test) < words.index("rial", words.index(test) + len(test))
        assert numbers(r"look 2 at the test set, after trial (\d+)\.") == set(before), words
        said.update({"second look" if before else "first look": 1})


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
