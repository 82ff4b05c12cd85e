"""Whole ablations on the smoke config: real processes, real SQLite, real MLflow."""

from __future__ import annotations

import csv
import importlib
import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from inside import inside
from smoke import CONFIGS, sentences, smoke

from ablations import architecture, plan, report, width, worker
from ablations.ablation import main
from ablations.arms import BASE, Arm, alone, without
from ablations.cells import Cells, Claim, planned
from ablations.comparison import differences, table_of
from ablations.cost import Cost
from ablations.measurement import STATISTICS, Measured, from_json, latents_to_bytes, to_json
from ablations.report import check
from ablations.retuning import carried_out
from ablations.settings import AblationConfig
from ablations.worker import AblationJob, train_cell, work
from vlatent import training
from vlatent.config import override, read_config
from vlatent.evaluation import Criterion
from vlatent.figures.page import Page
from vlatent.objective import loss
from vlatent.runtime.interruption import Interrupted, Stop
from vlatent.shapes import UserError
from vlatent.step import Diverged
from vlatent.tracking import RecordedRun, TrackingConfig, recorded_runs

ROOT = Path(__file__).parent.parent


def command(folder: Path, script: str, *flags: str) -> list[str]:
    return [
        *(sys.executable, "-m", f"ablations.{script}", "--config", str(CONFIGS / "smoke.yaml")),
        *("--training.steps", "6", "--evaluation.count", "3", "--tracking.figures", "false"),
        *("--data.train", str(sentences(folder)), "--data.max_length", "200"),
        *flags,
    ]


