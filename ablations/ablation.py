"""Runs any ablation: plans its cells, lets workers train them, says what was found."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace

from rich.text import Text

from ablations import closing, report
from ablations.arms import Arm, families, weight, weight_of
from ablations.cells import Cell, Cells, planned
from ablations.comparison import Table, table_of
from ablations.measurement import from_json
from ablations.question import Ablation
from ablations.settings import AblationConfig
from ablations.timing import seconds_a_cell
from ablations.worker import Job, cell_tags, work
from vlatent.command_line import Parser
from vlatent.config import Config, build, fingerprint, flatten, from_yaml, override, to_yaml
from vlatent.effects import smallest_p
from vlatent.names import claim
from vlatent.runtime.addresses import credentials, place_of, shown
from vlatent.runtime.interruption import Stop, gentle_interruption, interruption
from vlatent.runtime.workers import run_processes, run_ray
from vlatent.screen import console, progress_display
from vlatent.shapes import UserError
from vlatent.tracking import (
    Status,
    amend_run,
    deliver,
    end_left,
    journals,
    keep_view,
    open_run,
    own_label,
    recorded_runs,
    reopen_run,
    runs_left,
)
from vlatent.training import corpus_for, placement

logger = logging.getLogger(__name__)

FEW = 6  # seeds below which nothing can be established


def main(ablation: Ablation, arguments: Sequence[str]) -> int:
    """Run an ablation from the command line, or continue it, and say what it found."""
    config, settings = _read(ablation, arguments)
    placement(config.training)  # bad input is found before anything is written
    corpus = corpus_for(config)
    name = settings.name or ablation.name
    ablation = _only(ablation, settings.arms, config)
    arms = ablation.all_arms(config)
    seeds = range(settings.first_seed, settings.first_seed + settings.seeds)
    cells = Cells(settings.storage, settings.folder)
    again = [] if settings.plan or not settings.retune else ablation.retuned
    expected = [*arms, *(_retuned(prior, {}) for prior in again)]
    plan = planned(config, expected, seeds, corpus.fingerprint)
    if not (settings.plan or settings.report) and (settings.again or _left(plan, cells, settings)):
        closing.check(ablation, config, plan)
    arms += [_searched(config, settings, name, prior) for prior in again]
    plan = planned(config, arms, seeds, corpus.fingerprint)
    if settings.again:
        cells.forget_failures(plan)
    console.print(f"{corpus}", markup=False)
    _print_plan(ablation, name, config, settings, arms, plan, cells)
    if settings.plan:
        return 0
    stop = Stop()
    with interruption(stop):
        with stop.undisturbed():  # runs that have begun must come to their end below
            runs = _runs(ablation, name, config, settings, arms, cells)
        job = Job(name, tuple(plan), settings, runs)
        try:
            _settle(job, config, cells)
            stop.heed()
            _find(ablation, job, config, cells, stop)
        except KeyboardInterrupt:
            console.print(
                f"Stopped after {_over(job, cells)} of {len({c.key for c in plan})} cells; the "
                "same command goes on from there."
            )
            with stop.undisturbed():
                _end(job, config, cells, "KILLED")
            raise
        except BaseException:
            with stop.undisturbed():
                _end(job, config, cells, "FAILED", traceback.format_exc())
            raise
    return 0


def _find(ablation: Ablation, job: Job, config: Config, cells: Cells, stop: Stop) -> None:
    """Train what is missing and say what was found, once nothing is left to be trained.

    Raises:
        UserError: Every cell failed, or nobody is left who trains those that are missing.
        KeyboardInterrupt: A stop was wished.
    """
    began = time.perf_counter()
    if not job.settings.report:
        _carry_out(job, cells, stop)
    table = _table(job, cells)
    if stop.wished:
        raise stop.interruption()
    over, count = _over(job, cells), len({cell.key for cell in job.cells})
    if over < count and not job.settings.report:  # however its workers have ended
        raise UserError(
            f"no worker is left after {over} of {count} cells; the same command goes on from there."
        )
    if not table.cells:
        reasons = dict.fromkeys(table.holes.values())
        raise UserError(f"every cell failed: {'; '.join(reasons)}")
    _settle(job, config, cells)
    _link(job, config, table)
    folder = job.settings.folder / "ablations" / job.name
    closing.close(ablation, job, config, table, cells, folder, time.perf_counter() - began)


def _read(ablation: Ablation, arguments: Sequence[str]) -> tuple[Config, AblationConfig]:
    script = f"python -m ablations.{ablation.name}"
    parser = Parser(
        prog=script,
        description=f"{ablation.question} Arms are trained on the same seeds, from the same "
        "initial weights and on the same batches as the base, and compared seed by seed. What was "
        "trained once, by whichever ablation, is not trained again; running the same command "
        "again goes on where it stopped.",
        own="ablation",
        examples=(
            f"{script} --config configs/quick.yaml --ablation.plan true",
            f"{script} --config configs/quick.yaml --ablation.seeds 8 --ablation.workers 2",
        ),
    )
    parser.add_argument("--config", action="config", help="A YAML file; the later one wins.")
    parser.add_class_arguments(Config, nested_key=None)
    parser.add_class_arguments(AblationConfig, nested_key="ablation")
    values = parser.checked(arguments)
    study = values["ablation"].from_study
    if study is not None:
        best = values["ablation"].folder / study / "best.yaml"
        if not best.is_file():
            raise UserError(
                f"ablation.from_study {study} has no {best}: no trial of it passes every "
                "criterion, or it was run in another folder; run `python -m studies status "
                f"{study}`, or give --config {best.with_name('nearest.yaml')}."
            )
        at = max((i + 2 for i, a in enumerate(arguments) if a == "--config"), default=0)
        values = parser.checked([*arguments[:at], "--config", str(best), *arguments[at:]])
    settings: AblationConfig = values["ablation"]
    return build(values), settings


def _only(ablation: Ablation, names: Sequence[str], config: Config) -> Ablation:
    """The ablation with these of its arms, or all, and the predictions about them."""
    known = {arm.name: arm for arm in ablation.arms(config)}
    for name in names:
        if name not in known:
            raise UserError(
                f"ablation.arms has {name!r}, which is no arm of {ablation.name}; there are "
                f"{', '.join(known)}."
            )
    chosen = {name: arm for name, arm in known.items() if name in names or not names}
    told = [prediction for prediction in ablation.predictions if prediction.arm in chosen]
    retuned = () if names else ablation.retuned
    arms = list(chosen.values())
    return replace(ablation, arms=lambda base: arms, predictions=told, retuned=retuned)


def _searched(config: Config, settings: AblationConfig, name: str, prior: str) -> Arm:
    """The base without a prior, the other weights searched again: by the command for studies."""
    study = f"{name}-without-{prior}"
    place = settings.folder / "ablations" / name / f"without_{prior}.yaml"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(to_yaml(override(config, {weight(prior): 0.0})), encoding="utf-8")
    console.rule(f"Searching the other weights again, without {prior}")
    status = _carried_out(
        [
            *(sys.executable, "-m", "studies.loss_weights", "--config", str(place)),
            *("--study.name", study, "--study.trials", str(settings.retune)),
            *("--study.workers", str(settings.workers), "--study.confirm", "0"),
            *("--study.folder", str(settings.folder)),
        ],
        credentials(config.tracking.uri or ""),
    )
    found = [settings.folder / study / file for file in ("best.yaml", "nearest.yaml")]
    known = [file for file in found if file.is_file()]
    if status or not known:
        raise UserError(f"study {study} did not come to its end; ablation.retune 0 leaves it away.")
    best = from_yaml(known[0].read_text(encoding="utf-8"))
    changes = {weight(each): weight_of(best, each) for each, _ in best.priors}
    return _retuned(prior, changes)


def _carried_out(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Another command's status; what stops this one stops that in good order, or at once.

    It is in a group of its own: what a terminal sends to all would else reach it twice. A signal
    that arrives while it is being started waits until there is something to stop.
    """
    stop, other = Stop(), None
    with interruption(stop):
        try:
            with stop.undisturbed():
                other = subprocess.Popen(command, process_group=0, env=os.environ | environment)
            stop.heed()
            return other.wait()
        except KeyboardInterrupt:
            if other is not None:
                other.terminate()
                try:
                    other.wait()
                except KeyboardInterrupt:
                    other.terminate()
            raise


