"""What matters is found where it was put, and nothing is found where nothing was put."""

from __future__ import annotations

import csv
import io
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from itertools import combinations
from pathlib import Path

import numpy as np
import optuna
import pytest
from inside import inside
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import create_trial
from PIL import Image
from scipy import stats
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.inspection import partial_dependence
from sklearn.metrics import r2_score

from analysis.importance import surrogate
from analysis.importance.__main__ import main
from analysis.importance.compute import importance, inputs
from analysis.importance.figures import figures
from analysis.importance.result import Importance
from analysis.importance.surrogate import (
    curves,
    grow,
    importances,
    interactions,
    noise,
    ranks,
    skill,
)
from analysis.importance.targets import targets
from analysis.importance.text import csv as as_csv
from analysis.importance.text import markdown, value, words
from analysis.trials import Study, Trial, read_study
from studies.result import Counts, Objective, StudyResult
from vlatent.evaluation import Criterion, Evaluation, Verdict, score
from vlatent.search_space import Axis

SPACE = {
    "priors.strong.weight": Axis(0.001, 10.0, log=True),
    "priors.weak.weight": Axis(0.0, 4.0),
    "priors.choice.weight": Axis.choices((2, 4, 8, 16)),
    "priors.none.weight": Axis(0.01, 1.0, log=True),
}


