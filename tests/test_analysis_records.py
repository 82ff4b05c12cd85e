"""Analyses read records: other words in notes, labels and reports change none of their numbers."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from mlflow import MlflowClient
from smoke import smoke

from ablations.result import AblationResult, Answered, ArmResult, MissingRun, Prediction
from analysis.compare.references import subject_of
from analysis.compare.result import Subject, by_label, statistics_of
from analysis.report.ablation import ablation_document
from analysis.report.page import Document, as_html, as_markdown
from studies.result import Counts, Objective, StudyResult
from vlatent.config import Config, flatten, override, to_yaml
from vlatent.effects import paired
from vlatent.evaluation import Evaluation, judge, measure
from vlatent.recording import evaluation_metrics, summary
from vlatent.run_record import run_record
from vlatent.tracking import TrackingConfig, open_run, recorded_runs, reopen_run

ANALYSIS = Path(__file__).parents[1] / "analysis"
REFERENCES = ("weights:0", "weights:1", "weights", "without kurtosis")
WEIGHTS = (0.1, 0.7)  # of the trials


class Project:
    """A study of two trials, confirmed on two seeds, and an ablation, as runs in a tracker.

    Args:
        folder: Where the database goes.
        records: Whether runs keep what earlier versions did not: evaluations, results, the trial
            that a confirmation confirms.
    """

    def __init__(self, folder: Path, records: bool) -> None:
        folder.mkdir()
        self.records = records
        self.tracking = TrackingConfig(uri=f"sqlite:///{folder / 'mlflow.db'}")
        self.config = smoke(folder, evaluation__probed=0)
        study = self.run("weights", None, kind="study", study="weights")
        for number, weight in enumerate(WEIGHTS):
            config = override(self.config, {"priors.wavelet.weight": weight})
            self.train(study, config, kind="trial", study="weights", trial=number)
            for place, seed in enumerate((7, 8)):
                again = override(config, {"training.seed": seed})
                tags = {"confirms": number} if records else {}
                cell = 2 * number + place
                tags |= {"label": f"trial {number}, seed {seed}", "trial": cell}
                self.train(study, again, kind="confirmation", study="weights", **tags)
        ablation = self.run("ablation/made", None, kind="ablation", ablation="made")
        arm = self.run("without kurtosis", ablation, kind="arm", ablation="made")
        for seed in (100, 101):
            config = override(self.config, {"training.seed": seed, "priors.kurtosis.weight": 0.0})
            self.train(arm, config, kind="cell", ablation="made", cell=f"{seed}")
        self.keep(study, {"result.json": study_result().to_json()} if records else {})
        own = {"report.md": "# What does it buy?\n\nOne arm.\n\n## Holes\n\n| held | 3 |\n"}
        self.keep(ablation, own | ({"result.json": ablation_result().to_json()} if records else {}))

    def run(self, name: str, parent: str | None, **tags: object) -> str:
        run = open_run(self.tracking, name, parent, tags)
        if tags["kind"] == "study":
            run.metrics({"best/trial": 1.0, "best/feasible": 0.0, "best/score": 3.0}, 0)
        run.note(f"{name} in words.\n\nTrial 0 is best.\n\nMore words.")
        run.close("FINISHED")
        assert run.run_id is not None
        return run.run_id

    def train(self, parent: str, config: Config, **tags: object) -> None:
        run = open_run(self.tracking, f"{tags['kind']} {config.training.seed}", parent, tags)
        run.tags({"seed": config.training.seed})
        run.params(flatten(config))
        run.text("config.yaml", to_yaml(config))
        history = evaluations(config)
        for end, evaluation in enumerate(history, start=1):
            verdict = judge(history[:end], config.training.steps, config.priors)
            run.metrics(evaluation_metrics(evaluation, verdict), evaluation.step)
        words = summary(history[-1], verdict)
        run.text("verdict.md", words)
        run.note(words)
        if self.records:
            record = run_record(history, config.training.steps, config.priors, {})
            run.text("evaluations.json", record.to_json())
        run.close("FINISHED")

    def keep(self, run_id: str, texts: Mapping[str, str]) -> None:
        run = reopen_run(self.tracking, run_id)
        for name, text in texts.items():
            run.text(name, text)
        run.close("FINISHED")

    def reword(self) -> None:
        """Replace every letter of notes, labels and Markdown files."""
        client = MlflowClient(self.tracking.uri)
        for run in recorded_runs(self.tracking, {}):
            for key in ("mlflow.note.content", "label"):
                if key in run.tags:
                    client.set_tag(run.run_id, key, reworded(run.tags[key]))
            for name in ("verdict.md", "report.md"):
                folder = Path(client.get_run(run.run_id).info.artifact_uri.removeprefix("file://"))
                if (folder / name).is_file():
                    text = (folder / name).read_text("utf-8")
                    (folder / name).write_text(reworded(text), encoding="utf-8")

    def subjects(self) -> dict[str, Subject]:
        return {name: subject_of(name, self.tracking, "sqlite:///none.db") for name in REFERENCES}

    def report(self) -> Document:
        (run,) = recorded_runs(self.tracking, {"kind": "ablation"})
        return ablation_document(run, self.tracking)


def reworded(text: str) -> str:
    return "".join("q" if letter.isalpha() else letter for letter in text)


def evaluations(config: Config) -> list[Evaluation]:
    """What a run with this seed and weight might have measured."""
    generator = torch.Generator().manual_seed(
        config.training.seed + round(1000 * config.priors.wavelet.weight)
    )
    field = torch.randn(4, 16, 16, 6, generator=generator).cumsum(1).cumsum(2)
    return [measure(step, field * (1 + step / 40), config.priors) for step in (0, 4, 8, 12)]


def study_result() -> StudyResult:
    """Trial 1 is nearest; what the metrics of the study's run say too."""
    return StudyResult(
        name="weights",
        question="loss_weights",
        text="Which weights?",
        objectives=(Objective("score", "score", True),),
        budget=2,
        counts=Counts(2, 0, 0, 0),
        steps_trained=24,
        steps_saved=0,
        ranking=(),
        front=(),
        finalists=(),
        leader=1,
        basis="nearest",
        undistinguished=(),
        optimism=None,
        evaluation=None,
    )