def _retuned(prior: str, changes: Mapping[str, object]) -> Arm:
    return Arm(f"without {prior}, retuned", "retuned", changes, (prior,))


def _print_plan(
    ablation: Ablation,
    name: str,
    config: Config,
    settings: AblationConfig,
    arms: Sequence[Arm],
    plan: Sequence[Cell],
    cells: Cells,
) -> None:
    keys = {cell.key for cell in plan}
    left = _left(plan, cells, settings)
    console.print(ablation.question, style="bold")
    console.print(
        f"Ablation {name}: {len(arms)} arms x {settings.seeds} seeds = {len(keys)} cells of "
        f"{config.training.steps} steps, {len(keys) - left} of them known, {left} to train; "
        f"{shown(settings.storage)}"
    )
    if left and not settings.report:
        seconds = seconds_a_cell(config)
        total = left * seconds / settings.workers
        console.print(
            f"A cell takes about {seconds:.0f} s here, all about {_duration(total)} with "
            f"{settings.workers} {'worker' if settings.workers == 1 else 'workers'}, if they do "
            "not slow each other down."
        )
    if settings.seeds < FEW:
        logger.warning(
            "with %s seeds the smallest possible p is %.2g: nothing can be established, only "
            "suggested; give --ablation.seeds 8",
            settings.seeds,
            smallest_p(settings.seeds),
        )
    if families(arms) and settings.seeds > 1:
        for line in report.power_lines(arms, settings.seeds):
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


