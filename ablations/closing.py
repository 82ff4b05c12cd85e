"""The end of an ablation: its screen, its files, its pictures and its place in the tracker."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from rich.table import Table as Screen
from rich.text import Text

from ablations import report
from ablations.arms import BASE, Arm
from ablations.cells import Cell, Cells
from ablations.comparison import Table, comparisons, doses, table_of
from ablations.cost import Cost, cost
from ablations.figures import Comparison, Painting, ablation_figures
from ablations.measurement import SENTENCES, made_up, painting
from ablations.question import Ablation
from ablations.worker import AblationJob
from vlatent import checkpoints
from vlatent.config import Config, fingerprint, override, to_yaml
from vlatent.dependence import Pictures
from vlatent.effects import interval
from vlatent.encoder import EncoderConfig
from vlatent.preparation import corpus_of
from vlatent.screen import console
from vlatent.tracking import View, reopen_run, uri_flag, view_instructions

DOSED = ("alpha", "residual", "total variation", "kurtosis", "correlation", "variance")


def close(
    ablation: Ablation,
    job: AblationJob,
    config: Config,
    table: Table,
    cells: Cells,
    folder: Path,
    seconds: float,
) -> None:
    """Say what was found, write it down, and attach it to the ablation's run."""
    paintings = {
        cell.arm.name: painting(kept)
        for cell in job.cells
        if cell.seed == table.seeds[0] and _painted(cell.arm)
        if (kept := cells.painting(cell)) is not None
    }
    files = made(ablation, config, table, paintings)
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        checkpoints.write(folder / name, content)
    _show(ablation, config, table, seconds)
    console.print(f"What the numbers support, in sentences, with tables and pictures: {folder}")
    flag = uri_flag(config.tracking)
    console.print(
        f"On one page: python -m analysis.report --ablation {shlex.quote(job.name)}{flag}"
    )
    page = view_instructions(config.tracking, view(job.name, config))
    console.print(f"Compare the arms: {page}", soft_wrap=True)
    _record(ablation, job, config, table, files)


def check(ablation: Ablation, config: Config, plan: Sequence[Cell]) -> None:
    """Close on made-up results of this plan, with and without holes, and keep nothing of it.

    What raises here would have raised after hours of training.
    """
    draw = np.random.default_rng(0)
    found = {cell.key: made_up(cell.config, draw) for cell in plan}
    lost = {c.key: "made up" for c in plan if c.arm == plan[-1].arm or c == plan[0]}
    holes = {key: each for key, each in found.items() if key not in lost}
    for each in list(holes.values())[:1]:
        each.statistics["alpha"] = math.nan
    for table in (table_of(plan, found, {}), table_of(plan, holes, lost)):
        paintings = {
            cell.arm.name: _made_up_pictures(cell.config.encoder, draw)
            for cell in plan
            if cell.seed == plan[0].seed and cell.key not in lost and _painted(cell.arm)
        }
        made(ablation, config, table, paintings)
        with console.capture():
            _show(ablation, config, table, 0.0)


def made(
    ablation: Ablation, config: Config, table: Table, paintings: Mapping[str, Pictures]
) -> dict[str, bytes]:
    """Every file of the ablation by its name."""
    files = {name: text.encode() for name, text in texts(ablation, config, table).items()}
    drawn = figures(ablation, config, table, paintings)
    return files | {f"{name}.png": png for name, png in drawn.items()}


def view(name: str, config: Config) -> View:
    """The ablation's arms in the tracker, with the means over their seeds."""
    tags = {"ablation": name, "base": fingerprint(config), "kind": "arm"}
    columns = ("criteria held", "passed", "seeds", "channels in band", *DOSED)
    return View(f"Ablation {name}", tags, "criteria held", columns)


def figures(
    ablation: Ablation, config: Config, table: Table, paintings: Mapping[str, Pictures]
) -> dict[str, bytes]:
    """Forest plot, dose curves, and the same sentences under every arm, as PNG by name.

    Args:
        ablation: What was asked.
        config: Of the base, whose sentences all arms have.
        table: What was measured.
        paintings: What arms paint for the same sentences, by the arm's name.
    """
    designed = report.design_comparisons(table)
    shown = [
        Comparison(
            each.statistic,
            each.base,
            {arm.name: each.effects[arm.name] for arm in table.arms[1:] if _painted(arm)},
        )
        for each in comparisons(table)
    ]
    return ablation_figures(
        ablation.question,
        len(table.seeds),
        designed or [each for each in shown if each.effects],
        doses(table, DOSED),
        [Painting(arm.name, paintings.get(arm.name)) for arm in table.arms if _painted(arm)],
        corpus_of(config.data).fixed.texts[:SENTENCES],
    )


def texts(ablation: Ablation, config: Config, table: Table) -> dict[str, str]:
    """Every file of the ablation but its pictures."""
    columns, rows = report.written(table, table.statistics)
    strings = [[str(value) for value in row] for row in rows]
    files = {
        "base.yaml": to_yaml(config),
        "cells.csv": report.as_csv(report.cell_columns(table), report.cell_rows(table)),
        "effects.csv": report.as_csv(report.COLUMNS, report.effect_rows(table)),
        "effects.md": report.as_markdown(columns, strings) + "\n",
        "effects.tex": report.as_latex(columns, strings),
        "report.md": markdown(ablation, config, table),
    }
    design = report.design_rows(table)
    if design:
        files["design.csv"] = report.as_csv(report.DESIGN_COLUMNS, design)
    return files


