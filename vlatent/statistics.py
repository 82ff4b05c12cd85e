"""Registry of statistics: what is measured of a latent, how it is called, and what is accepted.

A statistic has one name, that of its metric in the tracker, and one label in every table and
figure. The statistics of priors come from the priors themselves; limits stand with the prior, or
the function, that they belong to.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from vlatent.priors import Priors, Spectrum
from vlatent.spectra import CHECKERBOARD_LIMITS, RESIDUAL_LIMIT

Source = Literal["evaluation", "prior", "dependence", "meaning", "reading"]
Limits = tuple[float, float]

ANY: Limits = (-math.inf, math.inf)
POSITIVE: Limits = (0.0, math.inf)
SHARE: Limits = (0.0, 1.0)
CORRELATION: Limits = (-1.0, 1.0)
SMALLEST = 1e-16  # before a logarithm, smaller values count as this

# Band of natural images, and channels that must be in it.
BAND, CHANNELS_NEEDED = Spectrum.accepted, Spectrum.channels
# Likeness of latents that are like photographs; see vlatent/evaluation/likeness.py.
LIKE_PHOTOGRAPHS: Limits = (0.5, math.inf)
# Share of the sentences that are: 84 to 100 % of photographs that gave no limit.
MOSTLY: Limits = (0.75, math.inf)


@dataclass(frozen=True)
class Statistic:
    """One number that is measured of a latent or of a run.

    Attributes:
        name: The metric in the tracker; of a statistic of meaning or of reading, its last part.
        label: How tables, figures and predictions call it.
        source: What measures it.
        form: Format of its numbers.
        accepted: Lowest and highest value for which its criterion holds, for channels the mean's;
            infinite where it has no such end.
        possible: Lowest and highest value that it can have: no interval reaches beyond.
        counts: What it is a number of: there cannot be more than there are.
        logarithmic: Whether its decimal logarithm is compared.
    """

    name: str
    label: str
    source: Source = "evaluation"
    form: str = ".3g"
    accepted: Limits = ANY
    possible: Limits = POSITIVE
    counts: Literal["", "channels", "criteria"] = ""
    logarithmic: bool = False

    @property
    def judged(self) -> bool:
        """Whether there is a criterion."""
        return self.accepted != ANY

    def limits(self, channels: int, criteria: int) -> Limits:
        """Lowest and highest value that it can have among so many channels and criteria.

        >>> STATISTICS["channels_in_band"].limits(channels=6, criteria=9)
        (0.0, 6)
        """
        counted = {"channels": channels, "criteria": criteria}
        return self.possible[0], counted.get(self.counts, self.possible[1])

    def of(self, metrics: Mapping[str, float]) -> float:
        """Value of the statistic among a run's metrics; NaN where it was not recorded.

        >>> STATISTICS["dependence/between_share"].of({"dependence/between_share": 0.01})
        -2.0
        """
        value = metrics.get(self.name, math.nan)
        if not self.logarithmic:
            return value
        return math.log10(max(value, SMALLEST)) if math.isfinite(value) else math.nan

    def of_split(self, split: str) -> Statistic:
        """The statistic of meaning or of reading on one split, clean or under noise.

        >>> MEANING["recall_at_1"].of_split("random").name
        'meaning/random/recall_at_1'
        """
        place = split.replace(", ", "_")
        name, label = f"{self.source}/{place}/{self.name}", f"{self.label}, {split}"
        return replace(self, name=name, label=label)


def channel(name: str, label: str, **fields: object) -> Statistic:
    """Statistic with one number per channel: the tracker has the mean over channels."""
    return Statistic(f"statistic/{name}", label, **fields)  # type: ignore[arg-type]


def of_priors(priors: Priors | None = None) -> dict[str, Statistic]:
    """The statistic of every prior, by the prior's name.

    >>> of_priors()["kurtosis"].accepted
    (3.0, inf)
    """
    return {
        name: channel(
            *(name, prior.label or name.replace("_", " ")),
            source="prior",
            form=prior.form,
            accepted=prior.accepted,
            possible=prior.possible,
        )
        for name, prior in priors or Priors()
    }


def of_own_priors(priors: Priors) -> tuple[Statistic, ...]:
    """The statistics of the user's own priors, which are not in the registry."""
    return tuple(each for name, each in of_priors(priors).items() if name in priors.own)


