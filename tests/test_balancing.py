"""The ablation of balancing: its base and arms, and the rate that each arm is judged at."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from inside import inside
from smoke import CONFIGS, sentences

from ablations.ablation import main
from ablations.arms import BASE, Arm
from ablations.balancing import ABLATION, FACTORS, METHODS
from ablations.rates import RATE, at_rates, best, label
from ablations.result import FILE, AblationResult, ArmResult
from vlatent.config import override, read_config
from vlatent.figures.page import Page
from vlatent.objective import Method

EMPTY = AblationResult(
    name="rates",
    script="balancing",
    question="",
    base="",
    steps=1,
    batch_size=1,
    seeds=(0, 1),
    statistics=("score",),
    criteria=(),
    arms=(),
    answers=(),
    missing=(),
)


def weights(config: object) -> dict[str, float]:
    return {name: prior.weight for name, prior in config.priors}  # type: ignore[attr-defined]


def test_the_base_has_found_weights() -> None:
    start, winner = read_config("quick"), read_config("quick", "winner")
    assert ABLATION.base(start) == winner
    assert ABLATION.base(winner) == winner
    own = override(start, {"priors.wavelet.weight": 0.3, "objective.balance": "gradnorm"})
    assert weights(ABLATION.base(own)) == weights(own)
    assert ABLATION.base(own).objective.balance == "fixed"
    without = override(start, {"priors.contours.weight": 0.0})
    assert weights(ABLATION.base(without)) == weights(winner) | {"contours": 0.0}


def test_every_method_begins_with_equal_weights() -> None:
    base = read_config("quick", "winner")
    arms = {arm.name: override(base, arm.changes) for arm in ABLATION.arms(base)}
    assert list(arms) == ["default weights", "equal weights", *METHODS]
    assert weights(arms["default weights"]) == weights(read_config("quick"))
    equal = weights(arms["equal weights"])
    assert sum(equal.values()) == pytest.approx(sum(weights(base).values()))
    assert len(set(equal.values())) == 1
    for method in METHODS:
        balance: Method = arms[method].objective.balance
        assert (weights(arms[method]), balance) == (equal, method)
    assert {prediction.arm for prediction in ABLATION.predictions} <= arms.keys()


def arm_result(name: str, passed: int, score: float, n: int = 2) -> ArmResult:
    return ArmResult(name, "setting", "setting", {}, (), n, passed, {}, {"score": score}, {})


def test_the_rate_is_that_which_passes_most_often() -> None:
    base, arm = read_config("quick"), Arm("upgrad", "setting", {"training.batch_size": 2})
    assert len(at_rates([BASE, arm], base, FACTORS)) == 2 * len(FACTORS) - 1
    [slow] = [one for one in at_rates([arm], base, FACTORS) if one.name == label(arm, 0.25)]
    assert slow.changes == {"training.batch_size": 2, RATE: base.optimizer.learning_rate / 4}

    def chosen(*results: ArmResult) -> float:
        tried = replace(EMPTY, arms=results)
        return best(arm, base, (0.5, 1.0), tried) / base.optimizer.learning_rate

    half, whole = label(arm, 0.5), label(arm, 1.0)
    assert chosen(arm_result(half, 1, 6.1), arm_result(whole, 0, 6.9)) == 0.5
    assert chosen(arm_result(half, 1, 6.1), arm_result(whole, 1, 6.9)) == 1.0
    assert chosen(arm_result(half, 0, 2.0), arm_result(whole, 1, 6.9, n=1)) == 0.5
    assert chosen(arm_result(half, 0, 2.0), arm_result(whole, 0, float("nan"), n=0)) == 0.5


def result(folder: Path, name: str) -> AblationResult:
    file = folder / "runs" / "ablations" / name / FILE
    return AblationResult.from_json(file.read_text(), str(file))


def test_rates_are_tried_before_arms_are_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten cells, as the whole is what must go together: on seeds of their own, each once."""
    monkeypatch.setattr("ablations.plan.seconds_a_cell", lambda config: 1.0)
    monkeypatch.setattr(Page, "png", lambda page: b"drawn")
    asked = replace(ABLATION, rates=(0.5, 1.0))
    flags = [
        *("--config", str(CONFIGS / "smoke.yaml"), "--training.steps", "6"),
        *("--evaluation.count", "3", "--tracking.figures", "false"),
        *("--data.train", str(sentences(tmp_path)), "--data.max_length", "200"),
        *("--ablation.seeds", "1", "--ablation.arms", "[gradnorm]"),
    ]
    plan = inside(tmp_path, lambda a: main(asked, a), *flags, "--ablation.plan", "true")
    assert plan.returncode == 0, plan.stderr
    assert "2 arms x 1 seeds = 2 cells" in " ".join(plan.stdout.split())
    assert "Before that, 8 cells find the best learning rate" in " ".join(plan.stdout.split())
    done = inside(tmp_path, lambda a: main(asked, a), *flags)
    assert done.returncode == 0, done.stderr
    said = " ".join(done.stdout.split())
    assert "balancing-rates: 4 arms x 2 seeds = 8 cells" in said
    assert "base: learning rate 0.00" in said
    assert "gradnorm: learning rate 0.00" in said
    left = result(tmp_path, "balancing")
    assert (left.seeds, [arm.name for arm in left.arms]) == ((100,), ["base", "gradnorm"])
    assert left.arms[1].changes[RATE] in (2e-3, 4e-3)
    assert result(tmp_path, "balancing-rates").seeds == (0, 1)
