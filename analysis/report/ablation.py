"""What a report says of an ablation: its own report, its pictures, and how to get it again."""

from __future__ import annotations

import re

from analysis.report.page import Answer, Document, code
from analysis.runs import artifact, artifact_paths
from vlatent.shapes import UserError
from vlatent.tracking import RecordedRun, TrackingConfig

SHOWN = {
    "pictures": "The same sentences painted under every arm, one seed",
    "forest": "Every statistic of every arm: difference from the base with its 95 % interval",
}
WORDS = (
    ("base", "the run with all priors at their weights; everything is compared with it"),
    ("arm", "the same run with something changed: *without* a prior, *only* one, a weight *x* 2"),
    (
        "paired by seed",
        "an arm and the base begin with the same random weights and see the same sentences in the "
        "same order, so that their difference is the change's alone",
    ),
    (
        "established",
        "p below 0.05 in the exact sign-flip test, after Holm's correction over a family of arms",
    ),
)


def ablation_document(run: RecordedRun, tracking: TrackingConfig) -> Document:
    """The report of an ablation from its own run in the tracker.

    Raises:
        UserError: The ablation has not come to its end, so there is no report yet.
    """
    paths = artifact_paths(tracking, run.run_id)
    name = run.tags["ablation"]
    if "report.md" not in paths:
        raise UserError(
            f"ablation {name} has recorded no report yet; run it to its end, or let it report on "
            f"what is there: python -m ablations.{name} --ablation.report true"
        )
    text = artifact(tracking, run.run_id, "report.md").decode()
    title, design, body = _parts(text)
    drawn = {path: path.removeprefix("figures/") for path in paths if path.startswith("figures/")}
    shown = {file: artifact(tracking, run.run_id, path) for path, file in drawn.items()}
    parts = [body]
    if shown:
        parts.append("## Pictures")
        parts += [
            f"![{said}]({file})" for key, said in SHOWN.items() if (file := f"{key}.png") in shown
        ]
        doses = [file for file in sorted(shown) if file.startswith("dose_")]
        parts += [
            f"![What more and less of {file[5:-4].replace('_', ' ')} does]({file})"
            for file in doses
        ]
    if "base.yaml" in paths:
        base = artifact(tracking, run.run_id, "base.yaml").decode()
        parts += ["## Config of the base", code(base, "yaml")]
    parts += ["## How to get these numbers again", _again(name, run)]
    parts += ["## Words", "\n".join(f"- *{word}*: {meaning}." for word, meaning in WORDS)]
    return Document(
        title, "ablation", _answers(title, design, text, name), "\n\n".join(parts), shown
    )


def _parts(text: str) -> tuple[str, str, str]:
    """Title, what was done, and the sections of an ablation's own report."""
    found = re.match(r"# (.*?)\n\n(.*?)\n\n(?=## )(.*)", text, re.DOTALL)
    if found is None:
        return text.splitlines()[0].removeprefix("# "), "", text.partition("\n")[2]
    return found[1], found[2], found[3]


def _answers(title: str, design: str, text: str, name: str) -> list[Answer]:
    needs = _section(text, "Which criterion needs which prior")
    predictions = _section(text, "Predictions, written before the result")
    counts = {word: len(re.findall(rf"\| {word} \|", predictions)) for word in OUTCOMES}
    told = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    foretold = f"Of the predictions written before the result: {told}." if told else ""
    holes = _section(text, "Holes")
    return [
        Answer("What was asked", f"{title}\n\n{ABOUT}"),
        Answer("What was found", f"{_needs(needs)}\n\n{foretold}"),
        Answer("How sure that is", design + (f"\n\nMissing: {holes}" if holes else "")),
        Answer(
            "What to do with it",
            "Leave out nothing that a criterion needs. A prior that no criterion needs may still "
            "move a statistic that you care about: look at its row in the effects. What is shown "
            "holds for this base; another base is another ablation: "
            f"`python -m ablations.{name} --config OTHER`.",
        ),
    ]


ABOUT = (
    "Six penalties, the *priors*, pull the pictures of an encoder towards the statistics of "
    "photographs. Leaving one out, using it alone, giving more or less of it tells what it does."
)
OUTCOMES = ("held", "refuted", "open")


def _needs(lines: str) -> str:
    if not lines:
        return "See the effects below: this ablation has no arm that leaves a single prior out."
    return f"By criterion, whether it holds with and without the prior of its name:\n\n{lines}"


def _section(text: str, heading: str) -> str:
    found = re.search(
        rf"^## {re.escape(heading)}\n+(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE
    )
    return found[1].strip() if found else ""


def _again(name: str, run: RecordedRun) -> str:
    commit = run.tags.get("mlflow.source.git.commit", "unknown")
    dirty = ", with uncommitted changes" if run.tags.get("vlatent.git.dirty") == "true" else ""
    wanted = {
        key: run.params.get(f"ablation.{key}", default)
        for key, default in (("seeds", "8"), ("first_seed", "100"))
    }
    flags = "".join(f" --ablation.{key} {value}" for key, value in wanted.items())
    return "\n\n".join(
        (
            f"Commit `{commit}`{dirty}; base config `{run.tags.get('base', 'unknown')}`.",
            code(f"git checkout {commit}\npython -m ablations.{name} --config base.yaml{flags}"),
            "`base.yaml` and every number as CSV (`cells.csv` a run, `effects.csv` a difference) "
            "are among the artifacts of the ablation's run in MLflow. On the same machine the "
            "numbers come out the same to the last bit.",
        )
    )
