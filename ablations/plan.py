"""The plan of an ablation: what will be trained, how long it takes, and what it can show."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from ablations.arms import families, family_sizes
from ablations.cells import Cell, Cells
from ablations.question import Ablation
from ablations.rates import SEEDS
from ablations.sentences import power_lines
from ablations.settings import AblationConfig
from ablations.timing import seconds_a_cell
from ablations.worker import AblationJob
from vlatent.config import Config
from vlatent.console import console
from vlatent.effects import smallest_p
from vlatent.intervals import ALPHA
from vlatent.runtime.addresses import shown

logger = logging.getLogger(__name__)

MOST = 20  # seeds that are proposed; beyond, p becomes no smaller


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
    if left and not settings.report and isinstance(config, Config):
        _print_time(left, seconds_a_cell(config), settings.workers)
    tested = families(job.arms)
    sizes = family_sizes((*job.arms, *ablation.untested))
    _warn_of_few({name: sizes[name] for name in tested}, settings.seeds)
    if tested and settings.seeds > 1:
        for line in power_lines({name: sizes[name] for name in tested}, settings.seeds):
            console.print(line)
    if ablation.predictions:
        console.print("Predicted before any result:")
        for prediction in ablation.predictions:
            console.print(f"  {prediction}")
    if settings.plan and settings.retune:
        studies = len(ablation.retuned(config))
        console.print(
            f"Before that, {studies} studies of {settings.retune} trials search the other weights "
            "again."
        )
    if settings.plan and ablation.rates:
        runs = len(ablation.all_arms(config)) * len(ablation.rates) * SEEDS
        console.print(f"Before that, {runs} cells find the best learning rate of every arm.")


def _warn_of_few(sizes: Mapping[str, int], seeds: int) -> None:
    """Warn of families in which nothing can be established, and say how many seeds could."""
    for name, tests in sizes.items():
        smallest = min(tests * smallest_p(seeds), 1)
        if smallest < ALPHA:
            continue
        enough = next((n for n in range(seeds, MOST) if tests * smallest_p(n) < ALPHA), None)
        logger.warning(
            "with %s seeds nothing can be established in the family of %s tests (%s), only "
            "suggested: p is %.2g or more after Holm's correction%s",
            *(seeds, tests, name, smallest),
            f"; give --ablation.seeds {enough}" if enough else "",
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
