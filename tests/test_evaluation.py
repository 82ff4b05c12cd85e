"""Statistics of pictures, criteria with signed margins, the score, dependence on the text."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import dependence_references as references
import numpy as np
import pytest
import torch
from fields import power_law
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from vlatent import evaluation, statistics
from vlatent.corpus import Sentences
from vlatent.dependence import dependence, effective_rank, encode, in_words, probe, retrieval
from vlatent.encoder import Encoder, EncoderConfig
from vlatent.evaluation import (
    VIOLATED,
    Criterion,
    Evaluation,
    EvaluationConfig,
    Verdict,
    evaluation_steps,
    judge,
    measure,
    score,
    steps_to_pass,
)
from vlatent.priors import Priors
from vlatent.scenes import generate
from vlatent.scenes.words import COLORS, SHAPES
from vlatent.shapes import UserError

PRIORS = Priors()
STEPS = 1000
CRITERIA = [
    "spectrum",
    "residual",
    "kurtosis",
    "decorrelation",
    "variance",
    "total_variation",
    "wavelet",
    "magnitude dependency",
    "coherence",
    "speckle",
    "directions",
    "slopes",
    "correlation within",
    "likeness",
    "plateau",
    "checkerboard",
    "finite",
]

# --- hand-made histories -------------------------------------------------------------------------

HEALTHY: dict[str, float] = {
    "spectrum": 2.0,
    "residual": 0.1,
    "total_variation": 900.0,
    "wavelet": 0.65,
    "kurtosis": 8.0,
    "decorrelation": 0.02,
    "variance": 1.0,
    "checkerboard_largest": 12.0,
    "checkerboard_mean": 1.2,
    "gradient_size": 0.3,
    "wavelet_finest": 0.6,
    "magnitude_dependency": 0.3,
    "coherence": 0.67,
    "speckle": 0.4,
    "alpha_deviation": 0.3,
    "correlation_within": 0.1,
}
OF_RUN = {
    "channels_in_band": 6.0,
    "alpha_distance": 0.1,
    "finite": 1.0,
    "likeness": 0.8,
    "anisotropy": 0.1,
}
# Criteria of what photographs have: the statistic, and its lowest and highest value at 32 x 32.
REFERENCE = Path(evaluation.__file__).with_name("photographs.json")
AT_32 = json.loads(REFERENCE.read_text(encoding="utf-8"))["sizes"]["32"]
RANGES = {
    "total_variation": ("gradient_size", *AT_32["ranges"]["gradient_size"]),
    "wavelet": ("wavelet_finest", *AT_32["ranges"]["wavelet_finest"]),
    "magnitude dependency": ("magnitude_dependency", *AT_32["ranges"]["magnitude_dependency"]),
    "coherence": ("coherence", *AT_32["ranges"]["coherence"]),
    "speckle": ("speckle", *AT_32["ranges"]["speckle"]),
    "directions": ("anisotropy", 0.0, AT_32["anisotropy"]),
    "slopes": ("alpha_deviation", 0.0, AT_32["alpha_deviation"]),
    "correlation within": ("correlation_within", 0.0, AT_32["correlation_within"]),
}


def healthy(step: int, **changed: Any) -> Evaluation:
    """An evaluation of six channels that holds every criterion, but for what is changed."""
    of_run = {name: changed.pop(name, value) for name, value in OF_RUN.items()}
    channels = {
        name: [float(v) for v in (value if isinstance(value, list) else [value] * 6)]
        for name, value in (HEALTHY | changed).items()
    }
    return Evaluation(step, of_run, channels, (32, 32))


def history(last: Evaluation | None = None, before: dict[str, Any] | None = None) -> list:
    """Evaluations at 900, 950 and 1000 of 1000 steps."""
    first = [healthy(900), healthy(950, **(before or {}))]
    return [*first, last or healthy(1000)]


def failed(verdict: Verdict) -> list[str]:
    return [criterion.name for criterion in verdict.criteria if not criterion.holds]


def margin(verdict: Verdict, name: str) -> float:
    return next(criterion.margin for criterion in verdict.criteria if criterion.name == name)


def test_healthy_history_passes() -> None:
    verdict = judge(history(), STEPS, PRIORS)
    assert [criterion.name for criterion in verdict.criteria] == CRITERIA
    assert verdict.passed
    assert failed(verdict) == []
    assert verdict.worst <= 0
    assert all(-1e3 < criterion.margin <= 0 for criterion in verdict.criteria)


VIOLATIONS: dict[str, tuple[str, list[Evaluation], float]] = {
    "three channels": ("spectrum", history(healthy(1000, channels_in_band=3.0)), 1),
    "three channels before": ("spectrum", history(before={"channels_in_band": 3.0}), 1),
    "residual": ("residual", history(healthy(1000, residual=[0.1] * 3 + [0.9] * 3)), 1),
    "gaussian": ("kurtosis", history(healthy(1000, kurtosis=[8.0] * 5 + [2.7])), 0.1),
    "alike": ("decorrelation", history(healthy(1000, decorrelation=0.3)), 2),
    "small": ("variance", history(healthy(1000, variance=[1.0] * 5 + [0.125])), 2),
    "large": ("variance", history(healthy(1000, variance=[1.0] * 5 + [4.0])), 1),
    "moving": ("plateau", history(healthy(1000, total_variation=990.0)), 1),
    "moved and back": ("plateau", history(before={"total_variation": 990.0}), 1),
    "fine checkers": ("checkerboard", history(healthy(1000, checkerboard_largest=80.0)), 1),
    "one channel's": (
        "checkerboard",
        history(healthy(1000, checkerboard_mean=[3.0] + [1.0] * 5)),
        0.5,
    ),
    "infinite": ("finite", history(healthy(1000, finite=0.0)), VIOLATED),
    "unlike": ("likeness", history(healthy(1000, likeness=0.4)), 0.2),
}
for criterion, (statistic, low, high) in RANGES.items():
    half = (high - low) / 2
    if low == 0:
        above = history(healthy(1000, **{statistic: 1.25 * high}))
        VIOLATIONS[f"{criterion}, high"] = (criterion, above, 0.25)
    else:  # as far from the middle as twice or one and a half times the limit
        above = history(healthy(1000, **{statistic: high + half}))
        below = history(healthy(1000, **{statistic: low - half / 2}))
        VIOLATIONS[f"{criterion}, high"] = (criterion, above, 1)
        VIOLATIONS[f"{criterion}, low"] = (criterion, below, 0.5)


@pytest.mark.parametrize("case", VIOLATIONS)
def test_one_violation_fails_one_criterion(case: str) -> None:
    name, evaluations, expected = VIOLATIONS[case]
    verdict = judge(evaluations, STEPS, PRIORS)
    assert failed(verdict) == [name]
    assert not verdict.passed
    assert margin(verdict, name) == pytest.approx(expected)
    assert verdict.worst == margin(verdict, name)


def test_four_channels_are_enough_for_spectrum_and_residual() -> None:
    last = healthy(1000, channels_in_band=4.0, residual=[0.9, 0.1, 0.1, 0.44, 0.2, 2.0])
    verdict = judge(history(last), STEPS, PRIORS)
    assert verdict.passed
    assert margin(verdict, "spectrum") == 0
    assert margin(verdict, "residual") == pytest.approx(0.44 / 0.45 - 1)


def test_margins_at_the_edge() -> None:
    verdict = judge(history(healthy(1000, checkerboard_largest=40.0)), STEPS, PRIORS)
    assert margin(verdict, "checkerboard") == 0
    assert verdict.passed
    rising = [healthy(900, total_variation=1000), healthy(950), healthy(1000)]
    assert margin(judge(rising, STEPS, PRIORS), "plateau") == pytest.approx((100 / 900) / 0.05 - 1)


def test_fewer_than_three_evaluations_are_not_enough() -> None:
    for few in ([healthy(1000)], [healthy(950), healthy(1000)]):
        verdict = judge(few, STEPS, PRIORS)
        assert failed(verdict) == ["spectrum", "plateau"]
        assert margin(verdict, "spectrum") == margin(verdict, "plateau") == VIOLATED


def test_evaluations_too_close_together_are_not_consecutive() -> None:
    close = [healthy(step) for step in (980, 990, 1000)]
    assert failed(judge(close, STEPS, PRIORS)) == ["spectrum", "plateau"]
    # between them others may lie, which are skipped
    far = [healthy(step) for step in (890, 900, 940, 950, 990, 1000)]
    assert judge(far, STEPS, PRIORS).passed
    far[4] = healthy(990, channels_in_band=0.0, total_variation=1.0)
    assert judge(far, STEPS, PRIORS).passed
    far[3] = healthy(950, channels_in_band=0.0)
    assert failed(judge(far, STEPS, PRIORS)) == ["spectrum"]


def test_evaluations_of_a_run_are_far_enough_apart() -> None:
    for steps in (3, 20, 30, 130, 500, 50_000):
        run = [healthy(step) for step in evaluation_steps(steps, 20)]
        assert judge(run, steps, PRIORS).passed, steps


# `max` and `sorted` of Python lose a NaN that does not come first, and keep one that does.
JUDGED = [name for name in HEALTHY if name not in ("spectrum", "wavelet")]


@pytest.mark.parametrize("name", [*JUDGED, "likeness", "anisotropy"])
def test_nan_everywhere_never_passes(name: str) -> None:
    verdict = judge(history(healthy(1000, **{name: math.nan})), STEPS, PRIORS)
    assert not verdict.passed
    assert verdict.worst == VIOLATED


# The criterion that fails with one channel's statistic.
PER_CHANNEL = {name: name for name in ("kurtosis", "variance", "decorrelation")}
PER_CHANNEL |= {"total_variation": "plateau"}
PER_CHANNEL |= {name: line for line, (name, *_) in RANGES.items() if name != "anisotropy"}


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("name", PER_CHANNEL)
@pytest.mark.parametrize("place", range(6))
def test_one_channel_without_a_number_fails_its_criterion(
    name: str, value: float, place: int
) -> None:
    numbers = [HEALTHY[name]] * 6
    numbers[place] = value
    verdict = judge(history(healthy(1000, **{name: numbers})), STEPS, PRIORS)
    if (name, value) == ("kurtosis", math.inf):  # the tails may be as heavy as they like
        assert verdict.passed
    else:
        assert margin(verdict, PER_CHANNEL[name]) == VIOLATED


@pytest.mark.parametrize("place", [1, 5])
@pytest.mark.parametrize("name", ["checkerboard_largest", "checkerboard_mean", "residual"])
def test_one_channel_without_a_number_is_no_healthy_one(name: str, place: int) -> None:
    numbers = [HEALTHY[name]] * 6
    if name == "residual":  # four are asked for, and there are three
        numbers = [math.nan, 0.1, 0.1, 0.1, 0.9, 0.9]
    else:
        numbers[place] = math.nan
    assert not judge(history(healthy(1000, **{name: numbers})), STEPS, PRIORS).passed


@pytest.mark.parametrize("when", [900, 950, 1000])
def test_total_variation_without_a_number_is_no_plateau(when: int) -> None:
    run = [healthy(step) for step in (900, 950, 1000)]
    run[(when - 900) // 50] = healthy(when, total_variation=math.nan)
    assert "plateau" in failed(judge(run, STEPS, PRIORS))


def test_a_weight_changes_no_verdict() -> None:
    heavy = Priors(**{name: replace(prior, weight=9.0) for name, prior in PRIORS})  # type: ignore[arg-type]
    for _, evaluations, _ in VIOLATIONS.values():
        assert judge(evaluations, STEPS, heavy) == judge(evaluations, STEPS, PRIORS)


def test_too_few_evaluations_are_refused() -> None:
    with pytest.raises(UserError, match=r"evaluation\.count must be at least 3.*got 2"):
        EvaluationConfig(count=2)


# --- score and steps to pass ---------------------------------------------------------------------


def scored(in_band: float, likeness: float) -> float:
    found = Evaluation(0, {"channels_in_band": in_band, "likeness": likeness}, {}, (32, 32))
    return score(found, Verdict((Criterion("one", "", "", 0.5),)))


def scored_before(in_band: float, distance: float, worst: float) -> float:
    """Score of a record of earlier versions, whose likeness was not measured."""
    found = Evaluation(0, {"channels_in_band": in_band, "alpha_distance": distance}, {})
    return score(found, Verdict((Criterion("one", "", "", worst), Criterion("two", "", "", -9.0))))


numbers = st.floats(0, 1e6) | st.sampled_from([math.nan, math.inf])
margins = st.floats(-1, VIOLATED)
likenesses = st.floats(0, 1) | st.just(math.nan)


@settings(deadline=None, max_examples=200)
@given(st.integers(0, 5), likenesses, likenesses)
def test_one_channel_more_always_wins(count: int, likeness: float, other: float) -> None:
    assert scored(count + 1.0, likeness) > scored(count, other)
    assert count <= scored(count, likeness) < count + 1


@settings(deadline=None, max_examples=200)
@given(st.integers(0, 5), numbers, numbers, margins, margins)
def test_one_channel_more_always_won_before(
    count: int, distance: float, other_distance: float, worst: float, other_worst: float
) -> None:
    better = scored_before(count + 1.0, distance, worst)
    assert better > scored_before(count, other_distance, other_worst)
    assert count <= scored_before(count, distance, worst) < count + 1


def test_score_by_hand() -> None:
    assert scored(4.0, 1.0) == pytest.approx(4.98)
    assert scored(4.0, 0.5) == pytest.approx(4.49)
    assert scored(4.0, math.nan) == 4.0
    assert scored_before(4.0, 0.0, -1.0) == pytest.approx(4.98)
    assert scored_before(4.0, 1.0, 0.0) == pytest.approx(4 + 0.245 + 0.245)
    assert scored_before(4.0, math.nan, VIOLATED) == 4.0
    assert scored_before(4.0, 0.1, 0.5) > scored_before(4.0, 0.2, 0.5)  # nearer to 2
    assert scored_before(4.0, 0.1, 0.4) > scored_before(4.0, 0.1, 0.5)  # nearer to the limit


def test_neither_margins_nor_the_checkerboard_give_credit() -> None:
    near, far = (Verdict((Criterion("one", "", "", worst),)) for worst in (-0.9, 0.9))
    plain, striped = healthy(1000, checkerboard_mean=1.0), healthy(1000, checkerboard_mean=1.9)
    assert score(plain, near) == score(striped, far)


def test_steps_to_pass() -> None:
    steps = list(range(0, 1001, 50))

    def run(bad: set[int]) -> list[Evaluation]:
        return [healthy(step, kurtosis=2.0 if step in bad else 8.0) for step in steps]

    assert steps_to_pass(run(set()), STEPS, PRIORS) == 100  # the third evaluation
    assert steps_to_pass(run({0, 50, 100, 300}), STEPS, PRIORS) == 350
    assert steps_to_pass(run({950}), STEPS, PRIORS) == 1000
    assert steps_to_pass(run({1000}), STEPS, PRIORS) is None
    assert steps_to_pass(run(set(steps)), STEPS, PRIORS) is None
    in_band = [healthy(step, channels_in_band=6.0 if step >= 500 else 2.0) for step in steps]
    assert steps_to_pass(in_band, STEPS, PRIORS) == 600  # three in a row, from 500
    assert steps_to_pass([], STEPS, PRIORS) is None


def test_evaluation_steps() -> None:
    assert evaluation_steps(500, 20) == list(range(0, 501, 25))
    assert evaluation_steps(7, 20) == list(range(8))
    assert evaluation_steps(10, 4) == [0, 2, 5, 8, 10]
    for steps in (1, 3, 99, 12_345):
        found = evaluation_steps(steps, 20)
        assert (found[0], found[-1]) == (0, steps)
        assert len(found) == min(steps, 20) + 1


# --- measure -------------------------------------------------------------------------------------


def natural(count: int, channels: int = 6, alpha: float = 2.0, seed: int = 0) -> Tensor:
    fields = power_law(alpha, count * channels, 32, 32, seed)
    return torch.tensor(fields).float().unflatten(0, (count, channels)).movedim(1, -1)


def test_measure_of_natural_pictures() -> None:
    found = measure(7, natural(12), PRIORS)
    assert found.step == 7
    assert found.metrics["channels_in_band"] == 6
    assert found.metrics["expected_in_band"] > 5.5
    assert found.metrics["finite"] == 1
    assert found.metrics["alpha_distance"] < 0.1
    assert found.metrics["wavelet_shape"] == pytest.approx(2.0, abs=0.2)  # Gaussian
    assert {name for name, _ in PRIORS} < set(found.channels)
    for name, values in found.channels.items():
        assert len(values) == 6, name
        assert all(type(value) is float for value in values), name
    # of 12 estimates with deviation 0.1, mean of six channels
    assert np.mean(found.channels["alpha_deviation"]) == pytest.approx(0.1, abs=0.03)
    assert np.mean(found.channels["checkerboard_largest"]) == pytest.approx(7, abs=1)


def test_measure_tells_channels_apart() -> None:
    alphas = (0.5, 1.2, 1.75, 2.25, 2.8, 3.5)
    stacked = [natural(8, 1, alpha, seed) for seed, alpha in enumerate(alphas)]
    found = measure(0, 0.1 * torch.cat(stacked, dim=-1), PRIORS)
    assert found.channels["spectrum"] == pytest.approx(alphas, abs=0.15)
    assert found.metrics["channels_in_band"] == 2
    assert found.metrics["expected_in_band"] == pytest.approx(2, abs=0.2)
    assert found.metrics["alpha_distance"] == pytest.approx(
        np.mean([abs(alpha - 2) for alpha in alphas]), abs=0.08
    )
    assert found.channels["variance"] == pytest.approx([0.01] * 6, rel=1e-3)
    for small, unit in zip(
        found.channels["total_variation"],
        found.channels["total_variation_normalized"],
        strict=True,
    ):
        assert unit == pytest.approx(10 * small, rel=1e-3)


def test_artefacts_in_the_band_do_not_count() -> None:
    noise = torch.randn(16, 8, 8, 6, generator=torch.Generator().manual_seed(0))
    blocks = noise.repeat_interleave(4, 1).repeat_interleave(4, 2)
    found = measure(0, blocks, PRIORS)
    assert all(1.2 <= alpha <= 2.5 for alpha in found.channels["alpha_radial"])
    assert found.metrics["channels_in_band"] == found.metrics["expected_in_band"] == 0


def test_measure_of_oblong_pictures() -> None:
    pictures = torch.tensor(power_law(2, 32, 24, 40, seed=1)).float()
    found = measure(0, pictures.unflatten(0, (8, 4)).movedim(1, -1), PRIORS)
    assert found.metrics["channels_in_band"] == 4


@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_pictures_that_are_not_finite_are_measured_and_fail(broken: float) -> None:
    pictures = natural(4)
    pictures[1, 2, 3, 4] = broken
    found = measure(1000, pictures, PRIORS)
    assert found.metrics["finite"] == 0
    assert found.metrics["channels_in_band"] == 5
    verdict = judge([healthy(900), healthy(950), found], STEPS, PRIORS)
    assert "finite" in failed(verdict)
    assert 5 <= score(found, verdict) < 6
    assert "not finite" in in_words(found.metrics)


def test_collapsed_pictures_are_measured_and_fail() -> None:
    for level in (0.0, 7.3):
        found = measure(1000, torch.full((4, 32, 32, 6), level), PRIORS)
        assert found.metrics["channels_in_band"] == 0
        verdict = judge([healthy(900), healthy(950), found], STEPS, PRIORS)
        assert {"spectrum", "total_variation", "kurtosis", "variance"} <= set(failed(verdict))
        assert {"likeness", "coherence", "magnitude dependency"} <= set(failed(verdict))


# --- dependence on the sentence ------------------------------------------------------------------


def test_dependence_is_the_references() -> None:
    pictures = torch.tensor(power_law(1.5, 15, 16, 24, seed=0)).unflatten(0, (5, 3)).movedim(1, -1)
    pictures = pictures + pictures[:1] + torch.arange(3)
    found = dependence(pictures)
    array = pictures.numpy()
    flat = array.reshape(5, -1)
    assert found["dependence/between_share"] == pytest.approx(references.between_share(array))
    centred = array - array.mean((1, 2), keepdims=True)
    share = references.between_share(centred) * centred.var((0, 1, 2)).sum()
    share /= array.var((0, 1, 2)).sum()
    assert found["dependence/between_share_shapes"] == pytest.approx(share)
    assert found["dependence/between_share_means"] == pytest.approx(
        found["dependence/between_share"] - share
    )
    assert found["dependence/cosine"] == pytest.approx(references.mean_cosine(array))
    assert found["dependence/effective_rank"] == pytest.approx(references.effective_rank(flat))
    assert found["dependence/effective_rank_centred"] == pytest.approx(
        references.effective_rank(flat - flat.mean(0)), rel=1e-4
    )


def test_template_with_a_little_noise_is_found_out() -> None:
    noise = torch.randn(64, 32, 32, 6, generator=torch.Generator().manual_seed(0))
    found = dependence(natural(1) + 0.01 * noise)
    assert found["dependence/between_share"] == pytest.approx(1e-4, rel=0.1)
    assert found["dependence/cosine"] > 0.999
    assert found["dependence/effective_rank"] < 2
    assert (
        found["dependence/effective_rank_centred"] > 50
    )  # looks healthy: read it beside the share
    assert in_words(found).startswith("The latent hardly depends on the sentence")


def test_independent_pictures_share_nothing() -> None:
    found = dependence(natural(64))
    # a batch's own mean takes 1 / 64 of the variance away
    assert found["dependence/between_share"] == pytest.approx(1 - 1 / 64, abs=0.01)
    assert abs(found["dependence/cosine"]) < 0.02
    assert found["dependence/effective_rank"] > 50
    assert in_words(found).startswith("The latent depends on the sentence")


def test_equal_pictures() -> None:
    found = dependence(natural(1).expand(8, -1, -1, -1))
    assert found["dependence/between_share"] == pytest.approx(0, abs=1e-12)
    assert found["dependence/cosine"] == pytest.approx(1)
    assert found["dependence/effective_rank"] == pytest.approx(1, abs=1e-3)


def test_share_does_not_depend_on_the_scale() -> None:
    pictures = natural(6)
    one, other = dependence(pictures), dependence(100 * pictures)
    assert one == pytest.approx(other, rel=1e-4)


@pytest.mark.parametrize("k", [1, 3, 7])
def test_effective_rank_of_equal_singular_values(k: int) -> None:
    generator = np.random.default_rng(0)
    left, _ = np.linalg.qr(generator.standard_normal((10, k)))
    right, _ = np.linalg.qr(generator.standard_normal((40, k)))
    rows = torch.tensor(5.0 * left @ right.T)
    assert effective_rank(rows) == pytest.approx(k, rel=1e-4)


def test_effective_rank_of_nothing_and_of_nan() -> None:
    assert effective_rank(torch.zeros(4, 9, dtype=torch.float64)) == 1
    assert math.isnan(effective_rank(torch.full((4, 9), math.nan, dtype=torch.float64)))


def test_means_alone_are_told_from_shapes() -> None:
    levels = torch.randn(64, 1, 1, 6, generator=torch.Generator().manual_seed(0))
    found = dependence(natural(1) + 3 * levels)
    assert found["dependence/between_share_means"] > 0.8
    assert found["dependence/between_share_shapes"] == pytest.approx(0, abs=1e-6)
    assert "mostly in the means of its channels" in in_words(found)


def test_words() -> None:
    def said(share: float, shapes: float | None = None) -> str:
        shapes = share if shapes is None else shapes
        return in_words(
            {"dependence/between_share": share, "dependence/between_share_shapes": shapes}
        )

    assert said(0.0) == (
        "The latent hardly depends on the sentence (0 % of its variance; 0 % ignoring channel "
        "means)."
    )
    tiny = "(0.00007 % of its variance; 0.00003 % ignoring channel means)."
    assert said(7e-7, 2.7e-7).endswith(tiny)
    assert "depends little" in said(0.05)
    assert "depends on the sentence (50 %" in said(0.5)
    assert "mostly in the means" in said(0.5, 0.01)
    assert "nothing can be said" in said(math.nan)


# --- probe ---------------------------------------------------------------------------------------


def latents_naming(texts: list[str], words: Sequence[str]) -> Tensor:
    """Noise, and a bright pixel for every one of these words that the sentence has."""
    generator = torch.Generator().manual_seed(0)
    latent = torch.randn(len(texts), 8, 12, 1, generator=generator)
    for row, text in enumerate(texts):
        for place, word in enumerate(words):
            latent[row, place // 12, place % 12, 0] += 50.0 * (word in text.split())
    return latent


def test_probe_reads_what_is_there_and_nothing_else() -> None:
    texts = [example.text.rstrip(".") for example in generate(900, 1, seed=5)]
    texts = [text for text in texts if "and" not in text.split()]  # always two blocks
    for words, target, other in ((COLORS, "color", "shape"), (SHAPES, "shape", "color")):
        found = probe(latents_naming(texts, list(words)), [f"{text}." for text in texts])
        assert found[f"dependence/{target}_auc"] > 0.97
        assert abs(found[f"dependence/{other}_auc"] - 0.5) < 0.1


def test_probe_finds_nothing_in_a_constant() -> None:
    texts = [str(example.sentence) for example in generate(400, seed=5)]
    found = probe(torch.ones(400, 8, 12, 2), texts)
    assert len(found) == 3
    assert all(abs(area - 0.5) < 0.06 for area in found.values())


def test_probe_is_silent_about_other_texts() -> None:
    assert probe(torch.ones(30, 8, 12, 2), ["It was a dark night."] * 30) == {}


# --- encode and retrieval ------------------------------------------------------------------------

SMALL = EncoderConfig(
    hidden=16, layers=1, heads=2, feed_forward=16, height=8, width=12, channels=2, grid_hidden=4,
    grid_layers=1, grid_feed_forward=16, embedding=8,
)  # fmt: skip


def sentences(count: int = 12) -> Sentences:
    lengths = torch.arange(count) % 5 + 2
    offsets = torch.cat([torch.zeros(1, dtype=torch.int64), lengths.cumsum(0)])
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(30, (int(offsets[-1]),), generator=generator, dtype=torch.int32)
    return Sentences([f"sentence {n}" for n in range(count)], tokens, offsets, 0)


def model(dropout: float = 0.1) -> Encoder:
    torch.manual_seed(0)
    made = Encoder(replace(SMALL, dropout=dropout), 30)
    with torch.no_grad():
        for parameter in made.parameters():
            if parameter.ndim == 2:
                parameter.mul_(10)
    return made


def test_encode_keeps_order_and_mode_and_does_not_drop_out() -> None:
    encoder = model()
    encoder.train()
    together = encode(encoder, sentences(), 12)
    torch.testing.assert_close(encode(encoder, sentences(), 5), together, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(encode(encoder, sentences(), 5, limit=7), together[:7])
    assert encoder.training
    assert not torch.allclose(encode(encoder, sentences(), 12, dropout=True), together)
    encoder.eval()
    encode(encoder, sentences(), 12, dropout=True)
    assert not encoder.training
    assert not together.requires_grad


def test_retrieval_of_a_constant_is_chance() -> None:
    constant = model()
    torch.nn.init.zeros_(constant.paint.weight)
    held_out = encode(constant, sentences(), 4)
    found = retrieval(constant, sentences(), held_out, 4)
    assert found["dependence/retrieval"] <= found["dependence/retrieval_chance"] == 1 / 12


def test_retrieval_finds_pictures_that_depend_on_the_sentence() -> None:
    encoder = model(dropout=0.02)
    held_out = encode(encoder, sentences(), 4)
    state = torch.get_rng_state()
    found = retrieval(encoder, sentences(), held_out, 4)
    assert found["dependence/retrieval"] > 0.7
    assert torch.equal(torch.get_rng_state(), state)
    assert retrieval(encoder, sentences(), held_out, 4) == found  # a dropout of its own, seeded


def test_retrieval_needs_dropout() -> None:
    encoder = model(dropout=0.0)
    assert retrieval(encoder, sentences(), encode(encoder, sentences(), 4), 4) == {}


def test_band_and_limits_are_the_documented_ones() -> None:
    assert statistics.BAND == (1.5, 2.5)
    assert statistics.CHANNELS_NEEDED == 4
    assert evaluation.CONSECUTIVE == 3
    assert (evaluation.criteria.PLATEAU, evaluation.criteria.APART) == (0.05, 0.05)
