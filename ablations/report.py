"""The end of an ablation: its result, its files, its figures and its runs in the tracker."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from ablations import looks, tables, text
from ablations.arms import BASE, Arm
from ablations.cells import Cell, Cells
from ablations.comparison import Table, comparisons, doses, table_of
from ablations.cost import cost
from ablations.figures import ArmLatents, ForestRow, ablation_figures
from ablations.measurement import SENTENCES, latents_from_bytes, made_up, readings_from_bytes
from ablations.outcome import result_of
from ablations.question import Ablation
from ablations.result import FILE, AblationResult
from ablations.worker import AblationJob
from vlatent import checkpoints
from vlatent.config import Config, RunConfig, override, to_yaml
from vlatent.console import console
from vlatent.fingerprints import fingerprint
from vlatent.preparation import corpus_of, size_of_latents
from vlatent.reading_back import ReadBackConfig
from vlatent.shapes import UserError
from vlatent.tables import as_csv, as_markdown
from vlatent.tracking import View, reopen_run, uri_flag, view_instructions

DOSED = ("alpha", "residual", "total variation", "kurtosis", "correlation", "variance")


def close(
    ablation: Ablation,
    job: AblationJob,
    config: RunConfig,
    table: Table,
    cells: Cells,
    folder: Path,
    seconds: float,
) -> AblationResult:
    """Say what was found, write it down, and attach it to the ablation's run."""
    latents = {
        cell.arm.name: ArmLatents(
            cell.arm.name, latents_from_bytes(kept), readings_from_bytes(kept)
        )
        for cell in job.cells
        if cell.seed == table.seeds[0] and _is_drawn(cell.arm)
        if (kept := cells.latents(cell)) is not None
    }
    result = result_of(ablation, job.name, config, table, earlier(folder))
    files = made(result, config, table, latents)
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        checkpoints.write(folder / name, content)
    _show(result, config, table, seconds)
    console.print(f"What the numbers support, in sentences, with tables and figures: {folder}")
    flag = uri_flag(config.tracking)
    page = f"On one page: vlatent report --ablation {shlex.quote(job.name)}{flag}"
    console.print(page, soft_wrap=True)
    arms = view_instructions(config.tracking, view(job.name, config))
    console.print(f"Compare the arms: {arms}", soft_wrap=True)
    _record(job, config, result, files)
    return result


def check(ablation: Ablation, config: RunConfig, plan: Sequence[Cell]) -> None:
    """Close on made-up results of this plan, with and without missing runs, and keep nothing.

    What raises here would have raised after hours of training.
    """
    draw = np.random.default_rng(0)
    results = {cell.key: made_up(ablation.workload, cell.config, draw) for cell in plan}
    lost = {c.key: "made up" for c in plan if c.arm == plan[-1].arm or c == plan[0]}
    present = {key: finished for key, finished in results.items() if key not in lost}
    for finished in list(present.values())[:1]:
        finished.statistics[next(iter(finished.statistics))] = math.nan
    others = ablation.untested
    for table in (table_of(plan, results, {}, others), table_of(plan, present, lost, others)):
        latents = {
            cell.arm.name: _made_up_latents(cell, draw)
            for cell in plan
            if isinstance(cell.config, Config)
            if cell.seed == plan[0].seed and cell.key not in lost and _is_drawn(cell.arm)
        }
        result = result_of(ablation, ablation.name, config, table)
        made(result, config, table, latents)
        with console.capture():
            _show(result, config, table, 0.0)


def made(
    result: AblationResult, config: RunConfig, table: Table, latents: Mapping[str, ArmLatents]
) -> dict[str, bytes]:
    """Every file of the ablation by its name."""
    files = {name: content.encode() for name, content in texts(result, config, table).items()}
    drawn = figures(result, config, table, latents)
    return files | {f"{name}.png": png for name, png in drawn.items()}


def view(name: str, config: RunConfig) -> View:
    """The ablation's arms in the tracker, with the means over their seeds."""
    tags = {"ablation": name, "base": fingerprint(config), "kind": "arm"}
    columns: tuple[str, ...] = ("criteria held", "passed", "seeds", "channels in band", *DOSED)
    if not isinstance(config, Config):
        columns = ("passed", "seeds")
    return View(f"Ablation {name}", tags, columns[0], columns)