_PRIORS = of_priors()
_ALL = (
    Statistic("score", "score"),
    Statistic(
        *("channels_in_band", "channels in band"),
        accepted=(CHANNELS_NEEDED, math.inf),
        counts="channels",
    ),
    Statistic("criteria_held", "criteria held", counts="criteria"),
    _PRIORS["spectrum"],
    Statistic("alpha_distance", "distance of alpha from 2"),
    channel("residual", "residual", form=".2f", accepted=(-math.inf, RESIDUAL_LIMIT)),
    *(statistic for name, statistic in _PRIORS.items() if name != "spectrum"),
    channel(
        *("checkerboard_largest", "checkerboard"),
        form=".1f",
        accepted=(-math.inf, CHECKERBOARD_LIMITS[0]),
    ),
    channel(
        *("checkerboard_mean", "checkerboard, mean"),
        form=".2f",
        accepted=(-math.inf, CHECKERBOARD_LIMITS[1]),
    ),
    channel("alpha_deviation", "deviation of alpha between sentences"),
    channel("alpha_radial", "alpha, radial", form=".2f", possible=ANY),
    channel("alpha_all_frequencies", "alpha, all frequencies", form=".2f", possible=ANY),
    Statistic("likeness", "likeness", form=".2f", accepted=LIKE_PHOTOGRAPHS, possible=SHARE),
    Statistic("expected_in_band", "channels in band, by sentence", form=".2f", counts="channels"),
    channel("gradient_size", "mean gradient at unit variance", form=".3f"),
    channel("wavelet_finest", "wavelet ratio, finest level", form=".3f", possible=SHARE),
    channel("magnitude_dependency", "magnitude dependency", form=".3f", possible=CORRELATION),
    channel("coherence", "coherence", form=".3f", possible=SHARE),
    channel("speckle", "speckle", form=".3f"),
    Statistic("anisotropy", "anisotropy", form=".3f", possible=SHARE),
    Statistic("seams", "seams", form=".2f"),
    Statistic("weaker_half", "dependency, weaker channels", form=".3f", possible=CORRELATION),
    Statistic(
        "share_alike", "sentences like photographs", form=".0%", accepted=MOSTLY, possible=SHARE
    ),
    channel("correlation_within", "correlation within a sentence", form=".3f", possible=SHARE),
    replace(
        _PRIORS["total_variation"],
        name="statistic/total_variation_normalized",
        label="total variation at unit variance",
        source="evaluation",
    ),
    Statistic(
        *("dependence/between_share", "share between sentences (log10)", "dependence"),
        possible=(math.log10(SMALLEST), 0.0),
        logarithmic=True,
    ),
    Statistic(
        *("dependence/between_share_means", "share between sentences in channel means"),
        source="dependence",
        possible=SHARE,
    ),
    Statistic(
        *("dependence/between_share_shapes", "share between sentences ignoring channel means"),
        source="dependence",
        possible=SHARE,
    ),
)
STATISTICS: Mapping[str, Statistic] = {statistic.name: statistic for statistic in _ALL}
# Those that are compared with what photographs have.
OF_PHOTOGRAPHS = (
    *("likeness", "expected_in_band", "statistic/gradient_size", "statistic/wavelet_finest"),
    *("statistic/magnitude_dependency", "statistic/coherence", "statistic/speckle"),
    *("anisotropy", "statistic/correlation_within"),
)

# Per split, by the last part of the metric's name. A triplet accuracy of 0.75 is what half of the
# sentences known and the others guessed come to.
MEANING: Mapping[str, Statistic] = {
    name: Statistic(name, label, "meaning", form=form, accepted=accepted, possible=possible)
    for name, label, form, accepted, possible in (
        ("recall_at_1", "recall@1", ".0%", (0.6, math.inf), SHARE),
        ("recall_at_5", "recall@5", ".0%", (0.85, math.inf), SHARE),
        ("gap", "gap", ".2f", (0.25, math.inf), (-2.0, 2.0)),
        ("jitter_cosine", "jitter cosine", ".2f", (0.9, math.inf), CORRELATION),
        ("jitter_fall", "jitter fall", ".1%", (-math.inf, 0.02), (-1.0, 1.0)),
        ("triplet_accuracy", "triplet accuracy", ".2f", (0.75, math.inf), SHARE),
        ("color_auc", "color AUC", ".2f", (0.6, math.inf), SHARE),
        ("shape_auc", "shape AUC", ".2f", (0.6, math.inf), SHARE),
        ("relation_auc", "relation AUC", ".2f", (0.6, math.inf), SHARE),
    )
}

# Of what a decoder reads from latents, per split, clean and under noise. An accuracy of 0 is that
# of a language model, which sees no latent, 1 that of who knows the meaning.
READING: Mapping[str, Statistic] = {
    name: Statistic(name, label, "reading", form=".2f", possible=possible)
    for name, label, possible in (
        ("normalised", "normalised accuracy", ANY),
        ("fact_f1", "fact F1", SHARE),
        ("order_recall", "order recall", SHARE),
    )
}

# Names and labels of earlier versions, which databases and files still hold, and those of today.
EARLIER: Mapping[str, str] = {
    "told_apart": "triplet_accuracy",
    "told apart": "triplet accuracy",
    "share drawn": "share between sentences ignoring channel means",
    **{f"named_{target}": f"{target}_auc" for target in ("color", "shape", "relation")},
    **{f"{target} seen": f"{target} AUC" for target in ("color", "shape", "relation")},
}


def current_name(name: str) -> str:
    """Name of today of a metric, or label of today of a statistic.

    >>> current_name("meaning/random/told_apart"), current_name("color seen, compositional")
    ('meaning/random/triplet_accuracy', 'color AUC, compositional')
    """
    return "".join(EARLIER.get(part, part) for part in re.split(r"(/|, )", name))