def markdown(ablation: Ablation, config: Config, table: Table) -> str:
    """The report."""
    predicted = report.predictions_rows(ablation, table)
    columns, rows = report.written(table, report.on_screen(table))
    parts = [
        f"# {ablation.question}",
        f"{len(table.arms)} arms on {len(table.seeds)} seeds ({table.seeds[0]} to "
        f"{table.seeds[-1]}), {config.training.steps} steps at batch {config.training.batch_size}; "
        f"base config {fingerprint(config)} (base.yaml). Differences are paired by seed, arm minus "
        "base; intervals are t intervals at 95 %; p is the exact sign-flip permutation test, after "
        "Holm's correction over the arms of one family on one statistic. Several statistics are "
        "looked at, so of every twenty families without any effect one will show one.",
    ]
    if predicted:
        parts += [
            "## Predictions, written before the result",
            report.as_markdown(("prediction", "found", "outcome"), predicted),
        ]
    said = report.paragraphs(table)
    parts += ["## What the numbers support", *said] if said else []
    costs = _costs(config, table)
    if costs:
        rows_of_cost = report.cost_rows(table, costs)
        parts += ["## What it costs", report.as_markdown(report.COST_COLUMNS, rows_of_cost)]
    needed = report.needed_for(table)
    if needed:
        parts += ["## Which criterion needs which prior", *(f"- {line}" for line in needed)]
    parts += ["## Holes", *_holes(table)] if table.holes else []
    parts += [
        "## Effects",
        report.as_markdown(columns, [[str(value) for value in row] for row in rows]),
        "All statistics: effects.csv, effects.md, effects.tex; every run: cells.csv.",
        "## What it could have shown",
        *(f"- {line}" for line in report.power_lines(table.arms, len(table.seeds))),
    ]
    return "\n\n".join(parts).replace("\n\n- ", "\n- ") + "\n"


def _show(ablation: Ablation, config: Config, table: Table, seconds: float) -> None:
    console.rule(Text(ablation.question, "bold"))
    console.print(report.means_screen(table))
    predicted = report.predictions_rows(ablation, table)
    if predicted:
        made = Screen(title="Predictions", title_justify="left", title_style="bold")
        for heading in ("written before the result", "found", ""):
            made.add_column(heading)
        colors = {"held": "green", "refuted": "red", "open": "yellow"}
        for prediction, found, outcome in predicted:
            made.add_row(prediction, found, Text(outcome, colors[outcome]))
        console.print(made)
    designed = report.design_comparisons(table)
    if designed:
        console.print(_design_screen(table, designed))
    costs = _costs(config, table)
    if costs:
        made = Screen(title="What it costs", title_justify="left", title_style="bold")
        for heading in report.COST_COLUMNS:
            made.add_column(heading, justify="left" if heading == "arm" else "right")
        for row in report.cost_rows(table, costs):
            made.add_row(*row)
        console.print(made)
    for line in report.needed_for(table):
        console.print(f"- {line}")
    for line in _holes(table):
        console.print(Text.assemble(("hole", "red"), f" {line}"))
    console.print(f"{len(table.cells)} cells measured, {len(table.holes)} holes; {seconds:.0f} s.")


def _design_screen(table: Table, designed: list[Comparison]) -> Screen:
    made = Screen(
        title="Shapley value of every prior: its share in the difference between all and none",
        title_justify="left",
        title_style="bold",
    )
    shown = [each for each in designed if each.statistic in report.on_screen(table)]
    made.add_column("prior")
    for each in shown:
        made.add_column(each.statistic, justify="right")
    for prior in shown[0].effects:
        effects = [each.effects[prior] for each in shown]
        made.add_row(prior, *(f"{e.mean:+.3g}{'*' if e.established else ' '}" for e in effects))
    made.add_section()
    sums = [sum(effect.mean for effect in each.effects.values()) for each in shown]
    made.add_row("sum", *(f"{value:+.3g} " for value in sums))
    made.add_row("none", *(f"{each.base:.3g} " for each in shown))
    every = f"with {' + '.join(shown[0].effects)}"
    alls = [interval(table.of(every, each.statistic))[0] for each in shown]
    made.add_row("all", *(f"{value:.3g} " for value in alls))
    return made


def _made_up_pictures(like: EncoderConfig, draw: np.random.Generator) -> Pictures:
    shape = SENTENCES, like.height, like.width, like.channels
    return torch.from_numpy(draw.normal(size=shape)).float()


def _costs(config: Config, table: Table) -> dict[str, Cost]:
    """Where parts beside the priors were changed, what that costs."""
    if not any(arm.group == "setting" for arm in table.arms):
        return {}
    return {arm.name: cost(override(config, arm.changes)) for arm in table.arms}


def _holes(table: Table) -> list[str]:
    """Why cells are missing, with what that costs."""
    by_reason: dict[str, list[str]] = {}
    for (arm, seed), why in table.holes.items():
        by_reason.setdefault(why, []).append(f"{arm} on {seed}")
    return [
        f"{why}: {', '.join(cells)}. What is missing is left out together with its partner"
        + ("." if why == "not trained yet" else "; --ablation.again true trains it again.")
        for why, cells in by_reason.items()
    ]


def _painted(arm: Arm) -> bool:
    """Whether it has a place in forest and pictures; doses and designs are too many for that."""
    return arm.group not in ("dose", "present")


def _record(
    ablation: Ablation, job: AblationJob, config: Config, table: Table, files: dict[str, bytes]
) -> None:
    place = job.settings.folder / "ablations" / job.name
    for arm in table.arms:
        run_id = job.runs[arm.name]
        if run_id is None:
            continue
        run = reopen_run(config.tracking, run_id, folder=place)
        means = {name: interval(table.of(arm.name, name))[0] for name in table.statistics}
        passed, n = table.passed(arm.name)
        # Means over more seeds come after those over fewer; of one step the first row stays.
        run.metrics(means | {"passed": passed, "seeds": n}, step=n)
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