@pytest.fixture(autouse=True, scope="module")
def fewer_repetitions() -> Iterator[None]:
    """The same rules, sooner: the best of 20 is still one in 20."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(surrogate, "NOISE", 19)
        patch.setattr(surrogate, "RESAMPLES", 8)
        patch.setattr(surrogate, "TREES", 10)
        yield


def drawn(count: int, seed: int) -> list[dict[str, float]]:
    """Values of the parameters, even on their scales."""
    places = np.random.default_rng(seed).random((count, len(SPACE)))
    return [
        {name: value(axis, place) for (name, axis), place in zip(SPACE.items(), row, strict=True)}
        for row in places
    ]


def trial(number: int, params: dict[str, float], result: float, **known: object) -> Trial:
    plain = Trial(
        number=number,
        label=f"made {number}",
        origin=None,
        state="complete",
        params=params,
        values=(result,),
        feasible=False,
        criteria=(),
        evaluation=None,
        steps_to_pass=None,
        config="",
        seconds=1.0,
        run_id=None,
    )
    return replace(plain, **known)


def study(*trials: Trial, maximize: bool = True) -> Study:
    name = "gain" if maximize else "loss"
    result = StudyResult(
        name="made",
        question="made",
        text="What matters?",
        objectives=(Objective(name, name, maximize),),
        budget=None,
        counts=Counts(len(trials), 0, 0, 0),
        steps_trained=0,
        steps_saved=0,
        ranking=(),
        front=(),
        finalists=(),
        leader=None,
        basis="none",
        undistinguished=(),
        optimism=None,
        evaluation=None,
    )
    return Study("made", SPACE, trials, {}, result, "")


def gain(params: dict[str, float]) -> float:
    """3 log10(strong) + weak, so the first has about nine times the variance of the second."""
    return 3 * np.log10(params["priors.strong.weight"]) + params["priors.weak.weight"]


@cache
def known() -> Importance:
    """A study of 40 trials that minimizes what `gain` lacks, with a little noise."""
    generator = np.random.default_rng(5)
    made = study(
        *(
            trial(number, params, 0.5 * generator.standard_normal() - gain(params))
            for number, params in enumerate(drawn(40, 5))
        ),
        maximize=False,
    )
    return importance(made)


def test_the_parameters_of_a_known_function_are_ranked_rightly() -> None:
    (finding,) = known().findings
    assert finding.silent == ""
    assert finding.r2 is not None
    assert 0.7 < finding.r2.low < finding.r2.value < 1
    strong, weak, choice, nothing = finding.forest
    assert strong.low > weak.value > 0
    assert weak.value > max(choice.value, nothing.value)
    assert choice.low < 0.02
    assert nothing.low < 0.02
    assert finding.fanova[0].low > finding.fanova[1].value > finding.fanova[3].value
    for method in (finding.fanova, finding.ped_anova):
        assert [share.value for share in method].index(max(s.value for s in method)) == 0
        assert sum(share.value for share in method) == pytest.approx(1)
        assert all(0 <= s.low <= s.value <= s.high <= 1 for s in method)


def test_curves_follow_the_function_in_its_own_unit() -> None:
    (finding,) = known().findings
    assert finding.curves is not None
    strong, _, choice, nothing = finding.curves.middle
    at = [value(SPACE["priors.strong.weight"], place) for place in finding.curves.positions[0]]
    truth = [-3 * np.log10(weight) - 2 for weight in at]  # the mean of the weak one is 2
    assert np.corrcoef(strong, truth)[0, 1] > 0.97
    places = inputs(finding.target.trials, SPACE)[:, 0]
    assert stats.spearmanr(places, finding.target.values).statistic < -0.8
    middle = len(at) // 2
    assert strong[middle] == pytest.approx(truth[middle], abs=1.0)
    assert len(choice) == 4
    assert np.ptp(nothing) < 0.15 * np.ptp(strong)
    for low, curve, high in zip(
        finding.curves.low, finding.curves.middle, finding.curves.high, strict=True
    ):
        assert (low <= curve).all()
        assert (curve <= high).all()


def test_ranks_bend_a_sum_by_less_than_is_called_an_interaction() -> None:
    """Of two equal effects without noise, worked out on a grid: 1.9 % of the variance."""
    side = np.linspace(0, 1, 200)
    rank = ranks((side[:, None] + side).ravel()).reshape(200, 200)
    pair = rank - rank.mean(0) - rank.mean(1)[:, None] + rank.mean()
    assert 0.018 < pair.var() / rank.var() < surrogate.BENT


def test_no_pair_is_found_in_a_sum_and_the_right_one_in_a_product() -> None:
    (finding,) = known().findings
    assert finding.interactions is not None
    assert finding.interactions.shares.max() <= finding.interactions.chance < 0.05
    x = np.random.default_rng(2).random((60, 3))
    product = ranks((x[:, 0] - 0.5) * (x[:, 2] - 0.5))
    found = interactions(x, product, 0)
    above = [pair for pair in combinations(range(3), 2) if found.shares[pair] > found.chance]
    assert above == [(0, 2)]
    assert (found.shares == found.shares.T).all()
    assert (np.diag(found.shares) == 0).all()


@pytest.mark.parametrize("seed", range(6))
def test_noise_is_not_enough_signal(seed: int) -> None:
    """Each would be wrong in at most 5 % of all cases; of 100 other studies none was."""
    generator = np.random.default_rng(100 + seed)
    made = [
        trial(n, params, generator.standard_normal()) for n, params in enumerate(drawn(24, seed))
    ]
    (finding,) = importance(study(*made), seed).findings
    assert finding.silent == "too little signal to predict"
    assert finding.r2 is not None
    assert finding.r2.low <= 0
    assert finding.forest == finding.fanova == finding.ped_anova == ()
    assert finding.curves is None


def test_signal_needs_more_than_the_best_of_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    """The interval alone does not decide: what noise reaches in more than 5 % is none."""
    made = study(*(trial(n, params, gain(params)) for n, params in enumerate(drawn(24, 1))))
    rows = np.linspace(-1, 0.99, 99)
    monkeypatch.setattr("analysis.importance.compute.noise", lambda *_: rows)
    assert importance(made).findings[0].silent == "too little signal to predict"
    r2 = importance(made).findings[0].r2
    assert r2 is not None
    assert r2.low > 0
    assert (1 + (rows >= r2.value).sum()) / 100 > 0.05


def test_noise_is_what_permuted_targets_give_and_depends_on_ranks_alone() -> None:
    generator = np.random.default_rng(0)
    x = generator.random((20, 3))
    y = ranks(x[:, 0])
    reached = noise(x, y, 0)
    assert reached.shape == (surrogate.NOISE,)
    assert reached.mean() < 0
    assert skill(x, y, 0).value > reached.max()
    once = importance(study(*(trial(n, p, gain(p)) for n, p in enumerate(drawn(9, 0)))))
    assert once.findings[0].silent == "9 trials are too few, 10 are needed"


def test_r2_is_that_of_scikit_learn() -> None:
    """The same folds, forests of the same trees, and the mean of the trials in training."""
    generator = np.random.default_rng(3)
    x = generator.random((20, 3))
    y = ranks(2 * x[:, 0] + x[:, 1])
    predicted, means = np.zeros((2, surrogate.REPEATS, len(y)))
    folds = surrogate.RepeatedKFold(n_splits=5, n_repeats=surrogate.REPEATS, random_state=0)
    for index, (train, test) in enumerate(folds.split(x)):
        forest = ExtraTreesRegressor(n_estimators=1, min_samples_leaf=2)
        forest.fit(x[train], y[train])
        forest.estimators_ = grow(x[train], y[train], 0)
        predicted[index // 5, test] = forest.predict(x[test])
        means[index // 5, test] = y[train].mean()
    expected = 1 - ((predicted - y) ** 2).sum() / ((means - y) ** 2).sum()
    found = skill(x, y, 0)
    assert found.value == pytest.approx(expected)
    assert found.value == pytest.approx(np.mean([r2_score(y, row) for row in predicted]), abs=0.1)


def test_a_forest_is_that_of_scikit_learn() -> None:
    generator = np.random.default_rng(4)
    x, y = generator.random((30, 3)), generator.random(30)
    theirs = ExtraTreesRegressor(n_estimators=400, min_samples_leaf=2, random_state=0).fit(x, y)
    ours = np.mean([surrogate.predict(grow(x, y, seed), x) for seed in range(40)], axis=0)
    assert np.abs(ours - theirs.predict(x)).max() < 0.05
    assert np.corrcoef(ours, theirs.predict(x))[0, 1] > 0.99


def test_partial_dependence_is_that_of_scikit_learn() -> None:
    generator = np.random.default_rng(6)
    x = generator.random((30, 2))
    values = 5 * x[:, 0] - 2 * x[:, 1]
    y = ranks(values)
    places = np.linspace(0, 1, 7)
    drawn_curves = curves(x, y, values, [places, places], 0)
    forest = ExtraTreesRegressor(n_estimators=1, min_samples_leaf=2).fit(x, y)
    forest.estimators_ = grow(x, y, 0)
    for column in (0, 1):
        theirs = partial_dependence(
            forest, x, [column], custom_values={column: places}, method="brute"
        )["average"][0]
        own = np.interp(theirs, np.sort(y), np.sort(values))
        np.testing.assert_allclose(drawn_curves.middle[column], own, rtol=1e-6)


def test_importance_is_the_rise_of_the_error_over_the_variance() -> None:
    """A parameter that decides alone: without it the error is twice the variance.

    E (y - y')^2 of two independent ranks is 2 Var(y), so the loss is 2 minus what was left over.
    """
    x = np.random.default_rng(7).random((80, 2))
    alone, nothing = importances(x, ranks(x[:, 0]), 0)
    assert alone.value == pytest.approx(2.0, abs=0.25)
    assert nothing.value == pytest.approx(0.0, abs=0.05)
    assert alone.low < alone.value < alone.high


def test_the_logarithm_is_taken_where_the_search_took_it() -> None:
    rows = inputs([trial(0, {n: value(a, 0.25) for n, a in SPACE.items()}, 0.0)], SPACE)
    np.testing.assert_allclose(rows, [[0.25, 0.25, 1 / 3, 0.25]])
    assert value(SPACE["priors.strong.weight"], 0.5) == pytest.approx(0.1)


def test_ranks_are_those_of_the_middle_of_ties() -> None:
    np.testing.assert_allclose(ranks(np.array([5.0, 1.0, 5.0, 1e3])), [0.5, 0.125, 0.5, 0.875])


@pytest.mark.parametrize(
    ("apart", "silent"), [(0, "the same in every trial"), (4, "the same in all but a few trials")]
)
def test_what_hardly_varies_is_not_explained(apart: int, silent: str) -> None:
    params = sorted(drawn(30, 1), key=gain)
    (finding,) = importance(
        study(*(trial(n, p, float(n < apart)) for n, p in enumerate(params)))
    ).findings
    assert (finding.silent, finding.r2) == (silent, None)


def test_one_trial_that_went_wrong_does_not_decide() -> None:
    """A margin of 1000, what a trial without a value has, leaves R2 where it was."""
    x = np.random.default_rng(8).random((30, 2))
    sound = x[:, 0].copy()
    broken = np.where(sound == sound.max(), 1e3, sound)
    assert skill(x, ranks(broken), 0) == skill(x, ranks(sound), 0)


def judged(number: int, params: dict[str, float], margin: float, state: str = "complete") -> Trial:
    criteria = (
        Criterion("kurtosis", "w", "f", margin),
        Criterion("finite", "w", "f", -1.0),
    )
    evaluation = Evaluation(10, {"channels_in_band": 6.0, "alpha_distance": 0.1}, {})
    return trial(
        number,
        params,
        score(evaluation, Verdict(criteria)),
        state=state,
        criteria=criteria,
        evaluation=evaluation,
        feasible=state == "complete" and margin <= 0,
        steps_to_pass=50.0 + number if margin <= 0 else None,
    )


def test_every_target_has_its_own_trials() -> None:
    """Complete and feasible ones apart; a pruned one only where pruning is the question."""
    params = drawn(7, 0)
    margins = (-0.5, 0.5, -0.2, 0.1, -0.1)
    made = study(
        *(judged(n, params[n], margin) for n, margin in enumerate(margins)),
        judged(5, params[5], -0.9, state="pruned"),
        trial(6, params[6], 0.0, state="failed", values=()),
    )
    found = {(t.among, t.name): t for t in targets(made)}
    assert list(found) == [
        ("complete", "score"),  # gain is the score, under another name
        ("complete", "margin/kurtosis"),
        ("complete", "margin/finite"),
        ("complete", "passes"),
        ("feasible", "score"),
        ("feasible", "margin/kurtosis"),
        ("feasible", "margin/finite"),
        ("feasible", "steps_to_pass"),
        ("complete and pruned", "trained_to_the_end"),
    ]
    numbers = {key: [t.number for t in target.trials] for key, target in found.items()}
    assert numbers["complete", "score"] == [0, 1, 2, 3, 4]
    assert numbers["feasible", "score"] == [0, 2, 4]
    assert numbers["complete and pruned", "trained_to_the_end"] == [0, 1, 2, 3, 4, 5]
    assert found["complete", "passes"].values.tolist() == [1, 0, 1, 0, 1]
    assert found["complete", "margin/kurtosis"].values.tolist() == list(margins)
    assert found["complete", "margin/kurtosis"].better == "lower"
    assert found["feasible", "steps_to_pass"].values.tolist() == [50, 52, 54]
    assert found["complete and pruned", "trained_to_the_end"].values.tolist() == [1] * 5 + [0]
    result = importance(made)
    assert result.states == {"complete": 5, "pruned": 1, "failed": 1, "feasible": 3}
    assert {finding.silent for finding in result.findings} == {
        "5 trials are too few, 10 are needed",
        "3 trials are too few, 10 are needed",
        "6 trials are too few, 10 are needed",
    }
    assert result.heard == ()
    assert words(result)[0] == "Complete trials say nothing: 5 trials are too few, 10 are needed."
    assert "| all 4 targets | 3 feasible |  | 3 trials are too few" in markdown(result)


def of_optuna(
    trials: Sequence[Trial], direction: str, evaluator: optuna.importance.BaseImportanceEvaluator
) -> list[float]:
    """What Optuna says when it is asked directly, of a study whose scales are all linear."""
    choice = "priors.choice.weight"
    distributions = {name: FloatDistribution(0.0, 1.0) for name in SPACE} | {
        choice: CategoricalDistribution((0.0, 1 / 3, 2 / 3, 1.0))
    }
    theirs = optuna.create_study(direction=direction)
    place = stats.rankdata([trial.values[0] for trial in trials]) / len(trials)
    strong, weak, none = "priors.strong.weight", "priors.weak.weight", "priors.none.weight"
    for trial, rank in zip(trials, place, strict=True):
        params = {
            strong: (np.log10(trial.params[strong]) + 3) / 4,
            weak: trial.params[weak] / 4,
            choice: (2, 4, 8, 16).index(int(trial.params[choice])) / 3,
            none: (np.log10(trial.params[none]) + 2) / 2,
        }
        theirs.add_trial(
            create_trial(params=params, distributions=distributions, value=float(rank))
        )
    with warnings.catch_warnings(action="ignore"):
        shares = optuna.importance.get_param_importances(theirs, evaluator=evaluator)
    return [shares[name] for name in SPACE]


def test_ped_anova_and_fanova_are_those_of_optuna() -> None:
    """PED-ANOVA looks at the best trials, so the direction must be the study's."""
    (finding,) = known().findings
    assert finding.target.better == "lower"
    fanova = optuna.importance.FanovaImportanceEvaluator(n_trees=16, seed=0)
    ped_anova = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=5 / 40)
    trials = finding.target.trials
    for found, evaluator in ((finding.fanova, fanova), (finding.ped_anova, ped_anova)):
        expected = of_optuna(trials, "minimize", evaluator)
        assert [share.value for share in found] == pytest.approx(expected, abs=0.01)
    highest = of_optuna(trials, "maximize", ped_anova)
    assert [share.value for share in finding.ped_anova] != pytest.approx(highest, abs=0.01)