def figures(
    result: AblationResult, config: RunConfig, table: Table, latents: Mapping[str, ArmLatents]
) -> dict[str, bytes]:
    """Forest plot, dose curves, and the same sentences under every arm, as PNG by name.

    Args:
        result: What the ablation came to.
        config: Config of the base, whose sentences all arms have.
        table: What was measured.
        latents: Latents of the same sentences and readings of them, by the arm's name.
    """
    designed = tables.design_comparisons(table)
    shown = [
        ForestRow(
            row.statistic,
            row.base,
            {arm.name: row.effects[arm.name] for arm in table.arms[1:] if _is_drawn(arm)},
        )
        for row in comparisons(table)
    ]
    drawn = [arm for arm in table.arms if _is_drawn(arm)]
    texts: Sequence[str] = ()
    dosed: Sequence[str] = DOSED
    if isinstance(config, Config):
        texts = corpus_of(config.data).fixed.texts[:SENTENCES]
    else:  # it has no latents
        drawn, dosed = [], table.statistics
    return ablation_figures(
        result.question,
        len(table.seeds),
        looks.count(result),
        designed or [row for row in shown if row.effects],
        doses(table, dosed),
        [latents.get(arm.name, ArmLatents(arm.name, None)) for arm in drawn],
        texts,
    )


def texts(result: AblationResult, config: RunConfig, table: Table) -> dict[str, str]:
    """Every file of the ablation but its figures."""
    columns, rows = text.effect_table(result, result.statistics)
    files = {
        FILE: result.to_json(),
        "base.yaml": to_yaml(config),
        "cells.csv": as_csv(tables.cell_columns(table), tables.cell_rows(table)),
        "effects.csv": as_csv(tables.EFFECT_COLUMNS, tables.effect_rows(result)),
        "effects.md": as_markdown(columns, rows) + "\n",
        "effects.tex": tables.as_latex(columns, rows),
        "report.md": text.markdown(result, _costs(config, table)),
    }
    design = tables.design_rows(table)
    if design:
        files["design.csv"] = as_csv(tables.DESIGN_COLUMNS, design)
    return files


def earlier(folder: Path) -> AblationResult | None:
    """The report that was written here before, whose looks go on."""
    file = folder / FILE
    try:
        return AblationResult.from_json(file.read_bytes(), str(file)) if file.is_file() else None
    except UserError as error:
        console.print(f"{error}. Looks at this question before now are not counted.")
        return None


def _show(result: AblationResult, config: RunConfig, table: Table, seconds: float) -> None:
    text.show(result, tables.design_comparisons(table), _costs(config, table), seconds)


def _made_up_latents(cell: Cell, draw: np.random.Generator) -> ArmLatents:
    config = cell.config
    assert isinstance(config, Config)
    shape = (SENTENCES, *size_of_latents(config))
    latent = torch.from_numpy(draw.normal(size=shape)).float()
    is_read = isinstance(config, ReadBackConfig)
    return ArmLatents(cell.arm.name, latent, ["A red cube."] * SENTENCES if is_read else ())


def _costs(config: RunConfig, table: Table) -> list[tuple[str, ...]]:
    """Where parts beside the priors were changed, what that costs, a row an arm."""
    if not any(arm.group == "setting" for arm in table.arms) or not isinstance(config, Config):
        return []
    costs = {arm.name: cost(override(config, arm.changes)) for arm in table.arms}
    return tables.cost_rows(table, costs)


def _is_drawn(arm: Arm) -> bool:
    """Whether an arm is drawn in forest and latents; doses and designs are too many for that."""
    return arm.group not in ("dose", "present")


def _record(
    job: AblationJob, config: RunConfig, result: AblationResult, files: dict[str, bytes]
) -> None:
    """Give the runs of the ablation and of its arms what came of them."""
    place = job.settings.folder / "ablations" / job.name
    for arm in result.arms:
        run_id = job.runs[arm.name]
        if run_id is None:
            continue
        run = reopen_run(config.tracking, run_id, folder=place)
        means = {name: arm.means[name] for name in result.statistics}
        # Means over more seeds come after those over fewer; of one step the first row stays.
        run.metrics(means | {"passed": arm.passed, "seeds": arm.n}, step=arm.n)
        if arm.name != BASE.name:
            run.tags({"changes": ", ".join(f"{k}={v}" for k, v in arm.changes.items())})
        run.close("FINISHED")
    if job.runs[""] is None:
        return
    run = reopen_run(config.tracking, job.runs[""], folder=place)
    run.note(files["report.md"].decode())
    for name, content in files.items():
        if name.endswith(".png"):
            run.figure(name.removesuffix(".png"), content)
        else:
            run.text(name, content.decode())
    run.close("FINISHED")