def start(folder: Path, script: str, *flags: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command(folder, script, *flags),
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(folder: Path, script: str, *flags: str) -> tuple[int, str, str]:
    process = start(folder, script, *flags)
    out, err = process.communicate(timeout=280)
    return process.returncode, out, err


def values(folder: Path, name: str) -> list[list[str]]:
    """The cells of an ablation without what the clock says."""
    text = (folder / "runs" / "ablations" / name / "cells.csv").read_text()
    return [row[:-1] for row in csv.reader(text.splitlines())]


def again(folder: Path, script: str, *flags: str) -> tuple[int, str, str]:
    """The same in this process."""
    asked = importlib.import_module(f"ablations.{script}").ABLATION
    done = inside(folder, lambda a: main(asked, a), *command(folder, script, *flags)[3:])
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def ablated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A finished ablation of one prior by two workers: its folder and what it printed."""
    folder = tmp_path_factory.mktemp("ablation")
    code, out, err = run(folder, "kurtosis", "--ablation.seeds", "2", "--ablation.workers", "2")
    assert code == 0, err
    assert "with 2 seeds nothing can be established in the family of " in err
    return folder, out


def test_the_screen_has_plan_predictions_and_answers(ablated: tuple[Path, str]) -> None:
    _, out = ablated
    assert "7 arms x 2 seeds = 14 cells of 6 steps, 0 of them known, 14 to train" in out
    assert out.index("Predicted before any result") < out.index("1/14") < out.index("14/14")
    assert "Means over 2 seeds" in out
    assert "14 cells measured, 0 missing" in out
    assert "mlflow ui" in out


def test_its_files_are_there_and_whole(ablated: tuple[Path, str]) -> None:
    place = ablated[0] / "runs" / "ablations" / "kurtosis"
    assert {file.name for file in place.iterdir()} == {
        *("base.yaml", "cells.csv", "effects.csv", "effects.md", "effects.tex", "report.md"),
        "result.json",
        *("forest.png", "dose_kurtosis.png", "latents.png", "owner.json"),
    }
    assert len(values(ablated[0], "kurtosis")) == 1 + 14
    assert not list((ablated[0] / "runs" / "cells").rglob("checkpoint.pt"))  # they are large


def test_the_tracker_has_the_tree(ablated: tuple[Path, str]) -> None:
    folder, _ = ablated
    tracking = TrackingConfig(uri=f"sqlite:///{folder / 'mlflow.db'}")
    mine = recorded_runs(tracking, {"ablation": "kurtosis"})
    [parent] = [each for each in mine if each.tags["kind"] == "ablation"]
    arms = {each.run_id: each for each in mine if each.tags["kind"] == "arm"}
    cells = [each for each in mine if each.tags["kind"] == "cell"]
    assert parent.name == "ablation/kurtosis"
    assert len(arms) == 7
    assert {each.tags["mlflow.parentRunId"] for each in arms.values()} == {parent.run_id}
    assert len(cells) == 14
    for each in cells:
        arm = arms[each.tags["mlflow.parentRunId"]]
        assert each.tags["arm"] == arm.tags["arm"]
        assert each.tags["prior"] == arm.tags["prior"]
        assert {"score", "loss", "alpha"} <= each.metrics.keys()
    assert {each.status for each in mine} == {"FINISHED"}


def test_another_time_nothing_is_trained(ablated: tuple[Path, str]) -> None:
    folder, first = ablated
    before = values(folder, "kurtosis")
    code, out, err = again(folder, "kurtosis", "--ablation.seeds", "2", "--ablation.workers", "2")
    assert code == 0, err
    assert "14 of them known, 0 to train" in out
    assert "1/14" not in out
    left = json.loads((folder / "runs" / "ablations" / "kurtosis" / "result.json").read_text())
    assert left["looks"]["without kurtosis"] == [[100, 101]]  # the same again is no other look
    assert "This is look" not in out
    assert values(folder, "kurtosis") == before
    start_of_table = "Means over 2 seeds"
    told = [
        text[text.index(start_of_table) : text.index("cells measured")] for text in (first, out)
    ]
    assert told[0] == told[1]
    tracking = TrackingConfig(uri=f"sqlite:///{folder / 'mlflow.db'}")
    assert len(recorded_runs(tracking, {"ablation": "kurtosis"})) == 1 + 7 + 14


def test_what_another_ablation_trained_is_shared(ablated: tuple[Path, str]) -> None:
    folder, _ = ablated
    code, out, err = again(folder, "pairs", "--ablation.seeds", "2", "--ablation.plan", "true")
    assert code == 0, err
    assert "= 44 cells of 6 steps, 4 of them known, 40 to train" in out  # base and without kurtosis
    assert not (folder / "runs" / "ablations" / "pairs").exists()


def test_some_arms_alone_can_be_asked_for(ablated: tuple[Path, str]) -> None:
    folder, _ = ablated
    flags = ("--ablation.seeds", "2", "--ablation.plan", "true", "--ablation.arms")
    code, out, err = again(folder, "suite", *flags, "[without kurtosis]")
    assert code == 0, err
    assert "2 arms x 2 seeds = 4 cells" in " ".join(out.split())
    assert "left out, 6 arms: none" in " ".join(out.split())  # the family is that of the script
    assert "without kurtosis: " in out
    assert "without wavelet: " not in out  # nor what is predicted of the others
    code, _, err = again(folder, "kurtosis", *flags, "[without kurtosi]")
    assert (code, err.count("\n")) == (2, 1)
    assert "'without kurtosi', which is no arm of kurtosis; there are without kurtosis, " in err


def test_a_report_that_cannot_be_read_counts_no_looks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report.earlier(tmp_path) is None
    assert capsys.readouterr().out == ""
    (tmp_path / "result.json").write_text("{")
    assert report.earlier(tmp_path) is None
    said = " ".join(capsys.readouterr().out.split())
    assert "is damaged" in said
    assert "Looks at this question before now are not counted." in said


def test_a_single_dose_is_trained_and_drawn(tmp_path: Path) -> None:
    flags = ("--ablation.seeds", "1", "--ablation.arms", "[kurtosis x 2]")
    code, out, err = again(tmp_path, "kurtosis", *flags)
    assert code == 0, err
    assert "2 cells measured, 0 missing" in out
    assert (tmp_path / "runs" / "ablations" / "kurtosis" / "dose_kurtosis.png").is_file()


SCRIPTS = sorted(
    file.stem for file in (ROOT / "ablations").glob("*.py") if "ABLATION = " in file.read_text()
)


@pytest.mark.parametrize("script", SCRIPTS)
def test_whatever_is_asked_for_closes_on_made_up_results(
    tmp_path: Path, script: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Page, "png", lambda page: b"drawn")  # its file would take half of the time
    monkeypatch.setattr(report, "cost", lambda config: Cost(1, 1))
    told = importlib.import_module(f"ablations.{script}")
    config = smoke(tmp_path, priors__contours__weight=0.1)
    if hasattr(told, "contrasted"):
        asked = {"terms.contrast.weight": 1.0, "evaluation.retrieved": 8}
        config = override(config, asked | {"terms.invariance.weight": 1.0})
    if script in ("reconstruction", "cycle", "copying"):
        read = {f"terms.{name}.weight": 1.0 for name in ("reconstruction", "cycle", "copying")}
        config = override(config, read | {"evaluation.read": 8})
    names = [arm.name for arm in told.ABLATION.arms(config)]
    draw = random.Random(script)
    count = draw.choice((1, 2))  # of arms and of seeds
    some = told.ABLATION.restricted(draw.sample(names, count), config)
    check(some, config, planned(config, some.all_arms(config), range(count), lambda _: "corpus"))


def test_what_would_fail_at_the_end_fails_before_anything_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> str:
        raise RuntimeError("no such table")

    monkeypatch.setattr(report, "check", check)
    monkeypatch.setattr(report.tables, "as_latex", broken)
    with pytest.raises(RuntimeError, match="no such table"):
        again(tmp_path, "kurtosis", "--ablation.seeds", "1")
    assert not list(tmp_path.glob("mlflow.db"))
    assert not (tmp_path / "runs" / "ablations").exists()


def test_an_ablation_with_something_left_to_do_does_not_end_as_if_it_were_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ablations.ablation.carry_out", lambda *_: None)  # its workers are gone
    code, out, err = again(tmp_path, "kurtosis", "--ablation.seeds", "1")
    assert code == 2
    assert "no worker is left after 0 of 7 cells" in err
    assert "cells measured" not in out
    assert not list((tmp_path / "runs" / "ablations").rglob("report.md"))


def test_predictions_are_of_the_arms_that_this_base_has(tmp_path: Path) -> None:
    """A base with a smoothing head has an arm without; what was said of the other is not asked."""
    flags = ("--encoder.smoothing", "true", "--ablation.plan", "true", "--ablation.seeds", "1")
    code, out, err = again(tmp_path, "architecture", *flags)
    assert code == 0, err
    assert "smoothing head on" not in out
    asked = architecture.ABLATION.restricted([], smoke(tmp_path, encoder__smoothing=True))
    arms = {arm.name for arm in asked.arms(smoke(tmp_path, encoder__smoothing=True))}
    assert "smoothing head off" in arms
    assert {each.arm for each in asked.predictions} <= arms


def test_every_width_is_trained_at_every_rate_once() -> None:
    base = read_config("quick")
    configs = [override(base, arm.changes) for arm in (BASE, *width.ABLATION.arms(base))]
    ladder = {(c.encoder.hidden, c.optimizer.learning_rate) for c in configs}
    assert len(configs) == 12
    assert ladder == {(w, r) for w in (64, 128, 256, 384) for r in (1e-3, 4e-3, 16e-3)}
    assert {c.encoder.hidden / c.encoder.heads for c in configs} == {16}
    assert {c.encoder.feed_forward / c.encoder.hidden for c in configs} == {4}
    asked = {arm.name for arm in width.ABLATION.arms(base)}
    assert {each.arm for each in width.ABLATION.predictions} <= asked


def test_a_worker_that_reads_other_sentences_trains_nothing(tmp_path: Path) -> None:
    mine = replace(job(tmp_path, [BASE], range(1)), corpus={"held-out sentences": "others"})
    with pytest.raises(UserError, match=r"another corpus .* held-out sentences changed"):
        work(mine, Stop())
    assert set(measured(mine).values()) == {None}


def test_a_report_trains_nothing_and_shows_what_is_missing(ablated: tuple[Path, str]) -> None:
    folder, _ = ablated
    flags = ("--ablation.seeds", "3", "--ablation.name", "partly", "--ablation.report", "true")
    code, out, err = again(folder, "kurtosis", *flags)
    assert code == 0, err
    assert "= 21 cells of 6 steps, 14 of them known, 7 to train" in out
    missing = "base on 102, without kurtosis on 102, only kurtosis on 102"
    assert f"missing not trained yet: {missing}" in out
    assert "14 cells measured, 7 missing" in out
    assert len(values(folder, "partly")) == 1 + 14


def test_the_tracker_is_told_of_more_seeds(ablated: tuple[Path, str]) -> None:
    folder, _ = ablated
    tracking = TrackingConfig(uri=f"sqlite:///{folder / 'mlflow.db'}")

    def base() -> RecordedRun:
        labels = {"ablation": "kurtosis", "kind": "arm", "arm": "base"}
        [found] = recorded_runs(tracking, labels)
        return found

    assert base().metrics["seeds"] == 2
    before = base().metrics["score"]
    arms = ("--ablation.arms", "[without kurtosis]")  # the base is always trained
    code, _, err = again(folder, "kurtosis", "--ablation.seeds", "3", *arms)
    assert code == 0, err
    assert base().metrics["seeds"] == 3
    assert base().metrics["score"] != before


def job(tmp_path: Path, arms: list[Arm], seeds: range, **settings: object) -> AblationJob:
    chosen = AblationConfig(
        storage=f"sqlite:///{tmp_path / 'ablations.db'}",
        folder=tmp_path / "runs",
        **settings,  # type: ignore[arg-type]
    )
    tmp_path.mkdir(exist_ok=True)
    config = override(smoke(tmp_path), {"training.steps": 6, "tracking.figures": False})
    cells = tuple(planned(config, arms, seeds, lambda _: "corpus"))
    return AblationJob("mine", config, tuple(arms), cells, chosen)


def measured(mine: AblationJob) -> dict[str, str | None]:
    cells = Cells(mine.settings.storage, mine.settings.folder)
    return {key: e.result for key, e in cells.read(c.key for c in mine.cells).items()}


@pytest.mark.processes
def test_killed_three_times_it_has_the_same_cells(tmp_path: Path) -> None:
    arms = [BASE, without("kurtosis"), alone("kurtosis")]
    draw = random.Random(0)
    parts, whole = (job(tmp_path / name, arms, range(2)) for name in ("parts", "whole"))
    kills = 0
    while kills < 3:
        process = multiprocessing.get_context("spawn").Process(
            target=begin, args=(parts, torch.get_num_threads())
        )
        process.start()
        while begun(parts) <= 2 * kills:
            time.sleep(0.05)
            assert process.is_alive(), "it came to its end before it was killed"
        time.sleep(draw.uniform(0, 0.5))
        process.kill()
        process.join()
        kills += 1
    assert None in measured(parts).values()
    work(parts, Stop())
    work(whole, Stop())
    for cell in whole.cells:
        killed, never = (from_json(measured(each)[cell.key] or "") for each in (parts, whole))
        assert killed.statistics == never.statistics
        assert killed.criteria == never.criteria


def begin(mine: AblationJob, threads: int) -> None:
    torch.set_num_threads(threads)  # sums are rounded otherwise with another number
    work(mine, Stop())


def begun(mine: AblationJob) -> int:
    cells = Cells(mine.settings.storage, mine.settings.folder)
    return sum(entry.attempts > 0 for entry in cells.read(c.key for c in mine.cells).values())


def test_arms_that_differ_in_nothing_have_exactly_no_difference(tmp_path: Path) -> None:
    idle = Arm("a blur of no step", "setting", {"training.blur": 0.4})  # blur_steps is 0
    mine = job(tmp_path, [BASE, idle], range(2))
    assert len({cell.key for cell in mine.cells}) == 4  # trained apart, not looked up
    work(mine, Stop())
    found = {key: from_json(result or "") for key, result in measured(mine).items()}
    table = table_of(mine.cells, found, {})
    for statistic in STATISTICS:
        assert differences(table, idle.name, statistic) == [0.0, 0.0], statistic
    changed = job(tmp_path / "changed", [BASE, without("spectrum")], range(1))
    work(changed, Stop())
    found = {key: from_json(result or "") for key, result in measured(changed).items()}
    assert differences(table_of(changed.cells, found, {}), "without spectrum", "alpha") != [0.0]


def test_all_arms_begin_with_the_same_weights_and_see_the_same_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, ...]] = []
    order = training.order

    def spy(*arguments: object, **keywords: object) -> object:
        batches = order(*arguments, **keywords)  # type: ignore[arg-type]
        first = next(batches)
        seen.append(tuple(first.tolist()))
        yield first
        yield from batches

    starts: list[float] = []
    adamw = training.adamw

    def begin(model: object, config: object, *others: object) -> object:
        starts.append(float(sum(p.detach().double().abs().sum() for p in model.parameters())))  # type: ignore[attr-defined]
        return adamw(model, config, *others)  # type: ignore[arg-type]

    monkeypatch.setattr(training, "order", spy)
    monkeypatch.setattr(training, "adamw", begin)
    work(job(tmp_path, [BASE, without("variance")], range(2)), Stop())
    assert seen[0] == seen[1] != seen[2]
    assert seen[2] == seen[3]
    assert starts[0] == starts[1] != starts[2]
    assert starts[2] == starts[3]


def test_a_cell_that_fails_is_tried_again_and_then_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = job(tmp_path, [BASE, without("kurtosis")], range(1), retries=1)
    tries: list[float] = []

    def out_of_memory(priors: object, *others: object) -> object:
        if priors.kurtosis.weight == 0:  # type: ignore[attr-defined]
            tries.append(0)
            raise MemoryError("no room")
        return loss(priors, *others)  # type: ignore[arg-type]

    monkeypatch.setattr("vlatent.step.loss", out_of_memory)
    work(mine, Stop())
    assert len(tries) == 2
    cells = Cells(mine.settings.storage, mine.settings.folder)
    entry = cells.read([mine.cells[1].key])[mine.cells[1].key]
    assert entry.result is None
    assert entry.reason == "MemoryError('no room')"
    assert entry.over(1)
    assert json.loads(cells.read([mine.cells[0].key])[mine.cells[0].key].result or "{}")
    work(mine, Stop())  # it is given up
    assert len(tries) == 2
    monkeypatch.setattr("vlatent.step.loss", loss)
    cells.forget_failures(mine.cells)
    work(mine, Stop())
    assert None not in measured(mine).values()


def test_a_cell_that_diverges_is_not_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = job(tmp_path, [BASE], range(1), retries=5)
    tries: list[int] = []

    def diverge(*_: object) -> object:
        tries.append(1)
        raise Diverged("step 3: the gradient is not finite")

    monkeypatch.setattr("vlatent.step.loss", diverge)
    work(mine, Stop())
    assert len(tries) == 1
    [entry] = Cells(mine.settings.storage, mine.settings.folder).read([mine.cells[0].key]).values()
    assert entry.reason == "step 3: the gradient is not finite"


def test_an_interrupted_cell_goes_on_and_costs_no_attempt(tmp_path: Path) -> None:
    mine = job(tmp_path, [BASE], range(1))
    cells = Cells(mine.settings.storage, mine.settings.folder)
    stop = Stop()
    stop.request()
    claim = cells.claim(mine.cells, 2)
    assert claim is not None
    train_cell(mine, cells, claim, stop)
    claim.release()
    entry = cells.read([mine.cells[0].key])[mine.cells[0].key]
    assert (entry.attempts, entry.result) == (0, None)
    assert (cells.place(mine.cells[0]) / "checkpoint.pt").exists()
    work(mine, Stop())
    [interrupted] = measured(mine).values()
    whole = replace(mine, settings=replace(mine.settings, storage=f"sqlite:///{tmp_path / 'b.db'}"))
    whole = replace(whole, settings=replace(whole.settings, folder=tmp_path / "b"))
    work(whole, Stop())
    [uninterrupted] = measured(whole).values()
    one, other = from_json(interrupted or ""), from_json(uninterrupted or "")
    assert one.statistics == other.statistics
    assert one.criteria == other.criteria


def test_the_whole_design_is_shared_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All 64 subsets of six priors from plan to report; what a cell measures is drawn."""
    draw = np.random.default_rng(0)

    def at_once(mine: AblationJob, cells: Cells, claim: Claim, *_: object) -> None:
        drawn = dict(zip(STATISTICS, draw.normal(size=len(STATISTICS)).tolist(), strict=True))
        found = Measured(drawn, (Criterion("kurtosis", "", "", -1.0),), None, 1.0, 1.0)
        cells.finished(claim, to_json(found), latents_to_bytes(torch.randn(4, 16, 16, 6)))

    monkeypatch.setattr(worker, "train_cell", at_once)
    monkeypatch.setattr(plan, "seconds_a_cell", lambda config: 1.0)
    monkeypatch.setattr(Page, "png", lambda page: b"drawn")
    code, out, err = again(tmp_path, "design", "--ablation.seeds", "1")
    assert code == 0, err
    assert "65 arms x 1 seeds = 64 cells" in out  # the base is one of the subsets
    assert "Shapley value of every prior" in out
    place = tmp_path / "runs" / "ablations" / "design"
    rows = list(csv.DictReader((place / "design.csv").read_text().splitlines()))
    lines = (place / "cells.csv").read_text().splitlines()
    cells = {row["arm"]: row for row in csv.DictReader(lines)}
    for statistic in STATISTICS:
        shares = [
            float(row["mean"])
            for row in rows
            if row["kind"] == "shapley" and row["statistic"] == statistic
        ]
        assert len(shares) == 6
        difference = float(cells["base"][statistic]) - float(cells["with none"][statistic])
        assert sum(shares) == pytest.approx(difference, abs=1e-9)
    assert len([row for row in rows if row["kind"] == "interaction"]) == 15 * len(STATISTICS)
    tracking = TrackingConfig(uri=f"sqlite:///{tmp_path / 'mlflow.db'}")
    linked = recorded_runs(tracking, {"ablation": "design", "kind": "cell"})
    assert len(linked) == 65
    assert {run.tags["trained_by"] for run in linked} == {"another ablation"}


@pytest.mark.parametrize(
    ("script", "flags", "said"),
    [
        ("kurtosis", ("--priors.kurtosis.weight", "0"), "priors.kurtosis.weight is 0 in the base"),
        ("suite", ("--ablation.sedes", "8"), "did you mean ablation.seeds?"),
        ("suite", ("--ablation.from_study", "nobody"), "ablation.from_study nobody has no"),
        ("suite", ("--ablation.storage", "mysql://x"), "neither a SQLite file nor a PostgreSQL"),
        ("suite", ("--training.device", "cuda"), "torch sees no GPU"),
    ],
)
def test_bad_input_is_one_line(
    tmp_path: Path, script: str, flags: tuple[str, ...], said: str
) -> None:
    code, _, err = again(tmp_path, script, *flags)
    assert code == 2
    assert said in err
    assert err.count("\n") == 1
    assert "Traceback" not in err
    assert not (tmp_path / "mlflow.db").exists()


def test_the_base_can_be_the_best_of_a_study(tmp_path: Path) -> None:
    place = tmp_path / "runs" / "loss_weights"
    place.mkdir(parents=True)
    (place / "best.yaml").write_text("priors:\n  kurtosis:\n    weight: 0.25\n")
    flags = ("--ablation.from_study", "loss_weights", "--ablation.plan", "true")
    code, out, err = again(tmp_path, "kurtosis", *flags, "--ablation.seeds", "1")
    assert code == 0, err
    assert "7 cells" in out
    code, out, err = again(tmp_path, "kurtosis", *flags, "--priors.kurtosis.weight", "0")
    assert code == 2  # what is given on the command line wins
    assert "priors.kurtosis.weight is 0 in the base" in err


@pytest.mark.parametrize("starting", [0.5, 0.0], ids=["while it is started", "while it runs"])
def test_what_stops_an_ablation_lets_the_study_that_it_has_begun_end_in_good_order(
    starting: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(*arguments: Any, **settings: Any) -> subprocess.Popen[bytes]:
        process = popen(*arguments, **settings)
        time.sleep(starting)
        return process

    popen = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", start)
    monkeypatch.chdir(tmp_path)
    study = (
        'trap "touch closed; exit 143" TERM; '
        f"sleep {0.3 - 0.6 * starting}; kill -TERM $PPID; while :; do sleep 0.1; done"
    )
    with pytest.raises(Interrupted) as interrupted:
        carried_out(["sh", "-c", study], {})
    assert interrupted.value.number == signal.SIGTERM
    assert (tmp_path / "closed").exists()
