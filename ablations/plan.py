"""The plan of an ablation: what will be trained, how long it takes, and what it can show."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from ablations.arms import families, family_sizes
from ablations.cells import Cell, Cells
from ablations.question import Ablation
from ablations.sentences import power_lines
from ablations.settings import AblationConfig
from ablations.timing import seconds_a_cell
from ablations.worker import AblationJob
from vlatent.console import console
from vlatent.effects import smallest_p
from vlatent.runtime.addresses import shown

logger = logging.getLogger(__name__)

FEW = 6  # seeds below which nothing can be established


def print_plan(ablation: Ablation, job: AblationJob, cells: Cells) -> None:
    """Print question, cells, expected time, statistical power and predictions."""
    config, settings = job.config, job.settings
    left = missing(job.cells, cells, settings)
    console.print(ablation.question, style="bold")
    console.print(
        f"Ablation {job.name}: {len(job.arms)} arms x {settings.seeds} seeds = {len(job.keys)} "
        f"cells of {config.training.steps} steps, {len(job.keys) - left} of them known, {left} to "
        f"train; {shown(settings.storage)}"
    )
    if left and not settings.report:
        _print_time(left, seconds_a_cell(config), settings.workers)
    if settings.seeds < FEW:
        logger.warning(
            "with %s seeds the smallest possible p is %.2g: nothing can be established, only "
            "suggested; give --ablation.seeds 8",
            settings.seeds,
            smallest_p(settings.seeds),
        )
    tested = families(job.arms)
    if tested and settings.seeds > 1:
        sizes = family_sizes((*job.arms, *ablation.untested))
        for line in power_lines({name: sizes[name] for name in tested}, settings.seeds):
            console.print(line)
    if ablation.predictions:
        console.print("Predicted before any result:")
        for prediction in ablation.predictions:
            console.print(f"  {prediction}")
    if settings.plan and settings.retune:
        console.print(
            f"Before that, {len(ablation.retuned)} studies of {settings.retune} trials search the "
            "other weights again."
        )


def _print_time(cells: int, seconds: float, workers: int) -> None:
    console.print(
        f"A cell takes about {seconds:.0f} s here, all about {duration(cells * seconds / workers)} "
        f"with {workers} {'worker' if workers == 1 else 'workers'}, assuming no contention."
    )


def missing(plan: Sequence[Cell], cells: Cells, settings: AblationConfig) -> int:
    """How many cells are still to be trained."""
    entries = cells.read({cell.key for cell in plan})
    return sum(not entry.over(settings.retries) for entry in entries.values())


def duration(seconds: float) -> str:
    """A time in words, such as 3 min 05 s."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
