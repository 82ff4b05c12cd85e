"""What is measured of one cell: statistics and criteria on held-out sentences, four pictures."""

from __future__ import annotations

import io
import json
import math
from dataclasses import asdict, dataclass
from statistics import fmean

import numpy as np
import torch

from vlatent.config import Config
from vlatent.dependence import Pictures
from vlatent.evaluation import Criterion
from vlatent.training import Result

SENTENCES = 4  # whose pictures are kept
CRITERIA_HELD = "criteria held"

# Statistics of a run by the name that tables, pictures and predictions use, in their order.
STATISTICS = (
    *("score", "channels in band", CRITERIA_HELD, "alpha", "distance of alpha from 2", "residual"),
    *("total variation", "wavelet mean/rms", "kurtosis", "correlation", "variance"),
    *("checkerboard", "share between sentences (log10)"),
)

# Where paraphrases were asked about: by name, the metric.
OF_MEANING = {
    **{
        f"recall@1, {split}": f"meaning/{split}/recall_at_1"
        for split in ("random", "compositional", "wording")
    },
    "told apart, random": "meaning/random/told_apart",
    "told apart, compositional": "meaning/compositional/told_apart",
    "color seen, compositional": "meaning/compositional/named_color",
    "shape seen, compositional": "meaning/compositional/named_shape",
    "relation seen, compositional": "meaning/compositional/named_relation",
    "jitter cosine, random": "meaning/random/jitter_cosine",
    "jitter fall, random": "meaning/random/jitter_fall",
    "share drawn": "dependence/between_share_shapes",
}

# Lowest and highest value that a statistic can have: no interval reaches beyond.
POSSIBLE = {
    **dict.fromkeys(("score", "channels in band", CRITERIA_HELD), (0.0, math.inf)),
    **dict.fromkeys(("distance of alpha from 2", "residual", "checkerboard"), (0.0, math.inf)),
    **dict.fromkeys(("total variation", "variance"), (0.0, math.inf)),
    **dict.fromkeys(("wavelet mean/rms", "correlation", *OF_MEANING), (0.0, 1.0)),
    **dict.fromkeys(("jitter cosine, random", "jitter fall, random"), (-1.0, 1.0)),
    "kurtosis": (1.0, math.inf),
    "share between sentences (log10)": (-16.0, 0.0),
}
ANY = (-math.inf, math.inf)


@dataclass(frozen=True)
class Measured:
    """One finished cell.

    Attributes:
        statistics: By name; NaN where the latent has none.
        criteria: Every line of its verdict.
        steps_to_pass: Step from which all criteria held; None if they did not.
        sentences_per_second: Of training, everything else included.
        seconds: From begin to end.
    """

    statistics: dict[str, float]
    criteria: tuple[Criterion, ...]
    steps_to_pass: int | None
    sentences_per_second: float
    seconds: float

    @property
    def passed(self) -> bool:
        return all(criterion.holds for criterion in self.criteria)


def measured(result: Result, sentences: int) -> Measured:
    """The last evaluation of a run as plain numbers; `sentences` is how many it has seen."""
    last = result.history[-1]
    mean = {name: fmean(values) for name, values in last.channels.items()}
    share = last.metrics["dependence/between_share"]
    values = (
        *(result.score, last.metrics["channels_in_band"]),
        float(sum(criterion.holds for criterion in result.verdict.criteria)),
        *(mean["spectrum"], last.metrics["alpha_distance"], mean["residual"]),
        *(mean["total_variation"], mean["wavelet"], mean["kurtosis"], mean["decorrelation"]),
        *(mean["variance"], mean["checkerboard_largest"]),
        math.log10(max(share, 1e-16)) if math.isfinite(share) else math.nan,
    )
    asked = any(name.startswith("meaning/") for name in last.metrics)
    meaning = {
        name: last.metrics[metric]
        for name, metric in OF_MEANING.items()
        if asked and metric in last.metrics
    }
    return Measured(
        dict(zip(STATISTICS, values, strict=True)) | meaning,
        result.verdict.criteria,
        result.steps_to_pass,
        sentences / result.seconds,
        result.seconds,
    )


def made_up(config: Config, draw: np.random.Generator) -> Measured:
    """A cell as it might come out, to try before any is trained what is done with them all."""
    names = (*STATISTICS, *(OF_MEANING if config.evaluation.retrieved else ()))
    return Measured(
        dict(zip(names, draw.uniform(size=len(names)).tolist(), strict=True)),
        tuple(Criterion(name, "", "", draw.normal()) for name in names[:2]),
        steps_to_pass=None,
        sentences_per_second=1.0,
        seconds=1.0,
    )


def to_json(found: Measured) -> str:
    return json.dumps(asdict(found))


def from_json(text: str) -> Measured:
    known = json.loads(text)
    return Measured(**known | {"criteria": tuple(Criterion(**c) for c in known["criteria"])})


def painting_bytes(latent: Pictures) -> bytes:
    """Pictures in half precision, compressed."""
    kept = io.BytesIO()
    np.savez_compressed(kept, latent=latent.half().numpy())
    return kept.getvalue()


def painting(kept: bytes) -> Pictures:
    return torch.from_numpy(np.load(io.BytesIO(kept))["latent"]).float()
