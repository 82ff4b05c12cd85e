"""From cells to effects and answers, on tables whose outcome is known."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import scipy.stats
from statsmodels.stats.multitest import multipletests

from ablations import sentences, tables, text
from ablations.arms import BASE, PRIORS, Arm, alone, doses, families, subsets, with_only, without
from ablations.comparison import Table, comparisons, differences, effects
from ablations.comparison import doses as curves
from ablations.looks import look_lines
from ablations.measurement import STATISTICS, Measured, from_json, to_json
from ablations.outcome import answer, result_of
from ablations.question import Ablation
from ablations.result import AblationResult, Prediction, needed_for
from vlatent.config import Config, override
from vlatent.effects import holm, sign_flips
from vlatent.evaluation import Criterion
from vlatent.formatting import bounds
from vlatent.intervals import ALPHA, interval
from vlatent.power import detectable
from vlatent.shapes import UserError
from vlatent.tables import as_csv, as_markdown

SEEDS = tuple(range(100, 108))
NOISE = np.random.default_rng(0).normal(size=(8, 40))


def cell(holds: bool = True, **values: float) -> Measured:
    statistics = dict.fromkeys(STATISTICS, 0.0) | {
        k.replace("_", " "): v for k, v in values.items()
    }
    criterion = Criterion("kurtosis", "above 3", "4", -1.0 if holds else 1.0)
    return Measured(statistics, (criterion,), 20, 100.0, 1.0)


def table(arms: list[Arm], value: Callable[[Arm, int], Measured | None]) -> Table:
    """A value for every arm and place of the seed; None is a hole."""
    cells = {(arm.name, seed): value(arm, at) for arm in arms for at, seed in enumerate(SEEDS)}
    return Table(
        tuple(arms),
        SEEDS,
        {place: found for place, found in cells.items() if found is not None},
        {place: "it diverged" for place, found in cells.items() if found is None},
    )


def result(made: Table, *predictions: Prediction, name: str = "mine") -> AblationResult:
    ablation = Ablation("kurtosis", "What does kurtosis buy?", predictions, lambda base: [])
    return result_of(ablation, name, Config(), made)


def test_effects_are_scipys_paired_ones_with_statsmodels_holm_within_a_family() -> None:
    arms = [BASE, *(without(name) for name in PRIORS[:6]), alone("kurtosis")]
    shift = {arm.name: 0.4 * at for at, arm in enumerate(arms)}
    level = NOISE[:, -1] * 50  # what a seed does to all arms alike

    def value(arm: Arm, at: int) -> Measured:
        return cell(alpha=level[at] + shift[arm.name] + 0.5 * NOISE[at, arms.index(arm)])

    made = table(arms, value)
    found = effects(made, "alpha")
    raw = []
    for arm in arms[1:7]:
        mine = np.array([value(arm, at).statistics["alpha"] for at in range(8)])
        base = np.array([value(BASE, at).statistics["alpha"] for at in range(8)])
        test = scipy.stats.ttest_rel(mine, base)
        low, high = test.confidence_interval(0.95)
        effect = found[arm.name]
        assert (effect.low, effect.high) == pytest.approx((low, high))
        assert effect.mean == pytest.approx(np.mean(mine - base))
        assert effect.improvement == pytest.approx(np.mean(mine > base))
        raw.append(
            scipy.stats.permutation_test(
                (mine - base,), np.mean, permutation_type="samples", n_resamples=np.inf
            ).pvalue
        )
    adjusted = multipletests(raw, method="holm")[1]
    assert [found[arm.name].adjusted for arm in arms[1:7]] == pytest.approx(list(adjusted))
    assert found["only kurtosis"].adjusted == found["only kurtosis"].p  # a family of its own


def test_a_hole_takes_its_partner_with_it_and_is_shown() -> None:
    arms = [BASE, without("kurtosis"), without("variance")]

    def value(arm: Arm, at: int) -> Measured | None:
        broken = (arm.name, at) in {("base", 2), ("without kurtosis", 5)}
        return None if broken else cell(alpha=at**2 + arms.index(arm))

    made = table(arms, value)
    assert effects(made, "alpha")["without kurtosis"].n == 6
    assert effects(made, "alpha")["without variance"].n == 7
    assert differences(made, "without kurtosis", "alpha") == [1.0] * 6
    assert made.passed("without kurtosis") == (7, 7)
    [comparison] = [each for each in comparisons(made) if each.statistic == "alpha"]
    assert comparison.base == pytest.approx(np.mean([at**2 for at in range(8) if at != 2]))


def test_a_statistic_that_is_not_finite_is_left_out_in_pairs() -> None:
    arms = [BASE, without("spectrum")]
    made = table(arms, lambda arm, at: cell(alpha=math.nan if at == 3 and arm == BASE else 1.0))
    assert effects(made, "alpha")["without spectrum"].n == 7
    assert effects(made, "kurtosis")["without spectrum"].n == 8


@pytest.mark.parametrize(
    ("says", "bound", "shift", "noise", "expected"),
    [
        ("rises", 0, 1.0, 0.1, "held"),
        ("rises", 0, -1.0, 0.1, "refuted"),
        ("rises", 0, 0.05, 1.0, "open"),
        ("rises", 0, 0.0, 0.0, "open"),
        ("falls", 0, -1.0, 0.1, "held"),
        ("stays", 0.5, 0.1, 0.1, "held"),
        ("stays", 0.5, 1.0, 0.1, "refuted"),
        ("stays", 0.5, 0.4, 1.0, "open"),
        ("stays", 0.5, 0.0, 0.0, "open"),
        ("below", 3.0, 0.5, 0.1, "held"),
        ("below", 2.0, 0.5, 0.1, "refuted"),
        ("below", 2.5, 0.5, 1.0, "open"),
        ("above", 2.0, 0.5, 0.1, "held"),
        ("above", 3.0, 0.5, 0.1, "refuted"),
    ],
)
def test_a_prediction_holds_is_refuted_or_stays_open(
    says: str, bound: float, shift: float, noise: float, expected: str
) -> None:
    arm = without("kurtosis")
    centred = NOISE[:, 0] - NOISE[:, 0].mean()

    def value(which: Arm, at: int) -> Measured:
        return cell(alpha=2.0 + (shift + noise * centred[at] if which == arm else 0.0))

    prediction = Prediction(arm.name, "alpha", says, bound)  # type: ignore[arg-type]
    assert answer(prediction, table([BASE, arm], value)).outcome == expected


def test_one_pair_answers_nothing() -> None:
    arm = without("kurtosis")
    made = table([BASE, arm], lambda arm, at: cell(alpha=1.0) if at == 0 else None)
    assert answer(Prediction(arm.name, "alpha", "stays", 1.0), made).outcome == "open"


def test_doses_are_the_weights_times_their_factors_and_meet_base_and_absence() -> None:
    config = Config()
    some = doses(config, "kurtosis")
    values = [arm.changes["priors.kurtosis.weight"] for arm in some]
    assert values == pytest.approx([0.0125, 0.025, 0.1, 0.2])
    arms = [BASE, without("kurtosis"), *some]
    made = table(arms, lambda arm, at: cell(alpha=float(arms.index(arm)), kurtosis=5.0))
    [alpha, kurtosis] = curves(made, ["alpha", "kurtosis"])["kurtosis"]
    assert {k: v[0] for k, v in alpha.values.items()} == {
        **{0.0: 1.0, 0.25: 2.0, 0.5: 3.0, 1.0: 0.0, 2.0: 4.0, 4.0: 5.0}
    }
    assert all(len(values) == 8 for values in alpha.values.values())
    assert kurtosis.wanted == (3, math.inf)
    assert families(arms).keys() == {"left out", "dose of kurtosis"}


@pytest.mark.parametrize("kept", [(2.0,), (0.25, 4.0)])
def test_a_curve_has_the_doses_that_were_asked_for(kept: tuple[float, ...]) -> None:
    some = [arm for arm in doses(Config(), "kurtosis") if arm.factor in kept]
    [alpha] = curves(table([BASE, *some], lambda arm, at: cell()), ["alpha"])["kurtosis"]
    assert list(alpha.values) == sorted([1.0, *kept])
    lost = table([BASE, *some], lambda arm, at: None if arm == BASE else cell())
    [alpha] = curves(lost, ["alpha"])["kurtosis"]
    assert alpha.values[1.0] == []
    assert curves(table([BASE, *some], lambda arm, at: None), ["alpha"]) == {}


def test_what_only_some_cells_have_is_left_out_of_the_others() -> None:
    arms = [BASE, without("kurtosis")]
    share = "share between sentences ignoring channel means"
    other = Measured({share: 0.5}, (Criterion("gap", "", "", 1.0),), None, 1.0, 1.0)
    made = table(arms, lambda arm, at: other if (arm, at) == (BASE, 3) else cell())
    assert made.statistics == [*STATISTICS, share]
    assert made.criteria == ["kurtosis", "gap"]
    assert effects(made, "alpha")["without kurtosis"].n == 7
    assert effects(made, share)["without kurtosis"].n == 0
    assert len(tables.cell_rows(made)) == 16
    assert tables.effect_rows(result(made))


def test_leaving_out_what_is_not_there_is_refused() -> None:
    from ablations.arms import of_prior
    from vlatent.config import override

    with pytest.raises(UserError, match=r"priors\.wavelet\.weight is 0 in the base"):
        of_prior(override(Config(), {"priors.wavelet.weight": 0.0}), "wavelet")


def test_shapley_values_share_out_the_difference_between_all_and_none() -> None:
    arms = [BASE, *(with_only(present) for present in subsets())]
    assert len(arms) == 129
    worth = dict(zip(PRIORS, (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0), strict=True))

    def value(arm: Arm, at: int) -> Measured:
        present = PRIORS if arm == BASE else arm.priors
        both = 10.0 if {"spectrum", "variance"} <= set(present) else 0.0
        return cell(alpha=sum(worth[name] for name in present) + both + NOISE[at, 0])

    made = table(arms, value)
    found = tables.shares(made, "alpha")
    assert found is not None
    means = {name: effect.mean for name, effect in found.items()}
    assert means == pytest.approx(worth | {"spectrum": 6.0, "variance": 11.0})  # by hand
    everything = np.mean(made.of("with " + " + ".join(PRIORS), "alpha"))
    assert sum(means.values()) == pytest.approx(everything - np.mean(made.of("with none", "alpha")))
    rows = {
        (kind, label): mean
        for kind, label, s, _, mean, *_ in tables.design_rows(made)
        if s == "alpha"
    }
    assert rows["main effect", "total_variation"] == pytest.approx(2.0)
    assert rows["interaction", "spectrum x variance"] == pytest.approx(5.0)
    assert rows["interaction", "spectrum x kurtosis"] == pytest.approx(0.0)


def test_a_design_with_a_hole_leaves_that_seed_out() -> None:
    arms = [BASE, *(with_only(present) for present in subsets())]
    made = table(arms, lambda a, at: None if (a.name, at) == ("with none", 4) else cell(alpha=at))
    found = tables.shares(made, "alpha")
    assert found is not None
    assert {effect.n for effect in found.values()} == {7}


def test_the_report_says_what_the_numbers_support_and_no_more() -> None:
    arms = [BASE, without("kurtosis"), without("variance")]

    def value(arm: Arm, at: int) -> Measured:
        lost = arm == arms[1]
        return cell(
            holds=not (lost and at < 3),
            kurtosis=5 + NOISE[at, 0] - (2 if lost else 0) + 0.1 * NOISE[at, 1 + arms.index(arm)],
            alpha=2 + NOISE[at, 5 + arms.index(arm)],
        )

    made = table(arms, value)
    first, second = sentences.paragraphs(result(made))
    assert first.startswith(
        "**without kurtosis**: 5 of 8 seeds [24 %, 92 %] pass (base: 8 of 8 [63 %, 100 %])."
    )
    assert "without kurtosis, kurtosis falls by" in first  # a name stays as it is
    assert "No detectable effect (effects larger than the number in brackets are ruled" in first
    assert "alpha (" in first.partition("No detectable effect")[2]
    assert "rises" not in second
    assert "falls" not in second
    assert needed_for(result(made)) == [
        "kurtosis: holds on 8 of 8 seeds [63 %, 100 %] of the base, without kurtosis on 5 of 8 "
        "[24 %, 92 %]."
    ]
    same = table(arms, lambda arm, at: cell())
    assert "No single prior was needed for kurtosis" in needed_for(result(same))[0]
    assert "Exactly the same in all pairs" in sentences.paragraphs(result(same))[0]
    broken = table(arms, lambda arm, at: cell(holds=False))
    said = needed_for(result(broken))
    assert said[0].startswith("The base itself passes every criterion on 0 of 8 seeds [0 %, 37 %]")
    assert "holds on 0 of 8 seeds [0 %, 37 %] of the base itself" in said[1]
    alone = table([BASE, arms[1]], lambda arm, at: cell(holds=False))
    assert needed_for(result(alone))[0] == said[0]  # also of one arm that leaves something out
    assert needed_for(result(table([BASE], lambda arm, at: cell(holds=False)))) == []


def test_tables_can_be_read_back() -> None:
    arms = [BASE, without("kurtosis")]
    made = table(arms, lambda arm, at: cell(kurtosis=at + arms.index(arm)))
    rows = list(
        csv.DictReader(io.StringIO(as_csv(tables.EFFECT_COLUMNS, tables.effect_rows(result(made)))))
    )
    [kurtosis] = [row for row in rows if row["statistic"] == "kurtosis"]
    assert (kurtosis["arm"], kurtosis["n"]) == ("without kurtosis", "8")
    assert float(kurtosis["difference"]) == 1.0
    assert {row["statistic"] for row in rows} == {*STATISTICS, "holds: kurtosis"}
    cells = list(csv.reader(io.StringIO(as_csv(tables.cell_columns(made), tables.cell_rows(made)))))
    assert len(cells) == 1 + 16
    assert {len(row) for row in cells} == {len(tables.cell_columns(made))}
    columns, written = text.effect_table(result(made), ["kurtosis"])
    lines = as_markdown(columns, written).splitlines()
    assert {line.count("|") for line in lines} == {4}
    latex = tables.as_latex(columns, [["a_b", "50 %", "1 & 2"]])
    assert r"a\_b & 50 \% & 1 \& 2 \\" in latex
    assert latex.count("&") - latex.count(r"\&") == 4


def test_a_measurement_survives_its_database() -> None:
    found = cell(holds=False, alpha=math.nan, kurtosis=1 / 3)
    again = from_json(to_json(found))
    assert again.criteria == found.criteria
    assert math.isnan(again.statistics["alpha"])
    assert again.statistics["kurtosis"] == 1 / 3


def test_predictions_of_arms_that_are_not_there_are_an_error_of_ours() -> None:
    ablation = Ablation("x", "?", [Prediction("nobody", "alpha", "rises")], lambda base: [])
    with pytest.raises(KeyError):
        result_of(ablation, "x", Config(), table([BASE], lambda arm, at: cell()))


def test_a_result_survives_its_file_and_the_report_needs_nothing_else() -> None:
    arms = [BASE, without("kurtosis"), without("variance")]

    def value(arm: Arm, at: int) -> Measured | None:
        lost = (arm.name, at) in {("base", 2), ("without kurtosis", 5)}
        alpha = math.nan if arm.name == "without variance" else at + NOISE[at, arms.index(arm)]
        return None if lost else cell(holds=at > 0, alpha=alpha)

    made = table(arms, value)
    left = result(
        made,
        Prediction("without kurtosis", "alpha", "rises"),
        Prediction("without variance", "kurtosis", "stays", 1.0),
        name="another name",
    )
    again = AblationResult.from_json(left.to_json(), "result.json")
    assert again.to_json() == left.to_json()  # also what is not finite
    assert text.markdown(again, []) == text.markdown(left, [])
    assert (again.name, again.script) == ("another name", "kurtosis")
    assert again.outcomes() == {"held": 0, "refuted": 0, "open": 2}
    assert [(arm.name, arm.passed, arm.n) for arm in again.arms] == [
        *(("base", 6, 7), ("without kurtosis", 6, 7), ("without variance", 7, 8)),
    ]
    assert again.base_arm.held == {"kurtosis": (6, 7)}
    assert [(run.arm, run.seed) for run in again.missing] == [
        ("base", 102),
        ("without kurtosis", 105),
    ]
    found = again.arms[1].effects["alpha"]
    assert found == effects(made, "alpha")["without kurtosis"]  # to the last bit
    assert math.isnan(again.arms[2].means["alpha"])
    with pytest.raises(UserError, match="x has version 7, and this version of vlatent reads 1 and"):
        AblationResult.from_json(left.to_json().replace('"version": 2', '"version": 7'), "x")
    for broken in ("", "[]", left.to_json()[:-9], '{"version": 2}', '{"version": 2, "arms": 3}'):
        with pytest.raises(UserError, match=r"x is damaged, or no record|x has version None"):
            AblationResult.from_json(broken, "x")


# What would make the numbers too kind


def shuffled(*holes: tuple[str, int]) -> Callable[[Arm, int], Measured | None]:
    """Noise, where no arm does anything, with holes."""

    def value(arm: Arm, at: int) -> Measured | None:
        noise = float(NOISE[at, 1 + hash_of(arm)])
        return None if (arm.name, at) in holes else cell(holds=at > 0, alpha=noise, correlation=0.5)

    return value


def hash_of(arm: Arm) -> int:
    return sum(map(ord, arm.name)) % 37


def test_no_interval_of_a_result_has_the_width_0() -> None:
    """Also not of what is the same on every seed: six channels against none, say."""
    arms = [BASE, without("kurtosis"), without("variance")]

    def value(arm: Arm, at: int) -> Measured:
        return cell(channels_in_band=0.0 if arm == arms[1] else 6.0, recall=1.0)

    found = result(
        table(arms, value), Prediction("without kurtosis", "channels in band", "below", 3)
    )
    for arm in found.arms[1:]:
        for name, effect in arm.effects.items():
            assert effect.low < effect.high, (arm.name, name)
    fallen = found.arms[1].effects["channels in band"]
    assert (fallen.mean, fallen.low) == (-6, -6)
    assert fallen.high == pytest.approx(-6 + 12 * (1 - 0.025 ** (1 / 8)))
    held = found.arms[1].effects["holds: kurtosis"]
    assert (held.low, held.high) == pytest.approx((-0.369, 0.369), abs=0.001)
    [answered] = found.answers
    assert answered.own == pytest.approx((0, 0, 6 * (1 - 0.025 ** (1 / 8))))
    assert answered.outcome == "held"
    said = text.markdown(found, [])
    assert "-6.0 [-6.0, -1.5]*" in said
    assert "8 of 8 [63 %, 100 %]" in said
    assert "The same in all pairs" not in said
    for low, high in re.findall(r"\[([-+\d.]+)(?: %)?, ([-+\d.]+)(?: %)?\]", said):
        assert low != high


def test_naming_an_arm_keeps_the_family_of_the_script() -> None:
    arms = [without(name) for name in PRIORS[:6]]
    asked = Ablation("suite", "?", (), lambda base: [*arms, alone("kurtosis")])
    some = asked.restricted(["without kurtosis"], Config())
    assert [arm.name for arm in some.all_arms(Config())] == ["base", "without kurtosis"]
    assert len(some.untested) == 6

    def value(arm: Arm, at: int) -> Measured:
        return cell(alpha=2.0 + (arm.name == "without kurtosis") * (1 + 0.1 * NOISE[at, 0]))

    shown = table([BASE, without("kurtosis")], value)
    whole = replace(shown, untested=tuple(some.untested))
    assert effects(shown, "alpha")["without kurtosis"].adjusted == pytest.approx(2 / 256)
    assert effects(whole, "alpha")["without kurtosis"].adjusted == pytest.approx(6 * 2 / 256)
    found = result_of(some, "x", Config(), whole)
    assert found.families == {"left out": 6}
    said = text.markdown(found, [])
    assert "statistic (left out: 6 tests, 5 of arms not trained this time)." in said
    assert f"left out, 6 arms: {detectable(8, 6):.2f} SD" in said
    assert asked.restricted([], Config()).untested == []


def test_2000_null_ablations_keep_the_error_rate_of_their_families() -> None:
    """Six arms, eight seeds, nothing has an effect; a table gives what many at once give."""
    draw = np.random.default_rng(11)
    values = draw.normal(size=(2000, 7, 8))
    ps = sign_flips(values[:, 1:] - values[:, :1])
    adjusted = np.array([holm(row) for row in ps.tolist()])
    rate = (adjusted < ALPHA).any(1).mean()
    assert 0.02 < rate <= ALPHA + 2 * math.sqrt(ALPHA * (1 - ALPHA) / 2000)
    arms = [BASE, *(without(name) for name in PRIORS[:6])]
    found = np.flatnonzero((adjusted < ALPHA).any(1))[:10]
    for number in (*found, *range(10)):
        rows = values[number]
        made = table(arms, lambda arm, at, rows=rows: cell(alpha=rows[arms.index(arm), at]))
        mine = [effect.adjusted for effect in effects(made, "alpha").values()]
        assert mine == pytest.approx(adjusted[number])


def test_missing_runs_may_be_informative_and_have_a_worst_case() -> None:
    arms = [BASE, without("kurtosis"), without("variance")]
    made = table(arms, shuffled(("without kurtosis", 2), ("without kurtosis", 5)))
    found = result(made)
    effect = found.arms[1].effects["correlation"]
    assert effect.n == 6
    assert effect.worst is not None
    # Of the two pairs the base is known, .5, and correlation is between 0 and 1.
    worst = max(effect.high, interval([0.0] * 6 + [0.5] * 2)[2])
    assert effect.worst == pytest.approx((-worst, worst))
    assert found.arms[1].effects["alpha"].worst == (-math.inf, math.inf)
    assert found.arms[2].effects["alpha"].worst is None
    first, second = sentences.paragraphs(found)
    assert "2 of its 8 runs are missing, which may be informative" in first
    assert "the share of seeds that pass is within [24 %, 100 %]" in first  # of 5 of 8 and 7 of 8
    assert f"correlation within [{', '.join(bounds(-worst, worst))}]" in first
    assert re.search("unbounded for .*alpha", first)
    assert "missing" not in second
    said = text.markdown(found, [])
    assert "may be informative: what made it fail may also have moved what is measured" in said
    rows = as_csv(tables.EFFECT_COLUMNS, tables.effect_rows(found)).splitlines()
    [row] = [r for r in csv.DictReader(rows) if (r["arm"], r["statistic"]) == (
        "without kurtosis", "correlation"
    )]  # fmt: skip
    assert float(row["worst high"]) == pytest.approx(worst)


def test_looking_again_is_counted_arm_by_arm() -> None:
    arms = [BASE, without("kurtosis"), without("variance")]
    made = table(arms, shuffled())
    ablation = Ablation("kurtosis", "?", (), lambda base: arms[1:])

    def look(arms: list[Arm], seeds: int, earlier: AblationResult | None) -> AblationResult:
        some = replace(made, arms=tuple(arms), seeds=SEEDS[:seeds])
        return result_of(ablation, "mine", Config(), some, earlier)

    first = look(arms, 4, None)
    assert first.looks == {arm.name: (SEEDS[:4],) for arm in arms[1:]}
    assert look_lines(first) == []
    assert look(arms, 4, first).looks == first.looks  # the same again is no other look
    second = look(arms[:2], 6, first)
    third = look(arms, 8, AblationResult.from_json(second.to_json(), "result.json"))
    assert list(map(len, third.looks.values())) == [3, 2]
    lines = look_lines(third)
    assert lines[0].startswith(
        "This is look 3 at without kurtosis (with 4, 6 and 8 seeds): p counts"
    )
    assert "up to 15 % of families" in lines[0]
    assert lines[1].startswith("This is look 2 at without variance (with 4 and 8 seeds)")
    assert all(line in text.markdown(third, []) for line in lines)
    assert {row[0]: row[-1] for row in tables.effect_rows(third)} == {
        "without kurtosis": 3,
        "without variance": 2,
    }
    other = override(Config(), {"training.steps": 7})
    assert result_of(ablation, "mine", other, made, third).looks == look(arms, 8, None).looks


def test_a_result_of_version_1_is_read_and_counts_as_a_look() -> None:
    arms = [BASE, without("kurtosis"), without("variance")]
    made = table(
        arms, lambda arm, at: None if (arm.name, at) == ("without kurtosis", 1) else cell()
    )
    values = json.loads(result(made).to_json()) | {"version": 1}
    del values["families"], values["looks"]
    for arm in values["arms"]:
        for effect in arm["effects"].values():
            del effect["worst"], effect["skewness"]
            effect |= {"low": 0.0, "high": 0.0, "standardized": 0.0}
    old = AblationResult.from_json(json.dumps(values), "result.json")
    assert old.arms[1].effects["alpha"].constant
    said = text.markdown(old, [])
    assert "0 (the same in all pairs)" in said
    assert "[0, 0]" not in said
    assert "left out, 2 arms" in said
    again = result_of(Ablation("kurtosis", "?", (), lambda b: []), "x", Config(), made, old)
    assert again.looks == {
        "without kurtosis": ((SEEDS[0], *SEEDS[2:]),),
        "without variance": (SEEDS,),
    }
    fewer = replace(made, seeds=SEEDS[:3])
    assert list(map(len, result_of(
        Ablation("kurtosis", "?", (), lambda b: []), "x", Config(), fewer, old
    ).looks.values())) == [2, 2]  # fmt: skip


def test_skewed_differences_are_said() -> None:
    arms = [BASE, without("kurtosis")]

    def value(arm: Arm, at: int) -> Measured:
        lost = arm != BASE and at == 3
        return cell(alpha=-6.0 if lost else 0.1 * at, variance=at * (1 if arm == BASE else 2))

    found = result(table(arms, value))
    assert found.arms[1].effects["alpha"].skewed
    assert not found.arms[1].effects["variance"].skewed
    [said] = sentences.paragraphs(found)
    assert "Skewed differences, which p takes as symmetric: alpha." in said
    assert "p 1, skewed" in text.markdown(found, [])
    assert "whose null hypothesis is that the differences are symmetric about 0" in text.markdown(
        found, []
    )
