"""Training of one encoder on the priors and terms: one loop, top to bottom."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from rich.progress import Progress
from torch import nn

from vlatent import checkpoints, recording
from vlatent.balance import balance_of
from vlatent.config import Config, to_yaml, with_encoder
from vlatent.corpus import Corpus, order
from vlatent.evaluation import (
    Evaluation,
    Verdict,
    evaluate,
    evaluation_steps,
    judge,
    score,
    steps_to_pass,
)
from vlatent.fingerprints import corpus_digests
from vlatent.joint import joint_of
from vlatent.models import begin_with, state_to_resume
from vlatent.optimization import MovingAverage, adamw, learning_rate, restore
from vlatent.own_encoder import described, encoder_of
from vlatent.own_sources import part_sources
from vlatent.preparation import corpus_for, placement
from vlatent.result import Result
from vlatent.run_folders import run_folder
from vlatent.shapes import UserError
from vlatent.step import step_kind
from vlatent.tracking import Tracker

Report = Callable[[int, Evaluation, Verdict], None]


def train(
    config: Config,
    tracker: Tracker,
    report: Report | None = None,
    progress: Progress | None = None,
    encoder: Callable[..., nn.Module] | None = None,
) -> Result:
    """Train, evaluate and record one run.

    Args:
        config: The whole configuration.
        tracker: Where everything is recorded; the caller closes it.
        report: Called after every evaluation but the first; may raise to stop the run.
        progress: A running display, to which this run adds a bar.
        encoder: A class of your own instead of the config's encoder, or functools.partial of one
            with its arguments; see `vlatent.own_encoder.SentenceEncoder`.

    Raises:
        UserError: Bad input, found before anything is trained.
        Diverged: The loss or its gradient is not finite; names the step and the term.
    """
    began = time.perf_counter()
    if encoder is not None:
        config = with_encoder(config, described(encoder))
    device, autocast = placement(config.training)
    folder = run_folder(config.training)
    run = _Run(config, tracker, report, corpus_for(config), folder, device, autocast)
    bar = _Bar(progress, config.training.steps, run.start)
    try:
        run.replay()
        run.loop(bar)
    finally:
        bar.remove()
        run.conclude()  # also when it was stopped
    return run.result(began)


class _Bar:
    """The run's bar in a progress display, if there is one."""

    def __init__(self, progress: Progress | None, steps: int, start: int) -> None:
        self._progress = progress
        if progress is not None:
            self._task = progress.add_task("training", total=steps, completed=start)

    def advance(self) -> None:
        if self._progress is not None:
            self._progress.advance(self._task)

    def describe(self, text: str) -> None:
        if self._progress is not None:
            self._progress.update(self._task, description=text)

    def remove(self) -> None:
        if self._progress is not None:
            self._progress.remove_task(self._task)


