"""What studies and ablations run: our encoder here, others in the files named `*_workload`.

The engine draws values, keeps trials and cells, prunes, confirms and compares; a workload turns a
config into a `Result`. It is all that the engine knows of what is trained.
"""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from rich.progress import Progress

from vlatent import own_questions
from vlatent.balance import balance_of
from vlatent.config import Config, override
from vlatent.corpus import Corpus, Part, changed_parts
from vlatent.decoder import DECODER_VERSION
from vlatent.evaluation import (
    SEVERAL_EVALUATIONS,
    Criterion,
    Evaluation,
    Verdict,
    judge,
    measure,
    score,
)
from vlatent.fingerprints import corpus_digests
from vlatent.models import first_weights
from vlatent.own_sources import changed_sources
from vlatent.preparation import corpus_for, not_divided, placement, size_of_latents
from vlatent.result import Result
from vlatent.shapes import UserError
from vlatent.tracking import Tracker
from vlatent.training import Report, train

Kind = Literal["encoder", "decoder", "problem"]


@dataclass(frozen=True, kw_only=True)
class Workload(metaclass=ABCMeta):
    """What is run, one config and seed after the other.

    Attributes:
        source: Path of the user's own file and name in it; empty for what is ours.
    """

    source: str = ""

    @property
    @abstractmethod
    def kind(self) -> Kind: ...

    @property
    @abstractmethod
    def config_type(self) -> type[Any]: ...

    @property
    def example(self) -> str:
        """The flags of a config with which examples of commands begin."""
        return ""

    @property
    @abstractmethod
    def columns(self) -> tuple[str, ...]:
        """Metrics that the tracker's page of a study shows beside the objectives."""

    @property
    @abstractmethod
    def curve(self) -> str:
        """The metric by which runs are pruned."""

    @abstractmethod
    def completed(self, config: Any) -> Any:
        """The config with defaults in the place of what was not given.

        Raises:
            UserError: It cannot be run.
        """

    @abstractmethod
    def corpus(self, config: Any) -> Corpus | None:
        """The sentences that are read; None where none are.

        Raises:
            UserError: They, or the device, cannot be used.
        """

    @abstractmethod
    def placed(self, config: Any, folder: Path, resume: Path | None) -> Any:
        """The config of a run that keeps what it writes in a folder, from a checkpoint if any."""

    @abstractmethod
    def judged_on(self, config: Any, seed: int, part: Part) -> Any:
        """The config on another seed, judged on a part of the held-out sentences."""

    @abstractmethod
    def train(
        self, config: Any, tracker: Tracker, report: Report, progress: Progress | None = None
    ) -> Result:
        """Run a config; `report` is called at least once, at the end, and may raise."""

    @abstractmethod
    def reported(self, evaluation: Evaluation, verdict: Verdict) -> float:
        """The number that is told of a run while it goes on."""

    @abstractmethod
    def violation(self, verdict: Verdict) -> float | None:
        """How far a run is from passing, as pruning sees it: 0 if it passes; None without limits.

        The margins above 0, each at most 3, added up.
        """

    @abstractmethod
    def made_up(
        self, config: Any, draw: np.random.Generator
    ) -> tuple[Evaluation, tuple[Criterion, ...]]:
        """An evaluation as it might come out, to try what is done with it."""

    def divided(self, config: Any, corpus: Corpus | None) -> bool:
        """Whether confirmation and test have held-out sentences of their own."""
        return corpus is not None and not_divided(config, corpus) is None

    def digests(self, config: Any, corpus: Corpus | None) -> dict[str, str]:
        """Digests of all that a run reads, by its name: sentences, the user's own file."""
        read = {} if corpus is None else corpus_digests(config, corpus)
        return read | self.own_file()

    def own_file(self) -> dict[str, str]:
        """Digest of the user's own file, by its name; none of what is ours."""
        return own_questions.digests(self.source, self._own()) if self.source else {}

    def require_planned(
        self, config: Any, planned: Mapping[str, str], sources: Mapping[str, str]
    ) -> None:
        """Look whether a worker, maybe on another machine, reads what its command has read.

        Args:
            config: Of the command.
            planned: What `digests` gave there.
            sources: What `part_sources` gave there.

        Raises:
            UserError: It reads something else; names the parts.
        """
        if said := changed_sources(config, sources):
            raise UserError(
                f"{'; '.join(said)}: this worker reads another file than the command that began "
                "it; give every machine the same files, then run the command again."
            )
        parts = changed_parts(planned, self.digests(config, self.corpus(config)))
        if parts:
            what = "another corpus" if self.kind == "encoder" else "other files"
            raise UserError(
                f"this worker reads {what} than the command that began it: {', '.join(parts)} "
                "changed; give every machine the same files, then run the command again."
            )

    def _own(self) -> object:
        return None


def exceeded(criteria: Iterable[Criterion]) -> float:
    """By how much limits are exceeded; 3 of one are as bad as more of it."""
    return sum(min(max(line.margin, 0.0), 3.0) for line in criteria)


class EncoderWorkload(Workload):
    """Our encoder, trained on priors and terms."""

    kind = "encoder"
    config_type = Config
    example = "--config quick"
    columns = ("channels_in_band", "passed", "margin/worst", "steps_to_pass")
    curve = "score"

    def completed(self, config: Config) -> Config:
        placement(config.training)
        balance_of(config.objective.balance, config.priors, config.terms)
        return config

    def corpus(self, config: Config) -> Corpus:
        return corpus_for(config)

    def placed(self, config: Config, folder: Path, resume: Path | None) -> Config:
        place = {"training.folder": folder, "training.resume": resume, "evaluation.probed": 0}
        return override(config, place)

    def judged_on(self, config: Config, seed: int, part: Part) -> Config:
        return override(config, {"training.seed": seed, "evaluation.held_out": part})

    def digests(self, config: Config, corpus: Corpus | None) -> dict[str, str]:
        trained = {"decoder": f"version {DECODER_VERSION}"} if self.has_decoder(config) else {}
        return super().digests(config, corpus) | first_weights(config) | trained

    def has_decoder(self, config: Config) -> bool:
        """Whether a decoder is trained too."""
        return config.terms.reconstruction.weight > 0

    def train(
        self, config: Config, tracker: Tracker, report: Report, progress: Progress | None = None
    ) -> Result:
        return train(config, tracker, report, progress)

    def reported(self, evaluation: Evaluation, verdict: Verdict) -> float:
        return score(evaluation, verdict)

    def violation(self, verdict: Verdict) -> float:
        return exceeded(line for line in verdict.criteria if line.name not in SEVERAL_EVALUATIONS)

    def made_up(
        self, config: Config, draw: np.random.Generator
    ) -> tuple[Evaluation, tuple[Criterion, ...]]:
        steps, shape = config.training.steps, (2, *size_of_latents(config))
        latents = torch.from_numpy(draw.normal(size=shape)).float()
        evaluation = measure(steps, latents, config.priors)
        return evaluation, judge([evaluation], steps, config.priors).criteria


ENCODER = EncoderWorkload()
