"""The registry of statistics: one name and one label a statistic, limits where they are judged."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from roughness import Roughness

from ablations.measurement import OF_RUN, from_json
from analysis.compare.result import STATISTICS as compared
from vlatent import evaluation
from vlatent.config import Config
from vlatent.evaluation import Evaluation, judge, measure
from vlatent.fingerprints import effective, fingerprint
from vlatent.priors import Priors
from vlatent.shapes import PerChannel
from vlatent.spectra import CHECKERBOARD_LIMITS, RESIDUAL_LIMIT
from vlatent.statistics import MEANING, OF_PHOTOGRAPHS, STATISTICS, current_name, of_priors

# Written down by hand: what the criteria ask for.
LIMITS = {
    "statistic/spectrum": (1.5, 2.5),
    "statistic/kurtosis": (3, math.inf),
    "statistic/decorrelation": (-math.inf, 0.1),
    "statistic/variance": (0.5, 2),
    "statistic/residual": (-math.inf, 0.45),
    "statistic/checkerboard_largest": (-math.inf, 40),
    "statistic/checkerboard_mean": (-math.inf, 2),
    "channels_in_band": (4, math.inf),
    "likeness": (0.5, math.inf),
    "share_alike": (0.75, math.inf),
}
WORDS = {
    "spectrum": "4 channels in band, 3 evaluations in a row",
    "residual": "4 channels below 0.45",
    "kurtosis": "every channel above 3",
    "decorrelation": "mean |correlation| below 0.1",
    "variance": "every channel within a factor 2 of its target",
    "plateau": "total variation moves < 5% in 3 evaluations",
    "checkerboard": "finest at most 40 x the fitted line (mean 2 x)",
    "finite": "every value of the latent",
    "likeness": "at least 0.5, which 99 % of photographs have",
    "sentences": "75% like photographs one by one",
    "recall@1": "60 % of paraphrases find their sentence first",
    "recall@5": "85 % find it among five",
    "gap": "cosine of paraphrase less that of counterfactual >= 0.25, worst kind",
    "triplet accuracy": "75 % are closer to their paraphrase than to the counterfactual, "
    "worst kind",
    "color AUC": "linear probes name colors, ROC AUC >= 0.6",
    "shape AUC": "linear probes name shapes, ROC AUC >= 0.6",
    "relation AUC": "linear probes name relations, ROC AUC >= 0.6",
    "jitter": "cosine with itself, moved by 2 pixels, >= 0.9",
    "jitter recall": "recall@1 falls by at most 2 points then",
}

REFERENCE = Path(evaluation.__file__).with_name("photographs.json")
RANGES = {
    "wavelet": "wavelet_finest",
    "magnitude dependency": "magnitude_dependency",
    "coherence": "coherence",
    "speckle": "speckle",
}
MOST = {
    "directions": ("anisotropy", "anisotropy"),
    "slopes": ("alpha_deviation", "deviation of alpha between sentences"),
    "correlation within": ("correlation_within", "mean |correlation| within a sentence"),
}


@dataclass(frozen=True, kw_only=True)
class Judged(Roughness):
    """Roughness with a criterion."""

    accepted: ClassVar[tuple[float, float]] = (-math.inf, 1.0)
    criterion: ClassVar[str] = f"every channel below {accepted[1]:g}"

    def margin(self, statistic: PerChannel) -> float:
        return float(statistic.max()) - self.accepted[1]


@dataclass(frozen=True, kw_only=True)
class Added(Priors):
    """The priors and one that came later."""

    roughness: Roughness = Roughness()


def history(priors: Priors) -> list[Evaluation]:
    latent = torch.randn(4, 16, 16, 6, generator=torch.Generator().manual_seed(0))
    return [measure(step, latent, priors) for step in (0, 6, 12)]


def test_limits_are_those_of_before() -> None:
    judged = {name: each.accepted for name, each in STATISTICS.items() if each.judged}
    assert judged == LIMITS
    assert (RESIDUAL_LIMIT, CHECKERBOARD_LIMITS) == (0.45, (40.0, 2.0))


def test_criteria_are_worded_as_before() -> None:
    last = history(Priors())[-1]
    values = {f"meaning/random/{name}": 0.5 for name, each in MEANING.items() if each.judged}
    verdict = judge([replace(last, metrics=last.metrics | values)], 12, Priors())
    wanted = {line.name: line.wanted for line in verdict.criteria}
    # Limits that photographs set, at 16 x 16 with 480 pairs of neighbours.
    at_16 = json.loads(REFERENCE.read_text(encoding="utf-8"))["sizes"]["16"]
    low, high = at_16["ranges"]["gradient_size"]
    said = f"{480 * low:.0f} to {480 * high:.0f}, as in 99 % of photographs"
    assert wanted.pop("total_variation") == said
    for name, statistic in RANGES.items():
        low, high = at_16["ranges"][statistic]
        assert wanted.pop(name) == f"{low:.3g} to {high:.3g}, as in 99 % of photographs"
    for name, (statistic, words) in MOST.items():
        assert wanted.pop(name) == f"{words} at most {at_16[statistic]:.2g}"
    least = f"magnitude dependency of half of the channels at least {at_16['weaker_half']:.2g}"
    assert wanted.pop("weaker channels") == least
    assert wanted.pop("seams") == f"gradients on any lattice at most {at_16['seams']:.2f} x all"
    assert wanted == WORDS


def test_names_and_labels_are_unique() -> None:
    labels = [each.label for each in (*STATISTICS.values(), *MEANING.values())]
    assert len(set(labels)) == len(labels)
    recorded = history(Priors())[-1]
    for name in recorded.channels:
        assert f"statistic/{name}" in STATISTICS
    for name in OF_PHOTOGRAPHS:
        channel = name.removeprefix("statistic/")
        assert channel in (recorded.metrics if name == channel else recorded.channels)


def test_rooms_take_what_they_show_from_here() -> None:
    known = {id(each) for each in STATISTICS.values()}
    assert {id(each) for each in compared} <= known
    assert {id(each) for each in OF_RUN} <= known


def test_an_older_history_is_judged_without_what_came_later() -> None:
    older, later = history(Priors()), Added(roughness=Judged())
    assert judge(older, 12, later) == judge(older, 12, Priors())
    names = [line.name for line in judge(history(later), 12, later).criteria]
    assert names.index("roughness") == names.index("variance") + 1


def test_a_prior_that_is_off_as_declared_changes_no_key() -> None:
    config = Config()
    assert fingerprint(replace(config, priors=Added())) == fingerprint(config)
    for priors in (Added(roughness=Roughness(weight=0.1)), Added(roughness=Judged())):
        changed = replace(config, priors=priors)
        assert fingerprint(changed) != fingerprint(config)
        assert "priors.roughness.weight" in effective(changed)
    off = replace(config, priors=replace(Priors(), kurtosis=replace(Priors().kurtosis, weight=0)))
    assert effective(off)["priors.kurtosis.weight"] == 0  # it is left out, and that is recorded


def test_a_prior_is_in_the_registry_as_it_says() -> None:
    assert of_priors(Added())["roughness"].label == "roughness of neighbours"
    assert of_priors(Added())["roughness"].name == "statistic/roughness"


@pytest.mark.parametrize(
    ("earlier", "today"),
    [
        ("dependence/named_color", "dependence/color_auc"),
        ("meaning/random/told_apart", "meaning/random/triplet_accuracy"),
        ("told apart, compositional", "triplet accuracy, compositional"),
        ("share drawn", "share between sentences ignoring channel means"),
        ("alpha", "alpha"),
        ("meaning/random/recall_at_1", "meaning/random/recall_at_1"),
    ],
)
def test_names_of_earlier_versions_are_read(earlier: str, today: str) -> None:
    assert current_name(earlier) == today
    assert Evaluation(**asdict(Evaluation(1, {earlier: 0.5}, {}))).metrics == {today: 0.5}
    cell = {"statistics": {earlier: 0.5}, "criteria": [], "steps_to_pass": None}
    read = from_json(json.dumps(cell | {"sentences_per_second": 1.0, "seconds": 1.0}))
    assert read.statistics == {today: 0.5}
