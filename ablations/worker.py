"""The worker: takes one cell after the other until none is left."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rich.progress import Progress

from ablations.arms import Arm
from ablations.cells import Cell, Cells, Claim, Reassigned
from ablations.measurement import SENTENCES, latents_to_bytes, measured_of, to_json
from ablations.problem import ablation_at
from ablations.settings import AblationConfig
from vlatent import checkpoints
from vlatent.config import Config, RunConfig, override
from vlatent.dependence import encode
from vlatent.evaluation import Evaluation, Verdict
from vlatent.models import trained_model
from vlatent.preparation import corpus_of
from vlatent.reading_back import ReadBackConfig, fixed_read
from vlatent.runtime.addresses import shown
from vlatent.runtime.interruption import Stop
from vlatent.shapes import UserError
from vlatent.step import Diverged
from vlatent.tracking import Status, TrackingConfig, end_orphaned, open_run, recorded, traceback_of
from vlatent.workload import ENCODER, Workload

logger = logging.getLogger(__name__)

PAUSE = 1.0  # seconds between two looks at what the other workers do


# Errors that say nothing about the cell: its worker stops, and another attempt goes on.
STOPPED = (KeyboardInterrupt, UserError, Reassigned)


class Returned(RuntimeError):
    """A stop was requested; the cell goes on from its last evaluation another time."""


@dataclass(frozen=True)
class AblationJob:
    """An ablation, as it can be handed to another process.

    Attributes:
        name: Name of the ablation.
        config: The base.
        arms: All arms, the base first.
        cells: All cells, in the order in which they are trained.
        settings: How it is done.
        runs: Id of every arm's run in the tracker, and of the ablation's under the empty name.
        corpus: Digests of all that the base reads, by its name.
        source: Path of the user's own problem or ablation; empty for one of this package.
        ours: What is trained, where it is one of this package.
        sources: Digests of the files of the base's own priors and terms, by their dotted names.
    """

    name: str
    config: RunConfig
    arms: tuple[Arm, ...]
    cells: tuple[Cell, ...]
    settings: AblationConfig
    runs: Mapping[str, str | None] = field(default_factory=dict)
    corpus: Mapping[str, str] = field(default_factory=dict)
    source: str = ""
    sources: Mapping[str, str] = field(default_factory=dict)
    ours: Workload = ENCODER

    @property
    def workload(self) -> Workload:
        return ablation_at(self.source).workload if self.source else self.ours

    @property
    def folder(self) -> Path:
        return self.settings.folder / "ablations" / self.name

    @property
    def keys(self) -> list[str]:
        """The cells' keys, those that several arms share once."""
        return list(dict.fromkeys(cell.key for cell in self.cells))


def work(
    job: AblationJob,
    stop: Stop,
    look: Callable[[], None] = lambda: None,
    progress: Progress | None = None,
) -> None:
    """Train cells until all are over, together with whoever else does.

    Raises:
        UserError: An environment error; the cell stays free.
    """
    job.workload.require_planned(job.config, job.corpus, job.sources)
    settings = job.settings
    cells = Cells(settings.storage, settings.folder)
    while not stop.requested:
        claim = cells.claim(job.cells, settings.retries)
        if claim is not None:
            try:
                train_cell(job, cells, claim, stop, progress)
            except Reassigned as error:  # by one that counts
                logger.warning("%s", error)
            finally:
                claim.release()
            look()
            continue
        entries = cells.read(job.keys)
        if all(entry.over(settings.retries) for entry in entries.values()):
            return
        time.sleep(PAUSE)  # the rest is trained by others, who may die
        look()


