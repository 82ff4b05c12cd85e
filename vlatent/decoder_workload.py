"""A decoder of a frozen encoder, as studies train it: judged at the end of each run."""

from __future__ import annotations

import time
from functools import lru_cache
from pathlib import Path

import numpy as np
from rich.progress import Progress

from vlatent.config import flatten, override, to_yaml
from vlatent.corpus import Corpus, Part
from vlatent.decoder import DECODER_VERSION, Decoder
from vlatent.decoder_run import DecoderRunConfig, judged_texts
from vlatent.evaluation import Criterion, Evaluation, Verdict
from vlatent.evaluation.reading_criteria import judge_reading
from vlatent.reading_back import VIEWS, reading_metrics, scores_by_view, step_bar
from vlatent.reading_run import Frozen, NotFinite, decoder_file, frozen, source, trained_decoder
from vlatent.recording import verdict_metrics
from vlatent.result import Result
from vlatent.shapes import UserError
from vlatent.statistics import READING
from vlatent.step import Diverged
from vlatent.tracking import Tracker
from vlatent.training import Report
from vlatent.workload import Workload, exceeded

_frozen_at = lru_cache(maxsize=1)(frozen)


class DecoderWorkload(Workload):
    """A decoder of an encoder that is not trained any more."""

    kind = "decoder"
    config_type = DecoderRunConfig
    example = "--config reading"
    columns = (*(READING["fact_f1"].of_split(view).name for view in VIEWS), "passed")
    curve = READING["normalised"].of_split(VIEWS[0]).name

    def completed(self, config: DecoderRunConfig) -> DecoderRunConfig:
        run = _run(config)
        texts = judged_texts(run, config)
        shape = source(run, "latent", 0).latents(next(iter(texts.values()))[:1]).shape
        Decoder(config.reading.decoder, 1, (shape[1], shape[2], shape[3]), 1)  # its patches fit
        return config

    def corpus(self, config: DecoderRunConfig) -> None:
        return None  # that of the run, which the digests name

    def digests(self, config: DecoderRunConfig, corpus: Corpus | None) -> dict[str, str]:
        run = _run(config)
        read = {"encoder": run.digest, "decoder": f"version {DECODER_VERSION}"}
        return read | run.corpus.digests(variants=False, splits=True)

    def divided(self, config: DecoderRunConfig, corpus: Corpus | None) -> bool:
        run = _run(config)
        try:
            for part in ("confirmation", "test"):
                judged_texts(run, override(config, {"held_out": part}))
        except UserError:
            return False
        return True

    def placed(
        self, config: DecoderRunConfig, folder: Path, resume: Path | None
    ) -> DecoderRunConfig:
        return override(config, {"folder": folder})  # what is left of a training is begun again

    def judged_on(self, config: DecoderRunConfig, seed: int, part: Part) -> DecoderRunConfig:
        return override(config, {"reading.seed": seed, "held_out": part})

    def train(
        self,
        config: DecoderRunConfig,
        tracker: Tracker,
        report: Report,
        progress: Progress | None = None,
    ) -> Result:
        """Train a decoder to its end and judge it; its weights are not kept.

        Raises:
            Diverged: Its loss is no number any more.
        """
        began, reading = time.perf_counter(), config.reading
        run = _run(config)
        run = run._replace(place=config.folder or run.place)
        tracker.params(flatten(config) | {"encoder": run.digest})
        tracker.text("config.yaml", to_yaml(config))
        tracker.tags({"seed": reading.seed})
        with step_bar(progress, reading.steps) as show:

            def follow(step: int, loss: float) -> None:
                show(step, loss)
                if step % config.tracking.every == 0:
                    tracker.metrics({"loss": loss}, step)

            try:
                decoder = trained_decoder(run, reading, report=follow)
            except NotFinite as error:
                raise Diverged(str(error)) from None
        given = source(run, "latent", reading.seed)
        views = scores_by_view(run, decoder, given, judged_texts(run, config))
        evaluation = Evaluation(reading.steps, reading_metrics(views), {})
        verdict = judge_reading(views)
        tracker.metrics(evaluation.metrics | verdict_metrics(verdict), reading.steps)
        tracker.flush()
        report(reading.steps, evaluation, verdict)
        decoder_file(run).unlink()
        passed_at = reading.steps if verdict.passed else None
        seconds = time.perf_counter() - began
        score = self.reported(evaluation, verdict)
        return Result([evaluation], verdict, score, passed_at, run.place, seconds)

    def reported(self, evaluation: Evaluation, verdict: Verdict) -> float:
        return evaluation.metrics[self.curve]

    def violation(self, verdict: Verdict) -> float:
        return exceeded(verdict.criteria)

    def made_up(
        self, config: DecoderRunConfig, draw: np.random.Generator
    ) -> tuple[Evaluation, tuple[Criterion, ...]]:
        entropies = ("cross_entropy", "cross_entropy_shuffled", "cross_entropy_ceiling")
        names = (*READING, *entropies, "leading_f1")
        views = {
            view: dict(zip(names, draw.uniform(size=len(names)).tolist(), strict=True))
            for view in VIEWS
        }
        evaluation = Evaluation(config.reading.steps, reading_metrics(views), {})
        verdict: Verdict = judge_reading(views)
        return evaluation, verdict.criteria


def _run(config: DecoderRunConfig) -> Frozen:
    """The run that is read, which every trial of a worker shares."""
    return _frozen_at(config.run.resolve())


DECODER = DecoderWorkload()
