"""No number is infinite or beyond reason, whichever group it stands in."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from ablations.settings import AblationConfig
from studies.settings import StudyConfig
from vlatent.config import Config, flatten, override
from vlatent.shapes import UserError

NUMBERS = {
    name: value
    for name, value in flatten(Config()).items()
    if isinstance(value, int | float) and not isinstance(value, bool)
}


@pytest.mark.parametrize("name", NUMBERS)
def test_every_number_has_a_bound(name: str) -> None:
    """Of integers and floats alike; the message begins with the key."""
    wrong: list[float] = [10**19, 10**5000]
    if isinstance(NUMBERS[name], float):
        wrong += [float("inf"), float("nan")]
    for value in wrong:
        with pytest.raises(UserError) as error:
            override(Config(), {name: value})
        assert str(error.value).startswith(f"{name} must be ")
        assert len(str(error.value)) < 200


@pytest.mark.parametrize("settings", [StudyConfig(), AblationConfig()])
def test_of_studies_and_ablations_too(settings: StudyConfig | AblationConfig) -> None:
    group = "study" if isinstance(settings, StudyConfig) else "ablation"
    for field in fields(settings):
        value = getattr(settings, field.name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            with pytest.raises(UserError, match=rf"^{group}\.{field.name} must be at most"):
                replace(settings, **{field.name: 10**19})  # type: ignore[arg-type]
    with pytest.raises(UserError, match=r"study\.space must be finite"):
        StudyConfig(space={"training.steps": [1, float("inf")]})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"optimizer.beta_1": 1.0}, r"beta_1 must be below 1"),
        ({"encoder.dropout": 1.0}, r"dropout must be below 1"),
        ({"priors.wavelet.shape": 1e-300}, r"shape must be at least 0.05"),
        ({"priors.wavelet.levels": 10**6}, r"levels must be at most 16"),
        ({"priors.kurtosis.target": 30.0}, r"target must be at most priors\.kurtosis\.ceiling"),
        ({"training.blur": 1e6}, r"training\.blur must be at most 32"),
        ({"training.seed": 2**63}, r"training\.seed must be at most 9,223,372,036,854,775,807"),
        ({"tracking.experiment": "x" * 5000}, r"experiment must be a text of at most 4,096"),
    ],
)
def test_what_makes_no_sense(changes: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        override(Config(), changes)