def ablation_result() -> AblationResult:
    effect, own = paired([-1.0, -1.5]), (5.0, 4.0, 6.0)
    arms = (("base", "base", 2, 2), ("without kurtosis", "left out", 0, 1))
    return AblationResult(
        name="made",
        script="kurtosis",
        question="What does it buy?",
        base="abc",
        steps=12,
        batch_size=2,
        seeds=(100, 101),
        statistics=("kurtosis",),
        criteria=("spectrum", "kurtosis"),
        arms=tuple(
            ArmResult(
                name=name,
                group=group,
                family=group,
                changes={},
                priors=(),
                n=2,
                passed=passed,
                held={"spectrum": (held, 2), "kurtosis": (2, 2)},
                means={"kurtosis": 5.0},
                effects={"kurtosis": effect} if group == "left out" else {},
            )
            for name, group, passed, held in arms
        ),
        answers=(
            Answered(Prediction("without kurtosis", "kurtosis", "falls"), "held", effect, own),
            Answered(Prediction("without kurtosis", "kurtosis", "below", 4), "open", effect, own),
        ),
        missing=(MissingRun("without kurtosis", 102, "diverged"),),
    )


@pytest.fixture(scope="module")
def projects(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Project]:
    folder = tmp_path_factory.mktemp("projects")
    return {"new": Project(folder / "new", True), "earlier": Project(folder / "earlier", False)}


def numbers(subject: Subject) -> dict[str, object]:
    """Everything of a subject but its words and its run."""
    return {
        "config": subject.config,
        "statistics": by_label(statistics_of(subject.evaluation, subject.verdict)),
        "verdict": subject.verdict,
        "curves": subject.curves,
        "seeds": {seed: by_label(metrics) for seed, metrics in subject.seeds.items()},
    }


def test_runs_of_earlier_versions_have_the_same_numbers(projects: dict[str, Project]) -> None:
    new, earlier = projects["new"].subjects(), projects["earlier"].subjects()
    for name in REFERENCES:
        shown = numbers(earlier[name])
        assert {**shown, "config": None} == {**numbers(new[name]), "config": None}
        assert len(new[name].seeds) == 2
        assert new[name].what == earlier[name].what
    assert list(new["weights:0"].seeds) == [7, 8]
    assert new["weights:0"].seeds != new["weights:1"].seeds
    assert new["weights"].config.priors.wavelet.weight == WEIGHTS[1]
    assert "nearest to passing" in new["weights"].what


def test_an_ablations_answers_are_those_of_its_result(projects: dict[str, Project]) -> None:
    document = projects["new"].report()
    asked, found, sure, following = (answer.text for answer in document.answers)
    assert "\n\n| arm | seeds that pass |" in as_markdown(document)  # a table, not a line of text
    assert "What does it buy?" in asked
    assert "| without kurtosis | 0 of 2 \\[0 %, 85 %\\] | spectrum (1 of 2) |" in found
    assert "1 held, 1 open" in found
    assert "| without kurtosis | 102 | diverged |" in sure
    assert "vlatent ablate kurtosis" in following
    earlier = projects["earlier"].report()
    assert "--ablation.report true" in earlier.answers[1].text
    assert "Holes" in as_html(earlier)  # its own report, as it was written


@pytest.mark.parametrize("kind", ["new", "earlier"])
def test_other_words_change_no_number(projects: dict[str, Project], kind: str) -> None:
    project = projects[kind]
    subjects = {name: numbers(subject) for name, subject in project.subjects().items()}
    report = project.report()
    project.reword()
    assert {name: numbers(subject) for name, subject in project.subjects().items()} == subjects
    again = project.report()
    assert again.answers == report.answers
    assert "qqq" in again.body
    digits = re.compile(r"\d+")
    assert digits.findall(again.body) == digits.findall(report.body)


def test_no_analysis_has_a_regular_expression() -> None:
    files = sorted(ANALYSIS.rglob("*.py"))
    assert len(files) > 30
    for file in files:
        imports = {
            alias.name
            for node in ast.walk(ast.parse(file.read_text("utf-8")))
            if isinstance(node, ast.Import)
            for alias in node.names
        }
        assert "re" not in imports, file
