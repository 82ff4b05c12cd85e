"""Readers of what earlier versions recorded as params, metrics and tags instead of files."""

from __future__ import annotations

from collections.abc import Sequence

from studies.result import Basis
from vlatent.evaluation import Evaluation
from vlatent.tracking import RecordedRun, TrackingConfig, metric_history

# What may differ between a trial and its confirmations: no param that changes what is trained.
OF_A_RUN = ("training.seed", "training.folder")


def evaluations_of(
    run: RecordedRun, tracking: TrackingConfig, size: tuple[int, int] | None
) -> tuple[Evaluation, ...]:
    """A run's evaluations from its metrics: the last whole, those before as criteria need them.

    Args:
        run: The run.
        tracking: Where it was recorded.
        size: Height and width of its latents, if they were compared with photographs.
    """
    counts = dict(metric_history(tracking, run.run_id, "channels_in_band"))
    if not counts:
        return ()
    channels: dict[str, dict[int, str]] = {}
    for name in run.metrics:
        if (place := _channel(name)) is not None:
            statistic, channel = place
            channels.setdefault(statistic, {})[channel] = name
    ordered = {key: [names[i] for i in sorted(names)] for key, names in channels.items()}
    variation = [
        dict(metric_history(tracking, run.run_id, name)) for name in ordered["total_variation"]
    ]
    history = [
        Evaluation(
            step,
            {"channels_in_band": count},
            {"total_variation": [by_step[step] for by_step in variation]},
        )
        for step, count in counts.items()
    ]
    values = {key: [run.metrics[name] for name in names] for key, names in ordered.items()}
    return (*history[:-1], Evaluation(history[-1].step, dict(run.metrics), values, size))


def _channel(metric: str) -> tuple[str, int] | None:
    """Statistic and channel of a metric: `statistic_by_channel/alpha_3` or `alpha/channel_3`."""
    group, _, name = metric.partition("/")
    label, _, number = name.rpartition("_")
    if group != "statistic_by_channel":
        label, number = group, number if label == "channel" else ""
    if not number.isdecimal():
        return None
    return "spectrum" if label == "alpha" else label, int(number)


def confirmations_of(trial: RecordedRun, runs: Sequence[RecordedRun]) -> list[RecordedRun]:
    """The confirmation runs that trained this trial's config, on other seeds."""
    return [run for run in runs if _trained(run) == _trained(trial)]


def _trained(run: RecordedRun) -> dict[str, str]:
    return {name: text for name, text in run.params.items() if name not in OF_A_RUN}


def leader_of(study: RecordedRun) -> tuple[int, Basis] | None:
    """The trial that a study named and why, from its metrics; None if it named none yet."""
    number = study.metrics.get("best/trial")
    if number is None:
        return None
    measured = {name for name in study.metrics if name.startswith("best/")}
    basis: Basis = "search"
    if len(measured - {"best/trial", "best/feasible"}) > 1:
        basis = "knee"
    elif not study.metrics.get("best/feasible", 1.0):
        basis = "nearest"
    elif "confirmed/mean" in study.metrics:
        basis = "confirmed"
    return round(number), basis