def _left(plan: Sequence[Cell], cells: Cells, settings: AblationConfig) -> int:
    known = cells.read({cell.key for cell in plan})
    return sum(not entry.over(settings.retries) for entry in known.values())


def _carry_out(job: Job, cells: Cells, stop: Stop) -> None:
    """Let workers train until every cell is over, and show what they do."""
    settings = job.settings
    keys = list(dict.fromkeys(cell.key for cell in job.cells))
    of_key = {cell.key: cell for cell in reversed(job.cells)}
    known = cells.read(keys)
    told = {key for key in keys if known[key].over(settings.retries)}
    if len(told) == len(keys):
        return
    began = time.monotonic()
    with (
        progress_display() as progress,
        gentle_interruption(stop, "Cells end at their next evaluation and keep it."),
    ):
        bar = progress.add_task("cells", total=len(keys), completed=len(told))

        def look() -> None:
            """Print the cells that ended since the last look, whoever trained them."""
            known = cells.read(keys)
            for key in keys:
                if key not in told and known[key].over(settings.retries):
                    told.add(key)
                    line = _cell_line(of_key[key], known[key].result, known[key].reason)
                    count = f"{len(told)}/{len(keys)}"
                    passed = _duration(time.monotonic() - began)
                    progress.console.print(f"{count:>9}  {passed:>8} ", line, soft_wrap=True)
            progress.update(bar, completed=len(told))

        if settings.launcher == "ray":
            run_ray(work, job, settings.workers, stop, look, settings.cpus, settings.gpus)
        elif settings.workers > 1:
            run_processes(work, job, settings.workers, stop, look)
        else:
            work(job, stop, look, progress)
        look()


def _cell_line(cell: Cell, result: str | None, reason: str | None) -> Text:
    head = f"{f'{cell.arm.name}, seed {cell.seed}':<42} "
    if result is None:
        return Text.assemble(head, ("failed", "red"), f"  {reason or 'its worker died'}")
    found = from_json(result)
    broken = [criterion.name for criterion in found.criteria if not criterion.holds]
    said = f"violates {', '.join(broken)}" if broken else "passes every criterion"
    return Text(f"{head}{said}  {found.seconds:.0f} s")


def _table(job: Job, cells: Cells) -> Table:
    known = cells.read({cell.key for cell in job.cells})
    found = {key: from_json(entry.result) for key, entry in known.items() if entry.result}
    why = {
        key: (entry.reason or f"its worker died, {entry.attempts} times")
        if entry.over(job.settings.retries)
        else "not trained yet"
        for key, entry in known.items()
        if entry.result is None
    }
    return table_of(job.cells, found, why)


def _over(job: Job, cells: Cells) -> int:
    known = cells.read({cell.key for cell in job.cells})
    return sum(entry.over(job.settings.retries) for entry in known.values())


