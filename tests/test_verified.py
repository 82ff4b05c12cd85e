"""A whole study with its test set, and with its values on another config: really trained.

It is interrupted in the test and in the verification, so that the same command shows what is
trained anew: nothing that was done. One study for all that is asked, as it takes half a minute.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from pathlib import Path

import optuna
import pytest
from inside import inside
from optuna.trial import FrozenTrial, TrialState
from smoke import CONFIGS, sentences

from analysis.report.__main__ import main as report
from studies.__main__ import main as studies
from studies.record import cell_of, counted
from studies.result import FILE, StudyResult
from studies.storage import open_storage
from studies.study import main
from vlatent import workload
from vlatent.config import from_yaml
from vlatent.tracking import TrackingConfig, recorded_runs

COLORS, SHAPES = ("red", "blue", "green", "gray", "pink"), ("cube", "ball", "cone", "disk")


def flags(folder: Path, *more: str) -> list[str]:
    held_out = folder / "held_out.txt"
    lines = [f"a {c} {s} is under a {d} disk" for c in COLORS for s in SHAPES for d in COLORS]
    held_out.write_text("\n".join(lines), encoding="utf-8")
    return [
        *("--config", str(CONFIGS / "smoke.yaml"), "--training.steps", "6"),
        *("--evaluation.count", "3", "--tracking.figures", "false", "--data.max_length", "200"),
        *("--data.train", str(sentences(folder)), "--data.validation", str(held_out)),
        *("--study.trials", "2", "--study.confirm", "2", "--study.confirmation_seeds", "2"),
        *("--study.test", "1", "--study.verify_seeds", "1", *more),
    ]


@dataclass
class Studied:
    """A study that was interrupted twice: its folder, its screens and what it encoded.

    Attributes:
        encoded: The sentences of every evaluation, by their set and the encoder's width.
        trained: How many trainings each command began.
    """

    folder: Path
    screens: list[str] = field(default_factory=list)
    encoded: dict[tuple[str, int], set[str]] = field(default_factory=lambda: defaultdict(set))
    trained: list[int] = field(default_factory=list)

    def study(self, kind: str = "") -> optuna.Study:
        storage = open_storage(f"sqlite:///{self.folder / 'studies.db'}")
        names = sorted(each.study_name for each in storage.get_all_studies())
        name = next(name for name in names if name.startswith(f"loss_weights{kind}"))
        return optuna.load_study(study_name=name, storage=storage)

    def done(self, kind: str) -> list[FrozenTrial]:
        return counted(self.study(kind))

    @property
    def result(self) -> StudyResult:
        place = self.folder / "runs" / "loss_weights" / FILE
        return StudyResult.from_json(place.read_text("utf-8"), FILE)


@pytest.fixture(scope="module")
def studied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studied]:
    found = Studied(tmp_path_factory.mktemp("verified"))
    larger = found.folder / "larger.yaml"
    larger.write_text(
        (CONFIGS / "smoke.yaml").read_text("utf-8").replace("hidden: 32", "hidden: 64")
        + "priors:\n  kurtosis:\n    ceiling: 9.0\n"
    )
    verify = ("--study.verify", str(larger))
    stops = {("test", 32): True, ("test", 64): True}  # where a first Ctrl-C comes
    measure = import_module("vlatent.evaluation.measure")  # whose name is its function's too
    train, encode = workload.train, measure.encode
    now = ("search", 32)

    def trains(config, tracker, report, progress):  # type: ignore[no-untyped-def]
        nonlocal now
        now = config.evaluation.held_out, config.encoder.hidden
        found.trained[-1] += 1

        def reports(step, *measured):  # type: ignore[no-untyped-def]
            report(step, *measured)
            if stops.pop(now, False):
                raise KeyboardInterrupt

        return train(config, tracker, reports, progress)

    def encodes(model, sentences, *arguments):  # type: ignore[no-untyped-def]
        found.encoded[now].update(sentences.texts)
        return encode(model, sentences, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workload, "train", trains)
        patch.setattr(measure, "encode", encodes)
        patch.setattr("studies.record.feasible", lambda trial: trial.state == TrialState.COMPLETE)
        for more, status in (
            ((), 130),
            (verify, 130),
            (verify, 0),
            ((*verify, "--study.test", "3"), 0),
        ):
            found.trained.append(0)
            done = inside(found.folder, partial(main, "loss_weights"), *flags(found.folder, *more))
            assert done.returncode == status, done.stderr
            found.screens.append(done.stdout)
        yield found


def test_what_was_done_is_not_trained_again(studied: Studied) -> None:
    # two trials, two seeds of each, the test begun; the test ended, a verification begun; the rest
    assert studied.trained[0] == 2 + 2 * 2 + 1
    assert studied.trained[1] == 1 + 1
    verified = len(studied.done("/verification"))
    assert verified == len({studied.result.leader, 0})
    assert studied.trained[2:] == [verified, 0]
    assert "--study.test 3 changes nothing" in " ".join(studied.screens[3].split())
    before, after = (
        screen.split("─ loss_weights ─")[1].partition("This command took ")[2].partition(" s.")[2]
        for screen in studied.screens[2:]
    )
    assert before == after != ""


def test_no_sentence_and_no_seed_of_the_test_chose_anything(studied: Studied) -> None:
    fixed = set.intersection(*(texts for key, texts in studied.encoded.items()))
    assert len(fixed) == 16  # of every figure; judged by the search alone
    search, confirmation, test, larger = (
        studied.encoded[key] - fixed
        for key in (("search", 32), ("confirmation", 32), ("test", 32), ("test", 64))
    )
    assert [len(search), len(confirmation), len(test)] == [8, 24, 24]
    assert not search & confirmation
    assert not (search | confirmation) & test
    assert larger == test
    assert "search 24, confirmation 24, test 24; none is in two" in " ".join(
        studied.screens[0].split()
    )
    seeds = {kind: {cell_of(t)[1] for t in studied.done(kind)} for kind in KINDS}
    assert seeds == {"/confirmation": {1, 2}, "/test": {1001}, "/verification": {1001}}
    for kind in KINDS:
        for each in studied.done(kind):
            config = from_yaml(each.user_attrs["config"])
            assert config.evaluation.held_out == each.user_attrs["held_out"]
            assert config.encoder.hidden == (64 if kind == "/verification" else 32)
            number, seed = cell_of(each)
            assert config.training.seed == seed
            weights = studied.study().get_trials()[number].params
            assert config.priors.kurtosis.weight == weights["priors.kurtosis.weight"]


KINDS = ("/confirmation", "/test", "/verification")


def test_everything_says_what_the_test_found_first(studied: Studied) -> None:
    result = studied.result
    (tested,) = result.tested
    assert tested.number == result.leader
    assert [run.held_out for run in tested.confirmations] == ["test"]
    (run,) = tested.runs
    (kept,) = [each for each in studied.done("/test") if each.state == TrialState.COMPLETE]
    assert run.values == tuple(kept.values)
    says = f"Test: trial {result.leader} passes on 1 of 1"
    last = " ".join(studied.screens[3].split("─ loss_weights ─")[1].split())
    assert last.strip("─ ").startswith(says)
    assert "on seeds and sentences that no choice has seen." in last
    tracking = TrackingConfig(uri=f"sqlite:///{studied.folder / 'mlflow.db'}")
    (parent,) = recorded_runs(tracking, {"kind": "study"})
    assert says in parent.tags["mlflow.note.content"]
    assert parent.metrics["test/mean"] == pytest.approx(run.values[0])
    assert (parent.metrics["test/passed"], parent.metrics["test/seeds"]) == (1, 1)
    done = inside(studied.folder, studies, "status", "loss_weights")
    assert says in " ".join(done.stdout.split())
    done = inside(studied.folder, report, "--study", "loss_weights")
    (markdown,) = (studied.folder / "runs" / "reports").rglob("report.md")
    written = markdown.read_text("utf-8")
    assert written.index(says) < written.index("leads after confirmation")
    assert written.index("## Test") < written.index("## Verdict in the search")
    assert "larger.yaml" in written


def test_the_values_on_another_config_are_in_the_result_and_on_the_screen(studied: Studied) -> None:
    (verification,) = studied.result.verifications
    assert {each.number for each in verification.trials} == {studied.result.leader, 0}
    assert all(run.held_out == "test" for each in verification.trials for run in each.runs)
    values = {cell_of(each)[0]: tuple(each.values) for each in studied.done("/verification")}
    assert {each.number: each.runs[0].values for each in verification.trials} == values
    words = " ".join(studied.screens[3].split())
    assert "in brackets: priors.kurtosis.ceiling 9.0 (20.0)." in words
    assert f"Verified on {verification.name}" in words
    tracking = TrackingConfig(uri=f"sqlite:///{studied.folder / 'mlflow.db'}")
    runs = recorded_runs(tracking, {"kind": f"verification/{verification.key}"})
    assert {run.status for run in runs} == {"FINISHED", "KILLED"}
    finished = [run for run in runs if run.status == "FINISHED"]
    assert {run.tags["confirms"] for run in finished} == {str(number) for number in values}
    assert len(finished) == len(values)


def test_optuna_and_mlflow_agree(studied: Studied) -> None:
    done = inside(studied.folder, studies, "doctor")
    assert done.returncode == 0, done.stdout
    assert "Nothing to do" in done.stdout


@pytest.mark.parametrize(
    ("text", "says"),
    [("training:\n  stepz: 3\n", "stepz"), ("encoder:\n  heads: 5\n", "heads"), (None, "nowhere")],
)
def test_a_config_that_cannot_be_trained_is_refused_before_anything_is_written(
    tmp_path: Path, text: str | None, says: str
) -> None:
    place = tmp_path / "nowhere.yaml"
    if text is not None:
        place.write_text(text, encoding="utf-8")
    before = flags(tmp_path, "--study.verify", str(place))
    done = inside(tmp_path, partial(main, "loss_weights"), *before)
    assert (done.returncode, says in done.stderr) == (2, True), done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "studies.db").exists()
