"""Train one encoder on the priors: one loop, top to bottom."""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import lru_cache
from math import isfinite
from pathlib import Path
from typing import cast

import torch
from rich.progress import Progress

from vlatent import checkpoints, recording
from vlatent.config import Config, TrainingConfig, to_yaml
from vlatent.corpus import Corpus, load, order
from vlatent.encoder import Encoder
from vlatent.evaluation import (
    Evaluation,
    Verdict,
    evaluate,
    evaluation_steps,
    judge,
    measure,
    score,
    steps_to_pass,
)
from vlatent.memory import require_memory
from vlatent.objective import loss
from vlatent.optimization import MovingAverage, adamw, learning_rate, settle
from vlatent.priors import Priors
from vlatent.shapes import UserError
from vlatent.step import RecordedStep, Step
from vlatent.tracking import Tracker

# A study trains many runs on the same sentences.
corpus_of = lru_cache(maxsize=2)(load)

Report = Callable[[int, Evaluation, Verdict], None]


@dataclass(frozen=True)
class Result:
    """What a run came to.

    Attributes:
        history: Every evaluation, the first before the first step.
        verdict: The criteria at the last evaluation.
        score: What a study maximises, at the last evaluation.
        steps_to_pass: First evaluation from which all criteria held to the end; None if none.
        folder: Where the checkpoint, the config and the pictures are.
        seconds: Wall time, evaluations and pictures included.
    """

    history: list[Evaluation]
    verdict: Verdict
    score: float
    steps_to_pass: int | None
    folder: Path
    seconds: float


def train(
    config: Config,
    tracker: Tracker,
    report: Report | None = None,
    progress: Progress | None = None,
) -> Result:
    """Train, evaluate and record one run.

    The loop runs `steps + 1` times: its last round only evaluates and saves.

    Args:
        config: The whole configuration.
        tracker: Where everything is recorded; the caller closes it.
        report: Called after every evaluation but the first; may raise to stop the run.
        progress: A running display, to which this run adds a bar.

    Raises:
        UserError: Bad input, found before anything is trained.
        Diverged: The loss or its gradient is not finite; names the step and the term.
    """
    began = time.perf_counter()
    device, autocast = placement(config.training)
    folder = run_folder(config.training)
    steps, priors = config.training.steps, config.priors
    corpus = corpus_for(config)

    torch.manual_seed(config.training.seed)
    model = Encoder(config.encoder, corpus.vocabulary_size).to(device)
    average = MovingAverage(model, config.optimizer)
    averaged = cast(Encoder, average.module)
    optimizer = adamw(model, config.optimizer)
    start, history, log = 0, list[Evaluation](), list[dict[str, float]]()
    if config.training.resume is not None:
        start, history, log = _restore(config.training.resume, model, average, optimizer)
        if start > steps:
            raise UserError(
                f"{config.training.resume} has done {start} of {steps} steps: there is nothing to "
                "continue; raise --training.steps to train it further."
            )
    checkpoints.write(folder / "config.yaml", to_yaml(config))
    recording.describe(
        tracker, config, corpus, model, f"{device.type} {'bf16' if autocast()._enabled else 'fp32'}"
    )

    evaluate_at = set(evaluation_steps(steps, config.evaluation.count))
    batches = order(
        corpus.train, config.training.batch_size, config.training.seed, start_step=start
    )
    bar = progress.add_task("training", total=steps, completed=start) if progress else None
    kind = Step if device.type == "cpu" else RecordedStep
    take = kind(config, corpus, model, average, optimizer, autocast)
    sentences, clock = 0, time.perf_counter()
    model.train()
    try:
        for row in log:  # a run that is continued tells its whole story
            tracker.metrics({k: v for k, v in row.items() if k != "step"}, int(row["step"]))
        verdicts = [judge(history[: end + 1], steps, priors) for end in range(len(history))]
        for evaluation, verdict in zip(history, verdicts, strict=True):
            tracker.metrics(recording.evaluation_metrics(evaluation, verdict), evaluation.step)
        tracker.flush()  # the record never lacks what has been reported
        for evaluation, verdict in zip(history, verdicts, strict=True):
            if report is not None and evaluation.step > 0:
                report(evaluation.step, evaluation, verdict)
        for step in range(start, steps + 1):
            if step in evaluate_at and not (history and history[-1].step == step):
                take.check()
                speed = sentences / (time.perf_counter() - clock)
                with autocast():
                    evaluation = evaluate(
                        step,
                        averaged,
                        corpus,
                        config.evaluation,
                        priors,
                        config.terms,
                        step == steps,
                    )
                history.append(evaluation)
                verdict = judge(history, steps, priors)
                tracker.metrics(recording.evaluation_metrics(evaluation, verdict), step)
                tracker.metrics({"sentences_per_second": speed}, step)
                tracker.flush()
                checkpoints.save(
                    folder / "checkpoint.pt",
                    _state(step, config, model, average, optimizer, history, log),
                )
                if progress and bar is not None:
                    progress.update(bar, description=_in_brief(evaluation, log, speed))
                if report is not None and step > 0:
                    report(step, evaluation, verdict)
                sentences, clock = 0, time.perf_counter()
            if step == steps:
                break

            index = next(batches)
            taken = take(index, step)
            sentences += len(index)
            if step % config.tracking.every == 0:
                take.check()
                rate = learning_rate(config.optimizer, step, steps)
                measured = recording.training_metrics(taken.loss, taken.norm, rate)
                tracker.metrics(measured, step)
                log.append({"step": step} | measured)
            if progress and bar is not None:
                progress.advance(bar)
    finally:
        if progress and bar is not None:
            progress.remove_task(bar)
        if history:  # also of a run that was stopped
            recording.conclude(tracker, folder, config, averaged, corpus, history, log)

    passed_at = steps_to_pass(history, steps, priors)
    tracker.metrics({"steps_to_pass": -1 if passed_at is None else passed_at}, steps)
    tracker.flush()
    final = judge(history, steps, priors)
    seconds = time.perf_counter() - began
    return Result(history, final, score(history[-1], final), passed_at, folder, seconds)