def test_words_say_what_matters_and_what_is_not_known() -> None:
    said = " ".join(words(known()))
    assert "loss goes with strong (falling from " in said
    assert "none" not in said
    generator = np.random.default_rng(0)
    silent = importance(
        study(*(trial(n, p, generator.random()) for n, p in enumerate(drawn(12, 3))))
    )
    said = " ".join(words(silent))
    assert "Complete trials do not say which parameters matter. " in said
    assert "matter. Too little signal to predict: gain." in said
    assert "strong" not in said
    assert "| gain | 12 complete |" in markdown(silent)
    assert "too little signal to predict" in markdown(silent)


def test_csv_holds_every_number() -> None:
    rows = list(csv.DictReader(io.StringIO(as_csv(known()))))
    (finding,) = known().findings
    assert finding.r2 is not None
    r2 = next(row for row in rows if row["quantity"] == "r2")
    assert float(r2["value"]) == pytest.approx(finding.r2.value, rel=1e-5)
    for method in ("forest", "fanova", "ped_anova"):
        lines = [row for row in rows if row["quantity"] == method]
        assert [row["parameter"] for row in lines] == list(SPACE)
        lows = [estimate.low for estimate in getattr(finding, method)]
        assert [float(row["low"]) for row in lines] == pytest.approx(lows, rel=1e-5)
    assert sum(row["quantity"] == "interaction" for row in rows) == 6


