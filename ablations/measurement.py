"""What is measured of one cell: statistics and criteria on held-out sentences, four latents."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean

import numpy as np
import torch

from vlatent.config import Config, RunConfig
from vlatent.dependence import TARGETS
from vlatent.evaluation import Criterion
from vlatent.priors import Priors
from vlatent.reading_back import VIEWS, ReadBackConfig
from vlatent.result import Result
from vlatent.shapes import Latents
from vlatent.statistics import (
    MEANING,
    OF_PHOTOGRAPHS,
    READING,
    Statistic,
    current_name,
    of_own_priors,
)
from vlatent.statistics import STATISTICS as REGISTRY
from vlatent.workload import Workload

SENTENCES = 4  # whose latents are kept
SHOWN = (
    *("score", "channels_in_band", "criteria_held", "alpha_distance", "statistic/residual"),
    *("statistic/checkerboard_largest", "dependence/between_share", *OF_PHOTOGRAPHS),
)
OF_RUN = tuple(
    statistic
    for name, statistic in REGISTRY.items()
    if statistic.source == "prior" or name in SHOWN
)
SPLITS = ("random", "compositional", "wording")
# Labels of the statistics of a run, in the order of tables and figures.
STATISTICS = tuple(statistic.label for statistic in OF_RUN)

# The statistics where paraphrases were retrieved, by label.
OF_MEANING: Mapping[str, Statistic] = {
    statistic.label: statistic
    for statistic in (
        *(MEANING["recall_at_1"].of_split(split) for split in SPLITS),
        *(MEANING["triplet_accuracy"].of_split(split) for split in SPLITS[:2]),
        *(MEANING[f"{target}_auc"].of_split("compositional") for target in TARGETS),
        *(MEANING[name].of_split("random") for name in ("jitter_cosine", "jitter_fall")),
        REGISTRY["dependence/between_share_shapes"],
    )
}

# The statistics where a decoder read the latents, by label.
OF_READING: Mapping[str, Statistic] = {
    statistic.label: statistic
    for name in READING
    for statistic in map(READING[name].of_split, VIEWS)
}
BY_LABEL = {statistic.label: statistic for statistic in OF_RUN} | {**OF_MEANING, **OF_READING}


@dataclass(frozen=True)
class Measured:
    """One finished cell.

    Attributes:
        statistics: Values by name; NaN where the latent has none.
        criteria: Every line of its verdict.
        steps_to_pass: Step from which all criteria held; None if they did not.
        sentences_per_second: Rate of training, everything else included.
        seconds: Time from begin to end.
    """

    statistics: dict[str, float]
    criteria: tuple[Criterion, ...]
    steps_to_pass: int | None
    sentences_per_second: float
    seconds: float

    @property
    def passed(self) -> bool:
        return all(criterion.holds for criterion in self.criteria)


def measured(result: Result, sentences: int, priors: Priors) -> Measured:
    """The last evaluation of a run as plain numbers.

    Args:
        result: The run.
        sentences: How many it has seen.
        priors: Those that it was measured with.
    """
    last = result.history[-1]
    metrics = last.metrics | {
        f"statistic/{name}": fmean(values) for name, values in last.channels.items()
    }
    metrics["score"] = result.score
    metrics["criteria_held"] = float(sum(line.holds for line in result.verdict.criteria))
    shown = (*OF_RUN, *of_own_priors(priors))
    statistics = {statistic.label: statistic.of(metrics) for statistic in shown}
    if any(name.startswith("meaning/") for name in metrics):
        statistics |= {
            label: metrics[statistic.name]
            for label, statistic in OF_MEANING.items()
            if statistic.name in metrics
        }
    statistics |= {
        label: metrics[statistic.name]
        for label, statistic in OF_READING.items()
        if statistic.name in metrics
    }
    return Measured(
        statistics,
        result.verdict.criteria,
        result.steps_to_pass,
        sentences / result.seconds,
        result.seconds,
    )


def measured_of(result: Result, config: RunConfig) -> Measured:
    """The last evaluation of a run with this config."""
    if isinstance(config, Config):
        sentences = config.training.steps * config.training.batch_size
        return measured(result, sentences, config.priors)
    return Measured(
        dict(result.history[-1].metrics),
        result.verdict.criteria,
        result.steps_to_pass,
        config.training.steps / result.seconds,
        result.seconds,
    )


def made_up(workload: Workload, config: RunConfig, draw: np.random.Generator) -> Measured:
    """A cell as it might come out, to try before any is trained what is done with them all."""
    if not isinstance(config, Config):
        evaluation, criteria = workload.made_up(config, draw)
        return Measured(evaluation.metrics, criteria, None, 1.0, 1.0)
    own = (statistic.label for statistic in of_own_priors(config.priors))
    names = (*STATISTICS, *own, *(OF_MEANING if config.evaluation.retrieved else ()))
    if isinstance(config, ReadBackConfig):
        names += tuple(OF_READING)
    return Measured(
        dict(zip(names, draw.uniform(size=len(names)).tolist(), strict=True)),
        tuple(Criterion(name, "", "", draw.normal()) for name in names[:2]),
        steps_to_pass=None,
        sentences_per_second=1.0,
        seconds=1.0,
    )


def to_json(cell: Measured) -> str:
    return json.dumps(asdict(cell))


def from_json(text: str) -> Measured:
    """Read a cell; its statistics get the labels of today."""
    values = json.loads(text)
    statistics = {current_name(name): value for name, value in values["statistics"].items()}
    criteria = tuple(Criterion(**line) for line in values["criteria"])
    return Measured(**values | {"statistics": statistics, "criteria": criteria})


def latents_to_bytes(latent: Latents, read: Sequence[str] = ()) -> bytes:
    """Latents in half precision, compressed, and what a decoder reads from them if one does."""
    kept, half = io.BytesIO(), latent.half().numpy()
    if read:
        np.savez_compressed(kept, latent=half, read=np.array(read))
    else:
        np.savez_compressed(kept, latent=half)
    return kept.getvalue()


def latents_from_bytes(kept: bytes) -> Latents:
    return torch.from_numpy(np.load(io.BytesIO(kept))["latent"]).float()


def readings_from_bytes(kept: bytes) -> list[str]:
    """What a decoder reads from the latents; nothing where none does."""
    arrays = np.load(io.BytesIO(kept))
    return [str(text) for text in arrays["read"]] if "read" in arrays else []
