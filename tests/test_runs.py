"""MLflow's record read back: runs looked up, what stands below them, tables, files, evaluations."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
import torch
from inside import inside
from smoke import smoke

from analysis.runs import (
    artifact,
    children,
    config_of,
    evaluations_of,
    find_run,
    main,
    parents,
    table,
)
from vlatent import recording
from vlatent.config import override, to_yaml
from vlatent.evaluation import judge, measure
from vlatent.shapes import UserError
from vlatent.tables import as_csv
from vlatent.tracking import TrackingConfig, artifact_paths, open_run, recorded_runs
from vlatent.tracking import runs as recorded


@pytest.fixture(scope="module")
def tracking(tmp_path_factory: pytest.TempPathFactory) -> TrackingConfig:
    return TrackingConfig(uri=f"sqlite:///{tmp_path_factory.mktemp('tracked') / 'mlflow.db'}")


@pytest.fixture(scope="module")
def ids(tracking: TrackingConfig) -> dict[str, str]:
    """A study with two trials, and an ablation whose arm has the name of another one's."""
    found: dict[str, str] = {}

    def add(key: str, name: str, parent: str | None = None, **tags: object) -> None:
        run = open_run(tracking, name, found.get(parent or ""), tags)
        run.params({"training.seed": len(found), "priors.spectrum.weight": 0.5})
        run.metrics({"score": 1.5 + len(found)}, 3)
        run.metrics({"score": 2.5 + len(found)}, 6)
        if key == "trial 1":
            run.text("config.yaml", "a: 1\n")
            run.figure("montage", b"png")
            run.figure("deep/er", b"er")
        if key != "trial 1":
            run.close("FINISHED")
        else:
            run.flush()
        assert run.run_id is not None
        found[key] = run.run_id

    add("study", "weights", kind="study", study="weights")
    add("trial 0", "weights 0", "study", kind="trial", study="weights", trial=0)
    add("trial 1", "weights 1", "study", kind="trial", study="weights", trial=1, odd="it's")
    add("ablation", "ablation/kurtosis", kind="ablation", ablation="kurtosis")
    add("base", "base", "ablation", kind="arm", ablation="kurtosis")
    add("other base", "base", kind="arm", ablation="suite")
    return found


def test_a_run_is_found_by_its_id_the_beginning_of_it_or_its_name(
    tracking: TrackingConfig, ids: dict[str, str]
) -> None:
    whole = ids["trial 1"]
    prefix = next(
        whole[:n] for n in range(4, 33) if sum(i.startswith(whole[:n]) for i in ids.values()) == 1
    )
    for reference in (whole, prefix, "weights 1"):
        found = find_run(tracking, reference)
        assert found.run_id == whole
        assert found.tags["odd"] == "it's"
        assert found.params == {"training.seed": "2", "priors.spectrum.weight": "0.5"}
        assert found.metrics == {"score": 4.5}  # the last value
        assert (found.status, found.ended) == ("RUNNING", None)


def test_a_name_of_several_runs_is_refused_with_their_ids(
    tracking: TrackingConfig, ids: dict[str, str]
) -> None:
    with pytest.raises(UserError, match="2 runs are meant by 'base'") as raised:
        find_run(tracking, "base")
    for key, ablation in (("base", "kurtosis"), ("other base", "suite")):
        assert f"base ({ids[key][:8]}, arm of {ablation}, " in str(raised.value)


@pytest.mark.parametrize("reference", ["weigths", "ablation/kurtossis"])
def test_an_unknown_name_is_answered_with_the_nearest(
    tracking: TrackingConfig, ids: dict[str, str], reference: str
) -> None:
    near = "weights" if reference == "weigths" else "ablation/kurtosis"
    with pytest.raises(UserError, match=rf"did you mean {near} \([0-9a-f]{{8}}"):
        find_run(tracking, reference)


@pytest.mark.parametrize("reference", ["", "0", "zz", 'it\'s "both"', "%", "f' OR 1", "g" * 32])
def test_what_means_nothing_is_refused_in_one_line(
    tracking: TrackingConfig, ids: dict[str, str], reference: str
) -> None:
    with pytest.raises(UserError, match="there is no run") as raised:
        find_run(tracking, reference)
    assert "vlatent runs" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_looking_makes_neither_a_database_nor_an_experiment(
    tracking: TrackingConfig, ids: dict[str, str], tmp_path: Path
) -> None:
    nowhere = TrackingConfig(uri=f"sqlite:///{tmp_path / 'no.db'}")
    with pytest.raises(UserError, match=r"there is no sqlite:///.*no\.db"):
        find_run(nowhere, "weights")
    assert recorded_runs(nowhere, {}) == []
    assert not list(tmp_path.iterdir())
    other = TrackingConfig(uri=tracking.uri, experiment="other")
    for _ in range(2):  # the first look must not have made it
        with pytest.raises(UserError, match=r"'other' is not in .*; it has .*vlatent"):
            parents(other, "study")
    assert recorded_runs(other, {}) == []


def test_children_and_parents_follow_the_tree(
    tracking: TrackingConfig, ids: dict[str, str]
) -> None:
    below = children(tracking, find_run(tracking, "weights"))
    assert [run.run_id for run in below] == [ids["trial 0"], ids["trial 1"]]
    assert [run.run_id for run in parents(tracking, "study")] == [ids["study"]]
    assert [run.run_id for run in parents(tracking, "ablation")] == [ids["ablation"]]
    assert parents(tracking, "study", "weight") == []
    assert [run.name for run in parents(tracking, "study", "weights")] == ["weights"]


