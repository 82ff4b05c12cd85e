"""The command of every ablation: plans its cells, lets workers train them, reports the results."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from rich.text import Text

from ablations import report, runs
from ablations.cells import Cell, Cells, Entry, planned
from ablations.comparison import Table, table_of
from ablations.measurement import from_json
from ablations.plan import duration, missing, print_plan
from ablations.problem import ablation_at
from ablations.question import Ablation
from ablations.rates import rated
from ablations.result import AblationResult
from ablations.retuning import retuned_arm, searched
from ablations.settings import AblationConfig
from ablations.worker import AblationJob, work
from vlatent.command_line import Parser, run
from vlatent.config import Config, RunConfig, add_settings, build_of, override
from vlatent.console import console, progress_display
from vlatent.corpus import Corpus, corpus_fingerprint
from vlatent.own_questions import absolute, handed_over
from vlatent.own_sources import part_sources
from vlatent.preparation import corpus_lines
from vlatent.problem import Problem
from vlatent.runtime.interruption import Stop, interruption
from vlatent.runtime.launch import carry_out
from vlatent.shapes import UserError
from vlatent.tracking import Status, recorded
from vlatent.workload import ENCODER


def main(ablation: Ablation, arguments: Sequence[str]) -> int:
    """Run an ablation from the command line, or continue it, and report its results."""
    carry_through(ablation, *read(ablation, arguments))
    return 0


def run_ablation(
    ablation: Ablation | Problem | str,
    config: RunConfig | None = None,
    settings: AblationConfig | None = None,
) -> AblationResult | None:
    """Run an ablation from Python, or continue it; its result is also printed and written down.

    Args:
        ablation: The ablation, a problem of one's own whose weights are left out, or the path of
            one of these. Workers beside this process need one that is a global of a file, below
            whose `if __name__ == "__main__":` this is called.
        config: The config of the base; None takes the defaults.
        settings: How it is done, as `--ablation.*` say it.

    Returns:
        What it came to; None of a plan.

    Raises:
        UserError: Bad input, before anything is written; or every cell failed.
    """
    path = (
        ablation if isinstance(ablation, str) else handed_over(ablation, ablation.name, "ablations")
    )
    asked = ablation_at(path)
    given = config or asked.workload.config_type()
    return carry_through(asked, given, settings or AblationConfig())


def carry_through(
    ablation: Ablation, given: RunConfig, settings: AblationConfig
) -> AblationResult | None:
    """Plan an ablation, let workers train its cells, and report; None of a plan.

    Raises:
        UserError: Bad input, before anything is written; or every cell failed.
    """
    config: RunConfig = ablation.base(ablation.workload.completed(given))
    corpus = ablation.workload.corpus(config)
    if settings.retune and not isinstance(config, Config):
        raise UserError("ablation.retune is for the priors of our encoder: leave it at 0.")
    ablation = ablation.restricted(settings.arms, config)
    for arm in ablation.arms(config):
        ablation.workload.completed(override(config, arm.changes))
    cells = Cells(settings.storage, settings.folder)
    job = _planned(ablation, config, settings, cells, corpus)
    if settings.again:
        cells.forget_failures(job.cells)
    if corpus is not None:
        assert isinstance(config, Config)
        console.print(corpus_lines(config, corpus), markup=False)
    print_plan(ablation, job, cells)
    if settings.plan:
        return None
    stop = Stop()

    def begin() -> AblationJob:
        return replace(job, runs=runs.begin(ablation, job, cells))

    def end(begun: AblationJob, status: Status, error: BaseException | None) -> None:
        if status == "KILLED":
            console.print(
                f"Stopped after {_over(begun, cells)} of {len(begun.keys)} cells; the same "
                "command goes on from there."
            )
        runs.end(begun, cells, status, error)

    with interruption(stop), recorded(stop, begin, end) as begun:
        runs.end_orphaned_runs(begun, cells)
        stop.check()
        result = _train_and_report(ablation, begun, cells, stop)
    return result


def command(ablation: Ablation) -> None:
    """Run an ablation as a program."""
    run(lambda arguments: main(ablation, arguments))


def _planned(
    ablation: Ablation,
    config: RunConfig,
    settings: AblationConfig,
    cells: Cells,
    corpus: Corpus | None,
) -> AblationJob:
    """Every arm on every seed, retuned arms among them once their weights are searched.

    The report is tried on made-up results first: what fails there would fail after hours.
    """
    name = settings.name or ablation.name
    arms = ablation.all_arms(config)
    seeds = range(settings.first_seed, settings.first_seed + settings.seeds)
    priors = [] if settings.plan or not settings.retune else ablation.retuned(config)
    expected = [*arms, *(retuned_arm(prior, {}) for prior in priors)]

    def read(arm_config: RunConfig) -> str:
        return corpus_fingerprint(ablation.workload.digests(arm_config, corpus))

    plan = planned(config, expected, seeds, read)
    trains = not (settings.plan or settings.report)
    if trains and (settings.again or missing(plan, cells, settings)):
        report.check(ablation, config, plan)
    if isinstance(config, Config):
        arms += [searched(config, settings, name, prior) for prior in priors]
        if ablation.rates and not settings.plan:
            config, arms = rated(ablation, arms, config, settings, carry_through)
    plan = planned(config, arms, seeds, read)
    digests, source = ablation.workload.digests(config, corpus), ablation.workload.source
    return AblationJob(
        *(name, config, tuple(arms), tuple(plan), settings),
        corpus=digests,
        source=absolute(source) if source else "",
        sources=part_sources(config),
        ours=ENCODER if source else ablation.workload,
    )


def _train_and_report(
    ablation: Ablation, job: AblationJob, cells: Cells, stop: Stop
) -> AblationResult:
    """Train what is missing, and report once nothing is left to be trained.

    Raises:
        UserError: Every cell failed, or no worker is left for those that are missing.
        KeyboardInterrupt: A stop was requested.
    """
    began = time.perf_counter()
    if not job.settings.report:
        _train(job, cells, stop)
    table = _table(ablation, job, cells)
    if stop.requested:
        raise stop.interruption()
    over, count = _over(job, cells), len(job.keys)
    if over < count and not job.settings.report:  # however its workers have ended
        raise UserError(
            f"no worker is left after {over} of {count} cells; the same command goes on from there."
        )
    if not table.cells:
        reasons = dict.fromkeys(table.missing.values())
        raise UserError(f"every cell failed: {'; '.join(reasons)}")
    runs.end_orphaned_runs(job, cells)
    runs.link(job, table)
    seconds = time.perf_counter() - began
    return report.close(ablation, job, job.config, table, cells, job.folder, seconds)


def _train(job: AblationJob, cells: Cells, stop: Stop) -> None:
    """Let workers train until every cell is over, and show what they do."""
    retries, keys = job.settings.retries, job.keys
    of_key = {cell.key: cell for cell in reversed(job.cells)}
    reported = {key for key, entry in cells.read(keys).items() if entry.over(retries)}
    if len(reported) == len(keys):
        return
    began = time.monotonic()

    def news() -> tuple[int, list[Text]]:
        entries, lines = cells.read(keys), []
        for key in keys:
            if key not in reported and entries[key].over(retries):
                reported.add(key)
                count = f"{len(reported)}/{len(keys)}"
                passed = duration(time.monotonic() - began)
                line = _cell_line(of_key[key], entries[key])
                lines.append(Text.assemble(f"{count:>9}  {passed:>8}  ", line))
        return len(reported), lines

    with progress_display() as progress:
        promise = "Cells end at their next evaluation and keep it."
        carry_out(work, job, job.settings, stop, progress, "cells", len(keys), news, promise)


def _cell_line(cell: Cell, entry: Entry) -> Text:
    head = f"{cell.label:<42} "
    if entry.result is None:
        return Text.assemble(head, ("failed", "red"), f"  {entry.reason or 'its worker died'}")
    measured = from_json(entry.result)
    violated = [criterion.name for criterion in measured.criteria if not criterion.holds]
    verdict = f"violates {', '.join(violated)}" if violated else "passes every criterion"
    return Text(f"{head}{verdict}  {measured.seconds:.0f} s")


def _table(ablation: Ablation, job: AblationJob, cells: Cells) -> Table:
    """The results of all cells, and why those that are missing have none."""
    entries = cells.read(job.keys)
    results = {key: from_json(entry.result) for key, entry in entries.items() if entry.result}
    why = {
        key: (entry.reason or f"its worker died, {entry.attempts} times")
        if entry.over(job.settings.retries)
        else "not trained yet"
        for key, entry in entries.items()
        if entry.result is None
    }
    return table_of(job.cells, results, why, ablation.untested)


def _over(job: AblationJob, cells: Cells) -> int:
    return len(job.keys) - missing(job.cells, cells, job.settings)


def read(ablation: Ablation, arguments: Sequence[str]) -> tuple[RunConfig, AblationConfig]:
    """The base and the settings that the command line describes.

    Raises:
        UserError: Bad input.
    """
    kind, script = ablation.workload.config_type, f"vlatent ablate {ablation.script}"
    begun = f"{script} {ablation.workload.example}".rstrip()
    parser = Parser(
        prog=script,
        description=f"{ablation.question} Arms are trained on the same seeds, from the same "
        "initial weights and on the same batches as the base, and compared seed by seed. What was "
        "trained once, by whichever ablation, is not trained again; running the same command "
        "again goes on where it stopped.",
        own="ablation",
        examples=(
            f"{begun} --ablation.plan true",
            f"{begun} --ablation.seeds 8 --ablation.workers 2",
        ),
    )
    add_settings(parser, AblationConfig, kind)
    values = parser.checked(arguments)
    study = values["ablation"].from_study
    if study is not None:
        best = values["ablation"].folder / study / "best.yaml"
        if not best.is_file():
            raise UserError(
                f"ablation.from_study {study} has no {best}: no trial of it passes every "
                "criterion, or it was run in another folder; run `vlatent status "
                f"{study}`, or give --config {best.with_name('nearest.yaml')}."
            )
        at = max((i + 2 for i, a in enumerate(arguments) if a == "--config"), default=0)
        values = parser.checked([*arguments[:at], "--config", str(best), *arguments[at:]])
    settings: AblationConfig = values["ablation"]
    return build_of(values, kind), settings
