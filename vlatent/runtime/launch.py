"""Launching workers in the three ways there are, and showing what they do."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.progress import Progress
from rich.text import Text

from vlatent.runtime.interruption import Stop, gentle_interruption
from vlatent.runtime.ray_tasks import run_ray
from vlatent.runtime.settings import WorkSettings
from vlatent.runtime.workers import run_processes

# What a worker does: take one piece of a job after the other until none is left. It is called with
# the job, its `Stop` and, in this process, with `look` and a progress display.
WorkerLoop = Callable[..., None]


def carry_out(
    work: WorkerLoop,
    job: object,
    settings: WorkSettings,
    stop: Stop,
    progress: Progress,
    unit: str,
    total: int,
    news: Callable[[], tuple[int, Sequence[Text]]],
    promise: str,
) -> None:
    """Let workers do a job until nothing of it is left: in this process, in others or on Ray.

    Args:
        work: A function of a module.
        job: What can be pickled.
        settings: How many workers, and where.
        stop: Requested by the first signal; the second one stops at once.
        progress: A running display.
        unit: What the job consists of, `trials` for instance.
        total: How many of them there are.
        news: How many are over by now, and a line for each that ended since the last call, whoever
            has trained it.
        promise: What the first signal does, in words.

    Raises:
        UserError: What a worker raised, or that no worker can be started.
        KeyboardInterrupt: A second signal.
    """
    bar = progress.add_task(unit, total=total)

    def look() -> None:
        over, lines = news()
        for line in lines:
            progress.console.print(line, soft_wrap=True)
        progress.update(bar, completed=over)

    with gentle_interruption(stop, promise):
        look()
        if settings.launcher == "ray":
            run_ray(work, job, settings, stop, look)
        elif settings.workers > 1:
            run_processes(work, job, settings.workers, stop, look)
        else:
            work(job, stop, look, progress)
        look()