class _CellRun:
    """A cell that is being trained, its run in the tracker, and its result once there is one."""

    def __init__(self, job: AblationJob, cells: Cells, claim: Claim, config: RunConfig) -> None:
        _end_orphaned(config.tracking, claim.left)
        cell = claim.cell
        self.result: tuple[str, bytes | None] | None = None
        self.tracker = open_run(
            config.tracking,
            cell.label,
            job.runs.get(cell.arm.name),
            cell_tags(job.name, cell),
            folder=cells.place(cell),
            patient=True,
        )
        self._cells, self._claim, self._retries = cells, claim, job.settings.retries

    def goes_on(self) -> None:
        """Write down the run; it has no id as long as the tracker is away.

        Raises:
            Reassigned: Another worker has the cell now.
        """
        self._cells.goes_on(self._claim, self.tracker.run_id)

    def end(self, status: Status, error: BaseException | None) -> None:
        """Write down what came of the cell, then close its run."""
        if error is None:
            assert self.result is not None
            self._cells.finished(self._claim, *self.result)
            self.tracker.close(status)
            self.goes_on()
            return
        try:
            if status == "FAILED":
                self._fail(error)
            elif not isinstance(error, Reassigned):
                self._cells.returned(self._claim)
        finally:  # also when it is the database of the cells that failed
            self.tracker.close(status, traceback_of(status, error))

    def _fail(self, error: BaseException) -> None:
        """Write down why the cell failed; one that diverged would do so again."""
        certain = isinstance(error, Diverged)
        why = shown(str(error) if certain else repr(error))
        attempts = self._retries + 1 if certain else self._claim.attempt
        self._cells.failed(self._claim, why, attempts)
        logger.warning("%s failed: %s", self._claim.cell.label, why)


def train_cell(
    job: AblationJob, cells: Cells, claim: Claim, stop: Stop, progress: Progress | None = None
) -> None:
    """Train one cell, from its last checkpoint if it has one, and write down what came of it.

    Raises:
        UserError: An environment error; the cell stays free.
        Reassigned: Another worker has it now.
    """
    folder, workload = cells.place(claim.cell), job.workload
    config = _config(job, workload, claim.cell, folder)

    def report(step: int, evaluation: Evaluation, verdict: Verdict) -> None:
        run.goes_on()
        if stop.requested and step < config.training.steps:
            raise Returned(f"stopped at step {step}")

    try:
        with recorded(
            stop, lambda: _CellRun(job, cells, claim, config), _CellRun.end, (*STOPPED, Returned)
        ) as run:
            run.goes_on()
            result = workload.train(config, run.tracker, report, progress)
            statistics = measured_of(result, config)
            run.tracker.metrics(statistics.statistics, config.training.steps)
            run.result = to_json(statistics), _of_fixed_sentences(folder, config)
    except STOPPED:
        raise
    except Exception:  # it is written down; the other cells go on
        return
    for weights in folder.glob("*.pt"):  # they are large
        weights.unlink()


def _config(job: AblationJob, workload: Workload, cell: Cell, folder: Path) -> RunConfig:
    """The cell's config, in its folder and from its checkpoint; figures of the first seed only."""
    first = cell.seed == job.cells[0].seed
    placed: RunConfig = workload.placed(cell.config, folder, _checkpoint(folder))
    return override(placed, {"tracking.figures": bool(cell.config.tracking.figures) and first})


def _end_orphaned(tracking: TrackingConfig, run_id: str | None) -> None:
    """End the run of the attempt before, whose worker is gone."""
    try:
        if run_id is not None:
            end_orphaned(tracking, run_id, "KILLED")
    except UserError as error:
        logger.warning("%s. `vlatent doctor --fix` closes the run later", error)


def cell_tags(ablation: str, cell: Cell) -> dict[str, object]:
    """What the tracker's lists can be grouped and filtered by."""
    priors = ", ".join(cell.arm.priors)
    return {"kind": "cell", "ablation": ablation, "arm": cell.arm.name, "group": cell.arm.group} | {
        "prior": priors or "none",
        "seed": cell.seed,
        "cell": cell.key,
    }


def _checkpoint(folder: Path) -> Path | None:
    """What an interrupted attempt has left, if it can be read; a folder without it is emptied."""
    try:
        checkpoints.load(folder)
    except UserError:  # none, damaged, or on another machine
        (folder / checkpoints.NAME).unlink(missing_ok=True)
        return None
    return folder


def _of_fixed_sentences(folder: Path, config: RunConfig) -> bytes | None:
    """Latents of the first fixed sentences and readings of them; None of what has no latents."""
    if not isinstance(config, Config):
        return None
    corpus = corpus_of(config.data)
    model = trained_model(checkpoints.load(folder), corpus.vocabulary_size)
    latents = encode(model, corpus.fixed, SENTENCES, SENTENCES)
    read = fixed_read(folder, config, SENTENCES) if isinstance(config, ReadBackConfig) else ()
    return latents_to_bytes(latents, read)
