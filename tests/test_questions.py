"""The questions: trial 0 is the config itself, and derived values mean what they say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from smoke import CONFIGS, smoke

from studies.learning_rates import early
from studies.meaning import retrieval
from studies.pareto import dependence, in_band, others
from studies.question import Choice, Range
from studies.questions import question_of
from studies.round_trip import facts
from vlatent.config import Config, flatten, from_yaml, override
from vlatent.evaluation import Criterion, Evaluation, Verdict
from vlatent.result import Result
from vlatent.shapes import UserError

QUESTIONS = ("loss_weights", "learning_rates", "joint", "pareto")
OF_TERMS = [("meaning", "quick_meaning"), ("round_trip", "round_trip")]

CASES = [
    *(
        (asks, name)
        for asks in QUESTIONS
        for name in ("smoke", "quick", "quick_documented", "full")
    ),
    ("meaning", "meaning"),
    *OF_TERMS,
]


def config(name: str) -> Config:
    return from_yaml((CONFIGS / f"{name}.yaml").read_text())


@pytest.mark.parametrize(("asks", "name"), CASES)
def test_trial_0_is_the_config_itself(asks: str, name: str) -> None:
    question, start = question_of(asks), config(name)
    space = question.narrowed(start, {})
    values = question.start(start, space)
    assert set(values) == set(space)
    assert all(space[key].holds(value) for key, value in values.items())
    applied = flatten(question.apply(start, values))
    for key, value in flatten(start).items():
        assert applied[key] == (pytest.approx(value) if isinstance(value, float) else value), key


@pytest.mark.parametrize(("asks", "name"), [*((asks, "quick") for asks in QUESTIONS), *OF_TERMS])
def test_every_searched_value_changes_the_config(asks: str, name: str) -> None:
    question, start = question_of(asks), config(name)
    space = question.narrowed(start, {})
    values = question.start(start, space)
    for key, chosen in space.items():
        other = chosen.high if isinstance(chosen, Range) else chosen.values[-1]
        assert question.apply(start, {**values, key: other}) != start, key


def test_every_batch_size_sees_equally_many_sentences() -> None:
    question, start = question_of("learning_rates"), config("quick")
    values = question.start(start, question.narrowed(start, {}))
    seen = start.training.steps * start.training.batch_size
    for batch in (2, 4, 8, 16):
        applied = question.apply(start, {**values, "training.batch_size": batch})
        assert applied.training.steps * applied.training.batch_size == seen
        share = applied.optimizer.warmup_steps / applied.training.steps
        assert share == pytest.approx(20 / 120, abs=0.5 / applied.training.steps)


def test_choices_are_numbers() -> None:
    with pytest.raises(UserError, match="must be of numbers, but got 'adam': number the words"):
        Choice(("adam", "sgd"))  # type: ignore[arg-type]


def test_joint_is_both_at_once() -> None:
    start = config("quick")
    both = question_of("joint").space(start)
    parts = [question_of(name).space(start) for name in ("loss_weights", "learning_rates")]
    assert both == parts[0] | parts[1]
    assert len(both) == 12


def result(passed_at: int | None, score: float = 6.5, **metrics: float) -> Result:
    usual = {"channels_in_band": 6.0, "alpha_distance": 0.1, "dependence/between_share_shapes": 0.2}
    history = [Evaluation(step, usual | metrics, {}) for step in (0, 60, 120)]
    verdict = Verdict(
        (
            Criterion("spectrum", "", "", 2.0),
            Criterion("kurtosis", "", "", -0.5),
            Criterion("plateau", "", "", 0.25),
        )
    )
    return Result(history, verdict, score, passed_at, Path(), 1.0)


def test_passing_early_is_worth_the_share_that_was_left() -> None:
    assert early(result(None)) == 6.5
    assert early(result(120)) == 6.5
    assert early(result(30)) == pytest.approx(6.5 + 0.75)


def test_objectives_of_the_front() -> None:
    assert in_band(result(None)) == pytest.approx(6 + 0.99 / 1.1)
    assert in_band(result(None, alpha_distance=float("nan"))) == 6.0
    assert others(result(None)) == 0.25  # the spectrum's own margin is not among them
    assert dependence(result(None)) == 0.2
    assert dependence(result(None, **{"dependence/between_share_shapes": float("nan")})) == 0.0


def test_retrieval_is_that_of_unseen_combinations() -> None:
    split = "meaning/{}/recall_at_1".format
    assert retrieval(result(None, **{split("random"): 0.7})) == 0.7
    found = {split("random"): 0.7, split("compositional"): 0.4}
    assert retrieval(result(None, **found)) == 0.4
    assert retrieval(result(None, **found | {split("compositional"): float("nan")})) == 0.0


def test_meaning_needs_contrast_and_sentences_that_are_asked_for() -> None:
    question, start = question_of("meaning"), config("quick_meaning")
    names = question.space(start).keys()
    assert {"terms.contrast.temperature", "terms.invariance.weight"} <= names
    without = override(start, {"terms.invariance.weight": 0.0})
    assert names - question.space(without).keys() == {"terms.invariance.weight"}
    for name in ("terms.contrast.weight", "evaluation.retrieved"):
        with pytest.raises(UserError, match=r"--config meaning"):
            question.space(override(start, {name: 0}))


def test_the_round_trip_searches_every_weight_and_both_rates() -> None:
    question, start = question_of("round_trip"), config("round_trip")
    weights = {name for name in flatten(start) if name.endswith(".weight")}
    others = {
        *("optimizer.learning_rate", "terms.reconstruction.learning_rate"),
        *("terms.contrast.temperature", "terms.contrast.counterfactuals"),
    }
    assert question.space(start).keys() == weights - {"priors.spectrum.weight"} | others
    for name, rate in (("optimizer", 5e-4), ("terms.reconstruction", 2e-3)):
        low_high = (pytest.approx(rate / 5), pytest.approx(rate * 5))
        found = question.space(start)[f"{name}.learning_rate"]
        assert isinstance(found, Range)
        assert (found.low, found.high) == low_high
    without = override(start, {"terms.contrast.weight": 0.0, "terms.cycle.weight": 0.0})
    assert question.space(start).keys() - question.space(without).keys() == {
        *("terms.contrast.weight", "terms.contrast.temperature"),
        *("terms.contrast.counterfactuals", "terms.cycle.weight"),
    }


def test_facts_are_those_of_unseen_combinations_where_fewer_are_read() -> None:
    read = "reading/{}/fact_f1".format
    found = {read("random"): 0.1, read("random_noise"): 0.05, read("compositional"): 0.3}
    assert facts(result(None, **found)) == 0.3  # of a run whose config has no noise
    assert facts(result(None, **found | {read("compositional_noise"): 0.2})) == 0.2
    assert facts(result(None, **found | {read("compositional_noise"): 0.4})) == 0.3
    score = question_of("round_trip").objectives[1]
    assert (score.value(result(None)), score.limit) == (6.5, 4)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((f"evaluation.{sentences}", 0) for sentences in ("read", "retrieved")),
        *(("data.unseen", False), ("terms.reconstruction.weight", 0.0)),
    ],
)
def test_the_round_trip_needs_what_it_judges(name: str, value: float) -> None:
    without = {"terms.cycle.weight": 0.0, "terms.copying.weight": 0.0, name: value}
    with pytest.raises(UserError, match=r"begin with --config round_trip\.$"):
        question_of("round_trip").space(override(config("round_trip"), without))


def test_counterfactuals_stay_whole() -> None:
    question, start = question_of("meaning"), config("quick_meaning")
    values = question.start(start, question.space(start))
    applied = question.apply(start, values | {"terms.contrast.counterfactuals": 4.0})
    assert repr(applied.terms.contrast.counterfactuals) == "4"


def test_ranges_can_be_narrowed_but_not_invented(tmp_path: Path) -> None:
    question = question_of("joint")
    start = smoke(tmp_path)

    def narrowed(**wanted: list[float]) -> object:
        return question.narrowed(start, {k.replace("__", "."): v for k, v in wanted.items()})

    space = question.narrowed(start, {"priors.kurtosis.weight": [0.01, 0.1]})
    assert space["priors.kurtosis.weight"] == Range(0.01, 0.1)
    space = question.narrowed(start, {"training.batch_size": [4, 8], "warmup_share": [0.0, 0.45]})
    assert space["training.batch_size"] == Choice((4, 8))
    assert space["warmup_share"] == Range(0.0, 0.45, log=False)
    with pytest.raises(UserError, match=r"study\.space has no priors\.kurtosi\.weight"):
        narrowed(priors__kurtosi__weight=[0.01, 0.1])
    with pytest.raises(UserError, match=r"0 < low < high"):
        narrowed(priors__kurtosis__weight=[0.1, 0.01])
    with pytest.raises(UserError, match=r"0 < low < high"):
        narrowed(priors__kurtosis__weight=[0.0, 0.01])
    with pytest.raises(UserError, match=r"name some of \[2, 4, 8, 16\]"):
        narrowed(training__batch_size=[3])
    with pytest.raises(UserError, match=r"starting value of priors\.kurtosis\.weight"):
        narrowed(priors__kurtosis__weight=[0.1, 1.0])


def test_a_warm_up_longer_than_the_run_still_fits(tmp_path: Path) -> None:
    start = smoke(tmp_path)
    start = replace(start, optimizer=replace(start.optimizer, warmup_steps=24))  # of 12 steps
    space = question_of("learning_rates").narrowed(start, {})
    assert space["warmup_share"] == Range(0.0, 2.0, log=False)


def test_a_prior_that_is_left_out_is_not_searched(tmp_path: Path) -> None:
    config = override(smoke(tmp_path), {"priors.wavelet.weight": 0.0})
    space = question_of("loss_weights").narrowed(config, {})
    assert "priors.wavelet.weight" not in space
    assert len(space) == 4
