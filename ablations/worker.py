"""The worker: takes one cell after the other until none is left."""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.progress import Progress

from ablations.cells import Cell, Cells, Claim, Overtaken
from ablations.measurement import SENTENCES, measured, painting_bytes, to_json
from ablations.settings import AblationConfig
from vlatent import checkpoints
from vlatent.config import Config, override
from vlatent.dependence import Pictures, paint
from vlatent.evaluation import Evaluation, Verdict
from vlatent.models import trained_model
from vlatent.runtime.addresses import shown
from vlatent.runtime.interruption import Stop
from vlatent.shapes import UserError
from vlatent.step import Diverged
from vlatent.tracking import MlflowTracker, TrackingConfig, end_left, open_run
from vlatent.training import corpus_of, train

logger = logging.getLogger(__name__)

PAUSE = 1.0  # seconds between two looks at what the other workers do


class Interrupted(RuntimeError):
    """A stop was wished; the cell goes on from its last evaluation another time."""


@dataclass(frozen=True)
class Job:
    """An ablation, as it can be handed to another process.

    Attributes:
        name: Of the ablation.
        cells: All of them, in their order.
        settings: How it is done.
        runs: Id of every arm's run in the tracker.
    """

    name: str
    cells: tuple[Cell, ...]
    settings: AblationConfig
    runs: Mapping[str, str | None]


def work(
    job: Job,
    stop: Stop,
    look: Callable[[], None] = lambda: None,
    progress: Progress | None = None,
) -> None:
    """Train cells until all are over, together with whoever else does."""
    settings = job.settings
    cells = Cells(settings.storage, settings.folder)
    while not stop.wished:
        claim = cells.claim(job.cells, settings.retries)
        if claim is not None:
            try:
                train_cell(job, cells, claim, stop, progress)
            except Overtaken as error:  # by one that counts
                logger.warning("%s", error)
            finally:
                claim.release()
            look()
            continue
        known = cells.read({cell.key for cell in job.cells})
        if all(entry.over(settings.retries) for entry in known.values()):
            return
        time.sleep(PAUSE)  # the rest is trained by others, who may die
        look()


def train_cell(
    job: Job, cells: Cells, claim: Claim, stop: Stop, progress: Progress | None = None
) -> None:
    """Train one cell, from its last checkpoint if it has one, and write down what came of it.

    Raises:
        UserError: Of the place, not of the cell, which stays free.
        Overtaken: Another worker has it now.
    """
    cell = claim.cell
    folder = cells.place(cell)
    first = cell.seed == job.cells[0].seed
    config = override(
        cell.config,
        {
            "training.folder": folder,
            "training.resume": _checkpoint(folder),
            "evaluation.probed": 0,
            "tracking.figures": cell.config.tracking.figures and first,
        },
    )
    with stop.undisturbed():  # a run that has begun must come to its end below
        _end_left(config.tracking, claim.left)
        tracker = open_run(
            config.tracking,
            f"{cell.arm.name}, seed {cell.seed}",
            job.runs.get(cell.arm.name),
            cell_tags(job.name, cell),
            folder=folder,
            patient=True,
        )

    def report(step: int, evaluation: Evaluation, verdict: Verdict) -> None:
        cells.goes_on(claim, tracker.run_id)
        if stop.wished and step < config.training.steps:
            raise Interrupted(f"stopped at step {step}")

    try:
        cells.goes_on(claim, tracker.run_id)
        stop.heed()
        result = train(config, tracker, report, progress)
        sentences = config.training.steps * config.training.batch_size
        found = measured(result, sentences)
        tracker.metrics(found.statistics, config.training.steps)
        painted = painting_bytes(_painted(folder, config))
        with stop.undisturbed():  # what is finished is not taken back
            cells.finished(claim, to_json(found), painted)
            tracker.close("FINISHED")
            cells.goes_on(claim, tracker.run_id)
        (folder / checkpoints.NAME).unlink(missing_ok=True)
    except (Interrupted, KeyboardInterrupt, UserError) as error:  # says nothing about the cell
        with stop.undisturbed():
            try:
                cells.returned(claim)
            finally:  # also when it is the database of the cells that failed
                tracker.close("KILLED")
        if not isinstance(error, Interrupted):
            raise
    except Overtaken:
        tracker.close("KILLED")
        raise
    except Exception as error:
        with stop.undisturbed():
            _fail(job, cells, claim, tracker, error)


def _end_left(tracking: TrackingConfig, run_id: str | None) -> None:
    """End the run of the attempt before, whose worker is gone."""
    try:
        if run_id is not None:
            end_left(tracking, run_id, "KILLED")
    except UserError as error:
        logger.warning("%s. `python -m studies doctor --fix` closes the run later", error)


def cell_tags(ablation: str, cell: Cell) -> dict[str, object]:
    """What the tracker's lists can be grouped and filtered by."""
    priors = ", ".join(cell.arm.priors)
    return {"kind": "cell", "ablation": ablation, "arm": cell.arm.name, "group": cell.arm.group} | {
        "prior": priors or "none",
        "seed": cell.seed,
        "cell": cell.key,
    }


def _fail(job: Job, cells: Cells, claim: Claim, tracker: MlflowTracker, error: Exception) -> None:
    """Write down why a cell failed; one that diverged would do so again."""
    certain = isinstance(error, Diverged)
    why = shown(str(error) if certain else repr(error))
    attempts = job.settings.retries + 1 if certain else claim.attempt
    try:
        cells.failed(claim, why, attempts)
    finally:
        tracker.close("FAILED", traceback.format_exc())
    logger.warning("%s, seed %s failed: %s", claim.cell.arm.name, claim.cell.seed, why)


def _checkpoint(folder: Path) -> Path | None:
    """What an interrupted attempt has left, if it can be read; a folder without it is emptied."""
    try:
        checkpoints.load(folder)
    except UserError:  # none, damaged, or on another machine
        (folder / checkpoints.NAME).unlink(missing_ok=True)
        return None
    return folder


def _painted(folder: Path, config: Config) -> Pictures:
    corpus = corpus_of(config.data)
    model = trained_model(checkpoints.load(folder), corpus.vocabulary_size)
    return paint(model, corpus.fixed, SENTENCES, SENTENCES)