def _runs(
    ablation: Ablation,
    name: str,
    config: Config,
    settings: AblationConfig,
    arms: Sequence[Arm],
    cells: Cells,
) -> dict[str, str | None]:
    """Ids of the ablation's own run, under the empty name, and of its arms'; made if need be."""
    labels = {"ablation": name, "base": fingerprint(config), "version": str(settings.first_seed)}
    folder = settings.folder / "ablations" / name
    runs: dict[str, str | None] = {}
    uid = cells.uid()
    claim(folder, uid, place_of(settings.storage), "ablation")
    with cells.lock(f"ablation {name}"):
        mine = [
            run.run_id
            for run in recorded_runs(config.tracking, labels | {"kind": "ablation"})
            if run.tags.get("uid", uid) == uid  # an older one has none
        ]
        parent = mine[-1] if mine else None
        if parent is None:
            run = open_run(
                config.tracking,
                f"ablation/{name}",
                tags=labels | {"kind": "ablation", "uid": uid},
                folder=folder,
            )
            values = asdict(settings) | {"storage": shown(settings.storage)}
            run.params({f"ablation.{key}": value for key, value in values.items()})
            run.params(flatten(config))
            run.note(ablation.question)
            run.flush()
            parent = run.run_id
        else:
            amend_run(config.tracking, parent, own_label())
        keep_view(config.tracking, closing.view(name, config))
        runs[""] = parent
        known: dict[str | None, str | None] = {
            each.tags.get("arm"): each.run_id
            for each in recorded_runs(config.tracking, labels | {"kind": "arm"})
            if each.tags.get("mlflow.parentRunId") == parent
        }
        for arm in arms:
            if arm.name not in known:
                tags = labels | {"kind": "arm", "arm": arm.name, "group": arm.group}
                tags |= {"prior": ", ".join(arm.priors) or "none"}
                run = open_run(config.tracking, arm.name, parent, tags, folder=folder)
                run.params(flatten(override(config, arm.changes)))
                run.flush()
                known[arm.name] = run.run_id
            runs[arm.name] = known[arm.name]
    return runs


def _link(job: Job, config: Config, table: Table) -> None:
    """Give a cell that another ablation has trained a run below its arm here, with its results."""
    here = {
        (each.tags.get("mlflow.parentRunId"), each.tags.get("cell"))
        for each in recorded_runs(config.tracking, {"ablation": job.name, "kind": "cell"})
    }
    for cell in job.cells:
        found = table.cells.get((cell.arm.name, cell.seed))
        parent = job.runs[cell.arm.name]
        if found is None or (parent, cell.key) in here:
            continue
        folder = job.settings.folder / "cells" / cell.key
        tags = cell_tags(job.name, cell) | {"trained_by": "another ablation"}
        label = f"{cell.arm.name}, seed {cell.seed}"
        run = open_run(config.tracking, label, parent, tags, folder=folder)
        run.params(flatten(cell.config))
        run.metrics(found.statistics, cell.config.training.steps)
        run.close("FINISHED")


def _settle(job: Job, config: Config, cells: Cells) -> None:
    """End the runs of cells whose workers are gone, once all that they have left is delivered.

    Raises:
        UserError: The tracker cannot be used.
    """
    known = cells.read({cell.key for cell in job.cells})
    for key in known:
        for journal in journals(job.settings.folder / "cells" / key):
            deliver(journal, config.tracking)
    finished = {entry.run_id for entry in known.values() if entry.result is not None}
    for run in runs_left(config.tracking, {"ablation": job.name, "kind": "cell"}):
        status: Status = "FINISHED" if run.run_id in finished else "KILLED"
        end_left(config.tracking, run.run_id, status)


def _end(job: Job, config: Config, cells: Cells, status: Status, error: str | None = None) -> None:
    """Close the ablation's own run and its arms' when it did not come to its end."""
    folder = job.settings.folder / "ablations" / job.name
    try:
        _settle(job, config, cells)
        for run_id in filter(None, job.runs.values()):
            if run_id == job.runs[""]:
                reopen_run(config.tracking, run_id, folder=folder).close(status, error)
            else:
                end_left(config.tracking, run_id, status)
    except UserError as problem:  # the tracker is away; no cell depends on it
        console.print(f"{problem}. The same command records the ablation when it is back.")


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