def corpus_for(config: Config) -> Corpus:
    """The sentences of a run, and the variants of them that its terms and criteria need.

    Raises:
        UserError: Bad input, sentences without variants, or more than the memory holds.
    """
    device, autocast = placement(config.training)
    corpus = corpus_of(config.data)
    require_memory(config, corpus, device, half=autocast()._enabled)
    sizes = config.encoder
    _require_statistics(config.priors, sizes.height, sizes.width, sizes.channels)
    if config.terms.active:
        _ = corpus.variants
    if config.evaluation.retrieved:
        _ = corpus.splits
    return corpus


@lru_cache(maxsize=8)
def _require_statistics(priors: Priors, height: int, width: int, channels: int) -> None:
    """Measure noise, as what fails at the first evaluation can fail before anything is written."""
    noise = torch.randn(2, height, width, channels, generator=torch.Generator().manual_seed(0))
    loss(priors, noise)
    measured = measure(0, noise, priors)
    missing = [name for name, values in measured.channels.items() if not all(map(isfinite, values))]
    if missing:
        raise UserError(
            f"encoder.height {height} and encoder.width {width} are too small: that latent has no "
            f"{missing[0]}; raise both to 8 or more."
        )


def placement(training: TrainingConfig) -> tuple[torch.device, Callable[[], torch.autocast]]:
    """The device and the precision of the encoder there."""
    has_gpu = torch.cuda.is_available()
    if training.device == "cuda" and not has_gpu:
        raise UserError(
            "training.device is cuda, but torch sees no GPU here: leave it at auto or set "
            "--training.device cpu."
        )
    device = torch.device("cuda" if has_gpu and training.device != "cpu" else "cpu")
    if device.type == "cuda":  # fp32 is fp32 everywhere; what may be less exact is bf16
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    fast = device.type == "cuda" or torch.cpu.get_capabilities().get("avx512_bf16", False)
    use_bf16 = training.precision == "bf16" or (training.precision == "auto" and bool(fast))
    return device, lambda: torch.autocast(device.type, torch.bfloat16, enabled=use_bf16)


def run_folder(training: TrainingConfig) -> Path:
    """The folder of this run, made if it is not there; never one that holds another run."""
    folder = training.folder
    if folder is None and training.resume is not None:
        folder = training.resume if training.resume.is_dir() else training.resume.parent
    dated = folder is None
    if folder is None:
        folder = Path("runs") / datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    if training.resume is None and (folder / checkpoints.NAME).exists():
        raise UserError(
            f"{folder} holds a run already: continue it with --training.resume {folder}, or name "
            "another --training.folder."
        )
    try:
        if dated:
            folder = _new(folder)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.yaml").touch()
    except OSError as error:
        raise UserError(
            f"cannot write to training.folder {folder}: {error.strerror}; name another folder."
        ) from None
    return folder


def claimed_folder(training: TrainingConfig) -> Path:
    """The folder of this run, in which no other process trains as long as this one lives.

    Raises:
        UserError: It holds another run, cannot be written, or another process trains in it.
    """
    folder = run_folder(training)
    if folder.absolute() not in _held:
        descriptor = os.open(folder, os.O_RDONLY)  # can be locked, leaves no file behind
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise UserError(
                f"another process trains in {folder}: wait for its end, or name another "
                "--training.folder."
            ) from None
        _held[folder.absolute()] = descriptor
    return run_folder(replace(training, folder=folder))  # it may have ended meanwhile


_held: dict[Path, int] = {}  # until this process ends


def _new(folder: Path) -> Path:
    """A folder that is not there yet, made for one process alone: of its name, or with a number."""
    for number in itertools.count(1):
        place = folder if number == 1 else folder.with_name(f"{folder.name}-{number}")
        with contextlib.suppress(FileExistsError):
            place.mkdir(parents=True)
            return place
    raise AssertionError("numbers never end")


def _state(
    step: int,
    config: Config,
    model: Encoder,
    average: MovingAverage,
    optimizer: torch.optim.Optimizer,
    history: list[Evaluation],
    log: list[dict[str, float]],
) -> dict[str, object]:
    return {
        "step": step,
        "config": to_yaml(config),
        "model": model.state_dict(),
        "average": average.state_dict(),
        "optimizer": optimizer.state_dict(),
        "random": checkpoints.random_state(),
        "history": json.dumps([asdict(evaluation) for evaluation in history]),
        "log": json.dumps(log),
    }


def _restore(
    path: Path, model: Encoder, average: MovingAverage, optimizer: torch.optim.Optimizer
) -> tuple[int, list[Evaluation], list[dict[str, float]]]:
    """Put everything back as it was after the checkpoint's evaluation."""
    state = checkpoints.load_to_resume(path)
    checkpoints.load_weights(model, state["model"])
    checkpoints.load_weights(average, state["average"])
    settle(optimizer, state["optimizer"])
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