class _Run:
    """A run that is being trained: everything a checkpoint holds, and where it is recorded.

    Attributes:
        start: Its first step: 0, or that of the checkpoint from which it goes on.
    """

    def __init__(
        self,
        config: Config,
        tracker: Tracker,
        report: Report | None,
        corpus: Corpus,
        folder: Path,
        device: torch.device,
        autocast: Callable[[], torch.autocast],
    ) -> None:
        self.config, self.tracker, self.report = config, tracker, report
        self.corpus, self.folder, self.autocast = corpus, folder, autocast
        torch.manual_seed(config.training.seed)
        self.model = encoder_of(config.encoder, corpus.vocabulary_size).to(device)
        self.joint = joint_of(config, corpus, self.model)
        if config.training.start is not None and config.training.resume is None:
            begin_with(config.training.start, corpus, self.model, self.joint)
        self.average = MovingAverage(self.model, config.optimizer)
        self.averaged = self.average.module
        self.balance = balance_of(config.objective.balance, config.priors, config.terms).to(device)
        self.optimizer = adamw(self.model, config.optimizer, self.balance.learned)
        self.start, self.history, self.log = self._restored()
        checkpoints.write(folder / "config.yaml", to_yaml(config))
        precision = "bf16" if autocast()._enabled else "fp32"
        recording.describe(tracker, config, corpus, self.model, f"{device.type} {precision}")
        size, seed = config.training.batch_size, config.training.seed
        self.batches = order(corpus.train, size, seed, start_step=self.start)
        kind, parts = step_kind(self.model, config), (self.model, self.average, self.optimizer)
        self.take = kind(config, corpus, *parts, autocast, self.balance, self.joint)
        self.sentences, self.clock = 0, time.perf_counter()  # since the last evaluation
        self.model.train()

    def _restored(self) -> tuple[int, list[Evaluation], list[dict[str, float]]]:
        """First step, history and log: those of the checkpoint from which the run goes on."""
        path, steps = self.config.training.resume, self.config.training.steps
        if path is None:
            return 0, [], []
        state = state_to_resume(path, self.config, self.corpus)
        start, history, log = _restore(state, self.model, self.average, self.optimizer)
        self.balance.load_state_dict(state.get("balance", {}))  # of earlier versions: fixed
        if self.joint is not None:
            self.joint.restore(state)
        if start > steps:
            raise UserError(
                f"{path} has done {start} of {steps} steps: there is nothing to continue; raise "
                "--training.steps to train it further."
            )
        return start, history, log

    def replay(self) -> None:
        """Record and report again what a run has measured before it was continued."""
        steps, priors = self.config.training.steps, self.config.priors
        for row in self.log:
            values = {name: value for name, value in row.items() if name != "step"}
            self.tracker.metrics(values, int(row["step"]))
        ends = range(1, len(self.history) + 1)
        verdicts = [judge(self.history[:end], steps, priors) for end in ends]
        for evaluation, verdict in zip(self.history, verdicts, strict=True):
            metrics = recording.evaluation_metrics(evaluation, verdict)
            self.tracker.metrics(metrics, evaluation.step)
        self.tracker.flush()  # the record never lacks what has been reported
        for evaluation, verdict in zip(self.history, verdicts, strict=True):
            if self.report is not None and evaluation.step > 0:
                self.report(evaluation.step, evaluation, verdict)

    def loop(self, bar: _Bar) -> None:
        """Train to the end; the last of `steps + 1` rounds only evaluates and saves."""
        steps = self.config.training.steps
        evaluated = set(evaluation_steps(steps, self.config.evaluation.count))
        for step in range(self.start, steps + 1):
            if step in evaluated and not (self.history and self.history[-1].step == step):
                self._evaluate(step, bar)
            if step < steps:
                self._step(step)
                bar.advance()

    def _evaluate(self, step: int, bar: _Bar) -> None:
        """Evaluate the averaged weights, record the verdict, save, then report."""
        self.take.check()
        config, steps = self.config, self.config.training.steps
        speed = self.sentences / (time.perf_counter() - self.clock)
        with self.autocast():
            evaluation = evaluate(
                step,
                self.averaged,
                self.corpus,
                config.evaluation,
                config.priors,
                config.terms,
                step == steps,
                None if self.joint is None else self.joint.averaged,
            )
        evaluation.metrics.update(self.balance.in_force())
        if step == 0 and config.training.start is not None:
            evaluation.metrics["from_run"] = 1.0  # so that step 0 is not called untrained
        self.history.append(evaluation)
        verdict = judge(self.history, steps, config.priors)
        self.tracker.metrics(recording.evaluation_metrics(evaluation, verdict), step)
        self.tracker.metrics({"sentences_per_second": speed}, step)
        self.tracker.flush()
        checkpoints.save(self.folder / checkpoints.NAME, self._state(step))
        bar.describe(_in_brief(evaluation, self.log, speed))
        if self.report is not None and step > 0:
            self.report(step, evaluation, verdict)
        self.sentences, self.clock = 0, time.perf_counter()

    def _step(self, step: int) -> None:
        """Take one optimizer step, and record some of them."""
        index = next(self.batches)
        taken = self.take(index, step)
        self.sentences += len(index)
        if step % self.config.tracking.every == 0:
            self.take.check()
            rate = learning_rate(self.config.optimizer, step, self.config.training.steps)
            measured = recording.training_metrics(taken.loss, taken.norm, rate)
            self.tracker.metrics(measured, step)
            self.log.append({"step": step} | measured)

    def conclude(self) -> None:
        """Write what is left of a run, if it has come to an evaluation."""
        if self.history:
            recording.conclude(
                self.tracker,
                self.folder,
                self.config,
                self.averaged,
                self.corpus,
                self.history,
                self.log,
            )

    def result(self, began: float) -> Result:
        """What the run came to; the tracker has all of it."""
        steps, priors, history = self.config.training.steps, self.config.priors, self.history
        passed_at = steps_to_pass(history, steps, priors)
        self.tracker.metrics({"steps_to_pass": -1 if passed_at is None else passed_at}, steps)
        self.tracker.flush()
        final = judge(history, steps, priors)
        seconds = time.perf_counter() - began
        return Result(history, final, score(history[-1], final), passed_at, self.folder, seconds)

    def _state(self, step: int) -> dict[str, object]:
        """Everything from which the run can go on bitwise."""
        return {
            "step": step,
            "config": to_yaml(self.config),
            "corpus": corpus_digests(self.config, self.corpus),
            "sources": part_sources(self.config),
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "balance": self.balance.state_dict(),
            "random": checkpoints.random_state(),
            "history": json.dumps([asdict(evaluation) for evaluation in self.history]),
            "log": json.dumps(self.log),
            **({} if self.joint is None else self.joint.state()),
        }


def _restore(
    state: Mapping[str, Any],
    model: nn.Module,
    average: MovingAverage,
    optimizer: torch.optim.Optimizer,
) -> tuple[int, list[Evaluation], list[dict[str, float]]]:
    """Put everything back as it was after the checkpoint's evaluation."""
    checkpoints.load_weights(model, state["model"])
    checkpoints.load_weights(average, state["average"])
    restore(optimizer, state["optimizer"])
    checkpoints.set_random_state(state["random"])
    history = [Evaluation(**evaluation) for evaluation in json.loads(state["history"])]
    return state["step"], history, json.loads(state["log"])


def _in_brief(evaluation: Evaluation, log: list[dict[str, float]], speed: float) -> str:
    alpha = sum(evaluation.channels["spectrum"]) / len(evaluation.channels["spectrum"])
    in_band = evaluation.metrics["channels_in_band"]
    loss_now = f"loss {log[-1]['loss']:.3f}  " if log else ""
    return (
        f"{loss_now}alpha {alpha:.2f}  in band {in_band:.0f}/{len(evaluation.channels['spectrum'])}"
        f"  {speed:.0f} sentences/s"
    )