def test_pictures_are_drawn_where_there_is_something_to_show() -> None:
    drawn_pictures = figures(known())
    assert list(drawn_pictures) == ["importances", "dependence", "interactions"]
    for png in drawn_pictures.values():
        image = Image.open(io.BytesIO(png))
        assert image.width == 720
        assert len(image.getcolors(1 << 20) or range(99)) > 20
    few = importance(study(*(trial(n, p, gain(p)) for n, p in enumerate(drawn(4, 0)))))
    assert list(figures(few)) == ["importances"]


def test_the_same_seed_gives_the_same_numbers_and_another_one_others() -> None:
    x = np.random.default_rng(1).random((15, 2))
    y = ranks(x[:, 1])
    assert skill(x, y, 3) == skill(x, y, 3)
    assert skill(x, y, 3) != skill(x, y, 4)


def test_the_command_reads_a_real_database_and_leaves_its_files(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'studies.db'}"
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    made = optuna.create_study(study_name="made", storage=url, direction="minimize")
    range_ = FloatDistribution(0.001, 1.0, log=True)
    for place in np.linspace(0, 1, 12):
        params = {"a": 0.001**place, "b": 0.001 ** ((place * 7) % 1)}
        made.add_trial(
            create_trial(value=-place, params=params, distributions={"a": range_, "b": range_})
        )
    done = inside(tmp_path, main, "made", "--storage", url, "--out", "found")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Growing forests on 12 trials of made")  # before it is silent
    assert "12 complete trials, 0 of them feasible" in done.stdout
    assert "objective goes with a (rising from -" in " ".join(done.stdout.split())
    assert "vlatent status made" in done.stdout
    assert {file.name for file in (tmp_path / "found").iterdir()} == {
        *("importance.csv", "importance.md"),
        *("importances.png", "dependence.png", "interactions.png"),
    }
    assert len(read_study(url, "made").trials) == 12