def test_more_runs_than_a_page_are_all_found(
    tracking: TrackingConfig, ids: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorded, "PAGE", 2)
    assert [run.run_id for run in recorded_runs(tracking, {})] == list(ids.values())


def test_files_in_folders_are_listed_and_read(
    tracking: TrackingConfig, ids: dict[str, str]
) -> None:
    run_id = ids["trial 1"]
    paths = ["config.yaml", "figures/deep/er.png", "figures/montage.png"]
    assert artifact_paths(tracking, run_id) == paths
    assert [artifact(tracking, run_id, path) for path in paths] == [b"a: 1\n", b"er", b"png"]
    with pytest.raises(UserError, match=r"has no file figures/x\.png; it has config\.yaml, fig"):
        artifact(tracking, run_id, "figures/x.png")
    with pytest.raises(UserError, match=r"has no file config\.yaml; it has none at all"):
        artifact(tracking, ids["trial 0"], "config.yaml")


def test_a_table_has_the_same_columns_in_every_row(
    tracking: TrackingConfig, ids: dict[str, str]
) -> None:
    below = children(tracking, find_run(tracking, "weights"))
    rows = table(below)
    read = list(
        csv.DictReader(io.StringIO(as_csv(list(rows[0]), [list(row.values()) for row in rows])))
    )
    assert [row["run_id"] for row in read] == [ids["trial 0"], ids["trial 1"]]
    assert [row["tags.odd"] for row in read] == ["", "it's"]
    assert [float(row["metrics.score"]) for row in read] == [3.5, 4.5]
    assert [row["params.training.seed"] for row in read] == ["1", "2"]
    assert float(read[0]["seconds"]) >= 0
    assert read[1]["seconds"] == ""  # it still runs
    columns = list(rows[0])
    assert columns[:5] == ["run_id", "name", "status", "started", "seconds"]
    assert columns[5:] == sorted(columns[5:], key=lambda c: ("tpm".index(c[0]), c))
    assert table([]) == []


def test_the_command_writes_what_stands_below(
    tracking: TrackingConfig, ids: dict[str, str], tmp_path: Path
) -> None:
    flag = ("--tracking.uri", str(tracking.uri))
    listed = inside(tmp_path, main, *flag)
    assert listed.returncode == 0, listed.stderr
    assert "weights" in listed.stdout
    assert "ablation/kurtosis" in listed.stdout
    done = inside(tmp_path, main, "ablation/kurtosis", *flag)
    assert done.returncode == 0, done.stderr
    [row] = csv.DictReader((tmp_path / "ablation-kurtosis.csv").open(encoding="utf-8"))
    assert row["run_id"] == ids["base"]
    alone = inside(tmp_path, main, "weights 0", *flag)
    assert alone.returncode == 2
    assert "no run stands below weights 0" in alone.stderr


def test_config_and_evaluations_are_read_back_as_they_were(
    tracking: TrackingConfig, tmp_path: Path
) -> None:
    """Of a latent that is not square, judged again to the very margins that were recorded."""
    config = override(
        smoke(tmp_path, encoder__height=16, encoder__width=24),
        {
            "data.tokenizer": "null-ish",
            "training.folder": Path("runs/2026-11-23 a=b"),
            "optimizer.weight_decay": 1e-7,
            "encoder.smoothing": True,
            "evaluation.probed": 0,
        },
    )
    torch.manual_seed(0)
    field = torch.randn(5, 16, 24, 6).cumsum(1).cumsum(2)
    history = [measure(step, field * (1 + step / 40), config.priors) for step in (0, 4, 8, 12)]
    history[1].channels["total_variation"][0] *= 3
    run = open_run(tracking, "read back")
    run.text("config.yaml", to_yaml(config))
    for end in range(len(history)):
        verdict = judge(history[: end + 1], config.training.steps, config.priors)
        run.metrics(recording.evaluation_metrics(history[end], verdict), history[end].step)
    run.close("FINISHED")
    found = find_run(tracking, "read back")
    assert config_of(found, tracking) == config
    again = evaluations_of(found, tracking)
    assert [each.step for each in again] == [0, 4, 8, 12]
    assert again[-1].channels == history[-1].channels
    assert again[-1].metrics.items() >= history[-1].metrics.items()
    judged = judge(again, config.training.steps, config.priors)
    assert judged == judge(history, config.training.steps, config.priors)
    for criterion in judged.criteria:
        assert found.metrics[f"margin/{criterion.name}"] == criterion.margin


def test_a_run_of_other_keys_or_without_an_evaluation_says_so(
    tracking: TrackingConfig, ids: dict[str, str]
) -> None:
    run = open_run(tracking, "of old")
    run.text("config.yaml", "encoder:\n  hiden: 3\n")
    run.close("FAILED")
    found = find_run(tracking, "of old")
    with pytest.raises(UserError, match=r"of old .* another version .* encoder.hiden"):
        config_of(found, tracking)
    with pytest.raises(UserError, match="no evaluation to look at: it ended FAILED"):
        evaluations_of(found, tracking)
    with pytest.raises(UserError, match="no evaluation to look at: it runs"):
        evaluations_of(find_run(tracking, ids["trial 1"]), tracking)