def test_words_have_no_order_and_are_called_by_their_names(tmp_path: Path) -> None:
    """As another program's study may have them: those of ours are numbers."""
    url = f"sqlite:///{tmp_path / 'studies.db'}"
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    made = optuna.create_study(study_name="made", storage=url)
    words = {"sgd": 0.5, "adam": 0.0, "lion": 1.0}
    distributions = {"kind": CategoricalDistribution(list(words)), "a": FloatDistribution(0, 1)}
    for number in range(18):
        kind, a = list(words)[number % 3], (number * 7 % 18) / 18
        params = {"kind": kind, "a": a}
        trial = create_trial(
            value=words[kind] + a / 100, params=params, distributions=distributions
        )
        made.add_trial(trial)
    read = read_study(url, "made")
    assert read.space["kind"] == Axis.named(list(words))
    assert [trial.params["kind"] for trial in read.trials[:4]] == [0.0, 1.0, 2.0, 0.0]
    done = inside(tmp_path, main, "made", "--storage", url, "--out", "found")
    assert done.returncode == 0, done.stderr
    said = " ".join(done.stdout.split())
    assert re.search(r"objective goes with kind \(from 0\.\d+ at adam to 1[.\d]* at lion\)", said)
    assert (tmp_path / "found" / "dependence.png").is_file()


def test_bad_input_is_one_line(tmp_path: Path) -> None:
    done = inside(tmp_path, main, "made", "--storage", "sqlite:///none.db")
    assert done.returncode == 2
    assert done.stderr.startswith("error: there is no file none.db")
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "none.db").exists()
    assert "Example: vlatent importance" in " ".join(
        inside(tmp_path, main, "--help").stdout.split()
    )
